package pair

import (
	"math"
	"slices"
)

// This file: how the clock of one capture runs against that of the first. A
// packet that left the first capture at t and passed the other at t' by its own
// clock says that the clocks differ by at most t'-t, since it cannot arrive
// before it left; one that went the other way says that they differ by at least
// that. The line between both clouds of points that keeps the most room to
// either side is the clock; that room is the uncertainty.

// point is one paired packet: when the other capture saw it, by its own clock,
// and how much later than the first.
type point struct{ x, d int64 }

// Clock is the clock of one capture against that of the first.
type Clock struct {
	Offset      int64   // ns by which it was ahead at Base
	Uncertainty int64   // ns; the offset is right within this
	Drift       float64 // ns a ns by which it gains
	DriftLeast  float64 // the drift is between these
	DriftMost   float64
	Base        int64 // by its own clock, ns since the epoch
	Forward     int   // packets that went from the first capture to this one
	Backward    int   // and from this one to the first
	Steady      bool  // one line fits; else the clock was set or slewed meanwhile
	Residual    int64 // not steady: by how much packets seem to arrive before they left, ns
}

// common turns a time of the capture into one of the first.
func (c *Clock) common(t int64) int64 {
	return t - c.Offset - int64(math.Round(c.Drift*float64(t-c.Base)))
}

// Own turns a common time into one of the capture's own clock.
func (c *Clock) Own(t int64) int64 {
	own := t + c.Offset
	return own + int64(math.Round(c.Drift*float64(own-c.Base)))
}

// maxDrift is the largest drift looked for: 1 %.
const maxDrift = 0.01

// fit finds the clock of the points that went forth and back.
func fit(forth, back []point) Clock {
	c := Clock{Forward: len(forth), Backward: len(back), Steady: true}
	if len(forth) == 0 && len(back) == 0 {
		return c
	}
	c.Base = math.MaxInt64
	for _, p := range slices.Concat(forth, back) {
		c.Base = min(c.Base, p.x)
	}
	near := slices.Concat(forth, back)[0].d // so that clocks years apart keep their ns
	low, high := hull(forth, c.Base, near, true), hull(back, c.Base, near, false)
	if len(low) == 0 || len(high) == 0 {
		// One direction bounds the offset from one side only: taken as if the
		// fastest packet had needed no time.
		bound := high.bound(0, false)
		if len(low) > 0 {
			bound = low.bound(0, true)
		}
		c.Offset = near + int64(bound)
		c.Uncertainty, c.DriftLeast, c.DriftMost = math.MaxInt64, -maxDrift, maxDrift
		return c
	}
	room := func(b float64) float64 { return (low.bound(b, true) - high.bound(b, false)) / 2 }
	// room is concave in the drift.
	lo, hi := -maxDrift, maxDrift
	for range 200 {
		p, q := lo+(hi-lo)/3, hi-(hi-lo)/3
		if room(p) < room(q) {
			lo = p
		} else {
			hi = q
		}
	}
	b := (lo + hi) / 2
	c.DriftLeast, c.DriftMost = edge(room, b, -maxDrift), edge(room, b, maxDrift)
	switch {
	case room(b) < 0:
		c.Steady, c.Residual = false, int64(-room(b))
	case c.DriftLeast <= 0 && c.DriftMost >= 0:
		b = 0 // nothing speaks for a drift
	}
	c.Drift = b
	c.Offset = near + int64(math.Round((low.bound(b, true)+high.bound(b, false))/2))
	c.Uncertainty = int64(math.Abs(room(b)))
	return c
}

// edge is where the room is used up between the best drift and a limit.
func edge(room func(float64) float64, best, limit float64) float64 {
	if room(best) < 0 {
		return best
	}
	if room(limit) >= 0 {
		return limit
	}
	in, out := best, limit
	for range 100 {
		if mid := (in + out) / 2; room(mid) >= 0 {
			in = mid
		} else {
			out = mid
		}
	}
	return in
}

// curve is one side of a convex hull.
type curve []struct{ x, d float64 }

// hull keeps the points that can bound a line from below (lower) or above.
func hull(points []point, base, near int64, lower bool) curve {
	sorted := slices.Clone(points)
	slices.SortFunc(sorted, func(p, q point) int {
		switch {
		case p.x != q.x:
			return int(max(min(p.x-q.x, 1), -1))
		default:
			return int(max(min(p.d-q.d, 1), -1))
		}
	})
	sign := 1.0
	if !lower {
		sign = -1
	}
	var h curve
	for _, p := range sorted {
		q := struct{ x, d float64 }{float64(p.x - base), float64(p.d - near)}
		for len(h) >= 2 {
			a, b := h[len(h)-2], h[len(h)-1]
			if sign*((b.x-a.x)*(q.d-a.d)-(b.d-a.d)*(q.x-a.x)) > 0 {
				break
			}
			h = h[:len(h)-1]
		}
		h = append(h, q)
	}
	return h
}

// bound is the least (or most) that a line of the given drift leaves of the points.
func (h curve) bound(drift float64, least bool) float64 {
	best := math.Inf(1)
	if !least {
		best = math.Inf(-1)
	}
	for _, p := range h {
		if v := p.d - drift*p.x; least {
			best = min(best, v)
		} else {
			best = max(best, v)
		}
	}
	return best
}
