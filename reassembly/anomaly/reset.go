package anomaly

import "github.com/finwait/finwait/reassembly"

// Resets: accepted, refused, forged.
var resetRules = []Rule{
	{
		ID: "rst-exact", Family: Reset, Severity: reassembly.Info,
		RFC:   []string{"RFC 9293 3.10.7.4", "RFC 5961 3.2"},
		Title: "A RST at exactly the expected number",
		Explanation: "The RST's sequence number is the next that its receiver expects: it is accepted, and the connection is " +
			"gone. Usual causes: a program that aborts, a process that ended with unread data, a firewall that knows " +
			"the connection.",
		FalseAlarm: "Only what the receiver had acknowledged is visible at the tap; an ACK that was missed shifts the figure.",
		LookNext:   "See which end sent it and what went before: abortive-close, rst-after-fin, rst-for-closed.",
		Check:      checkRSTExact,
	},
	{
		ID: "rst-in-window-inexact", Family: Reset, Severity: reassembly.Warning,
		RFC:   []string{"RFC 5961 3.2", "RFC 9293 3.10.7.4"},
		Title: "A RST in the window, but not at the expected number",
		Explanation: "A receiver that follows RFC 5961 does not reset but answers by a challenge ACK, so that a guessing " +
			"attacker fails. Usual causes: a RST sent while data was on its way, a middlebox that guesses the number, " +
			"an attack.",
		FalseAlarm: "With data in flight a true RST may be inexact: then the challenge ACK draws an exact one.",
		LookNext: "See what follows: a challenge ACK and an exact RST (genuine), a challenge ACK and more data (forged), " +
			"silence (an old stack accepted it).",
		Check: checkRSTInexact,
	},
	{
		ID: "rst-out-of-window", Family: Reset, Severity: reassembly.Note,
		RFC:   []string{"RFC 9293 3.10.7.4"},
		Title: "A RST outside the window, to be ignored",
		Explanation: "Its sequence number lies outside what the receiver accepts; it is dropped silently. Usual causes: a late " +
			"RST of an earlier connection, a blind attack, a middlebox with stale numbers.",
		FalseAlarm: "If the window scale is unknown (midstream), the window is unknown too, and nothing is said.",
		LookNext: "If the connection ends at this point all the same, its numbers at the receiver were others than those at " +
			"the tap: look for rewriting.",
		Check: checkRSTOutside,
	},
	{
		ID: "challenge-ack", Family: Reset, Severity: reassembly.Info,
		RFC:   []string{"RFC 5961 3.2, 4.2, 5.2, 7"},
		Title: "A challenge ACK was sent",
		Explanation: "An end answered a RST, SYN or ACK that did not fit by an ACK of its true numbers, to let a genuine peer " +
			"prove itself. Usual causes: an inexact RST, a SYN inside a live connection, an ACK out of range.",
		FalseAlarm: "A window update or keep-alive answer has the same form; only the segment that causes it tells them " +
			"apart.",
		LookNext: "See the causing segment. Stacks limit the rate of such answers, so that silence is no proof of " +
			"acceptance.",
		Check: checkChallengeACK,
	},
	{
		ID: "rst-ignored", Family: Reset, Severity: reassembly.Warning,
		RFC:   []string{"RFC 5961 3", "RFC 9293 3.10.7.4"},
		Title: "The connection went on after a RST",
		Explanation: "After a RST its receiver, and often its alleged sender, went on sending in the same sequence space. The " +
			"RST was not accepted, did not arrive, or was not genuine. Usual causes: an injected RST, a RST lost " +
			"behind the tap, a middlebox that wanted to cut the connection.",
		FalseAlarm: "Packets that were on their way when the RST was sent are expected for one round trip.",
		LookNext:   "If the alleged sender itself goes on, the RST was forged: see rst-forged-suspect.",
		Check:      checkRSTIgnored,
	},
	{
		ID: "rst-after-fin", Family: Reset, Severity: reassembly.Note,
		RFC:   []string{"RFC 9293 3.6.1, 3.10.7.4"},
		Title: "A RST came while the connection was closing",
		Explanation: "One end reset the connection after a FIN had been sent: the orderly close was cut short. Usual causes: a " +
			"program that closed with data still coming, a time-out of FIN-WAIT-2, browsers and servers that save " +
			"TIME-WAIT.",
		FalseAlarm: "A RST that answers a segment for a socket already gone is rst-for-closed.",
		LookNext:   "Was all data acknowledged? If so, no harm; otherwise the tail of the stream may be lost.",
		Check:      checkRSTAfterFIN,
	},
	{
		ID: "rst-for-closed", Family: Reset, Severity: reassembly.Note,
		RFC:   []string{"RFC 9293 3.5.2, 3.10.7.1"},
		Title: "A RST answered a segment for which there was no connection",
		Explanation: "The RST takes its number from the segment that it answers: its sender has no such connection. Usual " +
			"causes: data or a FIN after the other end aborted or timed out, a host that restarted, a load balancer " +
			"that chose another backend.",
		FalseAlarm: "A middlebox can use the same form in a host's name: compare the TTL.",
		LookNext:   "Find how the sender lost the connection: an earlier RST, a time-out, a restart.",
		Check:      checkRSTForClosed,
	},
	{
		ID: "rst-forged-suspect", Family: Reset, Severity: reassembly.Warning,
		RFC:   []string{"RFC 5961 3"},
		Title: "A RST seems not to come from its sender",
		Explanation: "TTL, IP-ID, timestamp or window of the RST do not fit the end it claims to come from, or that end goes " +
			"on sending. Usual causes: a firewall or intrusion prevention system that cuts connections, censorship, " +
			"an attack.",
		FalseAlarm: "It is a comparison with the host's other packets. Linux itself sends RSTs with IP-ID 0 and without " +
			"timestamps: those count only against the same kind.",
		LookNext: "The TTL shows how far away the true sender is. Capture nearer to both ends to see on which link the RST " +
			"appears.",
		Check: checkRSTForged,
	},
	{
		ID: "rst-storm", Family: Reset, Severity: reassembly.Note,
		RFC:   []string{"RFC 9293 3.5.2"},
		Title: "Many RSTs on one connection",
		Explanation: "Far more resets than a close needs. Usual causes: each segment still on its way draws a RST from a " +
			"closed port, an end that ignores resets, a middlebox that floods.",
		FalseAlarm: "A whole window in flight towards a closed socket draws one RST a segment: that is one cause, not many.",
		LookNext:   "See whether the other end ever reacts. If it does not, the RSTs are lost or not accepted.",
		Check:      checkRSTStorm,
	},
	{
		ID: "rst-bad-in-syn-sent", Family: Reset, Severity: reassembly.Note,
		RFC:   []string{"RFC 9293 3.10.7.3"},
		Title: "A RST that does not acknowledge the SYN",
		Explanation: "A RST came in answer to a SYN but without an acceptable ACK; the client must ignore it. Usual causes: a " +
			"late RST of an earlier connection, a forged reset, a broken middlebox.",
		FalseAlarm: "If the SYN that it answers was not captured, the number may be right.",
		LookNext:   "See whether the client goes on. If it gives up all the same, its stack is too trusting.",
		Check:      checkRSTBadSYNSent,
	},
}
