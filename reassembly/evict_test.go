package reassembly

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestEvictionGoesBySilence: whatever came when, those go that were silent for the
// longest, ties by age, and never the connection before of the tuple that needs
// the room. Each eviction is held against all that the table has.
func TestEvictionGoesBySilence(t *testing.T) {
	type open struct {
		first Packet
		last  int64
		port  uint16
	}
	for round, spread := range []int64{1, 300, 1e6, 3e9, 20e9} {
		for _, most := range []int{3, 40, 500} {
			r := rand.New(rand.NewPCG(9, uint64(round*1000+most)))
			var table []open
			var went, want []Packet
			tr := NewTracker(Options{MaxConnections: most, HalfOpenTimeout: 1 << 62, IdleTimeout: 1 << 62, MSL: 1 << 50, Emit: func(l *Lifecycle) { went = append(went, l.First) }})
			now, isn := int64(1e18), uint32(0)
			newest := func(port uint16) int {
				for i := len(table) - 1; i >= 0; i-- {
					if table[i].port == port {
						return i
					}
				}
				return -1
			}
			for n := uint64(1); n < uint64(12*most+400); n++ {
				now += r.Int64N(spread)
				s := liveSegment(n, now, true, FlagSYN, isn, 0)
				if r.IntN(8) == 0 {
					s.Time -= r.Int64N(8 * spread)
				}
				s.SrcPort = uint16(r.IntN(4 * most))
				i := newest(s.SrcPort)
				if i >= 0 && r.IntN(20) > 0 { // it is heard of again
					s.Flags, s.Seq = FlagRST, uint32(table[i].first.Number())*100_000+1
					table[i].last = max(table[i].last, s.Time)
					tr.Add(s)
					continue
				}
				s.Seq = uint32(n) * 100_000
				if len(table) == most {
					var keep Packet
					if i >= 0 {
						keep = table[i].first
					}
					others := slices.DeleteFunc(slices.Clone(table), func(o open) bool { return o.first == keep })
					slices.SortStableFunc(others, func(a, b open) int { return cmp.Compare(a.last, b.last) })
					for _, o := range others[:max(1, len(others)/16)] {
						want = append(want, o.first)
						table = slices.DeleteFunc(table, func(p open) bool { return p.first == o.first })
					}
				}
				table = append(table, open{s.Packet, s.Time, s.SrcPort})
				tr.Add(s)
				if !slices.Equal(went, want) {
					t.Fatalf("spread %d, most %d: packet %d, went\n%v, not\n%v", spread, most, n, went, want)
				}
				went, want = went[:0], want[:0]
			}
			if tr.Open() != len(table) {
				t.Errorf("spread %d, most %d: %d open, not %d", spread, most, tr.Open(), len(table))
			}
		}
	}
}

// TestSilence: the scale never falls, and tells times apart within a few percent.
func TestSilence(t *testing.T) {
	before := silence(-1)
	for ns := int64(1); ns > 0; ns += ns/200 + 1 {
		now := silence(ns)
		if now < before || now >= 64*silenceParts || ns > 64 && silence(ns+ns/32) == now {
			t.Fatalf("%d ns: %d after %d", ns, now, before)
		}
		before = now
	}
}
