package main

import (
	"slices"
	"time"
)

// This file turns samples into the figures that targets speak of.

// spread is a figure of several rounds; N is 0 where it was not measured.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	N      int     `json:"n"`
}

// spreadOf is the median, the least and the greatest of v.
func spreadOf(v []float64) spread {
	if len(v) == 0 {
		return spread{}
	}
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return spread{(v[(n-1)/2] + v[n/2]) / 2, v[0], v[n-1], n}
}

// target is a figure that is wanted, and what was measured. Limit 0: it is only told.
type target struct {
	What    string  `json:"what"`
	Work    *work   `json:"-"`
	Unit    string  `json:"unit"`
	Limit   float64 `json:"limit"`
	AtLeast bool    `json:"at_least,omitempty"` // else: at most
	Got     spread  `json:"got"`
	CPU     spread  `json:"got_by_cpu_time"` // the same by the time of all cores: steadier where others use the machine too
}

// met is "yes" or "NO" by the median, and "-" where that says nothing.
func (t *target) met() string {
	switch {
	case t.Got.N == 0 || t.Limit == 0:
		return "-"
	case t.AtLeast && t.Got.Median >= t.Limit, !t.AtLeast && t.Got.Median <= t.Limit:
		return "yes"
	}
	return "NO"
}

// each applies f to the samples of a series.
func (s *series) each(f func(*Sample) float64) []float64 {
	var v []float64
	for i := range s.Samples {
		v = append(v, f(&s.Samples[i]))
	}
	return v
}

func (w *work) find(name string) *series {
	for _, s := range w.Series {
		if s.Name == name {
			return s
		}
	}
	return new(series)
}

// ratio is the time of one program by that of another, round by round.
func (w *work) ratio(a, b string) spread { return w.ratioOf(wall, a, b) }

func (w *work) ratioOf(f func(*Sample) float64, a, b string) spread {
	return spreadOf(byRound(w.find(a).each(f), w.find(b).each(f)))
}

// against is a target for the time of one program by that of another.
func (w *work) against(what, a, b string, atMost float64) target {
	return target{What: what, Work: w, Unit: "x", Limit: atMost, Got: w.ratio(a, b), CPU: w.ratioOf(cpu, a, b)}
}

// faster is a target for what more workers gain: CPU time has no say in it.
func (w *work) faster(what, one, two string, atLeast float64) target {
	return target{What: what, Work: w, Unit: "x faster", Limit: atLeast, AtLeast: true, Got: w.ratio(one, two)}
}

func wall(s *Sample) float64 { return float64(s.Wall) }

// cpu is the time of all cores together, µs.
func cpu(s *Sample) float64 { return float64(s.User+s.System) / float64(time.Microsecond) }

func byRound(a, b []float64) []float64 {
	var v []float64
	for i := range min(len(a), len(b)) {
		v = append(v, a[i]/b[i])
	}
	return v
}

// anon is a program's anonymous memory at its peak, MiB.
func (w *work) anon(name string) spread {
	return spreadOf(w.find(name).each(func(s *Sample) float64 { return float64(s.Anon) / (1 << 20) }))
}

// perConnection is anonymous memory above the idle program's, bytes a connection.
func (w *work) perConnection(name string, idle int64) spread {
	return spreadOf(w.find(name).each(func(s *Sample) float64 {
		return max(0, float64(s.Anon-idle)) / float64(w.Size.Connections)
	}))
}

// nsPacket is time by packets, ns.
func (w *work) nsPacket(s *series) spread {
	return spreadOf(s.each(func(x *Sample) float64 { return float64(x.Wall) / float64(max(1, w.Size.Packets)) }))
}

// growth is the ns a packet here against those of fewer connections. A small
// capture is over as soon as the program has started, so that the time of the
// start is taken off: that of an empty capture in the same round.
func (w *work) growth(few *work, time func(*Sample) float64) spread {
	start := few.find(nothing).each(time)
	less := func(w *work) []float64 {
		v := w.find(summary).each(time)
		for i := range v {
			if i >= len(start) {
				return v[:i]
			}
			v[i] = max(v[i]-start[i], 1) / float64(w.Size.Packets)
		}
		return v
	}
	return spreadOf(byRound(less(w), less(few)))
}
