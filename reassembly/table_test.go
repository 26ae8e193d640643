package reassembly

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
)

// probes counts the slots that a look-up of each connection in the table
// touches: in the mean and at most; and the same for tuples that are not there.
func probes(t *Tracker, absent []FlowKey) (mean, most, meanAbsent float64) {
	slots := t.table.slots
	mask := uint64(len(slots) - 1)
	sum, n := 0.0, 0
	for p, s := range slots {
		if s == 0 {
			continue
		}
		home := t.table.home(s)
		k := float64((uint64(p)-home)&mask + 1)
		sum += k
		most = max(most, k)
		n++
	}
	missed := 0.0
	for i := range absent {
		p := t.table.home(t.table.hash(&absent[i]))
		for ; slots[p] != 0; p = (p + 1) & mask {
			missed++
		}
		missed++
	}
	return sum / float64(n), most, missed / float64(len(absent))
}

// TestNoTuplesAreSlow: whatever tuples somebody sends who does not know the
// seed, a look-up touches few slots. At the table's greatest load of 3/4 linear
// probing takes 2.5 in the mean for what is there and 8.5 for what is not; a
// choice that aims at one bucket would take thousands.
func TestNoTuplesAreSlow(t *testing.T) {
	const n = 12_000 // of 16384 slots
	be := binary.BigEndian
	base := func() Segment {
		var s Segment
		tuple(&s, 0)
		return s
	}
	one := func(change func(s *Segment, i uint32)) func(i uint32) Segment {
		return func(i uint32) Segment {
			s := base()
			change(&s, i)
			return s
		}
	}
	choices := map[string]func(i uint32) Segment{
		"client's port":         one(func(s *Segment, i uint32) { s.SrcPort = uint16(i) }),
		"server's port":         one(func(s *Segment, i uint32) { s.DstPort = uint16(i) }),
		"ports move as one":     one(func(s *Segment, i uint32) { s.SrcPort, s.DstPort = uint16(i), uint16(i) }),
		"ports against another": one(func(s *Segment, i uint32) { s.SrcPort, s.DstPort = uint16(i), ^uint16(i) }),
		"client's low bytes":    one(func(s *Segment, i uint32) { be.PutUint16(s.Src[14:], uint16(i)) }),
		"client's high bytes":   one(func(s *Segment, i uint32) { be.PutUint16(s.Src[12:], uint16(i)) }),
		"server's low bytes":    one(func(s *Segment, i uint32) { be.PutUint16(s.Dst[14:], uint16(i)) }),
		"both hosts as one":     one(func(s *Segment, i uint32) { be.PutUint16(s.Src[14:], uint16(i)); be.PutUint16(s.Dst[14:], uint16(i)) }),
		"multiples of 65536":    one(func(s *Segment, i uint32) { be.PutUint32(s.Src[12:], i<<16); s.SrcPort = uint16(i >> 16) }),
		"tunnel ids":            one(func(s *Segment, i uint32) { s.Tunnel = uint64(i) }),
		"tunnel ids, high bits": one(func(s *Segment, i uint32) { s.Tunnel = uint64(i) << 50 }),
		"IPv6 networks":         one(func(s *Segment, i uint32) { s.V6 = true; be.PutUint32(s.Src[:], 0x20010db8+i) }),
		"IPv6 hosts":            one(func(s *Segment, i uint32) { s.V6 = true; be.PutUint64(s.Src[8:], uint64(i)<<32) }),
		"aimed at another seed": one(aimed(t, n)),
	}
	for name, choice := range choices {
		t.Run(name, func(t *testing.T) {
			tr := NewTracker(Options{})
			for i := range uint32(n) {
				s := choice(i)
				s.Time = int64(i)
				tr.Add(&s)
			}
			if tr.Open() != n {
				t.Fatalf("%d connections of %d tuples", tr.Open(), n)
			}
			absent := make([]FlowKey, n)
			for i := range absent {
				s := choice(uint32(i))
				s.Tunnel ^= 1 << 40
				absent[i], _ = KeyOf(&s, &tr.o)
			}
			mean, most, missed := probes(tr, absent)
			if mean > 4 || most > 400 || missed > 20 {
				t.Errorf("a look-up touches %.1f slots in the mean and %.0f at most, %.1f for what is not there", mean, most, missed)
			}
		})
	}
}

// aimed chooses tuples that all fall on the same small part of a table, and
// shows that they do: of the table whose seed was known.
func aimed(t *testing.T, n uint32) func(*Segment, uint32) {
	t.Helper()
	known := NewTracker(Options{})
	r := rand.New(rand.NewPCG(1, 1))
	type change struct {
		host uint32
		port uint16
	}
	var chosen []change
	set := func(s *Segment, i uint32) {
		binary.BigEndian.PutUint32(s.Src[12:], chosen[i].host)
		s.SrcPort = chosen[i].port
	}
	seen := map[FlowKey]bool{}
	for i := uint32(0); i < n; {
		chosen = append(chosen[:i], change{r.Uint32(), uint16(r.Uint32())})
		var s Segment
		tuple(&s, 0)
		set(&s, i)
		if k, _ := KeyOf(&s, &known.o); known.table.hash(&k)>>32&0x3fc0 == 0 && !seen[k] {
			seen[k] = true
			i++
			known.Add(&s)
		}
	}
	if mean, _, _ := probes(known, nil); mean < 1000 {
		t.Errorf("the choice is no attack: %.1f slots in the mean for who knows the seed", mean)
	}
	return set
}

// TestSeeds: two tables have two seeds.
func TestSeeds(t *testing.T) {
	a, b := newTable(new(memory)), newTable(new(memory))
	if a.seed == b.seed || a.seed[0] == 0 || a.seed[1] == 0 {
		t.Errorf("seeds %x and %x", a.seed, b.seed)
	}
}
