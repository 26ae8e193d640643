package anomaly

import "github.com/finwait/finwait/reassembly"

// Acknowledgments that did not arrive, or not where they should have: the
// handshake's third ACK, the ACK of data, of a FIN, and the last of all.
var lostACKRules = []Rule{
	{
		ID: "third-ack-lost-or-dropped", Family: LostACK, Severity: reassembly.Warning,
		RFC:   []string{"RFC 9293 3.5", "RFC 6298 5"},
		Title: "The SYN-ACK came again after the handshake's last ACK was seen",
		Explanation: "The client's ACK passed the tap, yet more than a round trip later the server sent the SYN-ACK again: it " +
			"did not have that ACK, or dropped it. The client thinks the connection open, the server does not. Usual " +
			"causes: the ACK was lost behind the tap, the server's accept queue is full and Linux drops the third " +
			"ACK, a middlebox on the way.",
		FalseAlarm: "A SYN-ACK that crossed the ACK (sooner than one round trip) is no sign. A client that sends data at once " +
			"repairs the loss by itself.",
		LookNext: "On the server, `ss -ltn` shows Recv-Q against Send-Q of the listener, and the counter ListenOverflows " +
			"counts such drops. With the tap on the server it is almost surely a full queue.",
		Check: checkThirdACK,
	},
	{
		ID: "ack-lost-after-tap", Family: LostACK, Severity: reassembly.Warning,
		RFC:   []string{"RFC 9293 3.10.7.4", "RFC 6298 5", "RFC 2883 4"},
		Title: "An ACK was seen but did not reach its receiver",
		Explanation: "An acknowledgment was seen, and later than a round trip after it the peer sent the acknowledged bytes " +
			"again: the ACK was lost between the tap and the peer, or, where several points were captured, between those " +
			"that are named. Bytes count, not segments: a copy may be cut differently. A copy that was lost before the tap " +
			"shows as a gap in the peer's IP-IDs, where it had nothing else to send. Usual causes: loss or a full queue " +
			"there, a policer, a host that drops under load.",
		FalseAlarm: "A copy sooner than a round trip crossed the ACK: nothing was lost. A tail-loss probe or a broken stack " +
			"can repeat bytes whose ACK arrived; a timestamp echo as new as the ACK's shows that.",
		LookNext: "The loss is on the side of the peer, seen from the tap: move the tap that way to narrow it. An isolated " +
			"one does little harm: the next ACK makes up for it.",
		Check: checkACKLostAfter,
	},
	{
		ID: "ack-lost-before-tap", Family: LostACK, Severity: reassembly.Note,
		RFC:   []string{"RFC 2883 4", "RFC 7323 3"},
		Title: "An ACK was lost before it reached the tap",
		Explanation: "Bytes were sent again without an ACK being seen, and the answer (a D-SACK, a timestamp echo, a gap in " +
			"the IP-IDs) shows that the first copy had arrived and was acknowledged. Usual causes: loss between the " +
			"receiver and the tap.",
		FalseAlarm: "A D-SACK proves that the data arrived, not that an ACK was sent: a delayed ACK may not have left yet. " +
			"Without a gap in the IP-IDs, and a copy soon after the first, the ACK was likely never sent.",
		LookNext: "Capture nearer to the receiver. Dropped packets in the capture itself look the same: see capture-gap and " +
			"the drop counters.",
		Check: checkACKLostBefore,
	},
	{
		ID: "data-lost-after-tap", Family: LostACK, Severity: reassembly.Note,
		RFC:   []string{"RFC 5681 3.2", "RFC 6675"},
		Title: "Data was seen but did not reach its receiver",
		Explanation: "A segment was seen, its receiver asked for it (a SACK hole, duplicate ACKs) or did not acknowledge it, " +
			"and only its copy was acknowledged. Usual causes: congestion, a policer, a bad link behind the tap or between the points that are named.",
		FalseAlarm: "If the receiver then reports a D-SACK, the first copy had arrived: what was lost is an ACK. Reordering " +
			"within a fraction of the round trip is no loss.",
		LookNext: "The loss lies between the tap and the receiver, or between the points that are named. Count how many segments of the same moment share it: " +
			"bursts speak for a full queue.",
		Check: checkDataLost,
	},
	{
		ID: "ack-never-sent", Family: LostACK, Severity: reassembly.Warning,
		RFC:   []string{"RFC 9293 3.8.6.3", "RFC 1122 4.2.3.2"},
		Title: "The receiver was there but sent no ACK",
		Explanation: "The peer's packets are all seen (its IP-IDs have no gap), data towards it is outstanding, and for longer " +
			"than an ACK may be delayed none was sent. Usual causes: the data did not reach it, the host stalled or " +
			"was suspended, a zero window, a stack that acknowledges late.",
		FalseAlarm: "It needs a tap that sees all the peer sends. Segments with IP-ID 0 say nothing.",
		LookNext: "See whether the peer sends anything else meanwhile. If it does, the data was lost on its way; if not, " +
			"look at the host: load, suspension, interrupts.",
		Check: checkNeverSent,
	},
	{
		ID: "capture-missed-ack", Family: LostACK, Severity: reassembly.Info,
		RFC:   []string{"RFC 9293 3.4", "RFC 7323 4"},
		Title: "An ACK reached its receiver though the capture does not have it",
		Explanation: "The sender acts as if it had been acknowledged: it goes beyond the last window seen, echoes a timestamp " +
			"never seen, or stops repeating. The ACK existed and the capture missed it. Usual causes: packets dropped " +
			"by the capture, two paths.",
		FalseAlarm: "Silence alone is no proof: the sender may have given up.",
		LookNext: "It is proof of loss in the capture: all lost-ACK findings of that span are less sure. See the drop " +
			"counters.",
		Check: checkCaptureMissed,
	},
	{
		ID: "ack-late-spurious-rto", Family: LostACK, Severity: reassembly.Note,
		RFC:   []string{"RFC 3522", "RFC 7323 4", "RFC 6298 5"},
		Title: "A retransmission was needless: the ACK was only late",
		Explanation: "The bytes were sent again, but the acknowledgment was made from the first copy: its timestamp echo says " +
			"so, or it came sooner than the copy could have been answered. Nothing was lost. Usual causes: a sudden " +
			"rise of the round trip (a full buffer, a radio link), a delayed ACK longer than the sender's timer, a " +
			"sender with too short a timer.",
		FalseAlarm: "Equal timestamps prove nothing: clocks tick every 1 to 10 ms.",
		LookNext: "Look at the round trip around that time. Repeated cases halve the sender's rate for nothing: see whether " +
			"the stack undoes it (Eifel, F-RTO).",
		Check: checkLateACK,
	},
	{
		ID: "dsack", Family: LostACK, Severity: reassembly.Info,
		RFC:   []string{"RFC 2883 4"},
		Title: "The receiver reports that bytes came twice",
		Explanation: "A SACK block at or below the acknowledgment: the receiver had those bytes already. It proves that an " +
			"earlier copy arrived. Usual causes: a needless retransmission, a lost ACK, a packet duplicated in the " +
			"network.",
		FalseAlarm: "None: the receiver says so.",
		LookNext: "Look at the copy it answers: ack-lost-before-tap, ack-lost-after-tap and ack-late-spurious-rto say why " +
			"there was one.",
		Check: checkDSACK,
	},
	{
		ID: "ack-of-unsent", Family: LostACK, Severity: reassembly.Error,
		RFC:   []string{"RFC 9293 3.10.7.4", "RFC 5961 5"},
		Title: "An ACK covers bytes that were never sent",
		Explanation: "The acknowledgment is above everything the peer has sent, and the capture of that peer has no gap. The " +
			"peer answers by an ACK and drops the segment. Usual causes: an injected segment, a receiver that " +
			"acknowledges ahead of the data, a stack fault, a middlebox that rewrites numbers.",
		FalseAlarm: "If the capture missed the peer's packets, it is a capture-gap: later behaviour decides.",
		LookNext: "Compare TTL, IP-ID and timestamps of the segment with its supposed sender. See whether the peer ever " +
			"sends those bytes.",
		Check: checkACKOfUnsent,
	},
	{
		ID: "ack-stall", Family: LostACK, Severity: reassembly.Note,
		RFC:   []string{"RFC 9293 3.8.3"},
		Title: "Data stayed unacknowledged for long",
		Explanation: "Bytes are outstanding and neither an ACK nor a retransmission was seen for longer than the sender should " +
			"wait. Usual causes: the peer is gone, the sender is stopped or suspended, its packets take another path.",
		FalseAlarm: "If the trace ends soon after, it tells nothing.",
		LookNext: "See whether the connection moves again. If not, look for user-timeout or vanished; if it does, look at " +
			"the host that was silent.",
		Check: checkACKStall,
	},
	{
		ID: "dup-ack-run", Family: LostACK, Severity: reassembly.Note,
		RFC:   []string{"RFC 5681 3.2", "RFC 6675"},
		Title: "Three or more duplicate ACKs in a row",
		Explanation: "The receiver repeats one acknowledgment while data is outstanding: something after a hole arrives. Usual " +
			"causes: a lost segment, reordering on parallel paths.",
		FalseAlarm: "Window updates and keep-alives repeat the number too; they are not counted.",
		LookNext: "Look at the hole: if the segment came late it was reordering, if it was sent again it was " +
			"data-lost-after-tap or lost before the tap.",
		Check: checkDupACKRun,
	},
	{
		ID: "ack-loop", Family: LostACK, Severity: reassembly.Error,
		RFC:   []string{"RFC 1337 2", "RFC 5961 7", "RFC 9293 3.10.7.4"},
		Title: "The two ends answer each other's ACKs without end",
		Explanation: "Each end finds the other's ACK unacceptable and answers it by an ACK, many times a second, without " +
			"progress. Usual causes: the ends disagree on sequence numbers after a tuple was reused, a middlebox that " +
			"rewrites numbers in one direction, an injected segment.",
		FalseAlarm: "A burst of duplicate ACKs during recovery makes progress; this does not.",
		LookNext: "Find the packet after which the numbers part: a reuse (reuse-failed), an injection, a box on the path. " +
			"Resetting one end stops it.",
		Check: checkACKLoop,
	},
	{
		ID: "delayed-ack-excess", Family: LostACK, Severity: reassembly.Note,
		RFC:   []string{"RFC 9293 3.8.6.3", "RFC 1122 4.2.3.2"},
		Title: "An ACK was delayed for longer than allowed",
		Explanation: "A full-sized segment was acknowledged only after more than 500 ms, or more than two went unacknowledged. " +
			"Usual causes: a receiver under load, receive offload that merges ACKs, a stack that thins ACKs on " +
			"purpose.",
		FalseAlarm: "Unless the tap is near the receiver, the path's delay is part of the figure. Offload at the tap's host " +
			"merges segments and ACKs.",
		LookNext: "Together with small writes it makes Nagle's delay visible: see whether the sender waits for the ACK.",
		Check:    checkDelayedACK,
	},
	{
		ID: "final-ack-lost", Family: LostACK, Severity: reassembly.Warning,
		RFC:   []string{"RFC 9293 3.10.7.4, 3.6"},
		Title: "The last ACK of the connection was lost",
		Explanation: "The ACK of the second FIN was sent, yet its receiver sent the FIN again more than a round trip " +
			"later: it was still in LAST-ACK. The end in TIME-WAIT answers again and its 2MSL starts anew; this is " +
			"what TIME-WAIT is for. The finding says where it was lost: behind the tap, before it, or between two points " +
			"of capture. Usual causes: loss on the way to the end in LAST-ACK, a firewall that forgets a connection as " +
			"soon as it has seen both FINs.",
		FalseAlarm: "A FIN that crossed the ACK is no sign. Two frames with the same IP-ID are one packet seen twice.",
		LookNext: "An isolated case is repaired by TCP itself. If it happens at each close, suspect a stateful firewall " +
			"that drops the last ACK. If the copy is answered by a RST, see time-wait-missing.",
		Check: checkFinalACK,
	},
	{
		ID: "fin-ack-missing", Family: LostACK, Severity: reassembly.Warning,
		RFC:   []string{"RFC 9293 3.10.4, 3.10.7.4"},
		Title: "A FIN was never acknowledged",
		Explanation: "No ACK covers the FIN, although the trace goes on and the peer's direction is seen. The sender stays in " +
			"FIN-WAIT-1 or LAST-ACK and sends it again until it gives up. Usual causes: the FIN or each ACK of it is " +
			"lost, the peer is gone or has no such connection any more, a firewall dropped its state.",
		FalseAlarm: "If the trace ends soon after the FIN, or one direction is missing, nothing can be said.",
		LookNext: "See whether the peer sent anything after the FIN. A RST in answer closes the case; silence points at the " +
			"path or at a dead peer.",
		Check: checkFINACKMissing,
	},
}
