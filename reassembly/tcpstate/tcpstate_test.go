package tcpstate

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write TABLE.md anew")

func TestEveryCellHasAVerdict(t *testing.T) {
	for s := range State(NumStates) {
		for e := range Event(NumEvents) {
			c := Next(s, e)
			name := fmt.Sprintf("%s, %s", s, e)
			switch {
			case c.Verdict < Move || c.Verdict > Invalid:
				t.Errorf("%s: no verdict", name)
			case c.Ref == "" || c.Note == "":
				t.Errorf("%s: no reference or no note", name)
			case (c.Verdict == Move) == (c.To == s):
				t.Errorf("%s: verdict %s, but the next state is %s", name, c.Verdict, c.To)
			case c.To >= NumStates:
				t.Errorf("%s: leads to %s", name, c.To)
			case c.Verdict == Move && c.To == Unknown:
				t.Errorf("%s: forgets what was known", name)
			}
		}
	}
}

// TestMoves names every move of the RFC once more, so that a slip in the table
// is not its own witness.
func TestMoves(t *testing.T) {
	type move struct {
		from State
		e    Event
		to   State
	}
	figure5 := []move{
		{Closed, SendSYN, SynSent},
		{Listen, ReceiveSYN, SynReceived},
		{Listen, SendSYN, SynSent},
		{SynSent, ReceiveSYN, SynReceived},
		{SynSent, ReceiveSYNACK, Established},
		{SynReceived, ReceiveACKOfSYN, Established},
		{SynReceived, ReceiveSYNACK, Established},
		{SynReceived, ReceiveRST, Listen},
		{SynReceived, SendFIN, FinWait1},
		{Established, SendFIN, FinWait1},
		{Established, ReceiveFIN, CloseWait},
		{FinWait1, ReceiveACKOfFIN, FinWait2},
		{FinWait1, ReceiveFIN, Closing},
		{FinWait2, ReceiveFIN, TimeWait},
		{Closing, ReceiveACKOfFIN, TimeWait},
		{CloseWait, SendFIN, LastAck},
		{LastAck, ReceiveACKOfFIN, Closed},
		{TimeWait, TwoMSL, Closed},
	}
	text := []move{
		{SynReceived, ReceiveFIN, CloseWait},
		{SynSent, ReceiveRST, Closed},
		{SynReceived, SendRST, Closed},
		{TimeWait, SendSYN, Closed},
		{TimeWait, SendSYNACK, Closed},
		{Listen, SendSYNACK, SynReceived},
		{SynSent, SendSYNACK, SynReceived},
	}
	for s := range State(NumStates) {
		if s.Synchronized() {
			text = append(text, move{s, SendRST, Closed}, move{s, ReceiveRST, Closed})
		}
	}
	midstream := []move{
		{Unknown, SendSYN, SynSent},
		{Unknown, SendSYNACK, SynReceived},
		{Unknown, SendFIN, FinWait1},
		{Unknown, SendRST, Closed},
		{Unknown, ReceiveSYNACK, Established},
		{Unknown, ReceiveACKOfSYN, Established},
		{Unknown, ReceiveACKOfFIN, FinWait2},
		{Unknown, ReceiveFIN, CloseWait},
		{Unknown, ReceiveRST, Closed},
	}
	want := map[[2]int]State{}
	for _, list := range [][]move{figure5, text, midstream} {
		for _, m := range list {
			want[[2]int{int(m.from), int(m.e)}] = m.to
		}
	}
	for _, got := range Transitions() {
		key := [2]int{int(got.From), int(got.Event)}
		if to, ok := want[key]; !ok || to != got.To {
			t.Errorf("%s, %s: goes to %s, not expected", got.From, got.Event, got.To)
		}
		delete(want, key)
	}
	for key, to := range want {
		t.Errorf("%s, %s: does not go to %s", State(key[0]), Event(key[1]), to)
	}
}

// TestLives walks whole lives through the table, a segment that both
// acknowledges and closes as two events.
func TestLives(t *testing.T) {
	tests := []struct {
		name   string
		start  State
		events []Event
		want   []State
	}{
		{"active open, active close", Closed,
			[]Event{SendSYN, ReceiveSYNACK, SendFIN, ReceiveACKOfFIN, ReceiveFIN, TwoMSL},
			[]State{SynSent, Established, FinWait1, FinWait2, TimeWait, Closed}},
		{"passive open, passive close", Listen,
			[]Event{ReceiveSYN, SendSYNACK, ReceiveACKOfSYN, ReceiveACK, ReceiveFIN, SendFIN, ReceiveACKOfFIN},
			[]State{SynReceived, SynReceived, Established, Established, CloseWait, LastAck, Closed}},
		{"simultaneous open", Closed,
			[]Event{SendSYN, ReceiveSYN, SendSYNACK, ReceiveSYNACK},
			[]State{SynSent, SynReceived, SynReceived, Established}},
		{"simultaneous close", Established,
			[]Event{SendFIN, ReceiveFIN, ReceiveACKOfFIN, TwoMSL},
			[]State{FinWait1, Closing, TimeWait, Closed}},
		{"the FIN carries the ACK of ours", Established,
			[]Event{SendFIN, ReceiveACKOfFIN, ReceiveFIN, ReceiveFIN},
			[]State{FinWait1, FinWait2, TimeWait, TimeWait}},
		{"refused", Closed, []Event{SendSYN, SendSYN, ReceiveRST}, []State{SynSent, SynSent, Closed}},
		{"mid-stream, closed by the peer", Unknown,
			[]Event{ReceiveACK, ReceiveFIN, SendFIN, SendFIN, ReceiveACKOfFIN},
			[]State{Unknown, CloseWait, LastAck, LastAck, Closed}},
		{"mid-stream, closes first", Unknown,
			[]Event{SendFIN, ReceiveACKOfFIN, ReceiveFIN},
			[]State{FinWait1, FinWait2, TimeWait}},
		{"assassinated in TIME-WAIT", TimeWait, []Event{ReceiveACK, ReceiveRST}, []State{TimeWait, Closed}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := tt.start
			for i, e := range tt.events {
				c := Next(s, e)
				if c.To != tt.want[i] || c.Verdict == Invalid {
					t.Fatalf("event %d, %s in %s: %s to %s, want %s", i, e, s, c.Verdict, c.To, tt.want[i])
				}
				s = c.To
			}
		})
	}
}

func TestEveryStateIsReachedAndLeft(t *testing.T) {
	entered, left := map[State]bool{}, map[State]bool{}
	for _, m := range Transitions() {
		entered[m.To], left[m.From] = true, true
	}
	for s := Listen; s < NumStates; s++ {
		if !entered[s] || !left[s] {
			t.Errorf("%s: entered %v, left %v", s, entered[s], left[s])
		}
	}
}

// TestInvariants holds for every cell what the states' meaning demands.
func TestInvariants(t *testing.T) {
	for s := range State(NumStates) {
		if c := Next(s, TwoMSL); (c.Verdict == Move) != (s == TimeWait) {
			t.Errorf("the 2MSL timer in %s: %s", s, c.Verdict)
		}
		for e := range Event(NumEvents) {
			c := Next(s, e)
			if s == Unknown || c.Verdict != Move || c.To == Closed || s == Closed {
				continue
			}
			if s.SentFIN() && !c.To.SentFIN() || s.ReceivedFIN() && !c.To.ReceivedFIN() {
				t.Errorf("%s, %s, %s: a FIN is forgotten", s, e, c.To)
			}
			if !s.SentFIN() && c.To.SentFIN() && e != SendFIN {
				t.Errorf("%s, %s, %s: a FIN is sent by another event", s, e, c.To)
			}
			if !s.ReceivedFIN() && c.To.ReceivedFIN() && e != ReceiveFIN && c.To != TimeWait {
				t.Errorf("%s, %s, %s: a FIN is received by another event", s, e, c.To)
			}
			if s.Synchronized() && !c.To.Synchronized() {
				t.Errorf("%s, %s, %s: no longer synchronized", s, e, c.To)
			}
		}
	}
}

func TestPredicates(t *testing.T) {
	for s := range State(NumStates) {
		if s.FINAcked() && !s.SentFIN() {
			t.Errorf("%s: FIN acknowledged but not sent", s)
		}
		if s.MaySend() && (s.SentFIN() || !s.Synchronized()) {
			t.Errorf("%s: may send", s)
		}
		if s.MayReceive() && (s.ReceivedFIN() || !s.Synchronized()) {
			t.Errorf("%s: may receive", s)
		}
		if s.Opening() && s.Synchronized() {
			t.Errorf("%s: opening and synchronized", s)
		}
		if s.Known() == (s == Unknown) {
			t.Errorf("%s: known is %v", s, s.Known())
		}
	}
}

func TestParse(t *testing.T) {
	spellings := map[State][]string{
		Unknown:     {"UNKNOWN", "unknown"},
		Listen:      {"LISTEN", "LISTENING", "TCP_LISTEN"},
		SynSent:     {"SYN-SENT", "SYN_SENT", "SynSent", "syn sent", "TCPS_SYN_SENT"},
		SynReceived: {"SYN-RECEIVED", "SYN_RCVD", "SYN_RECV", "SYN-RCVD", "SynReceived", "SYN_RECEIVED", "TCP_NEW_SYN_RECV"},
		Established: {"ESTABLISHED", "ESTAB", "Established", "TCP_ESTABLISHED"},
		FinWait1:    {"FIN-WAIT-1", "FIN_WAIT1", "FinWait1", "fin-wait-1", "FIN_WAIT_1", "FINWAIT-1", "finwait1"},
		FinWait2:    {"FIN-WAIT-2", "FIN_WAIT2", "FinWait2", "FIN_WAIT_2"},
		CloseWait:   {"CLOSE-WAIT", "CLOSE_WAIT", "CloseWait"},
		Closing:     {"CLOSING", "closing"},
		LastAck:     {"LAST-ACK", "LAST_ACK", "LastAck"},
		TimeWait:    {"TIME-WAIT", "TIME_WAIT", "timewait", "TCP_TIME_WAIT", "TCPS_TIME_WAIT"},
		Closed:      {"CLOSED", "TCP_CLOSE", "close"},
	}
	for s := range State(NumStates) {
		for _, spelling := range append(spellings[s], s.String(), strings.ToLower(s.String())) {
			if got, ok := Parse(spelling); !ok || got != s {
				t.Errorf("Parse(%q) = %s, %v; want %s", spelling, got, ok, s)
			}
		}
	}
	for _, bad := range []string{"", "tcp", "FIN-WAIT", "FIN-WAIT-3", "SYN", "ACK", "–"} {
		if got, ok := Parse(bad); ok {
			t.Errorf("Parse(%q) = %s", bad, got)
		}
	}
}

func TestNames(t *testing.T) {
	seen := map[string]bool{}
	for s := range State(NumStates) {
		seen[s.String()] = true
	}
	for e := range Event(NumEvents) {
		seen[e.String()] = true
	}
	if len(seen) != NumStates+NumEvents || seen[""] {
		t.Errorf("a state or event has no name of its own: %v", seen)
	}
	if got := State(99).String(); got != "State(99)" {
		t.Errorf("State(99) is called %q", got)
	}
	if got := Event(99).String(); got != "Event(99)" {
		t.Errorf("Event(99) is called %q", got)
	}
}

func TestText(t *testing.T) {
	b, err := json.Marshal(map[string]State{"state": FinWait1})
	if err != nil || string(b) != `{"state":"FIN-WAIT-1"}` {
		t.Fatalf("%s, %v", b, err)
	}
	var got map[string]State
	if err := json.Unmarshal(b, &got); err != nil || got["state"] != FinWait1 {
		t.Errorf("read back: %v, %v", got, err)
	}
	if err := json.Unmarshal([]byte(`{"state":"ASLEEP"}`), &got); err == nil {
		t.Error("ASLEEP was taken for a state")
	}
}

func TestExplain(t *testing.T) {
	for s := range State(NumStates) {
		text := s.Explain()
		if strings.Count(text, "\n\n") < 2 || !strings.Contains(text, "What to do: ") || strings.Contains(text, "  ") {
			t.Errorf("%s: meaning, causes or advice are missing", s)
		}
	}
	if State(99).Explain() != "" {
		t.Error("a state that does not exist is explained")
	}
}

func TestTableFileIsTrue(t *testing.T) {
	const file = "TABLE.md"
	if *update {
		if err := os.WriteFile(file, []byte(Markdown()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != Markdown() {
		t.Errorf("%s does not say what the table says (%v): run go test ./reassembly/tcpstate -update", file, err)
	}
}

func ExampleNext() {
	s := Established
	for _, e := range []Event{SendFIN, ReceiveACKOfFIN, ReceiveFIN} {
		c := Next(s, e)
		fmt.Printf("%s, %s: %s (%s)\n", s, e, c.To, c.Ref)
		s = c.To
	}
	// Output:
	// ESTABLISHED, send FIN: FIN-WAIT-1 (3.10.4)
	// FIN-WAIT-1, receive ACK of FIN: FIN-WAIT-2 (3.10.7.4 fifth, FIN-WAIT-1)
	// FIN-WAIT-2, receive FIN: TIME-WAIT (3.10.7.4 eighth)
}
