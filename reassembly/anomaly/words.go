package anomaly

// This file explains the words with which findings and steps are qualified, for
// `finwait explain WORD`.

// Word is one such word.
type Word struct {
	Kind string // evidence, where, confidence, severity, verdict, family
	Name string
	Text string
}

var words = []Word{
	{"evidence", "observed", "The endpoint itself sent the segment that is the step: its SYN, FIN or RST. No doubt is left."},
	{"evidence", "confirmed", "The segment that should move the endpoint passed the tap, and a later segment of the endpoint shows " +
		"that it arrived; confirmed_by names those packets. With captures of several points also: the endpoint's own capture shows that " +
		"it arrived, and no other state is left."},
	{"evidence", "delivered", "Presumed, and the endpoint's own capture shows that the segment reached its host. What the host then did no " +
		"packet shows: a full accept queue drops the third ACK, a host with too many TIME-WAITs has none. Only captures of several points tell so."},
	{"evidence", "presumed", "The segment that should move the endpoint passed the tap; whether it arrived, no packet shows. " +
		"Most last steps stay so: nothing follows them that could prove them."},
	{"evidence", "assumed", "No packet is behind the step: LISTEN before a SYN, or ESTABLISHED where the capture began later and both " +
		"ends sent data."},
	{"evidence", "timer", "Trace time passed 2MSL in TIME-WAIT; no packet is behind the step. A later packet may refute it."},
	{"evidence", "withdrawn", "The step had been presumed, and later packets (refuted_by) show that it did not happen then. " +
		"What rested on it was withdrawn with it."},
	{"evidence", "censored", "The trace ends so soon after the step that a contradiction could not have been seen."},
	{"evidence", "undetermined", "The packets allow more than one state, and nothing decides between them. The report does not guess."},

	{"where", "before-tap", "The packet was lost between its sender and the capture point: it never passed there."},
	{"where", "after-tap", "The packet passed the capture point and was lost between there and its receiver."},
	{"where", "never-sent", "The packet was not lost: it was never sent."},
	{"where", "capture-missed", "The packet was on the wire and reached its receiver; the capture does not have it."},
	{"where", "on-path", "The packet was lost between two capture points: the one has it, and the next one, which was running, lacks it; between " +
		"names them."},
	{"where", "at-receiver", "The packet was not lost: its receiver's own capture has it. The host dropped it, as a full accept queue does."},
	{"where", "undetermined", "The packets do not tell where it was lost."},

	{"confidence", "certain", "No other story fits the packets, given that both ends follow the RFC."},
	{"confidence", "likely", "Another story fits the packets too, but needs something unusual."},
	{"confidence", "possible", "The packets allow it and do not speak against it; a hint, not a verdict."},

	{"severity", "error", "Something broke, or a rule of the RFC was broken in a way that harms."},
	{"severity", "warning", "Something went wrong and cost time or a connection, or will if it goes on."},
	{"severity", "note", "Worth knowing when one looks for a cause; TCP dealt with it."},
	{"severity", "info", "A fact, not an anomaly; shown on request. A clean capture has none above it."},

	{"verdict", "legal_ts", "The tuple was reused, and the SYN's timestamp is above the last of the old connection: RFC 6191 allows it."},
	{"verdict", "legal_isn", "The tuple was reused, and the SYN's sequence number is above the last of the old connection: allowed."},
	{"verdict", "old_duplicate", "The SYN is a late copy of the old connection's; the end in TIME-WAIT must not take it for a new one."},
	{"verdict", "illegal_syn", "The tuple was reused although neither timestamp nor sequence number of the SYN is above the old " +
		"ones: the end in TIME-WAIT should have refused it."},
	{"verdict", "illegal_synack_isn", "The end in TIME-WAIT took the new connection, but began at a sequence number it had already used " +
		"(RFC 9293 3.6.1, MAY-2)."},

	{"family", Handshake, "How connections begin."},
	{"family", LostACK, "Acknowledgments that did not arrive, and the proof of where they were lost."},
	{"family", Close, "How connections end, or fail to."},
	{"family", TwoMSL, "TIME-WAIT and twice the maximum segment lifetime: held, restarted, cut short, reused."},
	{"family", Reset, "Resets: accepted, refused, forged."},
	{"family", Path, "What the path does to segments."},
	{"family", Capture, "The quality of the capture itself; it lowers the confidence of other findings."},
}

// Words lists every qualifying word with its meaning.
func Words() []Word {
	return append([]Word(nil), words...)
}

// LookupWord finds all meanings of a word in any spelling, or all words of a
// kind: "undetermined" has two meanings, "evidence" is a kind.
func LookupWord(spelling string) []Word {
	key := fold(spelling)
	var found []Word
	for _, w := range words {
		if fold(w.Name) == key || w.Kind == key {
			found = append(found, w)
		}
	}
	return found
}
