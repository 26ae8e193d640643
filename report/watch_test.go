package report

import (
	"slices"
	"strings"
	"testing"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// cut is a Lifecycle as it stood when an endpoint's history had so many steps.
func cut(l *reassembly.Lifecycle, steps int) *reassembly.Lifecycle {
	early := *l
	early.Close, early.Findings = reassembly.CloseNone, nil
	for side := range early.Endpoints {
		e := &early.Endpoints[side]
		e.History = slices.Clone(e.History[:min(steps, len(e.History))])
		e.Withdrawn = nil
		if n := len(e.History); n > 0 {
			e.State = e.History[n-1].State
			e.History[n-1].Evidence = reassembly.Presumed
		}
	}
	return &early
}

// watchAll runs a Watch over looks at one connection; the last retires it.
func watchAll(t *testing.T, steps bool, looks ...*reassembly.Lifecycle) (kinds []string, w *Watch) {
	t.Helper()
	w = &Watch{Steps: steps, MinSeverity: reassembly.Note, Tell: func(e *Event) {
		kinds = append(kinds, string(e.Event))
		sameAsEncodingJSON(t, e)
		if line := e.AppendText(nil, false); strings.ContainsAny(string(line), "\n\x1b") {
			t.Errorf("not one plain line: %q", line)
		}
	}}
	var note uint16
	for i, l := range looks {
		l.Note = note
		if i < len(looks)-1 {
			w.Changed(l)
			note = l.Note
		} else {
			w.Retired(l)
		}
	}
	return kinds, w
}

// sameAsEncodingJSON: AppendJSON prints what encoding/json would, and it is valid.
func sameAsEncodingJSON(t *testing.T, e *Event) {
	t.Helper()
	got := e.AppendJSON(nil)
	validate(t, got)
	typed := *e
	typed.Type = TypeEvent
	want, err := marshal(typed)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("-encoding/json\n%s\n+AppendJSON\n%s", want, got)
	}
}

func TestWatchTellsOnce(t *testing.T) {
	l := finalACKLost()
	kinds, w := watchAll(t, false, cut(l, 3), cut(l, 3), l, l)
	opens, closes, findings := 0, 0, 0
	for _, k := range kinds {
		switch EventKind(k) {
		case EventOpen:
			opens++
		case EventClose:
			closes++
		case EventFinding:
			findings++
		}
	}
	above := 0
	for _, f := range l.Findings {
		if f.Severity > reassembly.Info {
			above++
		}
	}
	if opens != 1 || closes != 1 || findings != above || above == 0 {
		t.Errorf("%d opens, %d closes, %d findings of %d: %v", opens, closes, findings, above, kinds)
	}
	if len(w.details) != 0 || len(w.Counts.Holders) != 0 {
		t.Errorf("a connection that retired is remembered: %v %v", w.details, w.Counts.Holders)
	}
	for side := range w.Counts.States {
		for state, n := range w.Counts.States[side] {
			if n != 0 {
				t.Errorf("%d endpoints are left in %v", n, tcpstate.State(state))
			}
		}
	}
}

func TestWatchTellsStepsAndTheirEnd(t *testing.T) {
	l := finalACKLost()
	before := cut(l, 100)
	w0 := l.Endpoints[reassembly.Server].Withdrawn[0]
	e := &before.Endpoints[reassembly.Server]
	e.History = append(e.History, reassembly.Step{State: w0.State, At: w0.At, Packet: w0.Packet, Event: w0.Event, Evidence: reassembly.Presumed})
	kinds, _ := watchAll(t, true, cut(l, 3), before, l)
	for _, want := range []EventKind{EventStep, EventStepConfirmed, EventStepWithdrawn} {
		if !slices.Contains(kinds, string(want)) {
			t.Errorf("no %s in %v", want, kinds)
		}
	}
}

func TestWatchUndoesFindings(t *testing.T) {
	l := finalACKLost()
	clean := *l
	clean.Findings = nil
	kinds, w := watchAll(t, false, l, &clean, &clean)
	if !slices.Contains(kinds, string(EventFindingWithdrawn)) || w.Counts.Undone == 0 {
		t.Error(kinds)
	}
}

func TestWatchCountsHolders(t *testing.T) {
	var w Watch
	l := finalACKLost()
	l.Endpoints[0].State = tcpstate.TimeWait
	w.Changed(l)
	w.Changed(l)
	if w.Counts.TimeWait != 1 || w.Counts.Peak != 1 || w.Counts.Holders[l.Client.Addr()] != 1 {
		t.Errorf("%+v", w.Counts)
	}
	i := w.Counts.Interval(1)
	e := Event{Event: EventInterval, At: Time(l.End), Interval: &i}
	sameAsEncodingJSON(t, &e)
}

// TestMostBoundsTheListing: a report that grows for weeks counts what it does
// not list.
func TestMostBoundsTheListing(t *testing.T) {
	var out strings.Builder
	w, err := New(&out, Options{Format: Text, Most: 1, Text: TextOptions{All: true}})
	if err != nil {
		t.Fatal(err)
	}
	for id := range uint64(3) {
		l := finalACKLost()
		l.ID = id + 1
		if err := w.Add(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(Trace{}); err != nil {
		t.Fatal(err)
	}
	if w.Unlisted() != 2 || strings.Count(out.String(), "\n#") != 1 || !strings.Contains(out.String(), "3 TCP connections") {
		t.Errorf("%d unlisted:\n%s", w.Unlisted(), out.String())
	}
}

// TestWatchNote: what is remembered as a Note comes back whole.
func TestWatchNote(t *testing.T) {
	for i := range 1 << noteBits {
		for client := range tcpstate.State(tcpstate.NumStates) {
			for server := range tcpstate.State(tcpstate.NumStates) {
				k := watched{i&1 != 0, i&2 != 0, i&4 != 0, i&8 != 0, [2]tcpstate.State{client, server}}
				if got := watchedBefore(k.note()); got != k {
					t.Fatalf("%+v came back as %+v", k, got)
				}
			}
		}
	}
}
