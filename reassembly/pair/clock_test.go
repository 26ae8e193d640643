package pair

import (
	"math"
	"math/rand/v2"
	"testing"
)

// traffic makes points of packets that go both ways, with a clock that is ahead
// by offset and gains by drift; each way the least delay is 2 ms and most take
// longer.
func traffic(r *rand.Rand, offset int64, drift float64, n int) (forth, back []point) {
	const start = int64(1_700_000_000e9)
	for i := range n {
		sent := start + int64(i)*int64(50e6)
		delay := int64(2e6) + int64(r.ExpFloat64()*3e6)
		clock := func(t int64) int64 { return t + offset + int64(drift*float64(t-start)) }
		if i%2 == 0 {
			x := clock(sent + delay)
			forth = append(forth, point{x, x - sent})
		} else {
			x := clock(sent)
			back = append(back, point{x, x - (sent + delay)})
		}
	}
	return forth, back
}

func TestClockFit(t *testing.T) {
	for _, c := range []struct {
		name   string
		offset int64
		drift  float64
		n      int
		steady bool
	}{
		{"equal clocks", 0, 0, 2000, true},
		{"3 s ahead, 50 ppm fast", 3e9, 50e-6, 2000, true},
		{"an hour behind, 200 ppm slow", -3600e9, -200e-6, 2000, true},
		{"years apart", 5 * 365 * 86400e9, 10e-6, 2000, true},
		{"a few packets", 1e9, 0, 6, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			forth, back := traffic(r, c.offset, c.drift, c.n)
			got := fit(forth, back)
			if !got.Steady || !got.Known() {
				t.Fatalf("not steady: %+v", got)
			}
			if c.drift < got.DriftLeast || c.drift > got.DriftMost {
				t.Errorf("drift %g is outside [%g, %g]", c.drift, got.DriftLeast, got.DriftMost)
			}
			if got.Uncertainty <= 0 || got.Uncertainty > 20e6 {
				t.Errorf("uncertainty %d ns", got.Uncertainty)
			}
			// Every packet must arrive after it was sent, and the true time must be
			// within what is told.
			for _, p := range forth {
				if sent := p.x - p.d; got.common(p.x) < sent-2 {
					t.Fatalf("arrives %d ns before it was sent", sent-got.common(p.x))
				}
			}
			for _, p := range back {
				if seen := p.x - p.d; got.common(p.x) > seen+2 {
					t.Fatalf("arrives %d ns before it was sent", got.common(p.x)-seen)
				}
				if truth := p.x - c.offset; c.drift == 0 {
					if off := math.Abs(float64(got.common(p.x) - truth)); off > float64(got.Uncertainty)+2 {
						t.Fatalf("off by %g ns, told within %d", off, got.Uncertainty)
					}
				}
			}
			if own := got.Own(got.common(forth[0].x)); own-forth[0].x > 5 || forth[0].x-own > 5 {
				t.Errorf("there and back: off by %d ns", own-forth[0].x)
			}
		})
	}
}

func TestClockSetMeanwhile(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	forth, back := traffic(r, 0, 0, 400)
	for i := range forth[100:] {
		forth[100+i].x += 1e9
		forth[100+i].d += 1e9
	}
	for i := range back[100:] {
		back[100+i].x += 1e9
		back[100+i].d += 1e9
	}
	if c := fit(forth, back); c.Steady || c.Residual == 0 {
		t.Errorf("a step of one second passes for a steady clock: %+v", c)
	}
}

func TestClockOneDirection(t *testing.T) {
	c := fit([]point{{1e9, 7e6}, {2e9, 5e6}}, nil)
	if c.Offset != 5e6 || c.Known() {
		t.Errorf("offset %d, known %v", c.Offset, c.Known())
	}
	if c := fit(nil, []point{{1e9, -7e6}, {2e9, -5e6}}); c.Offset != -5e6 || c.Known() {
		t.Errorf("offset %d, known %v", c.Offset, c.Known())
	}
	if c := fit(nil, nil); c.Known() || c.Offset != 0 {
		t.Errorf("nothing is known: %+v", c)
	}
}
