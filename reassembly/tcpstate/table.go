package tcpstate

// This file is THE TABLE: what each event does in each state. Rows stand in the
// order of RFC 9293 figure 5, cells in the order of the events. Sections are
// those of RFC 9293 where no other RFC is named; the ordinal is that of the
// check within section 3.10.7.x. TABLE.md is written from here.

// Verdict is what an event does in a state.
type Verdict uint8

// Verdicts. The zero value is in no cell: a test demands one of these in each.
const (
	noVerdict Verdict = iota
	Move              // the endpoint goes to another state
	Stay              // legal here, and the state remains
	Ignore            // dropped by the rules, or a copy that crossed its answer: it says nothing
	Invalid           // no endpoint that obeys the RFC does or accepts this here: matter for a finding
)

var verdictNames = [...]string{"none", "move", "stay", "ignore", "invalid"}

// String is the verdict in one word.
func (v Verdict) String() string { return verdictNames[v] }

// Cell is one cell of the table.
type Cell struct {
	Verdict Verdict
	To      State  // the next state; the same state unless Verdict is Move
	Ref     string // the rule
	Note    string // what the rule says here
}

// Next looks up what event e does to an endpoint in state s. The caller has
// judged the sequence numbers: see Event.
func Next(s State, e Event) Cell { return table[s][e] }

// References that many cells share.
const (
	refClose     = "3.10.4"
	refAbort     = "3.10.5"
	refClosed    = "3.10.7.1"
	refSynInSync = "3.10.7.4 fourth; RFC 5961 4.2"
	refAck       = "3.10.7.4 fifth"
	refRST       = "3.10.7.4 second"
	refFIN       = "3.10.7.4 eighth"
	refTimer     = "3.10.8"
	refMidstream = "3.10.7.4, read backwards"
)

// Notes that many cells share.
const (
	noteTimer      = "the 2MSL timer runs in TIME-WAIT only"
	noteChallenge  = "answered by a challenge ACK"
	noteSYNACKCopy = "a copy: answered by an ACK"
	noteOldACK     = "the SYN was acknowledged before"
	noteNoFIN      = "acknowledges a FIN that was not sent"
	noteReset      = "aborted by the peer"
	noteAbort      = "the endpoint aborts"
	noteNoSocket   = "a reset from these states means that the endpoint is gone"
	noteGone       = "no connection: dropped, and answered by a RST unless it is one"
	noteLateSYN    = "a SYN of its own would be another connection"
	noteFINCopy    = "sent again until it is acknowledged"
	noteFINCrossed = "a copy that crossed the ACK of it"
	noteMissed     = "the segment that leads here was not seen"
)

var table = [NumStates][NumEvents]Cell{
	// UNKNOWN is not the RFC's: a tap that starts late reads the figure
	// backwards, from what a segment implies to the states it can come from.
	Unknown: {
		SendSYN:         {Move, SynSent, "3.10.1 OPEN", "active open"},
		SendSYNACK:      {Move, SynReceived, "3.10.7.2 third", noteMissed},
		SendFIN:         {Move, FinWait1, refClose, "LAST-ACK if the peer's FIN came before the capture"},
		SendRST:         {Move, Closed, refAbort, noteAbort},
		ReceiveSYN:      {Stay, Unknown, "3.10.7", "its answer tells whether anyone listens"},
		ReceiveSYNACK:   {Move, Established, "3.10.7.3 fourth", noteMissed},
		ReceiveACKOfSYN: {Move, Established, refMidstream, noteMissed},
		ReceiveACKOfFIN: {Move, FinWait2, refMidstream, noteMissed},
		ReceiveACK:      {Stay, Unknown, refMidstream, "every state but the first three accepts it"},
		ReceiveFIN:      {Move, CloseWait, refFIN, "unless its own FIN came before the capture"},
		ReceiveRST:      {Move, Closed, refRST, noteReset},
		TwoMSL:          {Invalid, Unknown, refTimer, noteTimer},
	},
	Listen: {
		SendSYN:         {Move, SynSent, "3.10.2 SEND", "a passive open turned active"},
		SendSYNACK:      {Move, SynReceived, "3.10.7.2 third", noteMissed},
		SendFIN:         {Invalid, Listen, refClose, "CLOSE deletes the listener; nothing is sent"},
		SendRST:         {Stay, Listen, "3.10.7.2 second", "answers any ACK"},
		ReceiveSYN:      {Move, SynReceived, "3.10.7.2 third", "answered by a SYN-ACK"},
		ReceiveSYNACK:   {Invalid, Listen, "3.10.7.2 second", "any ACK is bad here"},
		ReceiveACKOfSYN: {Invalid, Listen, "3.10.7.2 second", "any ACK is bad here"},
		ReceiveACKOfFIN: {Invalid, Listen, "3.10.7.2 second", "any ACK is bad here"},
		ReceiveACK:      {Invalid, Listen, "3.10.7.2 second", "any ACK is bad here"},
		ReceiveFIN:      {Ignore, Listen, refFIN, "a FIN is not processed here"},
		ReceiveRST:      {Ignore, Listen, "3.10.7.2 first", "there is nothing to reset"},
		TwoMSL:          {Invalid, Listen, refTimer, noteTimer},
	},
	SynSent: {
		SendSYN:         {Stay, SynSent, "3.8.1", "sent again until it is answered"},
		SendSYNACK:      {Move, SynReceived, "3.10.7.3 fourth", noteMissed},
		SendFIN:         {Invalid, SynSent, refClose, "CLOSE deletes the connection; nothing is sent"},
		SendRST:         {Stay, SynSent, "3.10.7.3 first", "answers an ACK that is not of its SYN; ABORT sends nothing"},
		ReceiveSYN:      {Move, SynReceived, "3.10.7.3 fourth; figure 7", "simultaneous open"},
		ReceiveSYNACK:   {Move, Established, "3.10.7.3 fourth", "answered by an ACK"},
		ReceiveACKOfSYN: {Ignore, SynSent, "3.10.7.3 fifth", "without SYN it is dropped"},
		ReceiveACKOfFIN: {Invalid, SynSent, "3.10.7.3 first", noteNoFIN},
		ReceiveACK:      {Invalid, SynSent, "3.10.7.3 first", "not of its SYN: answered by a RST"},
		ReceiveFIN:      {Ignore, SynSent, refFIN, "its sequence number cannot be checked"},
		ReceiveRST:      {Move, Closed, "3.10.7.3 second", "refused; only with an ACK of the SYN"},
		TwoMSL:          {Invalid, SynSent, refTimer, noteTimer},
	},
	SynReceived: {
		SendSYN:         {Stay, SynReceived, "3.5 figure 7", "simultaneous open: a copy of its SYN"},
		SendSYNACK:      {Stay, SynReceived, "3.10.7.2 third", "the answer to the SYN, and its copies"},
		SendFIN:         {Move, FinWait1, refClose, "closed before the handshake was complete"},
		SendRST:         {Move, Closed, refAbort, noteAbort},
		ReceiveSYN:      {Stay, SynReceived, "3.10.7.4 first", "a copy; answered by the SYN-ACK again"},
		ReceiveSYNACK:   {Move, Established, "3.10.7.4 fifth; figure 7", "simultaneous open"},
		ReceiveACKOfSYN: {Move, Established, refAck, "the third ACK, alone or with data"},
		ReceiveACKOfFIN: {Invalid, SynReceived, refAck, noteNoFIN},
		ReceiveACK:      {Invalid, SynReceived, refAck, "not of its SYN: answered by a RST"},
		ReceiveFIN:      {Move, CloseWait, refFIN, "from SYN-RECEIVED as from ESTABLISHED"},
		ReceiveRST:      {Move, Listen, refRST, "a passive opener listens on; an active one is CLOSED"},
		TwoMSL:          {Invalid, SynReceived, refTimer, noteTimer},
	},
	Established: {
		SendSYN:         {Ignore, Established, "3.8.1", "a copy that crossed the SYN-ACK"},
		SendSYNACK:      {Ignore, Established, "3.8.1", "a copy that crossed the third ACK"},
		SendFIN:         {Move, FinWait1, refClose, "active close"},
		SendRST:         {Move, Closed, refAbort, noteAbort},
		ReceiveSYN:      {Stay, Established, refSynInSync, noteChallenge},
		ReceiveSYNACK:   {Stay, Established, refSynInSync, noteSYNACKCopy},
		ReceiveACKOfSYN: {Stay, Established, refAck, noteOldACK},
		ReceiveACKOfFIN: {Invalid, Established, refAck, noteNoFIN},
		ReceiveACK:      {Stay, Established, refAck, "the ordinary case"},
		ReceiveFIN:      {Move, CloseWait, refFIN, "passive close"},
		ReceiveRST:      {Move, Closed, refRST, noteReset},
		TwoMSL:          {Invalid, Established, refTimer, noteTimer},
	},
	FinWait1: {
		SendSYN:         {Invalid, FinWait1, "3.10.1 OPEN", noteLateSYN},
		SendSYNACK:      {Ignore, FinWait1, "3.8.1", "a copy, where the FIN was sent from SYN-RECEIVED"},
		SendFIN:         {Stay, FinWait1, "3.8.1", noteFINCopy},
		SendRST:         {Move, Closed, refAbort, noteAbort},
		ReceiveSYN:      {Stay, FinWait1, refSynInSync, noteChallenge},
		ReceiveSYNACK:   {Stay, FinWait1, refSynInSync, noteSYNACKCopy},
		ReceiveACKOfSYN: {Stay, FinWait1, refAck, noteOldACK},
		ReceiveACKOfFIN: {Move, FinWait2, "3.10.7.4 fifth, FIN-WAIT-1", "its FIN has arrived"},
		ReceiveACK:      {Stay, FinWait1, refAck, "an ACK of data: the FIN is still outstanding"},
		ReceiveFIN:      {Move, Closing, "3.10.7.4 eighth; figure 13", "the FINs crossed: its own is not yet acknowledged"},
		ReceiveRST:      {Move, Closed, refRST, noteReset},
		TwoMSL:          {Invalid, FinWait1, refTimer, noteTimer},
	},
	FinWait2: {
		SendSYN:         {Invalid, FinWait2, "3.10.1 OPEN", noteLateSYN},
		SendSYNACK:      {Invalid, FinWait2, "3.10.1 OPEN", noteLateSYN},
		SendFIN:         {Ignore, FinWait2, "3.8.1", noteFINCrossed},
		SendRST:         {Move, Closed, refAbort, noteAbort},
		ReceiveSYN:      {Stay, FinWait2, refSynInSync, noteChallenge},
		ReceiveSYNACK:   {Stay, FinWait2, refSynInSync, noteSYNACKCopy},
		ReceiveACKOfSYN: {Stay, FinWait2, refAck, noteOldACK},
		ReceiveACKOfFIN: {Stay, FinWait2, refAck, "each of the peer's segments acknowledges the FIN from now on"},
		ReceiveACK:      {Stay, FinWait2, refAck, "a segment sent before the FIN arrived"},
		ReceiveFIN:      {Move, TimeWait, refFIN, "the 2MSL timer starts"},
		ReceiveRST:      {Move, Closed, refRST, noteReset},
		TwoMSL:          {Invalid, FinWait2, refTimer, noteTimer},
	},
	CloseWait: {
		SendSYN:         {Invalid, CloseWait, "3.10.1 OPEN", noteLateSYN},
		SendSYNACK:      {Ignore, CloseWait, "3.8.1", "a copy that crossed the third ACK"},
		SendFIN:         {Move, LastAck, refClose, "the application closes too"},
		SendRST:         {Move, Closed, refAbort, noteAbort},
		ReceiveSYN:      {Stay, CloseWait, refSynInSync, noteChallenge},
		ReceiveSYNACK:   {Stay, CloseWait, refSynInSync, noteSYNACKCopy},
		ReceiveACKOfSYN: {Stay, CloseWait, refAck, noteOldACK},
		ReceiveACKOfFIN: {Invalid, CloseWait, refAck, noteNoFIN},
		ReceiveACK:      {Stay, CloseWait, refAck, "the peer acknowledges what is still sent to it"},
		ReceiveFIN:      {Stay, CloseWait, refFIN, "a copy: remains"},
		ReceiveRST:      {Move, Closed, refRST, noteReset},
		TwoMSL:          {Invalid, CloseWait, refTimer, noteTimer},
	},
	Closing: {
		SendSYN:         {Invalid, Closing, "3.10.1 OPEN", noteLateSYN},
		SendSYNACK:      {Invalid, Closing, "3.10.1 OPEN", noteLateSYN},
		SendFIN:         {Stay, Closing, "3.8.1", noteFINCopy},
		SendRST:         {Move, Closed, refClosed, noteNoSocket},
		ReceiveSYN:      {Stay, Closing, refSynInSync, noteChallenge},
		ReceiveSYNACK:   {Stay, Closing, refSynInSync, noteSYNACKCopy},
		ReceiveACKOfSYN: {Stay, Closing, refAck, noteOldACK},
		ReceiveACKOfFIN: {Move, TimeWait, "3.10.7.4 fifth, CLOSING", "the 2MSL timer starts"},
		ReceiveACK:      {Stay, Closing, "3.10.7.4 fifth, CLOSING", "does not acknowledge the FIN: dropped"},
		ReceiveFIN:      {Stay, Closing, refFIN, "a copy: remains"},
		ReceiveRST:      {Move, Closed, refRST, noteReset},
		TwoMSL:          {Invalid, Closing, refTimer, noteTimer},
	},
	LastAck: {
		SendSYN:         {Invalid, LastAck, "3.10.1 OPEN", noteLateSYN},
		SendSYNACK:      {Invalid, LastAck, "3.10.1 OPEN", noteLateSYN},
		SendFIN:         {Stay, LastAck, "3.8.1", noteFINCopy},
		SendRST:         {Move, Closed, refClosed, noteNoSocket},
		ReceiveSYN:      {Stay, LastAck, refSynInSync, noteChallenge},
		ReceiveSYNACK:   {Stay, LastAck, refSynInSync, noteSYNACKCopy},
		ReceiveACKOfSYN: {Stay, LastAck, refAck, noteOldACK},
		ReceiveACKOfFIN: {Move, Closed, "3.10.7.4 fifth, LAST-ACK", "the final ACK"},
		ReceiveACK:      {Stay, LastAck, "3.10.7.4 fifth, LAST-ACK", "does not acknowledge the FIN"},
		ReceiveFIN:      {Stay, LastAck, refFIN, "a copy: remains"},
		ReceiveRST:      {Move, Closed, refRST, noteReset},
		TwoMSL:          {Invalid, LastAck, refTimer, noteTimer},
	},
	TimeWait: {
		SendSYN:         {Move, Closed, "3.6.1 MUST-13", "the holder opens the tuple again: it has left TIME-WAIT"},
		SendSYNACK:      {Move, Closed, "3.6.1 MAY-2; RFC 6191", "a new SYN was accepted: this incarnation is over"},
		SendFIN:         {Ignore, TimeWait, "3.8.1", noteFINCrossed},
		SendRST:         {Move, Closed, refClosed, noteNoSocket},
		ReceiveSYN:      {Stay, TimeWait, "3.10.7.4 fourth; RFC 6191", "its answer tells whether it was accepted"},
		ReceiveSYNACK:   {Stay, TimeWait, refSynInSync, noteSYNACKCopy},
		ReceiveACKOfSYN: {Stay, TimeWait, refAck, noteOldACK},
		ReceiveACKOfFIN: {Stay, TimeWait, refAck, "the FIN was acknowledged before"},
		ReceiveACK:      {Stay, TimeWait, "3.10.7.4 fifth, TIME-WAIT", "only a copy of the FIN is expected"},
		ReceiveFIN:      {Stay, TimeWait, "3.10.7.4 eighth, TIME-WAIT", "acknowledged again; 2MSL starts anew"},
		ReceiveRST:      {Move, Closed, "3.10.7.4 second; RFC 1337", "assassinated, unless the host forbids it"},
		TwoMSL:          {Move, Closed, refTimer, "the connection is deleted"},
	},
	Closed: {
		SendSYN:         {Move, SynSent, "3.10.1 OPEN", "active open"},
		SendSYNACK:      {Invalid, Closed, refClosed, "nobody listens: only a RST may answer"},
		SendFIN:         {Ignore, Closed, "3.8.1", noteFINCrossed},
		SendRST:         {Stay, Closed, refClosed, "answers everything but a RST"},
		ReceiveSYN:      {Ignore, Closed, refClosed, noteGone},
		ReceiveSYNACK:   {Ignore, Closed, refClosed, noteGone},
		ReceiveACKOfSYN: {Ignore, Closed, refClosed, noteGone},
		ReceiveACKOfFIN: {Ignore, Closed, refClosed, noteGone},
		ReceiveACK:      {Ignore, Closed, refClosed, noteGone},
		ReceiveFIN:      {Ignore, Closed, refClosed, noteGone},
		ReceiveRST:      {Ignore, Closed, refClosed, noteGone},
		TwoMSL:          {Invalid, Closed, refTimer, noteTimer},
	},
}

// Transition is one Move of the table.
type Transition struct {
	From  State
	Event Event
	Cell
}

// Transitions lists every Move, in the order of the table.
func Transitions() []Transition {
	var all []Transition
	for s := range State(NumStates) {
		for e := range Event(NumEvents) {
			if c := table[s][e]; c.Verdict == Move {
				all = append(all, Transition{s, e, c})
			}
		}
	}
	return all
}
