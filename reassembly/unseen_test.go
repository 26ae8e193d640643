package reassembly

import (
	"math/rand/v2"
	"testing"
)

func TestUnseen(t *testing.T) {
	const c, s = true, false
	type seg struct {
		client        bool
		flags         uint8
		seq, ack, len uint32
	}
	for name, tt := range map[string]struct {
		segments []seg
		acked    [2]uint64
		unseen   [2]uint64
	}{
		"all seen":               {[]seg{{c, FlagACK, 1, 1, 100}, {s, FlagACK, 1, 101, 50}, {c, FlagACK, 101, 51, 0}}, [2]uint64{101, 51}, [2]uint64{}},
		"a hole":                 {[]seg{{c, FlagACK, 1, 1, 100}, {c, FlagACK, 201, 1, 100}, {s, FlagACK, 1, 301, 0}}, [2]uint64{301, 1}, [2]uint64{100, 0}},
		"the ACK before it":      {[]seg{{s, FlagACK, 1, 101, 0}, {c, FlagACK, 1, 1, 100}}, [2]uint64{101, 1}, [2]uint64{}},
		"sent again":             {[]seg{{c, FlagACK, 101, 1, 100}, {c, FlagACK, 1, 1, 200}, {s, FlagACK, 1, 201, 0}}, [2]uint64{201, 1}, [2]uint64{}},
		"not acknowledged":       {[]seg{{c, FlagACK, 201, 1, 100}, {s, FlagACK, 1, 1, 0}}, [2]uint64{1, 1}, [2]uint64{}},
		"its end never captured": {[]seg{{c, FlagACK, 1, 1, 100}, {s, FlagACK, 1, 151, 0}}, [2]uint64{151, 1}, [2]uint64{50, 0}},
		"a RST's ACK":            {[]seg{{s, FlagACK | FlagRST, 1, 5000, 0}}, [2]uint64{1, 1}, [2]uint64{}},
		"numbers of another":     {[]seg{{s, FlagACK, 1, 1<<31 + 5, 0}, {c, FlagACK, 1<<31 + 5, 1, 100}}, [2]uint64{1, 1}, [2]uint64{}},
	} {
		var k talk
		k.open(41000)
		for _, g := range tt.segments {
			k.segment(ms, 41000, g.client, g.flags, g.seq, g.ack, g.len)
		}
		e := lives(Options{}, k.out, k.now)[0].Endpoints
		for x := range e {
			if got := e[x].Stats; got.Acked != tt.acked[x] || got.Unseen != tt.unseen[x] {
				t.Errorf("%s: side %d: acked %d, unseen %d, want %d, %d", name, x, got.Acked, got.Unseen, tt.acked[x], tt.unseen[x])
			}
		}
	}
}

// A capture of one direction lacks all that the other sent, also when its
// numbers go round; only what was sent before the first ACK is not counted.
func TestUnseenOneWay(t *testing.T) {
	var k talk
	const step, n = 1 << 28, 64
	for i := range uint32(n + 1) {
		k.segment(ms, 41000, true, FlagACK, 1, i*step, 0)
	}
	l := lives(Options{}, k.out, k.now)[0]
	var acked, unseen uint64
	for _, e := range l.Endpoints {
		acked += e.Stats.Acked
		unseen += e.Stats.Unseen
	}
	if acked != n*step || unseen != n*step {
		t.Errorf("acked %d, unseen %d, want %d", acked, unseen, uint64(n*step))
	}
}

// Much data without its ACKs, then with them: the count goes on from there.
func TestUnseenWithoutACKs(t *testing.T) {
	var c coverage
	at := uint32(77)
	c.start(at)
	for range 40 {
		c.add(span{at, at + 1<<28})
		at += 1 << 28
	}
	c.acknowledged(at)
	c.acknowledged(at + 100)
	if acked, unseen := c.told(); acked > 100+unseenReach || unseen != 100 {
		t.Errorf("acked %d, unseen %d", acked, unseen)
	}
}

// The count is that of a plain set, in whatever order segments and ACKs come.
func TestUnseenAgainstSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	for round := range 300 {
		var c coverage
		base := rng.Uint32()
		c.acknowledged(base)
		seen, highest := map[uint32]bool{}, uint32(0)
		at := uint32(0)
		for range 200 {
			n := 1 + rng.Uint32N(5)
			if rng.IntN(10) > 0 {
				lo := at
				if rng.IntN(4) == 0 {
					lo -= min(lo, rng.Uint32N(20))
				}
				c.add(span{base + lo, base + lo + n})
				for i := range n {
					seen[lo+i] = true
				}
			}
			at += n
			// Not more than a few holes behind, as a receiver's window has it.
			highest = max(highest, at-min(at, rng.Uint32N(8)))
			c.acknowledged(base + highest)
		}
		lost := uint64(0)
		for i := range highest {
			if !seen[i] {
				lost++
			}
		}
		acked, unseen := c.told()
		if acked != uint64(highest) || unseen < lost || unseen > lost+8 {
			t.Fatalf("round %d: acked %d of %d, unseen %d of %d", round, acked, highest, unseen, lost)
		}
	}
}
