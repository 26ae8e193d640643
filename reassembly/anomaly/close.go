package anomaly

import "github.com/finwait/finwait/reassembly"

// How connections end.
var closeRules = []Rule{
	{
		ID: "fin-retransmitted", Family: Close, Severity: reassembly.Note,
		RFC:   []string{"RFC 9293 3.8.1, 3.10.7.4", "RFC 6298 5"},
		Title: "A FIN had to be sent again",
		Explanation: "The same FIN, perhaps with more or less data before it, came more than once: its sender did not have an " +
			"ACK of it in time. Usual causes: the FIN was lost, its ACK was lost, the peer answered late.",
		FalseAlarm: "Two frames microseconds apart with the same IP-ID are one packet captured twice. A copy that crossed the " +
			"ACK shows a short timer, not a loss.",
		LookNext: "The lost-ACK findings of the connection say what was lost and where: final-ack-lost, ack-lost-after-tap, " +
			"fin-ack-missing, last-ack-stall.",
		Check: checkFINRetransmitted,
	},
	{
		ID: "close-wait-stall", Family: Close, Severity: reassembly.Warning,
		RFC:   []string{"RFC 9293 3.6"},
		Title: "One end kept its side open long after the peer had closed",
		Explanation: "The peer's FIN was acknowledged, but for longer than the limit (60 s by default) this end sent neither " +
			"data nor its own FIN: it sits in CLOSE-WAIT. Usual causes: the program does not notice the end of the " +
			"stream, a socket leak, a connection pool that keeps dead connections.",
		FalseAlarm: "A half-close on purpose is legal; there the late side still sends data (half-close-with-data).",
		LookNext: "On that host find the owner, `ss -tnp state close-wait`. A count that only grows is a leak in the " +
			"program, not a fault of the network.",
		Check: checkCloseWaitStall,
	},
	{
		ID: "fin-wait2-stall", Family: Close, Severity: reassembly.Warning,
		RFC:   []string{"RFC 9293 3.6, 3.6.1"},
		Title: "One end waited long for the peer's FIN",
		Explanation: "This end closed, its FIN was acknowledged, and the peer sent no FIN for longer than the limit (60 s by " +
			"default). It is the mirror of close-wait-stall. Usual causes: the peer's program does not close. Linux " +
			"deletes a socket that no program owns after tcp_fin_timeout (60 s) and answers what comes later with a " +
			"RST.",
		FalseAlarm: "Data that still flows from the peer is a half-close on purpose.",
		LookNext:   "Look at the peer's program. If the peer's late FIN is answered by a RST, the socket here had timed out.",
		Check:      checkFINWait2Stall,
	},
	{
		ID: "last-ack-stall", Family: Close, Severity: reassembly.Warning,
		RFC:   []string{"RFC 9293 3.10.4, 3.8.3"},
		Title: "The second FIN was repeated and never answered",
		Explanation: "The end that closed last sent its FIN again and again, and no ACK was seen: it stays in LAST-ACK until " +
			"it gives up. Usual causes: every ACK is lost before the tap, the peer is gone or left TIME-WAIT and its " +
			"RST is filtered, a firewall dropped the connection after the first FIN.",
		FalseAlarm: "One or two copies and then silence more likely mean an answer that the capture missed.",
		LookNext: "Capture at the other end: does the FIN arrive, does an ACK leave? Firewalls with short close timers are " +
			"the usual suspects.",
		Check: checkLastACKStall,
	},
	{
		ID: "simultaneous-close", Family: Close, Severity: reassembly.Info,
		RFC:   []string{"RFC 9293 3.6"},
		Title: "Both FINs crossed",
		Explanation: "Each end sent its FIN before it had the other's: both pass through CLOSING and both end in TIME-WAIT. It " +
			"is legal. Usual causes: a protocol in which both ends close at the same event or time-out.",
		FalseAlarm: "The order at the tap does not decide; the acknowledgment numbers in the FINs do.",
		LookNext:   "Nothing, unless ports are short: here both ends hold the tuple for 2MSL.",
		Check:      checkSimultaneousClose,
	},
	{
		ID: "half-close-with-data", Family: Close, Severity: reassembly.Info,
		RFC:   []string{"RFC 9293 3.6"},
		Title: "Data flowed after one end had closed",
		Explanation: "One end sent its FIN and went on receiving. It is legal and used on purpose. Usual causes: a request " +
			"whose end is marked by the FIN, copy tools, proxies that pass a half-close on.",
		FalseAlarm: "None.",
		LookNext:   "Some middleboxes cut half-closed connections after a short time: look for resets or silence in the tail.",
		Check:      checkHalfCloseData,
	},
	{
		ID: "data-beyond-fin", Family: Close, Severity: reassembly.Error,
		RFC:   []string{"RFC 9293 3.10.4"},
		Title: "An end sent data beyond its own FIN",
		Explanation: "Bytes with sequence numbers after the FIN were seen from the end that sent it. No conforming stack does " +
			"so. Usual causes: an injected segment, two hosts that share one address, a middlebox that adds data, a " +
			"stack fault.",
		FalseAlarm: "A new incarnation of the tuple whose SYN was missed looks like it.",
		LookNext:   "Compare TTL, IP-ID and timestamps before and after the FIN: another sender shows there.",
		Check:      checkDataBeyondFIN,
	},
	{
		ID: "fin-seq-changed", Family: Close, Severity: reassembly.Error,
		RFC:   []string{"RFC 9293 3.10.4"},
		Title: "The FIN came again at another sequence number",
		Explanation: "Two FINs of one end mark different ends of the stream. Usual causes: an injected FIN, a middlebox that " +
			"adds or removes data, two hosts that share one address.",
		FalseAlarm: "A copy may carry more or fewer bytes before the FIN; only the number of the FIN itself counts.",
		LookNext:   "The one that the peer acknowledges is the true one. Compare TTL and IP-ID to find who sent the other.",
		Check:      checkFINSeqChanged,
	},
	{
		ID: "fin-with-hole", Family: Close, Severity: reassembly.Note,
		RFC:   []string{"RFC 9293 3.10.7.4"},
		Title: "A FIN arrived before some of the data",
		Explanation: "Bytes before the FIN were missing when it came; the receiver does not see the FIN until they have " +
			"arrived, so the close waits for a retransmission. Usual causes: loss near the end of a transfer, " +
			"reordering.",
		FalseAlarm: "If the bytes were acknowledged and only the capture missed them, it is a capture-gap.",
		LookNext:   "The time between the FIN and the filling of the hole is what the loss cost.",
		Check:      checkFINWithHole,
	},
	{
		ID: "fin-unexpected", Family: Close, Severity: reassembly.Note,
		RFC:   []string{"RFC 9293 3.10.7.4"},
		Title: "A FIN came without a connection",
		Explanation: "A FIN for a tuple in which nothing else was seen, or while the handshake was not complete. The receiver " +
			"ignores it or answers by a RST. Usual causes: the capture began after the connection, a FIN scan, a " +
			"connection that one end forgot.",
		FalseAlarm: "At the start of a capture it is usual.",
		LookNext:   "Many of them from one address to many ports are a scan.",
		Check:      checkFINUnexpected,
	},
	{
		ID: "late-after-close", Family: Close, Severity: reassembly.Note,
		RFC:   []string{"RFC 9293 3.10.7.1"},
		Title: "A segment came after the connection had ended",
		Explanation: "Both ends had closed, or 2MSL had passed, and a segment of the old connection was still seen. Usual " +
			"causes: a copy delayed in the network, an end that gave up earlier than it seemed, a host that came back " +
			"from suspension.",
		FalseAlarm: "A copy of a FIN within TIME-WAIT is expected and not counted.",
		LookNext:   "See what answers it: a RST is right. If the tuple was in use again, see old-duplicate-accepted.",
		Check:      checkLateAfterClose,
	},
	{
		ID: "vanished", Family: Close, Severity: reassembly.Note,
		RFC:   []string{"RFC 9293 3.8.4"},
		Title: "The connection fell silent without a close",
		Explanation: "No FIN, no RST, and nothing more for longer than the idle limit, while the trace went on. Usual causes: " +
			"a NAT or firewall that dropped its state, a host that crashed or left the network, an application that " +
			"holds an idle connection.",
		FalseAlarm: "Silence is no proof of an end: an idle connection may be alive.",
		LookNext: "Look for keep-alives. If one end tries again later and gets no answer or a RST, the other end or a " +
			"middlebox had forgotten it.",
		Check: checkVanished,
	},
	{
		ID: "abortive-close", Family: Close, Severity: reassembly.Note,
		RFC:   []string{"RFC 9293 3.10.5"},
		Title: "The connection was ended by a RST instead of a FIN",
		Explanation: "All data was acknowledged, and then one end sent a RST. There is no TIME-WAIT after it, and data on its " +
			"way is lost. Usual causes: a program that closes with unread data or with SO_LINGER 0, a load balancer " +
			"or health check that saves time, a process that was killed.",
		FalseAlarm: "A RST in answer to a segment for a closed socket has another form and is rst-for-closed.",
		LookNext: "If data is missing at the peer, this is the cause. Otherwise it is a habit of the program: see which end " +
			"does it.",
		Check: checkAbortiveClose,
	},
	{
		ID: "server-closes-first", Family: Close, Severity: reassembly.Info,
		RFC:   []string{"RFC 9293 3.6.1"},
		Title: "The server closed first and so holds TIME-WAIT",
		Explanation: "The end that listens sent the first FIN. It is legal, and the server carries the TIME-WAIT entries. " +
			"Usual causes: HTTP without keep-alive, an idle time-out of the server.",
		FalseAlarm: "If the roles are guessed (midstream), it may be the client.",
		LookNext:   "With very many short connections let the client close, or keep connections open for longer.",
		Check:      checkServerClosesFirst,
	},
}
