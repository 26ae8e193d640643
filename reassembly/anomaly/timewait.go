package anomaly

import "github.com/finwait/finwait/reassembly"

// TIME-WAIT and 2MSL: held, restarted, cut short, and the tuple used again.
var timeWaitRules = []Rule{
	{
		ID: "time-wait-restarted", Family: TwoMSL, Severity: reassembly.Info,
		RFC:   []string{"RFC 9293 3.10.7.4"},
		Title: "TIME-WAIT was started anew",
		Explanation: "A late segment of the peer, usually its FIN again, reached the end in TIME-WAIT; it acknowledged, and " +
			"2MSL counts from there. Usual causes: the final ACK was lost, or the FIN was duplicated on its way.",
		FalseAlarm: "If the answer was not seen, the restart is only presumed, and the time left is told as a range.",
		LookNext:   "See final-ack-lost. A peer that keeps sending its FIN can hold the tuple for long.",
		Check:      checkRestarted,
	},
	{
		ID: "tuple-reused-in-2msl", Family: TwoMSL, Severity: reassembly.Warning,
		RFC:   []string{"RFC 9293 3.6.1", "RFC 6191 2", "RFC 7323 5"},
		Title: "The tuple was used again before 2MSL had passed",
		Explanation: "The peer of the end in TIME-WAIT opened a new connection with the same addresses and ports. That is " +
			"allowed if its SYN is newer by timestamp or sequence number and the answer begins above the old numbers; " +
			"the verdict says which test held or failed. The interval is compared with the usual profiles (30, 60, " +
			"120, 240 s). Usual causes: a client with few ports or a fixed source port, a NAT that reuses ports fast, " +
			"a load test.",
		FalseAlarm: "The holder's MSL is not known from a capture. Behind a NAT, timestamps of different hosts do not " +
			"compare. Verdicts legal_ts and legal_isn are info, undetermined is note, illegal ones and old_duplicate " +
			"are error.",
		LookNext: "See what answered: a SYN-ACK accepts, an ACK of old numbers rejects (syn-in-time-wait-rejected). If it " +
			"fails, use more source ports or addresses.",
		Check: checkTupleReused,
	},
	{
		ID: "tw-reuse-by-holder", Family: TwoMSL, Severity: reassembly.Warning,
		RFC:   []string{"RFC 9293 3.6.1", "RFC 7323 5"},
		Title: "The end in TIME-WAIT opened the tuple again itself",
		Explanation: "The end that closed first must wait for 2MSL, yet it sent a SYN on the same tuple before that. Usual " +
			"causes: Linux with tcp_tw_reuse (by default on loopback only; elsewhere when set to 1), which does so " +
			"with timestamps after one second; a program that binds a fixed source port.",
		FalseAlarm: "With timestamps and more than a second later it is that Linux setting, and info.",
		LookNext: "Without timestamps old segments can fall into the new connection: turn timestamps on, or let the port " +
			"vary.",
		Check: checkReuseByHolder,
	},
	{
		ID: "syn-in-time-wait-rejected", Family: TwoMSL, Severity: reassembly.Error,
		RFC:   []string{"RFC 9293 3.10.7.4", "RFC 6191 2", "RFC 5961 4"},
		Title: "A new connection failed at a TIME-WAIT",
		Explanation: "A SYN met an end in TIME-WAIT, which took it for an old duplicate and answered with an ACK of the old " +
			"numbers or a RST. The client reset it and tried again; the delay is measured. Usual causes: sequence " +
			"numbers or timestamps that do not rise, such as several hosts behind one NAT address, or a firewall that " +
			"randomises them; a source port reused too soon.",
		FalseAlarm: "A late packet of the old connection that crosses the SYN looks similar; then the SYN-ACK follows at " +
			"once.",
		LookNext: "Compare the SYN's timestamp and sequence number with the last of the old connection. If they are lower, " +
			"find who rewrites them, or spread the clients over more ports and addresses.",
		Check: checkSYNRejected,
	},
	{
		ID: "time-wait-missing", Family: TwoMSL, Severity: reassembly.Warning,
		RFC:   []string{"RFC 9293 3.6.1, 3.10.7.1"},
		Title: "A repeated FIN was answered by a RST: TIME-WAIT was not held",
		Explanation: "The end that should be in TIME-WAIT answered a copy of the peer's FIN with the RST of a closed port: it " +
			"had no such connection any more. Usual causes: a limit on TIME-WAIT entries (on Linux " +
			"tcp_max_tw_buckets, counter TCPTimeWaitOverflow), SO_LINGER 0, a Linux socket that timed out in " +
			"FIN-WAIT-2, a middlebox that answers in its name.",
		FalseAlarm: "If TTL or IP-ID of the RST differ from the host's other packets, a firewall sent it.",
		LookNext: "The peer sees an error instead of an orderly end, after all data was delivered. Look at the counters of " +
			"the host that sent the RST.",
		Check: checkTimeWaitMissing,
	},
	{
		ID: "time-wait-assassinated", Family: TwoMSL, Severity: reassembly.Warning,
		RFC:   []string{"RFC 1337 2", "RFC 9293 3.10.7.4"},
		Title: "A RST ended TIME-WAIT early",
		Explanation: "An old segment reached the end in TIME-WAIT; its ACK drew a RST from the peer, which knows the " +
			"connection no more, and the RST deleted the TIME-WAIT. Old segments may now fall into a new connection. " +
			"Usual causes: delayed duplicates, a peer that repeats its FIN after having given up, scanners.",
		FalseAlarm: "Whether the holder obeyed the RST shows only when the tuple is used again; until then it is possible, " +
			"not certain. Hosts may ignore such a RST (Linux: tcp_rfc1337).",
		LookNext: "See whether a quick new connection on the tuple followed. If it matters, have the host ignore RSTs in " +
			"TIME-WAIT.",
		Check: checkAssassinated,
	},
	{
		ID: "old-duplicate-accepted", Family: TwoMSL, Severity: reassembly.Error,
		RFC:   []string{"RFC 1337 2", "RFC 7323 5", "RFC 9293 3.4.3"},
		Title: "A segment of the old connection fell into the new one",
		Explanation: "A segment whose timestamp, IP-ID or numbers belong to the previous incarnation lies in the window of the " +
			"present one. If it was taken, the stream is corrupt without an error. Usual causes: the tuple was reused " +
			"too soon, no timestamps, a long delay on the path.",
		FalseAlarm: "Without timestamps it is a suspicion: the numbers may fit by chance.",
		LookNext:   "Verify the data at the application. Timestamps (PAWS) or an honest TIME-WAIT prevent it.",
		Check:      checkOldDuplicate,
	},
	{
		ID: "reuse-failed", Family: TwoMSL, Severity: reassembly.Error,
		RFC:   []string{"RFC 1337 2", "RFC 9293 3.6.1"},
		Title: "A connection that reused a tuple was wrecked by the old one",
		Explanation: "Soon after the reuse an old segment reset the new connection or set the ends at odds (ack-loop). Usual " +
			"causes: reuse within 2MSL, TIME-WAIT cut short, a middlebox that keeps state of the old connection.",
		FalseAlarm: "A RST that fits the new numbers exactly is the new connection's own affair.",
		LookNext:   "See tuple-reused-in-2msl and time-wait-assassinated of the old connection for how the tuple came free.",
		Check:      checkReuseFailed,
	},
	{
		ID: "censored-time-wait", Family: TwoMSL, Severity: reassembly.Info,
		RFC:   []string{"RFC 9293 3.6.1"},
		Title: "The trace ends before 2MSL had passed",
		Explanation: "The end is in TIME-WAIT when the trace stops; the time left is stated. What came after is unknown. Usual " +
			"causes: the capture was stopped soon after the close.",
		FalseAlarm: "None.",
		LookNext:   "To see TIME-WAIT end, or a reuse, capture for 2MSL longer.",
		Check:      checkCensored,
	},
	{
		ID: "port-pressure", Family: TwoMSL, Severity: reassembly.Warning,
		RFC:   []string{"RFC 9293 3.6.1", "RFC 6056"},
		Title: "Most ports towards one service are in TIME-WAIT",
		Explanation: "Of the ephemeral ports from one address to one address and port, more than 70 % were used within 2MSL. " +
			"When none is left, connects fail or tuples are reused. Usual causes: many short connections from one " +
			"host, a proxy or load balancer to one backend, a NAT of many clients.",
		FalseAlarm: "The size of the ephemeral range is a guess (28,232 ports on Linux by default).",
		LookNext: "Keep connections open (pooling, keep-alive), let the other end close first, or add source addresses or " +
			"backend ports.",
	},
}
