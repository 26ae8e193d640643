package html

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file is the table of connections: a row each, written as columns, which
// are several times smaller than a list of objects and quicker to sort and filter.

// row is what the table holds of one connection.
type row struct {
	id, stream             uint64
	first                  reassembly.Packet
	client, server         netip.AddrPort
	clientHost, serverHost int // indices of hosts; valid when the table is written
	serverPort             uint16
	start, end             int64
	packets, bytes, copies uint64
	open                   reassembly.OpenKind
	close                  reassembly.CloseKind
	closeFirst             reassembly.Side
	state                  [2]tcpstate.State
	passed                 uint16 // bit n: an endpoint was in state n
	findings               int    // index of a set
	handshake              int64
}

// findingSets numbers the sets of findings, of which a capture has few.
type findingSets struct {
	index map[string]int
	sets  []findingSet
}

// findingSet is the distinct findings of a connection.
type findingSet struct {
	IDs      []string `json:"ids"`
	Severity int      `json:"severity"` // the worst: 0 none, 1 info to 4 error
}

func (s *findingSets) of(findings []reassembly.Finding) int {
	set := findingSet{IDs: []string{}}
	for i := range findings {
		set.Severity = max(set.Severity, int(findings[i].Severity)+1)
		if !slices.Contains(set.IDs, findings[i].ID) {
			set.IDs = append(set.IDs, findings[i].ID)
		}
	}
	key := strconv.Itoa(set.Severity) + " " + strings.Join(set.IDs, " ")
	if i, ok := s.index[key]; ok {
		return i
	}
	if s.index == nil {
		s.index = map[string]int{}
	}
	i := len(s.sets)
	s.index[key] = i
	s.sets = append(s.sets, set)
	return i
}

func newRow(l *reassembly.Lifecycle, sets *findingSets, findings []reassembly.Finding) *row {
	r := &row{
		id: l.ID, stream: l.Stream, first: l.First, client: plainAddress(l.Client), server: plainAddress(l.Server),
		serverPort: l.Server.Port(), start: l.Start, end: l.End, packets: l.Packets,
		open: l.Open, close: l.Close, closeFirst: l.CloseFirst,
		findings: sets.of(findings), handshake: handshakeTime(l),
	}
	for side := range l.Endpoints {
		e := &l.Endpoints[side]
		r.bytes += e.Stats.Bytes
		r.copies += e.Stats.Retransmissions
		r.state[side] = e.State
		for i := range e.History {
			r.passed |= 1 << e.History[i].State
		}
		r.passed |= 1 << e.State
	}
	return r
}

// plainAddress drops what is not part of the address on the wire.
func plainAddress(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// hosts numbers the hosts of rows, those of most connections first.
func hosts(rows []*row) []string {
	counts := map[netip.Addr]int{}
	for _, r := range rows {
		counts[r.client.Addr()]++
		counts[r.server.Addr()]++
	}
	list := make([]netip.Addr, 0, len(counts))
	for a := range counts {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b netip.Addr) int {
		return cmp.Or(-cmp.Compare(counts[a], counts[b]), a.Compare(b))
	})
	names := make([]string, len(list))
	index := counts // its numbers have served
	for i, a := range list {
		names[i], index[a] = a.String(), i
	}
	for _, r := range rows {
		r.clientHost, r.serverHost = index[r.client.Addr()], index[r.server.Addr()]
	}
	return names
}

// columns writes the rows as an object of arrays. Ids, starts and packet numbers
// grow from row to row and are written as differences. Times are in us: finer
// ones stand in the connections in full.
func columns(b []byte, rows []*row, severalFiles bool) []byte {
	b = append(b, `{"count":`...)
	b = strconv.AppendInt(b, int64(len(rows)), 10)
	column := func(name string, value func(r *row) int64) {
		b = append(b, ",\n\""...)
		b = append(append(b, name...), `":[`...)
		for i, r := range rows {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, value(r), 10)
		}
		b = append(b, ']')
	}
	differences := func(name string, value func(r *row) int64) {
		before := int64(0)
		column(name, func(r *row) int64 {
			v := value(r)
			d := v - before
			before = v
			return d
		})
	}
	begin := int64(0)
	if len(rows) > 0 {
		begin = rows[0].start
	}
	differences("id", func(r *row) int64 { return int64(r.id) })
	differences("start", func(r *row) int64 { return (r.start - begin) / microsecond })
	differences("packet", func(r *row) int64 { return int64(r.first.Number()) })
	if severalFiles {
		column("file", func(r *row) int64 { return int64(r.first.File()) + 1 })
	}
	differences("stream", func(r *row) int64 { return int64(r.stream) })
	column("client", func(r *row) int64 { return int64(r.clientHost) })
	column("clientPort", func(r *row) int64 { return int64(r.client.Port()) })
	column("server", func(r *row) int64 { return int64(r.serverHost) })
	column("serverPort", func(r *row) int64 { return int64(r.serverPort) })
	column("duration", func(r *row) int64 { return max(r.end-r.start, 0) / microsecond })
	column("packets", func(r *row) int64 { return int64(r.packets) })
	column("bytes", func(r *row) int64 { return int64(r.bytes) })
	column("copies", func(r *row) int64 { return int64(r.copies) })
	column("open", func(r *row) int64 { return int64(r.open) })
	column("close", func(r *row) int64 { return int64(r.close) })
	column("first", func(r *row) int64 { return int64(r.closeFirst) })
	column("clientState", func(r *row) int64 { return int64(r.state[reassembly.Client]) })
	column("serverState", func(r *row) int64 { return int64(r.state[reassembly.Server]) })
	column("passed", func(r *row) int64 { return int64(r.passed) })
	column("findings", func(r *row) int64 { return int64(r.findings) })
	column("handshake", func(r *row) int64 {
		if r.handshake < 0 {
			return noHandshake
		}
		return r.handshake / microsecond
	})
	return append(b, '}')
}
