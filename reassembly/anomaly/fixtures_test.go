package anomaly_test

import (
	"cmp"
	"slices"
	"testing"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/fixtures"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
)

// livesOf plays a script and tells its connections, in the order of their first packets.
func livesOf(t *testing.T, s *fixtures.Script) []*reassembly.Lifecycle {
	t.Helper()
	frames, err := s.Frames()
	if err != nil {
		t.Fatal(err)
	}
	var lives []*reassembly.Lifecycle
	tracker := reassembly.NewTracker(reassembly.Options{Check: anomaly.Check, CheckClean: anomaly.CheckClean, Emit: func(l *reassembly.Lifecycle) { lives = append(lives, l) }})
	decoder := capture.NewDecoder(capture.DecoderOptions{})
	for _, f := range frames {
		frame := capture.Frame{Time: f.At.UnixNano(), Packet: reassembly.MakePacket(0, uint64(f.Number)), LinkType: uint32(s.Link),
			WireLen: uint32(len(f.Data)), Data: f.Data}
		var seg reassembly.Segment
		if decoder.Decode(&frame, &seg) != 0 {
			tracker.Advance(frame.Time)
			continue
		}
		tracker.Add(&seg)
	}
	tracker.Close()
	slices.SortFunc(lives, func(a, b *reassembly.Lifecycle) int { return cmp.Compare(a.ID, b.ID) })
	return lives
}

// scripted are the families of which each rule must have scripts.
var scripted = map[string]bool{anomaly.Handshake: true, anomaly.LostACK: true, anomaly.Close: true, anomaly.TwoMSL: true, anomaly.Reset: true, anomaly.Path: true,
	anomaly.Capture: true}

// TestScripts holds each script to what its header says: it fires these rules,
// and is only a near miss of those. Every rule that is looked for must have
// both kinds.
func TestScripts(t *testing.T) {
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, name := range fixtures.Scripts() {
		s, err := fixtures.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			lives := livesOf(t, s)
			var found []reassembly.Finding
			for _, l := range lives {
				found = append(found, l.Findings...)
			}
			for i := range s.Expect {
				expected(t, &s.Expect[i], lives)
			}
			has := func(id string) bool {
				return slices.ContainsFunc(found, func(f reassembly.Finding) bool { return f.ID == id })
			}
			for _, id := range s.Fires {
				if r, ok := anomaly.Lookup(id); ok && r.Check != nil && !has(id) {
					t.Errorf("%s was not found", id)
				}
				fires[id] = true
			}
			for _, id := range s.Quiet {
				if has(id) {
					t.Errorf("%s was found", id)
				}
				quiet[id] = true
			}
			for _, f := range found {
				wellFormed(t, f)
			}
		})
	}
	for _, r := range anomaly.All() {
		if r.Check != nil && scripted[r.Family] && (!fires[r.ID] || !quiet[r.ID]) {
			t.Errorf("%s: a script that fires it: %v, one that is its near miss: %v", r.ID, fires[r.ID], quiet[r.ID])
		}
	}
}

// wellFormed demands what readers and programs rely on.
func wellFormed(t *testing.T, f reassembly.Finding) {
	t.Helper()
	r, ok := anomaly.Lookup(f.ID)
	switch {
	case !ok || r.ID != f.ID || r.Family != f.Family:
		t.Errorf("%q of family %q is no rule", f.ID, f.Family)
	case len(f.Packets) == 0 || len(f.Packets) > 16:
		t.Errorf("%s names %d packets", f.ID, len(f.Packets))
	case f.At == 0 || f.Detail == "" || f.Detail[len(f.Detail)-1] != '.':
		t.Errorf("%s: %d %q", f.ID, f.At, f.Detail)
	}
	for _, p := range f.Packets {
		if p == 0 {
			t.Errorf("%s names no packet among %v", f.ID, f.Packets)
		}
	}
}

// expected holds one connection to what the script says of its findings.
func expected(t *testing.T, e *fixtures.Expect, lives []*reassembly.Lifecycle) {
	t.Helper()
	n := e.Incarnation
	i := slices.IndexFunc(lives, func(l *reassembly.Lifecycle) bool {
		if l.Client != e.Client || l.Server != e.Server {
			return false
		}
		n--
		return n < 0
	})
	if i < 0 {
		return // other tests hold the connections themselves to the script
	}
	for _, want := range e.Findings {
		if !slices.ContainsFunc(lives[i].Findings, func(f reassembly.Finding) bool {
			return f.ID == want.ID && (want.Side == "" || f.Side.String() == want.Side) && (want.Where == "" || f.Where.String() == want.Where) &&
				(want.Confidence == "" || f.Confidence.String() == want.Confidence)
		}) {
			if r, ok := anomaly.Lookup(want.ID); ok && r.Check != nil {
				t.Errorf("line %d: %s: no finding %v among %+v", e.Line, e.Conn, want, lives[i].Findings)
			}
		}
	}
	for _, f := range lives[i].Findings {
		if e.Clean && f.Severity > reassembly.Info || slices.Contains(e.NoFindings, f.ID) {
			t.Errorf("line %d: %s: unwanted %s %s: %s", e.Line, e.Conn, f.Severity, f.ID, f.Detail)
		}
	}
}
