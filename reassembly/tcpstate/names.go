package tcpstate

import (
	"fmt"
	"strings"
)

// This file is the spelling of states and events, and predicates on states.

var stateNames = [NumStates]string{
	Unknown:     "UNKNOWN",
	Listen:      "LISTEN",
	SynSent:     "SYN-SENT",
	SynReceived: "SYN-RECEIVED",
	Established: "ESTABLISHED",
	FinWait1:    "FIN-WAIT-1",
	FinWait2:    "FIN-WAIT-2",
	CloseWait:   "CLOSE-WAIT",
	Closing:     "CLOSING",
	LastAck:     "LAST-ACK",
	TimeWait:    "TIME-WAIT",
	Closed:      "CLOSED",
}

// The words of the JSON contract.
var eventNames = [NumEvents]string{
	SendSYN:         "send SYN",
	SendSYNACK:      "send SYN-ACK",
	SendFIN:         "send FIN",
	SendRST:         "send RST",
	ReceiveSYN:      "receive SYN",
	ReceiveSYNACK:   "receive SYN-ACK",
	ReceiveACKOfSYN: "receive ACK of SYN",
	ReceiveACKOfFIN: "receive ACK of FIN",
	ReceiveACK:      "receive ACK",
	ReceiveFIN:      "receive FIN",
	ReceiveRST:      "receive RST",
	TwoMSL:          "2MSL passed",
}

// String spells the state as RFC 9293 does: SYN-RECEIVED, FIN-WAIT-1.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// String says the event in the words of the report: "receive SYN-ACK".
func (e Event) String() string {
	if int(e) < len(eventNames) {
		return eventNames[e]
	}
	return fmt.Sprintf("Event(%d)", uint8(e))
}

// otherNames are spellings that differ from the RFC's by more than case and
// punctuation: those of Linux, the BSDs, ss, netstat and Windows.
var otherNames = map[string]State{
	"listening":  Listen,
	"synrcvd":    SynReceived,
	"synrecv":    SynReceived,
	"newsynrecv": SynReceived,
	"estab":      Established,
	"est":        Established,
	"fw1":        FinWait1,
	"fw2":        FinWait2,
	"tw":         TimeWait,
	"close":      Closed,
	"lack":       LastAck,
}

// Parse reads a state in any common spelling: FIN-WAIT-1, FIN_WAIT1, FinWait1,
// TCP_SYN_RECV, SYN_RCVD, ESTAB.
func Parse(spelling string) (State, bool) {
	key := fold(spelling)
	for _, prefix := range []string{"", "tcps", "tcp"} {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		if s, ok := lookup(rest); ok {
			return s, true
		}
	}
	return Unknown, false
}

func lookup(folded string) (State, bool) {
	for s, name := range stateNames {
		if fold(name) == folded {
			return State(s), true
		}
	}
	s, ok := otherNames[folded]
	return s, ok
}

// fold keeps letters and digits only, in lower case.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return -1
	}, s)
}

// MarshalText spells the state as String does.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what Parse reads.
func (s *State) UnmarshalText(text []byte) error {
	got, ok := Parse(string(text))
	if !ok {
		return fmt.Errorf("no TCP state is called %q", text)
	}
	*s = got
	return nil
}

// set is a set of states, one bit each.
type set uint16

func of(states ...State) set {
	var m set
	for _, s := range states {
		m |= 1 << s
	}
	return m
}

func (m set) has(s State) bool { return m>>s&1 != 0 }

var (
	synchronized = of(Established, FinWait1, FinWait2, CloseWait, Closing, LastAck, TimeWait)
	sentFIN      = of(FinWait1, FinWait2, Closing, LastAck, TimeWait)
	receivedFIN  = of(CloseWait, Closing, LastAck, TimeWait)
	finAcked     = of(FinWait2, TimeWait)
)

// Synchronized reports whether both ends know each other's sequence numbers:
// ESTABLISHED and all that follow it but CLOSED (RFC 9293 section 3.5.2).
func (s State) Synchronized() bool { return synchronized.has(s) }

// Opening reports whether the endpoint's handshake is under way.
func (s State) Opening() bool { return s == SynSent || s == SynReceived }

// SentFIN reports whether the state says that the endpoint has sent its FIN.
// CLOSED and UNKNOWN do not say.
func (s State) SentFIN() bool { return sentFIN.has(s) }

// ReceivedFIN reports whether the state says that the peer's FIN has arrived.
// CLOSED and UNKNOWN do not say.
func (s State) ReceivedFIN() bool { return receivedFIN.has(s) }

// FINAcked reports whether the state says that the peer's ACK of the endpoint's
// own FIN has arrived.
func (s State) FINAcked() bool { return finAcked.has(s) }

// MaySend reports whether the endpoint may send new data.
func (s State) MaySend() bool { return s == Established || s == CloseWait }

// MayReceive reports whether the endpoint still expects data.
func (s State) MayReceive() bool {
	return s == Established || s == FinWait1 || s == FinWait2
}

// Known reports whether anything has been proved of the endpoint.
func (s State) Known() bool { return s != Unknown }
