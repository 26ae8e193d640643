package report

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// modelTally counts as tally does, in the plainest way.
type modelTally struct {
	keys      map[uint64]uint64
	forgotten uint64
}

func (m *modelTally) add(key uint64) {
	if _, ok := m.keys[key]; !ok && len(m.keys) >= tallySize {
		weights := make([]uint64, 0, len(m.keys))
		for _, w := range m.keys {
			weights = append(weights, w)
		}
		slices.Sort(weights)
		median := weights[len(weights)/2]
		for k, w := range m.keys {
			if w <= median {
				delete(m.keys, k)
				m.forgotten++
			}
		}
	}
	m.keys[key]++
}

// TestTally holds the tally against a map, for few keys and for so many that
// both have to forget; hashes that collide only make it slower.
func TestTally(t *testing.T) {
	for name, c := range map[string]struct {
		adds, most int
		hash       func(k uint64) uint64
	}{
		"few keys":                {5000, 300, func(k uint64) uint64 { return mix(k+1, tallySeed[0]) }},
		"more keys than are kept": {800_000, 1 << 22, func(k uint64) uint64 { return mix(k+1, tallySeed[0]) }},
		"one hash for all":        {3000, 200, func(uint64) uint64 { return 7 << 32 }},
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			var got tally[uint64, reuseTotal]
			want := modelTally{keys: map[uint64]uint64{}}
			for range c.adds {
				key := uint64(float64(c.most) * random.Float64() * random.Float64() * random.Float64())
				*got.at(c.hash(key), &key, 0)++
				want.add(key)
			}
			if got.n != len(want.keys) || got.forgotten != want.forgotten {
				t.Fatalf("%d keys and %d forgotten, want %d and %d", got.n, got.forgotten, len(want.keys), want.forgotten)
			}
			for i := range got.n {
				if e := got.entry(i); want.keys[e.key] != uint64(e.value) {
					t.Fatalf("%d counts %d, want %d", e.key, e.value, want.keys[e.key])
				}
			}
			list, more := got.top(50, func(a, b *uint64) int { return cmp.Compare(*a, *b) })
			keys := make([]uint64, 0, len(want.keys))
			for k := range want.keys {
				keys = append(keys, k)
			}
			slices.SortFunc(keys, func(a, b uint64) int {
				return cmp.Or(-cmp.Compare(want.keys[a], want.keys[b]), cmp.Compare(a, b))
			})
			top := make([]uint64, len(list))
			for i := range list {
				top[i] = list[i].key
			}
			if !slices.Equal(top, keys[:50]) || more != uint64(len(keys)-50)+want.forgotten {
				t.Errorf("top is %v and %d more, want %v", top, more, keys[:50])
			}
		})
	}
}

// TestPopulationKnowsNoOrder: whatever the order in which spans come, and
// whoever counts them, the population is the same.
func TestPopulationKnowsNoOrder(t *testing.T) {
	for _, c := range []struct {
		n    int
		span int64 // seconds
	}{{10, 5}, {500, 40}, {500, 100_000}, {3000, 1 << 33}} {
		random := rand.New(rand.NewPCG(uint64(c.n), uint64(c.span)))
		spans := make([][2]int64, c.n)
		for i := range spans {
			begin := (random.Int64N(c.span) - c.span/3) * second // clocks may stand before 1970
			spans[i] = [2]int64{begin, begin + random.Int64N(90*second)}
			if i%7 == 0 {
				spans[i][1] = 0
			}
		}
		var whole population
		for _, s := range spans {
			whole.add(s[0], s[1], hostBuckets)
		}
		for parts := 1; parts <= 4; parts++ {
			random.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
			counted := make([]population, parts)
			for i, s := range spans {
				counted[i%parts].add(s[0], s[1], hostBuckets)
			}
			var merged population
			for i := range counted {
				merged.merge(&counted[i], hostBuckets)
			}
			if d := gocmp.Diff(whole.series(), merged.series()); d != "" || merged.entered != whole.entered || merged.held > hostBuckets {
				t.Fatalf("%d spans counted in %d parts (-in one +merged):\n%s", c.n, parts, d)
			}
		}
	}
}

// TestCountersMerge: the totals are the same whoever counted which connection.
func TestCountersMerge(t *testing.T) {
	list := samples()
	for i := range 40 {
		list = append(list, inTimeWait(uint16(i+1), int64(i)*second, int64(i%3)*second*60))
	}
	var whole Totals
	for _, l := range list {
		whole.Add(l)
	}
	want := marshalled(t, whole.Summary(trace(), 0))
	for parts := 1; parts <= 5; parts++ {
		var merged Totals
		counted := make([]counters, parts)
		for i, l := range list {
			var c traits
			c.of(l)
			counted[i%parts].add(l, &c)
			merged.hosts.add(&c)
		}
		for i := range counted {
			merged.merge(&counted[parts-1-i])
		}
		if d := gocmp.Diff(want, marshalled(t, merged.Summary(trace(), 0))); d != "" {
			t.Errorf("%d parts (-in one +merged):\n%s", parts, d)
		}
	}
}

func marshalled(t *testing.T, s *Summary) string {
	t.Helper()
	text, err := marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
