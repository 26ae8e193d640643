package anomaly

import "github.com/finwait/finwait/reassembly"

// How connections begin, and what the first packets prove of the capture.
var handshakeRules = []Rule{
	{
		ID: "syn-unanswered", Family: Handshake, Severity: reassembly.Warning,
		RFC:   []string{"RFC 9293 3.10.7.3", "RFC 6298 2"},
		Title: "A SYN was never answered",
		Explanation: "The client asked for a connection and nothing came back: no SYN-ACK, no RST, no ICMP error. Usual " +
			"causes: a firewall that drops silently, a host that is down or a wrong address, a listener whose queue " +
			"is full, an answer that takes a path the tap does not see.",
		FalseAlarm: "If no segment of the server is seen in any connection, the tap sees one direction only (one-sided). A " +
			"trace that ends less than a second after the SYN tells nothing: then the finding is info.",
		LookNext: "Capture at the server: does the SYN arrive, does a SYN-ACK leave? Compare with other clients of the same " +
			"server and other ports of the same host.",
		Check: checkSYNUnanswered,
	},
	{
		ID: "syn-retransmitted", Family: Handshake, Severity: reassembly.Note,
		RFC:   []string{"RFC 6298 2, 5", "RFC 9293 3.8.1"},
		Title: "A SYN had to be sent again before it was answered",
		Explanation: "The connect was delayed by the client's retransmission timer, about 1 s for the first copy and twice as " +
			"long for each further one. Usual causes: the SYN or the SYN-ACK was lost, the listener's queue was full " +
			"for a moment, the first packet waited for address resolution or for a tunnel to come up.",
		FalseAlarm: "Two frames microseconds apart with the same IP-ID are one packet captured twice (duplicate-frame), not a " +
			"retransmission. A SYN with another initial sequence number is a new attempt.",
		LookNext: "See whether the loss strikes one server or all. On a Linux server the counters ListenOverflows and " +
			"ListenDrops tell a full queue from a lossy path.",
		Check: checkSYNRetransmitted,
	},
	{
		ID: "syn-refused", Family: Handshake, Severity: reassembly.Note,
		RFC:   []string{"RFC 9293 3.10.7.1, 3.10.7.3"},
		Title: "The connection was refused by a RST",
		Explanation: "The answer to the SYN was a RST that acknowledges it: no one listens on that port. Usual causes: the " +
			"service is not running or listens on another address or port, a firewall rejects instead of dropping, a " +
			"load balancer has no healthy backend.",
		FalseAlarm: "None for the client, which sees \"connection refused\". A health check or a port scan is refused by " +
			"design.",
		LookNext: "Compare TTL and IP-ID of the RST with other packets of the server: if they differ, a middlebox answered " +
			"in its name. On the server, `ss -ltn` shows what listens.",
		Check: checkSYNRefused,
	},
	{
		ID: "syn-refused-icmp", Family: Handshake, Severity: reassembly.Note,
		RFC:   []string{"RFC 9293 3.9.2.2", "RFC 1122 4.2.3.9", "RFC 5461"},
		Title: "The connection was refused by an ICMP error",
		Explanation: "An ICMP error quotes the SYN: host, network or port unreachable, or prohibited. Usual causes: no route, " +
			"a router's access list, a host firewall set to reject, no neighbour that answers for the address.",
		FalseAlarm: "ICMP errors may be forged or stem from another path. An error that quotes a SYN which is answered later " +
			"was a passing one.",
		LookNext: "The sender of the error is the box to ask; its code says why. The client may go on trying: such errors " +
			"are soft while a connection opens.",
		Check: checkSYNRefusedICMP,
	},
	{
		ID: "half-open-no-third-ack", Family: Handshake, Severity: reassembly.Warning,
		RFC:   []string{"RFC 9293 3.5", "RFC 4987 3"},
		Title: "The handshake stopped after the SYN-ACK",
		Explanation: "The server answered the SYN, but no ACK of its SYN-ACK was seen; often the SYN-ACK repeats. The server " +
			"keeps a half-open entry until it gives up. Usual causes: the SYN-ACK is lost on its way to the client, " +
			"the source address was false (SYN flood), a scanner that never completes, a stateful firewall on an " +
			"asymmetric path.",
		FalseAlarm: "If the tap sees nothing at all from the client but SYNs in other connections too, the third ACK may pass " +
			"elsewhere (one-sided).",
		LookNext: "Many of them from addresses that never complete: a SYN flood; look at SYN cookies. A few from real " +
			"clients: capture at the client and see whether the SYN-ACK arrives.",
		Check: checkHalfOpen,
	},
	{
		ID: "syn-answered-by-ack", Family: Handshake, Severity: reassembly.Error,
		RFC:   []string{"RFC 9293 3.5.1, 3.10.7.4", "RFC 5961 4"},
		Title: "A SYN was answered by an ACK of other numbers",
		Explanation: "The server answered a SYN by a pure ACK that does not acknowledge it: it still has, or thinks it has, an " +
			"older connection on this tuple. The client must reset it and try again, which costs about a second. " +
			"Usual causes: the client restarted and reused the port (half-open connection), the client's port was " +
			"reused too soon, a middlebox lost its state.",
		FalseAlarm: "The ACK may be a late packet of the old connection that crossed the SYN: then a SYN-ACK follows at once. " +
			"If nothing of the old connection was captured, the old state is unknown.",
		LookNext: "Look for the RST of the client and its next SYN. If the server was in TIME-WAIT, see " +
			"syn-in-time-wait-rejected. The old connection's end shows which FIN or RST was lost.",
		Check: checkSYNAnsweredByACK,
	},
	{
		ID: "synack-bad-ack", Family: Handshake, Severity: reassembly.Error,
		RFC:   []string{"RFC 9293 3.10.7.3"},
		Title: "A SYN-ACK acknowledges a number that was not sent",
		Explanation: "The SYN-ACK's acknowledgment is not the SYN's sequence number plus one (plus data on the SYN). The " +
			"client resets. Usual causes: a late SYN-ACK that answers an earlier SYN of the same tuple, a middlebox " +
			"that rewrites sequence numbers in one direction only, a forged SYN-ACK.",
		FalseAlarm: "If the SYN that it answers was not captured, the number may be right.",
		LookNext: "Compare the number with earlier SYNs of the tuple. A constant difference between the two directions " +
			"points at a box that rewrites sequence numbers.",
		Check: checkSYNACKBadAck,
	},
	{
		ID: "synack-isn-changed", Family: Handshake, Severity: reassembly.Error,
		RFC:   []string{"RFC 9293 3.4.1"},
		Title: "The SYN-ACK came again with another sequence number",
		Explanation: "Two SYN-ACKs for one SYN carry different initial sequence numbers: two parties answered. Usual causes: " +
			"two hosts behind one address, a load balancer that sent the copy of the SYN to another server, a SYN " +
			"proxy, a server that forgot the first SYN (SYN cookies, restart).",
		FalseAlarm: "SYN cookies change with the clock: copies some seconds apart may differ and both be valid.",
		LookNext: "Compare TTL, IP-ID and options of the two. Different ones mean two hosts; then see how the SYN's copies " +
			"are distributed.",
		Check: checkSYNACKChanged,
	},
	{
		ID: "simultaneous-open", Family: Handshake, Severity: reassembly.Info,
		RFC:   []string{"RFC 9293 3.5"},
		Title: "Both ends sent a SYN",
		Explanation: "Each end opened actively, and the SYNs crossed: both pass through SYN-RECEIVED. It is legal and rare. " +
			"Usual causes: peers that punch through NAT, routing daemons that call each other, test programs.",
		FalseAlarm: "A tap with two ports may reorder packets; only the acknowledgment numbers decide.",
		LookNext:   "Nothing, unless it was not meant: then see why both ends call.",
		Check:      checkSimultaneousOpen,
	},
	{
		ID: "split-handshake", Family: Handshake, Severity: reassembly.Note,
		RFC:   []string{"RFC 9293 3.5"},
		Title: "The SYN-ACK came as an ACK and a SYN of its own",
		Explanation: "The server acknowledged the SYN and sent its own SYN separately. TCP allows it, many firewalls misread " +
			"it and take the server for the client. Usual causes: an unusual stack, a test, an attempt to slip past a " +
			"firewall.",
		FalseAlarm: "In a simultaneous open each end sends a bare SYN too; there the SYNs cross before either is " +
			"acknowledged.",
		LookNext: "Ask what the server is. If nobody knows, treat it as an evasion attempt and look at what the connection " +
			"carries.",
		Check: checkSplitHandshake,
	},
	{
		ID: "syn-in-synchronized", Family: Handshake, Severity: reassembly.Warning,
		RFC:   []string{"RFC 9293 3.10.7.4", "RFC 5961 4"},
		Title: "A SYN arrived inside a live connection",
		Explanation: "One end sent a SYN on a tuple whose connection was never seen to close. The receiver answers by a " +
			"challenge ACK; if the sender really restarted, it answers with a RST. Usual causes: a host that crashed " +
			"and reused the port, a NAT that gave the port to another client, an injected SYN.",
		FalseAlarm: "A copy of the connection's own SYN is no new SYN. If the capture missed the close, this is an ordinary " +
			"reuse: a silence of minutes before it speaks for that.",
		LookNext: "Compare TTL and timestamps of the SYN with the live connection: another host behind a NAT shows there. " +
			"See what answers it: challenge ACK, RST or SYN-ACK.",
		Check: checkSYNInSynchronized,
	},
	{
		ID: "data-on-syn", Family: Handshake, Severity: reassembly.Info,
		RFC:   []string{"RFC 9293 3.10.7.2", "RFC 7413"},
		Title: "A SYN carried data",
		Explanation: "Payload came with the SYN or SYN-ACK. With a Fast Open cookie the server may use it at once; without, it " +
			"must hold it until the handshake is complete. Usual causes: TCP Fast Open, an old load test, a scanner.",
		FalseAlarm: "None: it is legal.",
		LookNext: "See whether the SYN-ACK acknowledges the data. If it covers the SYN alone, the data is sent again after " +
			"the handshake, and the cookie was of no use.",
		Check: checkDataOnSYN,
	},
	{
		ID: "syn-cookie-suspected", Family: Handshake, Severity: reassembly.Info,
		RFC:   []string{"RFC 4987 3.6"},
		Title: "The server seems to answer with SYN cookies",
		Explanation: "The SYN-ACK lacks options (window scale, SACK, timestamps) that the same server granted to other " +
			"clients. Usual causes: the SYN queue overflowed and the server fell back on cookies, or a SYN proxy " +
			"stands before it.",
		FalseAlarm: "It is statistics, not proof: a client that did not offer the options gets none either.",
		LookNext: "On Linux see the counter SyncookiesSent. Connections opened so lose scaling and SACK and may be slow for " +
			"their whole life.",
	},
	{
		ID: "midstream", Family: Handshake, Severity: reassembly.Info,
		RFC:   []string{"RFC 9293 3.10.7.4"},
		Title: "The connection had begun before the capture",
		Explanation: "The first packet seen is no SYN. What was before is unknown: states are UNKNOWN until a packet shows " +
			"more, and window scale and round trip are not known. Usual causes: the capture started late, a rotated " +
			"file whose predecessor is missing, a capture filter that drops SYNs.",
		FalseAlarm: "None.",
		LookNext: "Give all rotated files at once, or start the capture before the connection. Judge findings of this " +
			"connection with care.",
		Check: checkMidstream,
	},
	{
		ID: "one-sided", Family: Handshake, Severity: reassembly.Info,
		RFC:   []string{"RFC 9293 3.4"},
		Title: "Only one direction was captured",
		Explanation: "Segments of one end only, while their acknowledgment numbers move: the other end did send. It is a " +
			"statement on the capture, not on the network. Usual causes: asymmetric routing, a mirror port of one " +
			"direction, a filter that names one address as source.",
		FalseAlarm: "None: the moving numbers prove it.",
		LookNext: "Capture both directions. The unseen end's states rest on the acknowledgments of the seen one, and no " +
			"lost ACK can be placed.",
		Check: checkOneSided,
	},
}
