package reassembly

import (
	"cmp"
	"slices"
	"testing"
	"time"
)

// cross gives the segments to a Tracker as captures of both ends have them: took
// says how long each was under way, 5 ms if it says nothing, and below zero that
// it was lost. missed are those that the receiver's capture missed.
func cross(t *testing.T, o Options, segs []Segment, took map[int]time.Duration, missed map[int]bool) *Lifecycle {
	t.Helper()
	type sight struct {
		n  int
		at int64
	}
	var order [2][]sight // of each end's own capture; 0: the client's
	at := make([]int64, len(segs))
	for i := range segs {
		from := 0
		if segs[i].Src != segs[0].Src {
			from = 1
		}
		d, ok := took[i]
		if !ok {
			d = 5 * ms
		}
		at[i] = segs[i].Time + int64(d)
		order[from] = append(order[from], sight{i, segs[i].Time})
		if d >= 0 && !missed[i] {
			order[1-from] = append(order[1-from], sight{i, at[i]})
		}
	}
	place := [2]map[int]uint64{{}, {}}
	for k := range order {
		slices.SortStableFunc(order[k], func(a, b sight) int { return cmp.Compare(a.at, b.at) })
		for n, s := range order[k] {
			place[k][s.n] = uint64(n + 1)
		}
	}
	var out []*Lifecycle
	o.Emit = func(l *Lifecycle) { out = append(out, l) }
	tr := NewTracker(o)
	for i := range segs {
		from := 0
		if segs[i].Src != segs[0].Src {
			from = 1
		}
		c := Crossing{Sent: place[from][i], Arrived: place[1-from][i], To: 1}
		switch {
		case took[i] < 0:
			c.Fate = FateLost
		case c.Arrived != 0:
			c.Fate, c.ArrivedAt, c.ArrivedAs = FateDelivered, at[i], MakePacket(1, c.Arrived)
		}
		tr.AddCrossing(&segs[i], c)
	}
	tr.Close()
	if len(out) != 1 || out[0].Path == nil {
		t.Fatalf("%d connections", len(out))
	}
	return out[0]
}

// TestDelays: what is held up is told apart from what is overtaken, in a long
// connection too, of which most is forgotten.
func TestDelays(t *testing.T) {
	var k talk
	k.open(1)
	for i := range uint32(40) {
		k.segment(10*ms, 1, true, FlagACK, 1+10*i, 1, 10)
		k.segment(3*ms, 1, false, FlagACK, 1, 1+10*i, 0)
	}
	data := func(i int) int { return 3 + 2*i }
	for _, c := range []struct {
		name               string
		took               map[int]time.Duration
		delayed, reordered uint64
	}{
		{"nothing", nil, 0, 0},
		{"held up, and overtaken", map[int]time.Duration{data(9): 300 * ms}, 1, 1},
		{"held up behind all others", map[int]time.Duration{data(39): 300 * ms}, 1, 0},
		{"overtaken, and hardly held up", map[int]time.Duration{data(9): 20 * ms}, 0, 1},
		{"two of them", map[int]time.Duration{data(5): 100 * ms, data(9): 200 * ms}, 2, 2},
		{"lost", map[int]time.Duration{data(9): -1}, 0, 0},
	} {
		for _, limit := range []int{0, 32} {
			l := cross(t, Options{LogLimit: limit}, k.out, c.took, nil)
			if p := &l.Path.From[Client]; p.Delayed != c.delayed || p.Reordered != c.reordered {
				t.Errorf("%s, log limit %d: %d delayed and %d overtaken, wanted %d and %d", c.name, limit, p.Delayed, p.Reordered, c.delayed, c.reordered)
			}
			if p := &l.Path.From[Server]; p.Delayed != 0 {
				t.Errorf("%s: %d of the server's are told as delayed", c.name, p.Delayed)
			}
		}
	}
	// A path on which all take their time delays nothing.
	slow := map[int]time.Duration{}
	for i := range k.out {
		slow[i] = time.Duration(50+i*37%200) * ms
	}
	if p := &cross(t, Options{}, k.out, slow, nil).Path.From[Client]; p.Delayed != 0 {
		t.Errorf("%d are told as delayed where delays of 50 to 250 ms are usual", p.Delayed)
	}
}

// A receipt that no capture shows comes behind those of what was sent before: the
// server sent its FIN before the client's came, and its capture missed the ACK
// that followed that.
func TestUnseenReceiptKeepsItsPlace(t *testing.T) {
	var k talk
	k.open(1)
	k.segment(20*ms, 1, true, FlagFIN|FlagACK, 1, 1, 0)
	k.segment(1*ms, 1, false, FlagFIN|FlagACK, 1, 1, 0)
	k.segment(6*ms, 1, true, FlagACK, 2, 2, 0)
	k.segment(1*ms, 1, false, FlagACK, 2, 2, 0)
	l := cross(t, Options{}, k.out, nil, map[int]bool{5: true})
	if got, want := path(&l.Endpoints[Server]), "LISTEN/assumed SYN-RECEIVED/confirmed ESTABLISHED/confirmed FIN-WAIT-1/observed CLOSING/confirmed TIME-WAIT/presumed"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
