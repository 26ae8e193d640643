package report

import (
	"math"
	"net/netip"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file turns a Lifecycle, which is made for the core, into a Connection,
// which is made for readers.

// Builder makes Connections. It uses its memory again: a Connection is valid
// until the next call of Build. The zero value serves a capture of one file.
type Builder struct {
	// SeveralFiles adds file numbers to packet numbers.
	SeveralFiles bool
	// Points names the points of captures taken at several, in their order.
	Points []string

	c        Connection
	steps    [2][]Step
	withdraw [2][]Withdrawal
	findings []Finding
	numbers  []Number
	files    []int
	states   []State
	measures []Measure
	path     Path
	lost     []LostPacket
}

// scales gives addresses to the values of TCPOptions.WindowScale without an
// allocation a connection.
var scales = func() (s [256]uint8) {
	for i := range s {
		s[i] = uint8(i)
	}
	return s
}()

// Build makes the Connection of l. It keeps l's strings, and nothing else of it.
func (b *Builder) Build(l *reassembly.Lifecycle) *Connection {
	b.numbers, b.files, b.states, b.measures = b.numbers[:0], b.files[:0], b.states[:0], b.measures[:0]
	c := &b.c
	*c = Connection{
		Type: TypeConnection, ID: l.ID,
		Client: address(l.Client), Server: address(l.Server),
		RoleGuessed: l.RoleGuessed, Tunnel: Tunnel(l.Tunnel),
		Start: Time(l.Start), End: Time(l.End), Packets: l.Packets,
		FirstPacket: number(l.First), FirstFile: b.file(l.First),
		LastPacket: number(l.Last), LastFile: b.file(l.Last),
		Open:   Open{Kind: OpenKind(l.Open.String())},
		Close:  Close{Kind: CloseKind(l.Close.String()), First: SideName(l.CloseFirst.String()), Reason: l.Evicted},
		Reuses: l.Reuses, ReusedBy: l.ReusedBy, MPTCP: l.MPTCP, OneSided: l.OneSided,
		Zeek:        Zeek{ConnState: l.ZeekState, History: l.ZeekHistory},
		Wireshark:   Wireshark{Stream: l.Stream, Completeness: l.Completeness},
		CommunityID: l.CommunityID,
	}
	if c.CommunityID == "" {
		c.CommunityID = communityID(l.Client, l.Server)
	}
	b.endpoint(&c.Endpoints.Client, l, reassembly.Client)
	b.endpoint(&c.Endpoints.Server, l, reassembly.Server)
	c.Path = b.told(l.Path)
	b.findings = grow(b.findings, len(l.Findings))
	for i := range l.Findings {
		b.findings = append(b.findings, b.finding(&l.Findings[i]))
	}
	c.Findings = b.findings
	return c
}

func (b *Builder) endpoint(e *Endpoint, l *reassembly.Lifecycle, side reassembly.Side) {
	from := &l.Endpoints[side]
	st := &from.Stats
	*e = Endpoint{
		State: State(from.State.String()), Evidence: Evidence(from.Evidence.String()),
		Undetermined: from.Undetermined,
		TimeWaitLeft: TimeLeft{from.InTimeWait, Seconds(from.TimeWaitLeast), Seconds(from.TimeWaitMost)},
		Packets:      st.Packets, Bytes: st.Bytes, Retransmissions: st.Retransmissions,
		DuplicateACKs: st.DuplicateACKs, OutOfOrder: st.OutOfOrder, ZeroWindows: st.ZeroWindows,
		Options: TCPOptions{MSS: st.MSS, SACKPermitted: st.SACKPermitted, Timestamps: st.Timestamps,
			FastOpen: st.FastOpen, MPTCP: st.MPTCP},
		RTT: RTT{Samples: st.RTT.Samples, Min: Seconds(st.RTT.Min), Mean: Seconds(st.RTT.Mean), Max: Seconds(st.RTT.Max)},
	}
	if from.MayBe != tcpstate.Unknown {
		e.MayBe = State(from.MayBe.String())
	}
	if st.HasScale {
		e.Options.WindowScale = &scales[st.WindowScale]
	}
	timesInStates(&e.TimeInState, from.History, l.End)

	steps := grow(b.steps[side], len(from.History))
	for i := range from.History {
		steps = append(steps, b.step(&from.History[i]))
	}
	withdrawn := grow(b.withdraw[side], len(from.Withdrawn))
	for i := range from.Withdrawn {
		withdrawn = append(withdrawn, b.withdrawal(&from.Withdrawn[i]))
	}
	b.steps[side], b.withdraw[side] = steps, withdrawn
	e.History, e.Withdrawn = steps, withdrawn
}

func (b *Builder) step(s *reassembly.Step) Step {
	step := Step{
		State: State(s.State.String()), At: Time(s.At), Packet: number(s.Packet), File: b.file(s.Packet),
		Event: s.Event, Evidence: Evidence(s.Evidence.String()),
		InferredFrom: number(s.InferredFrom), InferredFromFile: b.file(s.InferredFrom),
		PacketEvidence: Evidence(s.PacketEvidence.String()), Censored: s.Censored,
	}
	// A step with neither a packet nor a reason to have none was caused by a
	// segment that the tap did not see.
	if s.Packet == 0 && s.Evidence != reassembly.Assumed && s.Evidence != reassembly.Timer {
		step.Packet = NoPacket
	}
	if s.Arrived != 0 {
		step.Packet, step.File = number(s.Arrived), b.file(s.Arrived)
		step.SentPacket, step.SentFile = number(s.Packet), b.file(s.Packet)
	}
	step.ConfirmedBy, step.ConfirmedByFiles = b.list(s.ConfirmedBy)
	if len(s.Alternatives) > 0 {
		from := len(b.states)
		for _, a := range s.Alternatives {
			b.states = append(b.states, State(a.String()))
		}
		step.Alternatives = b.states[from:len(b.states):len(b.states)]
	}
	return step
}

func (b *Builder) withdrawal(w *reassembly.Withdrawal) Withdrawal {
	out := Withdrawal{
		State: State(w.State.String()), At: Time(w.At), Packet: number(w.Packet), File: b.file(w.Packet),
		Event: w.Event, Reason: w.Reason,
	}
	out.RefutedBy, out.RefutedByFiles = b.list(w.RefutedBy)
	return out
}

func (b *Builder) finding(f *reassembly.Finding) Finding {
	out := Finding{
		ID: FindingID(f.ID), Family: Family(f.Family), Severity: Severity(f.Severity.String()),
		At: Time(f.At), Where: Where(f.Where.String()), Confidence: Certainty(f.Confidence.String()),
		Verdict: f.Verdict, Detail: f.Detail,
	}
	if f.Where == reassembly.OnPath {
		out.Between = b.between(f.Between)
	}
	if f.Side != reassembly.None {
		out.Endpoint = SideName(f.Side.String())
	}
	out.Packets, out.Files = b.list(f.Packets)
	from := len(b.measures)
	for _, m := range f.Measures {
		// JSON has no word for what is not a number.
		if finite(m.Value) && finite(m.Limit) {
			b.measures = append(b.measures, Measure{Name: m.Name, Value: m.Value, Limit: m.Limit})
		}
	}
	if len(b.measures) > from {
		out.Measures = b.measures[from:len(b.measures):len(b.measures)]
	}
	return out
}

// list gives the numbers of packets and, where there are several files, those
// of their files. It never gives nil numbers, which JSON would tell as null.
func (b *Builder) list(packets []reassembly.Packet) (numbers []Number, files []int) {
	if len(packets) == 0 {
		return []Number{}, nil
	}
	n, f := len(b.numbers), len(b.files)
	for _, p := range packets {
		b.numbers = append(b.numbers, number(p))
		if b.SeveralFiles {
			b.files = append(b.files, b.file(p))
		}
	}
	if len(b.files) > f {
		files = b.files[f:len(b.files):len(b.files)]
	}
	return b.numbers[n:len(b.numbers):len(b.numbers)], files
}

// file is the number of a packet's file, from 1; 0 where there is nothing to tell.
func (b *Builder) file(p reassembly.Packet) int {
	if !b.SeveralFiles || p == 0 {
		return 0
	}
	return p.File() + 1
}

// At is how reports name a packet.
func (b *Builder) At(p reassembly.Packet) PacketAt { return PacketAt{b.file(p), number(p)} }

func number(p reassembly.Packet) Number { return Number(p.Number()) }

// address drops what is not part of the address on the wire: the zone, and the
// mapping of IPv4 into IPv6.
func address(a netip.AddrPort) Address {
	return Address{IP: a.Addr().Unmap().WithZone(""), Port: a.Port()}
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// grow empties s and makes room for n; the result is never nil.
func grow[T any](s []T, n int) []T {
	if s == nil || cap(s) < n {
		return make([]T, 0, n+8)
	}
	return s[:0]
}

// timesInStates adds up the time in each state. A step without a time of its
// own, such as an assumed LISTEN, takes none, nor does CLOSED at the end. The
// clock of a capture may run backwards: no span is below zero.
func timesInStates(spent *StateTimes, history []reassembly.Step, end int64) {
	for i := range history {
		s := &history[i]
		until := end
		if i+1 < len(history) {
			until = history[i+1].At
		} else if s.State == tcpstate.Closed {
			return
		}
		if s.At != 0 && until > s.At {
			spent[s.State] += Seconds(until - s.At)
		}
	}
}
