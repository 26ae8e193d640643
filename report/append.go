package report

import (
	"encoding/json"
	"math"
	"net/netip"
	"strconv"
)

// This file prints a Connection as JSON. encoding/json needs about ten times as
// long, and NDJSON of a large capture is bound by it; a test holds the two to
// the same bytes. Fields stand in the order of schema.go.

// AppendJSON appends the connection as one JSON object without a line end.
func (c *Connection) AppendJSON(b []byte) []byte {
	b = appendString(append(b, `{"type":`...), c.Type)
	b = strconv.AppendUint(append(b, `,"id":`...), c.ID, 10)
	b = c.Client.appendJSON(append(b, `,"client":`...))
	b = c.Server.appendJSON(append(b, `,"server":`...))
	b = appendTrue(b, `,"role_guessed":`, c.RoleGuessed)
	if c.Tunnel != 0 {
		b = c.Tunnel.appendJSON(append(b, `,"tunnel":`...))
	}
	b = c.Start.appendJSON(append(b, `,"start":`...))
	b = c.End.appendJSON(append(b, `,"end":`...))
	b = strconv.AppendUint(append(b, `,"packets":`...), c.Packets, 10)
	b = appendNumber(b, `,"first_packet":`, c.FirstPacket)
	b = appendFile(b, `,"first_file":`, c.FirstFile)
	b = appendNumber(b, `,"last_packet":`, c.LastPacket)
	b = appendFile(b, `,"last_file":`, c.LastFile)

	b = c.Open.appendJSON(append(b, `,"open":`...))
	b = c.Close.appendJSON(append(b, `,"close":`...))
	if c.Reuses != 0 {
		b = strconv.AppendUint(append(b, `,"reuses":`...), c.Reuses, 10)
	}
	if c.ReusedBy != 0 {
		b = strconv.AppendUint(append(b, `,"reused_by":`...), c.ReusedBy, 10)
	}
	b = appendTrue(b, `,"mptcp":`, c.MPTCP)
	b = appendTrue(b, `,"one_sided":`, c.OneSided)

	b = c.Endpoints.Client.appendJSON(append(b, `,"endpoints":{"client":`...))
	b = c.Endpoints.Server.appendJSON(append(b, `,"server":`...))
	b = append(b, '}')
	if c.Path != nil {
		b = c.Path.appendJSON(append(b, `,"path":`...))
	}
	b = append(b, `,"findings":`...)
	b = appendList(b, c.Findings, (*Finding).appendJSON)
	if c.Zeek != (Zeek{}) {
		b = append(b, `,"zeek":{`...)
		b = appendWord(b, `"conn_state":`, c.Zeek.ConnState)
		if c.Zeek.ConnState != "" && c.Zeek.History != "" {
			b = append(b, ',')
		}
		b = appendWord(b, `"history":`, c.Zeek.History)
		b = append(b, '}')
	}
	b = strconv.AppendUint(append(b, `,"wireshark":{"stream":`...), c.Wireshark.Stream, 10)
	b = strconv.AppendUint(append(b, `,"completeness":`...), uint64(c.Wireshark.Completeness), 10)
	b = append(b, '}')
	b = appendWord(b, `,"community_id":`, c.CommunityID)
	return append(b, '}')
}

func (a Address) appendJSON(b []byte) []byte {
	b = appendIP(append(b, `{"ip":`...), a.IP)
	b = strconv.AppendUint(append(b, `,"port":`...), uint64(a.Port), 10)
	return append(b, '}')
}

func (o *Open) appendJSON(b []byte) []byte {
	return append(appendString(append(b, `{"kind":`...), string(o.Kind)), '}')
}

func (c *Close) appendJSON(b []byte) []byte {
	b = appendString(append(b, `{"kind":`...), string(c.Kind))
	b = appendString(append(b, `,"first":`...), string(c.First))
	return append(appendWord(b, `,"reason":`, c.Reason), '}')
}

func (e *Endpoint) appendJSON(b []byte) []byte {
	b = appendString(append(b, `{"state":`...), string(e.State))
	b = appendWord(b, `,"evidence":`, string(e.Evidence))
	b = appendTrue(b, `,"undetermined":`, e.Undetermined)
	b = appendWord(b, `,"may_be":`, string(e.MayBe))
	if e.TimeWaitLeft.InTimeWait {
		b = e.TimeWaitLeft.appendJSON(append(b, `,"time_wait_left_s":`...))
	}
	b = appendList(append(b, `,"history":`...), e.History, (*Step).appendJSON)
	b = appendList(append(b, `,"withdrawn":`...), e.Withdrawn, (*Withdrawal).appendJSON)
	b = strconv.AppendUint(append(b, `,"packets":`...), e.Packets, 10)
	b = strconv.AppendUint(append(b, `,"bytes":`...), e.Bytes, 10)
	b = strconv.AppendUint(append(b, `,"retransmissions":`...), e.Retransmissions, 10)
	b = strconv.AppendUint(append(b, `,"duplicate_acks":`...), e.DuplicateACKs, 10)
	b = strconv.AppendUint(append(b, `,"out_of_order":`...), e.OutOfOrder, 10)
	b = strconv.AppendUint(append(b, `,"zero_windows":`...), e.ZeroWindows, 10)
	if e.Options != (TCPOptions{}) {
		b = e.Options.appendJSON(append(b, `,"options":`...))
	}
	if r := &e.RTT; *r != (RTT{}) {
		b = r.appendJSON(append(b, `,"rtt":`...))
	}
	if e.TimeInState != (StateTimes{}) {
		b = e.TimeInState.appendJSON(append(b, `,"time_in_state_s":`...))
	}
	return append(b, '}')
}

func (r *RTT) appendJSON(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"samples":`...), int64(r.Samples), 10)
	b = r.Min.AppendTo(append(b, `,"min_s":`...))
	b = r.Mean.AppendTo(append(b, `,"mean_s":`...))
	b = r.Max.AppendTo(append(b, `,"max_s":`...))
	return append(b, '}')
}

func (o *TCPOptions) appendJSON(b []byte) []byte {
	from := len(b)
	if o.MSS != 0 {
		b = strconv.AppendUint(append(b, `,"mss":`...), uint64(o.MSS), 10)
	}
	if o.WindowScale != nil {
		b = strconv.AppendUint(append(b, `,"window_scale":`...), uint64(*o.WindowScale), 10)
	}
	b = appendTrue(b, `,"sack_permitted":`, o.SACKPermitted)
	b = appendTrue(b, `,"timestamps":`, o.Timestamps)
	b = appendTrue(b, `,"fast_open":`, o.FastOpen)
	b = appendTrue(b, `,"mptcp":`, o.MPTCP)
	b[from] = '{'
	return append(b, '}')
}

func (s *Step) appendJSON(b []byte) []byte {
	b = appendString(append(b, `{"state":`...), string(s.State))
	b = appendTime(b, s.At)
	b = appendNumber(b, `,"packet":`, s.Packet)
	b = appendFile(b, `,"file":`, s.File)
	b = appendNumber(b, `,"sent_packet":`, s.SentPacket)
	b = appendFile(b, `,"sent_file":`, s.SentFile)
	b = appendWord(b, `,"event":`, s.Event)
	b = appendString(append(b, `,"evidence":`...), string(s.Evidence))
	b = appendNumbers(b, `,"confirmed_by":`, s.ConfirmedBy)
	b = appendFiles(b, `,"confirmed_by_files":`, s.ConfirmedByFiles)
	b = appendNumber(b, `,"inferred_from":`, s.InferredFrom)
	b = appendFile(b, `,"inferred_from_file":`, s.InferredFromFile)
	b = appendWord(b, `,"packet_evidence":`, string(s.PacketEvidence))
	if len(s.Alternatives) > 0 {
		b = append(b, `,"alternatives":[`...)
		for i, a := range s.Alternatives {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, string(a))
		}
		b = append(b, ']')
	}
	b = appendTrue(b, `,"censored":`, s.Censored)
	return append(b, '}')
}

func (w *Withdrawal) appendJSON(b []byte) []byte {
	b = appendString(append(b, `{"state":`...), string(w.State))
	b = appendTime(b, w.At)
	b = appendNumber(b, `,"packet":`, w.Packet)
	b = appendFile(b, `,"file":`, w.File)
	b = appendWord(b, `,"event":`, w.Event)
	b = appendNumberList(append(b, `,"refuted_by":`...), w.RefutedBy)
	b = appendFiles(b, `,"refuted_by_files":`, w.RefutedByFiles)
	b = appendString(append(b, `,"reason":`...), w.Reason)
	return append(b, '}')
}

func (f *Finding) appendJSON(b []byte) []byte {
	b = appendString(append(b, `{"id":`...), string(f.ID))
	b = appendString(append(b, `,"family":`...), string(f.Family))
	b = appendString(append(b, `,"severity":`...), string(f.Severity))
	b = appendWord(b, `,"endpoint":`, string(f.Endpoint))
	b = f.At.appendJSON(append(b, `,"at":`...))
	b = appendNumberList(append(b, `,"packets":`...), f.Packets)
	b = appendFiles(b, `,"files":`, f.Files)
	b = appendWord(b, `,"where":`, string(f.Where))
	b = appendBetween(b, f.Between)
	b = appendString(append(b, `,"confidence":`...), string(f.Confidence))
	b = appendWord(b, `,"verdict":`, f.Verdict)
	b = appendString(append(b, `,"detail":`...), f.Detail)
	if len(f.Measures) > 0 {
		b = appendList(append(b, `,"measures":`...), f.Measures, (*Measure).appendJSON)
	}
	return append(b, '}')
}

func (m *Measure) appendJSON(b []byte) []byte {
	b = appendString(append(b, `{"name":`...), m.Name)
	b = appendFloat(append(b, `,"value":`...), m.Value)
	if m.Limit != 0 {
		b = appendFloat(append(b, `,"limit":`...), m.Limit)
	}
	return append(b, '}')
}

func appendList[T any](b []byte, list []T, each func(*T, []byte) []byte) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = each(&list[i], b)
	}
	return append(b, ']')
}

func appendTrue(b []byte, key string, v bool) []byte {
	if !v {
		return b
	}
	return append(append(b, key...), "true"...)
}

func appendWord(b []byte, key, v string) []byte {
	if v == "" {
		return b
	}
	return appendString(append(b, key...), v)
}

func appendTime(b []byte, t Time) []byte {
	if t == 0 {
		return b
	}
	return t.appendJSON(append(b, `,"at":`...))
}

func appendNumber(b []byte, key string, n Number) []byte {
	if n == 0 {
		return b
	}
	return n.appendJSON(append(b, key...))
}

func appendNumbers(b []byte, key string, list []Number) []byte {
	if len(list) == 0 {
		return b
	}
	return appendNumberList(append(b, key...), list)
}

func appendNumberList(b []byte, list []Number) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i, n := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = n.appendJSON(b)
	}
	return append(b, ']')
}

func appendFile(b []byte, key string, file int) []byte {
	if file == 0 {
		return b
	}
	return strconv.AppendInt(append(b, key...), int64(file), 10)
}

func appendFiles(b []byte, key string, files []int) []byte {
	if len(files) == 0 {
		return b
	}
	b = append(append(b, key...), '[')
	for i, f := range files {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(f), 10)
	}
	return append(b, ']')
}

func appendIP(b []byte, ip netip.Addr) []byte {
	if !ip.IsValid() {
		return append(b, `""`...)
	}
	return append(ip.AppendTo(append(b, '"')), '"')
}

// appendFloat prints a number the way encoding/json does: like ECMAScript.
func appendFloat(b []byte, f float64) []byte {
	abs := math.Abs(f)
	if abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		text, err := json.Marshal(f)
		if err != nil {
			return append(b, '0')
		}
		return append(b, text...)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

// plain are the bytes that stand for themselves in JSON.
var plain = func() (p [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		p[c] = c != '"' && c != '\\'
	}
	return p
}()

// isPlain reports whether all bytes are plain, eight at a time.
func isPlain(s string) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	for ; len(s) >= 8; s = s[8:] {
		w := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
			uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
		quote, backslash := w^ones*'"', w^ones*'\\'
		// The high bit of a byte: it is below ' ', above 0x7e, a quote or a
		// backslash. A borrow can only add a byte beyond one that has it.
		if (w|(w+ones)|(w-ones*' ')|(quote-ones)|(backslash-ones))&high != 0 {
			return false
		}
	}
	for i := range len(s) {
		if !plain[s[i]] {
			return false
		}
	}
	return true
}

// appendString prints plain ASCII at once and leaves the rest to encoding/json.
func appendString(b []byte, s string) []byte {
	if !isPlain(s) {
		return appendEscaped(b, s)
	}
	b = append(append(b, '"'), s...)
	return append(b, '"')
}

func appendEscaped(b []byte, s string) []byte {
	text, err := marshal(s)
	if err != nil {
		return append(b, `""`...)
	}
	return append(b, text...)
}
