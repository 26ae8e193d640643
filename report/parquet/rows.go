package parquet

import "github.com/finwait/finwait/report"

// This file is the columns. They keep their names and kinds; new ones come last.

// Connection is a row of connections.parquet.
type Connection struct {
	ID          uint64  `parquet:"id"`
	Stream      uint64  `parquet:"stream"`
	ClientIP    string  `parquet:"client_ip,dict"`
	ClientPort  int32   `parquet:"client_port"`
	ServerIP    string  `parquet:"server_ip,dict"`
	ServerPort  int32   `parquet:"server_port"`
	RoleGuessed bool    `parquet:"role_guessed"`
	Start       int64   `parquet:"start,timestamp(nanosecond)"`
	End         int64   `parquet:"end,timestamp(nanosecond)"`
	Duration    float64 `parquet:"duration_s"`
	Packets     uint64  `parquet:"packets"`
	FirstFile   *int32  `parquet:"first_file,optional"`
	FirstPacket *int64  `parquet:"first_packet,optional"`
	LastFile    *int32  `parquet:"last_file,optional"`
	LastPacket  *int64  `parquet:"last_packet,optional"`
	Open        string  `parquet:"open,dict"`
	Close       string  `parquet:"close,dict"`
	CloseFirst  string  `parquet:"close_first,dict"`
	CloseReason *string `parquet:"close_reason,optional,dict"`
	Reuses      *int64  `parquet:"reuses,optional"`
	ReusedBy    *int64  `parquet:"reused_by,optional"`
	OneSided    bool    `parquet:"one_sided"`
	MPTCP       bool    `parquet:"mptcp"`
	ZeekState   *string `parquet:"zeek_conn_state,optional,dict"`
	ZeekHistory *string `parquet:"zeek_history,optional,dict"`
	Complete    int32   `parquet:"completeness"`
	CommunityID *string `parquet:"community_id,optional"`

	ClientState           string   `parquet:"client_state,dict"`
	ClientEvidence        *string  `parquet:"client_evidence,optional,dict"`
	ClientUndetermined    bool     `parquet:"client_undetermined"`
	ClientTimeWaitLeft    *float64 `parquet:"client_time_wait_left_s,optional"`
	ClientPackets         uint64   `parquet:"client_packets"`
	ClientBytes           uint64   `parquet:"client_bytes"`
	ClientRetransmissions uint64   `parquet:"client_retransmissions"`
	ClientDuplicateACKs   uint64   `parquet:"client_duplicate_acks"`
	ClientOutOfOrder      uint64   `parquet:"client_out_of_order"`
	ClientZeroWindows     uint64   `parquet:"client_zero_windows"`
	ClientRTT             *float64 `parquet:"client_rtt_mean_s,optional"`

	ServerState           string   `parquet:"server_state,dict"`
	ServerEvidence        *string  `parquet:"server_evidence,optional,dict"`
	ServerUndetermined    bool     `parquet:"server_undetermined"`
	ServerTimeWaitLeft    *float64 `parquet:"server_time_wait_left_s,optional"`
	ServerPackets         uint64   `parquet:"server_packets"`
	ServerBytes           uint64   `parquet:"server_bytes"`
	ServerRetransmissions uint64   `parquet:"server_retransmissions"`
	ServerDuplicateACKs   uint64   `parquet:"server_duplicate_acks"`
	ServerOutOfOrder      uint64   `parquet:"server_out_of_order"`
	ServerZeroWindows     uint64   `parquet:"server_zero_windows"`
	ServerRTT             *float64 `parquet:"server_rtt_mean_s,optional"`
}

// Step is a row of steps.parquet.
type Step struct {
	Connection     uint64   `parquet:"connection"`
	Side           string   `parquet:"side,dict"`
	Ordinal        *int32   `parquet:"ordinal,optional"` // place in the history, from 0; null if withdrawn
	State          string   `parquet:"state,dict"`
	At             *int64   `parquet:"at,optional,timestamp(nanosecond)"`
	File           *int32   `parquet:"file,optional"`
	Packet         *int64   `parquet:"packet,optional"`
	Event          *string  `parquet:"event,optional,dict"`
	Evidence       *string  `parquet:"evidence,optional,dict"`
	ConfirmedBy    []int64  `parquet:"confirmed_by,list"`
	InferredFrom   *int64   `parquet:"inferred_from,optional"`
	PacketEvidence *string  `parquet:"packet_evidence,optional,dict"`
	Alternatives   []string `parquet:"alternatives,list"`
	Censored       bool     `parquet:"censored"`
	Withdrawn      bool     `parquet:"withdrawn"`
	RefutedBy      []int64  `parquet:"refuted_by,list"`
	Reason         *string  `parquet:"reason,optional,dict"`
}

// Finding is a row of findings.parquet.
type Finding struct {
	Connection uint64    `parquet:"connection"`
	ID         string    `parquet:"id,dict"`
	Family     string    `parquet:"family,dict"`
	Severity   string    `parquet:"severity,dict"`
	Endpoint   *string   `parquet:"endpoint,optional,dict"`
	At         int64     `parquet:"at,timestamp(nanosecond)"`
	Packets    []int64   `parquet:"packets,list"`
	Files      []int32   `parquet:"files,list"`
	Where      *string   `parquet:"where,optional,dict"`
	Confidence string    `parquet:"confidence,dict"`
	Verdict    *string   `parquet:"verdict,optional,dict"`
	Detail     string    `parquet:"detail"`
	Measures   []Measure `parquet:"measures,list"`
}

// Measure is a measured number of a finding.
type Measure struct {
	Name  string   `parquet:"name,dict"`
	Value float64  `parquet:"value"`
	Limit *float64 `parquet:"limit,optional"`
}

func connectionRow(c *report.Connection) Connection {
	a, b := &c.Endpoints.Client, &c.Endpoints.Server
	return Connection{
		ID: c.ID, Stream: c.Wireshark.Stream, ClientIP: c.Client.IP.String(), ClientPort: int32(c.Client.Port),
		ServerIP: c.Server.IP.String(), ServerPort: int32(c.Server.Port), RoleGuessed: c.RoleGuessed,
		Start: int64(c.Start), End: int64(c.End), Duration: seconds(report.Seconds(c.End - c.Start)), Packets: c.Packets,
		FirstFile: known[int32](c.FirstFile), FirstPacket: known[int64](c.FirstPacket),
		LastFile: known[int32](c.LastFile), LastPacket: known[int64](c.LastPacket),
		Open: string(c.Open.Kind), Close: string(c.Close.Kind), CloseFirst: string(c.Close.First), CloseReason: word(c.Close.Reason),
		Reuses: known[int64](c.Reuses), ReusedBy: known[int64](c.ReusedBy), OneSided: c.OneSided, MPTCP: c.MPTCP,
		ZeekState: word(c.Zeek.ConnState), ZeekHistory: word(c.Zeek.History), Complete: int32(c.Wireshark.Completeness), CommunityID: word(c.CommunityID),

		ClientState: string(a.State), ClientEvidence: word(a.Evidence), ClientUndetermined: a.Undetermined, ClientTimeWaitLeft: left(a),
		ClientPackets: a.Packets, ClientBytes: a.Bytes, ClientRetransmissions: a.Retransmissions, ClientDuplicateACKs: a.DuplicateACKs,
		ClientOutOfOrder: a.OutOfOrder, ClientZeroWindows: a.ZeroWindows, ClientRTT: rtt(a),

		ServerState: string(b.State), ServerEvidence: word(b.Evidence), ServerUndetermined: b.Undetermined, ServerTimeWaitLeft: left(b),
		ServerPackets: b.Packets, ServerBytes: b.Bytes, ServerRetransmissions: b.Retransmissions, ServerDuplicateACKs: b.DuplicateACKs,
		ServerOutOfOrder: b.OutOfOrder, ServerZeroWindows: b.ZeroWindows, ServerRTT: rtt(b),
	}
}

func stepRow(id uint64, side string, ordinal int, s *report.Step) Step {
	n := int32(ordinal)
	row := Step{
		Connection: id, Side: side, Ordinal: &n, State: string(s.State), At: known[int64](s.At), File: known[int32](s.File),
		Event: word(s.Event), Evidence: word(s.Evidence), ConfirmedBy: numbers(s.ConfirmedBy),
		InferredFrom: known[int64](s.InferredFrom), PacketEvidence: word(s.PacketEvidence), Censored: s.Censored,
	}
	if s.Packet != report.NoPacket {
		row.Packet = known[int64](s.Packet)
	}
	for _, a := range s.Alternatives {
		row.Alternatives = append(row.Alternatives, string(a))
	}
	return row
}

func withdrawnRow(id uint64, side string, w *report.Withdrawal) Step {
	return Step{
		Connection: id, Side: side, State: string(w.State), At: known[int64](w.At), File: known[int32](w.File), Packet: known[int64](w.Packet),
		Event: word(w.Event), Withdrawn: true, RefutedBy: numbers(w.RefutedBy), Reason: word(w.Reason),
	}
}

func findingRow(id uint64, f *report.Finding) Finding {
	row := Finding{
		Connection: id, ID: string(f.ID), Family: string(f.Family), Severity: string(f.Severity), Endpoint: word(f.Endpoint),
		At: int64(f.At), Packets: numbers(f.Packets), Where: word(f.Where), Confidence: string(f.Confidence),
		Verdict: word(f.Verdict), Detail: f.Detail,
	}
	for _, n := range f.Files {
		row.Files = append(row.Files, int32(n))
	}
	for _, m := range f.Measures {
		out := Measure{Name: m.Name, Value: m.Value}
		if m.Limit != 0 {
			limit := m.Limit
			out.Limit = &limit
		}
		row.Measures = append(row.Measures, out)
	}
	return row
}

// known is a number of which 0 means that there is none.
func known[To int32 | int64, From ~int | ~int64 | ~uint64](n From) *To {
	if n == 0 {
		return nil
	}
	v := To(n)
	return &v
}

func word[T ~string](s T) *string {
	if s == "" {
		return nil
	}
	v := string(s)
	return &v
}

func numbers(list []report.Number) []int64 {
	var out []int64
	for _, n := range list {
		out = append(out, int64(n))
	}
	return out
}

func seconds(s report.Seconds) float64 { return float64(s) / 1e9 }

func left(e *report.Endpoint) *float64 {
	if !e.TimeWaitLeft.InTimeWait {
		return nil
	}
	v := seconds(e.TimeWaitLeft.Most)
	return &v
}

func rtt(e *report.Endpoint) *float64 {
	if e.RTT.Samples == 0 {
		return nil
	}
	v := seconds(e.RTT.Mean)
	return &v
}
