package report

import (
	"bytes"
	"encoding/csv"
	"io"
	"strconv"
	"strings"
)

// This file is the format csv: a header, then one row a connection (RFC 4180 but
// for lines that end in LF). Columns may be added at the end; those that exist
// keep their names and places.

// csvColumn is a column: its name, what it says, and its value.
type csvColumn struct {
	Name  string
	Doc   string
	value func(c *Connection) string
}

// CSVColumns tells the columns of the format csv in order. Times are RFC 3339 in
// UTC with nine digits, spans are seconds; what is not known is empty.
func CSVColumns() (names, docs []string) {
	for i := range csvColumns {
		names, docs = append(names, csvColumns[i].Name), append(docs, csvColumns[i].Doc)
	}
	return names, docs
}

var csvColumns = append(append([]csvColumn{
	{"id", "id of the connection, from 1", func(c *Connection) string { return numeral(c.ID) }},
	{"stream", "Wireshark's tcp.stream", func(c *Connection) string { return numeral(c.Wireshark.Stream) }},
	{"client_ip", "address of the client", func(c *Connection) string { return c.Client.IP.String() }},
	{"client_port", "its port", func(c *Connection) string { return numeral(uint64(c.Client.Port)) }},
	{"server_ip", "address of the server", func(c *Connection) string { return c.Server.IP.String() }},
	{"server_port", "its port", func(c *Connection) string { return numeral(uint64(c.Server.Port)) }},
	{"role_guessed", "true: no SYN told who is the client", func(c *Connection) string { return strconv.FormatBool(c.RoleGuessed) }},
	{"start", "first packet", func(c *Connection) string { return c.Start.String() }},
	{"end", "last packet", func(c *Connection) string { return c.End.String() }},
	{"duration_s", "between them", func(c *Connection) string { return seconds(Seconds(c.End - c.Start)) }},
	{"packets", "packets of both endpoints", func(c *Connection) string { return numeral(c.Packets) }},
	{"first_file", "file of the first packet, where there are several", func(c *Connection) string { return known(uint64(c.FirstFile)) }},
	{"first_packet", "number of the first packet", func(c *Connection) string { return known(uint64(c.FirstPacket)) }},
	{"last_file", "file of the last packet, where there are several", func(c *Connection) string { return known(uint64(c.LastFile)) }},
	{"last_packet", "number of the last packet", func(c *Connection) string { return known(uint64(c.LastPacket)) }},
	{"open", "how it opened", func(c *Connection) string { return string(c.Open.Kind) }},
	{"close", "how it closed", func(c *Connection) string { return string(c.Close.Kind) }},
	{"close_first", "who sent the first FIN or RST", func(c *Connection) string { return string(c.Close.First) }},
	{"close_reason", "why it timed out or was evicted", func(c *Connection) string { return c.Close.Reason }},
	{"reuses", "id of the connection of the same tuple before it", func(c *Connection) string { return known(c.Reuses) }},
	{"reused_by", "id of the next connection of the same tuple", func(c *Connection) string { return known(c.ReusedBy) }},
	{"one_sided", "true: packets of one direction only", func(c *Connection) string { return strconv.FormatBool(c.OneSided) }},
	{"mptcp", "true: a subflow of Multipath TCP", func(c *Connection) string { return strconv.FormatBool(c.MPTCP) }},
	{"severity", "worst severity of its findings", func(c *Connection) string { return string(c.worst()) }},
	{"findings", "ids of its findings, worst first, with spaces between", (*Connection).findingIDs},
	{"zeek_conn_state", "Zeek's conn_state", func(c *Connection) string { return c.Zeek.ConnState }},
	{"zeek_history", "Zeek's history", func(c *Connection) string { return c.Zeek.History }},
	{"completeness", "Wireshark's tcp.completeness", func(c *Connection) string { return numeral(uint64(c.Wireshark.Completeness)) }},
	{"community_id", "Community ID, version 1", func(c *Connection) string { return c.CommunityID }},
}, endpointColumns("client", func(c *Connection) *Endpoint { return &c.Endpoints.Client })...),
	endpointColumns("server", func(c *Connection) *Endpoint { return &c.Endpoints.Server })...)

func endpointColumns(side string, of func(*Connection) *Endpoint) []csvColumn {
	number := func(get func(*Endpoint) uint64) func(*Connection) string {
		return func(c *Connection) string { return numeral(get(of(c))) }
	}
	return []csvColumn{
		{side + "_state", "state of the " + side + " at the end", func(c *Connection) string { return string(of(c).State) }},
		{side + "_evidence", "how that state is known", func(c *Connection) string { return string(of(c).Evidence) }},
		{side + "_undetermined", "true: the packets do not decide the state", func(c *Connection) string { return strconv.FormatBool(of(c).Undetermined) }},
		{side + "_time_wait_left_s", "in TIME-WAIT: what is left of 2MSL, at least", func(c *Connection) string { return timeLeft(of(c).TimeWaitLeft, false) }},
		{side + "_time_wait_left_most_s", "the same, at most", func(c *Connection) string { return timeLeft(of(c).TimeWaitLeft, true) }},
		{side + "_packets", "packets that the " + side + " sent", number(func(e *Endpoint) uint64 { return e.Packets })},
		{side + "_bytes", "payload bytes, copies included", number(func(e *Endpoint) uint64 { return e.Bytes })},
		{side + "_retransmissions", "packets with bytes sent before", number(func(e *Endpoint) uint64 { return e.Retransmissions })},
		{side + "_duplicate_acks", "pure ACKs that repeat the last", number(func(e *Endpoint) uint64 { return e.DuplicateACKs })},
		{side + "_out_of_order", "packets that fill a hole", number(func(e *Endpoint) uint64 { return e.OutOfOrder })},
		{side + "_zero_windows", "packets with a window of 0", number(func(e *Endpoint) uint64 { return e.ZeroWindows })},
		{side + "_rtt_mean_s", "round trip from the tap to the " + side + ", mean", func(c *Connection) string {
			if r := of(c).RTT; r.Samples > 0 {
				return seconds(r.Mean)
			}
			return ""
		}},
	}
}

func numeral(n uint64) string { return strconv.FormatUint(n, 10) }

// known is a number of which 0 means that there is none.
func known(n uint64) string {
	if n == 0 {
		return ""
	}
	return numeral(n)
}

func seconds(s Seconds) string { return string(s.AppendTo(nil)) }

func timeLeft(l TimeLeft, most bool) string {
	switch {
	case !l.InTimeWait:
		return ""
	case most:
		return seconds(l.Most)
	}
	return seconds(l.Least)
}

// worst is the severity of the worst finding, "" if there is none.
func (c *Connection) worst() Severity {
	for _, s := range Severities {
		for i := range c.Findings {
			if string(c.Findings[i].Severity) == s {
				return Severity(s)
			}
		}
	}
	return ""
}

func (c *Connection) findingIDs() string {
	ids := make([]string, len(c.Findings))
	for i := range c.Findings {
		ids[i] = string(c.Findings[i].ID)
	}
	return strings.Join(ids, " ")
}

// table is the encoder of the format csv. It tells connections only: what the
// summary adds can be counted from the rows.
type table struct{ w io.Writer }

func (t *table) begin(*Capture, *Summary) error {
	names, _ := CSVColumns()
	return t.connection(newRowRenderer().row(nil, names))
}

func (t *table) connection(row []byte) error {
	_, err := t.w.Write(row)
	return err
}

func (t *table) end(*Summary) error { return nil }
func (t *table) renderer() renderer { return newRowRenderer() }

// rowRenderer prints the row of a connection.
type rowRenderer struct {
	text   bytes.Buffer
	w      *csv.Writer
	values []string
}

func newRowRenderer() *rowRenderer {
	r := &rowRenderer{}
	r.w = csv.NewWriter(&r.text)
	return r
}

func (r *rowRenderer) render(b []byte, c *Connection) []byte {
	r.values = r.values[:0]
	for i := range csvColumns {
		r.values = append(r.values, csvColumns[i].value(c))
	}
	return r.row(b, r.values)
}

func (r *rowRenderer) row(b []byte, values []string) []byte {
	r.text.Reset()
	_ = r.w.Write(values) // into memory: it cannot fail
	r.w.Flush()
	return append(b, r.text.Bytes()...)
}
