package anomaly

import "github.com/finwait/finwait/reassembly"

// What the path does to segments.
var pathRules = []Rule{
	{
		ID: "keepalive", Family: Path, Severity: reassembly.Info,
		RFC:   []string{"RFC 9293 3.8.4"},
		Title: "Keep-alive probes",
		Explanation: "An idle end sent a segment one below its next number, to draw an ACK. Answered probes are a fact; " +
			"unanswered ones become a warning, as the peer may be gone. Usual causes: the keep-alive option of the " +
			"program or system, two hours by default, often shortened.",
		FalseAlarm: "A retransmission of one byte looks alike if the capture missed the first copy.",
		LookNext: "Unanswered: the peer or a middlebox has dropped the connection. After some more probes the sender resets " +
			"it.",
		Check: checkKeepalive,
	},
	{
		ID: "zero-window-stall", Family: Path, Severity: reassembly.Warning,
		RFC:   []string{"RFC 9293 3.8.6.1"},
		Title: "The receiver held its window shut for long",
		Explanation: "The receiver advertised a window of zero and the sender had to wait. Usual causes: the receiving program " +
			"does not read fast enough, is blocked or stopped, or its buffer is too small.",
		FalseAlarm: "A RST or FIN with window zero is no stall. A short closure under load is ordinary flow control.",
		LookNext:   "Look at the receiving program, not at the network. If probes are not answered either, the host is gone.",
		Check:      checkZeroWindow,
	},
	{
		ID: "seq-wrap", Family: Path, Severity: reassembly.Info,
		RFC:   []string{"RFC 9293 3.4"},
		Title: "Sequence numbers wrapped past 2^32",
		Explanation: "One direction carried enough bytes, or began near enough to the top, for its numbers to start again at " +
			"zero. Usual causes: a large transfer, or a high initial number.",
		FalseAlarm: "None: it is ordinary; older tools misread it.",
		LookNext:   "On fast paths timestamps (PAWS) are needed to tell old segments from new.",
		Check:      checkSeqWrap,
	},
	{
		ID: "paws-reject", Family: Path, Severity: reassembly.Note,
		RFC:   []string{"RFC 7323 5"},
		Title: "A segment with an old timestamp was rejected",
		Explanation: "Its timestamp is older than the last accepted; the receiver drops it and sends an ACK. Usual causes: a " +
			"delayed duplicate, several hosts behind one NAT address, a middlebox or host whose timestamp clock " +
			"jumps.",
		FalseAlarm: "Reordering within a tick of the clock is tolerated and not counted.",
		LookNext:   "If a connection stalls because of it, compare the timestamps of the two senders behind the address.",
		Check:      checkPAWS,
	},
	{
		ID: "reordering", Family: Path, Severity: reassembly.Info,
		RFC:   []string{"RFC 5236"},
		Title: "Segments arrived out of order",
		Explanation: "A segment with an older IP-ID or timestamp passed the tap after a newer one: an original on a slower " +
			"way, no retransmission. Usual causes: parallel links, wireless retries, a multi-queue capture.",
		FalseAlarm: "A multi-queue or two-port capture can itself disorder packets.",
		LookNext:   "A little does no harm; much makes senders take it for loss: see dup-ack-run.",
		Check:      checkReordering,
	},
	{
		ID: "user-timeout", Family: Path, Severity: reassembly.Warning,
		RFC:   []string{"RFC 9293 3.8.3", "RFC 1122 4.2.3.5", "RFC 5482"},
		Title: "The sender gave up after repeated retransmissions",
		Explanation: "The same data was sent again with growing intervals for longer than R2 (at least 100 s by the RFC), then " +
			"a RST or silence. Usual causes: the peer or the path is gone, a NAT entry expired, a firewall drops the " +
			"connection's packets.",
		FalseAlarm: "If the trace ends while copies still come, the sender may go on.",
		LookNext:   "See whether other connections to the same peer lived on: then a middlebox dropped this one.",
		Check:      checkUserTimeout,
	},
	{
		ID: "role-uncertain", Family: Path, Severity: reassembly.Info,
		RFC:   []string{"RFC 9293 3.5"},
		Title: "Client and server are a guess",
		Explanation: "No SYN was seen, so which end opened the connection is inferred from port numbers and the first data. " +
			"Usual causes: the capture began in midstream.",
		FalseAlarm: "The guess may be wrong.",
		LookNext:   "Findings that speak of client and server are to be read with that in mind.",
		Check:      checkRoleUncertain,
	},
}

// Marks on the quality of the capture; they lower the confidence of other findings.
var captureRules = []Rule{
	{
		ID: "capture-gap", Family: Capture, Severity: reassembly.Info,
		RFC:   []string{"RFC 9293 3.4"},
		Title: "Bytes were acknowledged that the capture does not have",
		Explanation: "An ACK covers bytes never seen, and the connection goes on without sending them again: they were sent " +
			"and received, and the capture missed them. Usual causes: the capture dropped packets under load, a snap " +
			"length or filter, a path of which the tap sees only a part.",
		FalseAlarm: "At the start of a capture it is normal: the bytes came before it.",
		LookNext: "Look at the drop counters of the capture; gaps in many connections at one instant are the capture's. " +
			"Lost-ACK findings near it are less sure.",
		Check: checkCaptureGap,
	},
	{
		ID: "duplicate-frame", Family: Capture, Severity: reassembly.Info,
		RFC:   []string{"RFC 791 3.1"},
		Title: "The same packet was captured twice",
		Explanation: "Frames of the same IP-ID, numbers and payload came within a moment, or on two interfaces or VLANs. They " +
			"are one packet, not a retransmission, and count once. Usual causes: a mirror port that copies both entry " +
			"and exit, capture on \"any\", two taps into one file.",
		FalseAlarm: "Packets with IP-ID 0 cannot be told apart one by one; there a whole second of doubled frames decides.",
		LookNext: "Mirror one direction of each port, or remove duplicates. Times between the two tell the delay of the " +
			"switch.",
		Check: checkDuplicateFrame,
	},
	{
		ID: "checksum-offload", Family: Capture, Severity: reassembly.Info,
		RFC:   []string{"RFC 9293 3.1"},
		Title: "The capture was made on a host that offloads work to its network card",
		Explanation: "Outgoing frames are larger than the segment size or have bad checksums, from one host only: they were " +
			"captured before the card cut and summed them. Usual causes: a capture on that host itself.",
		FalseAlarm: "Bad checksums of both directions, or of a few packets only, are real damage.",
		LookNext: "The tap is at that host: between it and the tap nothing gets lost. For wire-true sizes capture " +
			"elsewhere, or turn segmentation offload off.",
		Check: checkOffload,
	},
}
