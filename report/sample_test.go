package report

import (
	"net/netip"
	"time"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// Lifecycles made by hand, one for each thing that a report can tell.

var epoch = time.Date(2026, 11, 22, 16, 0, 0, 905870109, time.UTC).UnixNano()

func after(d time.Duration) int64 { return epoch + int64(d) }

func pk(n uint64) reassembly.Packet { return reassembly.MakePacket(0, n) }

func pks(n ...uint64) []reassembly.Packet {
	list := make([]reassembly.Packet, len(n))
	for i := range n {
		list[i] = pk(n[i])
	}
	return list
}

func step(s tcpstate.State, at time.Duration, packet uint64, event string, e reassembly.Evidence, by ...uint64) reassembly.Step {
	st := reassembly.Step{State: s, Packet: pk(packet), Event: event, Evidence: e}
	if e != reassembly.Assumed {
		st.At = after(at)
	}
	if len(by) > 0 {
		st.ConfirmedBy = pks(by...)
	}
	return st
}

// finalACKLost is the example of DESIGN section 6: the ACK of the server's FIN
// was lost behind the tap.
func finalACKLost() *reassembly.Lifecycle {
	ms := time.Millisecond
	client := reassembly.Endpoint{
		State: tcpstate.TimeWait, Evidence: reassembly.Presumed,
		InTimeWait: true, TimeWaitLeast: int64(59700 * ms), TimeWaitMost: int64(59700 * ms),
		History: []reassembly.Step{
			step(tcpstate.SynSent, 0, 1, "send SYN", reassembly.Observed),
			step(tcpstate.Established, 20*ms, 2, "receive SYN-ACK", reassembly.Confirmed, 3),
			step(tcpstate.FinWait1, 60*ms, 7, "send FIN", reassembly.Observed),
			step(tcpstate.FinWait2, 81*ms, 8, "receive ACK of FIN", reassembly.Presumed),
			step(tcpstate.TimeWait, 85*ms, 9, "receive FIN", reassembly.Presumed),
		},
		Stats: reassembly.EndpointStats{Packets: 7, Bytes: 512, MSS: 1460, WindowScale: 0, HasScale: true, SACKPermitted: true,
			Timestamps: true, RTT: reassembly.RTT{Samples: 3, Min: 180_000, Mean: 200_000, Max: 240_000}},
	}
	server := reassembly.Endpoint{
		State: tcpstate.Closed, Evidence: reassembly.Presumed,
		History: []reassembly.Step{
			step(tcpstate.Listen, 0, 0, "", reassembly.Assumed),
			step(tcpstate.SynReceived, 0, 1, "receive SYN", reassembly.Confirmed, 2),
			step(tcpstate.Established, 20100*time.Microsecond, 3, "receive ACK of SYN", reassembly.Confirmed, 5, 6),
			step(tcpstate.CloseWait, 60*ms, 7, "receive FIN", reassembly.Confirmed, 8),
			step(tcpstate.LastAck, 85*ms, 9, "send FIN", reassembly.Observed),
			step(tcpstate.Closed, 289*ms, 13, "receive ACK of FIN", reassembly.Presumed),
		},
		Withdrawn: []reassembly.Withdrawal{{State: tcpstate.Closed, At: after(86 * ms), Packet: pk(10),
			Event: "receive ACK of FIN", RefutedBy: pks(11, 12), Reason: "FIN sent again"}},
		Stats: reassembly.EndpointStats{Packets: 6, Bytes: 20480, Retransmissions: 2, MSS: 1460, WindowScale: 7, HasScale: true},
	}
	client.History[3].PacketEvidence = reassembly.Presumed
	server.History[5].Censored = true
	return &reassembly.Lifecycle{
		ID: 1, Stream: 0,
		Client: netip.MustParseAddrPort("10.0.0.1:41000"), Server: netip.MustParseAddrPort("10.0.0.2:5000"),
		Start: epoch, End: after(289952818), First: pk(1), Last: pk(13), Packets: 13,
		Open: reassembly.OpenThreeWay, Close: reassembly.CloseFourWay, CloseFirst: reassembly.Client,
		Endpoints: [2]reassembly.Endpoint{client, server},
		Findings: []reassembly.Finding{{
			ID: "final-ack-lost", Family: "lost-ack", Severity: reassembly.Warning, Side: reassembly.Server,
			At: after(286 * ms), Packets: pks(10, 11, 12, 13), Where: reassembly.AfterTap, Confidence: reassembly.Certain,
			Detail: "The ACK of the server's FIN passed the capture point in packet 10, but the server sent the FIN again " +
				"200 ms later in packets 11 and 12, well over the round trip of 0.2 ms: the ACK was lost on the server's side.",
			Measures: []reassembly.Measure{{Name: "gap_s", Value: 0.2, Limit: 0.0402}},
		}},
		ZeekState: "SF", ZeekHistory: "ShADadFfT", Completeness: 31, CommunityID: "1:LQU9qZlK+B5F3KDmev6m5PMibrg=",
	}
}

// odd has all that an ordinary connection lacks.
func odd() *reassembly.Lifecycle {
	l := &reassembly.Lifecycle{
		ID: 2, Stream: 1, Tunnel: 0xfeedfacecafe, RoleGuessed: true,
		Client: netip.MustParseAddrPort("[2001:db8::1]:50000"), Server: netip.MustParseAddrPort("[::ffff:192.0.2.7]:80"),
		Start: after(time.Second), End: after(95 * time.Second), First: pk(20), Last: pk(44), Packets: 25,
		Open: reassembly.OpenMidstream, Close: reassembly.CloseEvicted, CloseFirst: reassembly.None,
		Evicted: "the table was full", MPTCP: true, OneSided: true, Reuses: 1, ReusedBy: 3, ZeekHistory: "^",
	}
	unknown := step(tcpstate.Unknown, time.Second, 20, "first packet", reassembly.Assumed)
	fin := step(tcpstate.FinWait1, 2*time.Second, 0, "send FIN", reassembly.Presumed)
	fin.InferredFrom, fin.Alternatives = pk(30), []tcpstate.State{tcpstate.LastAck, tcpstate.Closing}
	l.Endpoints[0] = reassembly.Endpoint{State: tcpstate.TimeWait, Evidence: reassembly.Presumed, InTimeWait: true,
		TimeWaitLeast: int64(3 * time.Second), TimeWaitMost: int64(60 * time.Second),
		History: []reassembly.Step{unknown, fin, step(tcpstate.TimeWait, 3*time.Second, 31, "receive FIN", reassembly.Presumed)}}
	l.Endpoints[0].Stats = reassembly.EndpointStats{Packets: 25, Bytes: 1, OutOfOrder: 1, ZeroWindows: 2, DuplicateACKs: 3, FastOpen: true, MPTCP: true}
	l.Endpoints[1] = reassembly.Endpoint{State: tcpstate.LastAck, Undetermined: true, MayBe: tcpstate.Closed}
	l.Findings = []reassembly.Finding{
		{ID: "tuple-reused-in-2msl", Family: "2msl", Severity: reassembly.Error, Side: reassembly.Both, At: after(2 * time.Second),
			Packets: pks(20), Confidence: reassembly.Likely, Verdict: "old_duplicate", Detail: "A \"quoted\" sentence <of> odd\u2028text \x7f\xff."},
		{ID: "midstream", Family: "handshake", Severity: reassembly.Info, Side: reassembly.None, At: after(time.Second),
			Confidence: reassembly.Possible, Detail: "The first packet is not of a handshake.",
			Measures: []reassembly.Measure{{Name: "tiny", Value: 1e-9}, {Name: "huge", Value: 1e21, Limit: -0.5}}},
	}
	return l
}

// unanswered is the smallest connection.
func unanswered() *reassembly.Lifecycle {
	l := &reassembly.Lifecycle{
		ID: 3, Stream: 2, Client: netip.MustParseAddrPort("10.0.0.9:1"), Server: netip.MustParseAddrPort("10.0.0.2:5000"),
		Start: after(time.Second / 2), End: after(time.Second / 2), First: pk(14), Last: pk(14), Packets: 1,
		Open: reassembly.OpenUnanswered, CloseFirst: reassembly.None,
	}
	l.Endpoints[0] = reassembly.Endpoint{State: tcpstate.SynSent, Evidence: reassembly.Observed,
		History: []reassembly.Step{step(tcpstate.SynSent, time.Second/2, 14, "send SYN", reassembly.Observed)},
		Stats:   reassembly.EndpointStats{Packets: 1}}
	return l
}

func samples() []*reassembly.Lifecycle {
	return []*reassembly.Lifecycle{unanswered(), finalACKLost(), odd()}
}

// trace is what goes with samples.
func trace() Trace {
	dropped := uint64(12)
	return Trace{Start: epoch - 5, End: after(100 * time.Second), Quality: Quality{
		Frames: 44, Segments: 39, Skipped: []Count{{"not-ip", 4}, {"not-tcp", 1}}, Marks: []Count{{"cut", 39}}, Dropped: &dropped,
		Damage: []Problem{{"a.pcap", "a.pcap: the file ends inside a record (byte 4096, after packet 44)"}},
	}}
}

func capture() Capture {
	return Capture{Files: []CaptureFile{{1, "a.pcap"}}, MSL: 30 * nsPerSecond}
}
