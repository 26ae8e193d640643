package pair

import (
	"fmt"
	"math"
	"time"

	"github.com/finwait/finwait/reassembly"
)

// Plan is what the survey found: how the captures go together.
type Plan struct {
	Taps []TapPlan
	s    *survey
}

// TapPlan is what the survey found of one capture.
type TapPlan struct {
	Name        string
	Own         reassembly.Side
	Segments    uint64
	First, Last int64 // ns, as stamped; valid if it has frames
	Clock       Clock // against the first capture; the first one's is zero
	Paired      int   // sampled packets that it shares with the first capture
	Flows       int   // flows that it has
	Shared      int   // of them, those that another capture has too
	Translated  int   // of them, those found under other addresses, ports or sequence numbers
	Missed      int   // sampled packets that its own host sent and it lacks
	Of          int   // of so many
	Notes       []string
}

// tail is how much longer than ever seen a packet may be under way.
const tail = int64(time.Second)

func (s *survey) plan() *Plan {
	p := &Plan{s: s}
	for k := range s.taps {
		t := &s.taps[k]
		tp := TapPlan{Name: t.Name, Own: t.Own, Segments: t.segments, First: t.first, Last: t.last, Clock: t.clock,
			Paired: t.paired, Flows: len(t.flows), Translated: s.translated[k], Missed: t.missed.packets, Of: t.of}
		for _, l := range t.flows {
			if l.shared() {
				tp.Shared++
			}
		}
		tp.Notes = s.notes(k, &tp)
		p.Taps = append(p.Taps, tp)
	}
	return p
}

// shared: more than one capture has the flow.
func (f *flow) shared() bool {
	n := 0
	for _, l := range f.locals {
		if l != nil {
			n++
		}
	}
	return n > 1
}

// told: more than one capture has the flow, or listened for it.
func (f *flow) told() bool { return f.absent != 0 || f.shared() }

// window is how long after a packet was first seen another capture may show it.
func (s *survey) window() int64 {
	w := tail
	for k := range s.taps {
		w = max(w, 2*s.taps[k].slowest+tail)
	}
	return w
}

// covers: what was sent at a time towards capture k and is not there did not pass
// it.
func (s *survey) covers(k int, at int64) bool {
	t := &s.taps[k]
	g := &t.missed
	switch {
	case t.segments == 0:
		return t.Own != reassembly.None && !t.cut && g.packets == 0
	case g.near(at):
		return false
	case g.before > 0 && at < t.clock.common(t.first):
		return false
	case (g.after > 0 || t.cut) && s.behind(k, at):
		return false
	}
	return true
}

// edge: capture k has no frame from before a packet sent at a time can have come
// to it, or none from after. That it was running then is what one assumes who
// names two captures of the same connections; no packet proves it.
func (s *survey) edge(k int, at int64) bool {
	t := &s.taps[k]
	return t.frames == 0 || at < t.clock.common(t.first) || s.behind(k, at)
}

// behind: a packet sent at a time may have come to capture k after its last frame.
func (s *survey) behind(k int, at int64) bool {
	t := &s.taps[k]
	return at+s.slowest > t.clock.common(t.last)
}

// notes says in words what disturbs the comparison.
func (s *survey) notes(k int, p *TapPlan) (out []string) {
	t := &s.taps[k]
	say := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	g := &t.missed
	if t.segments == 0 {
		switch {
		case g.packets > 0:
			say("it holds no TCP segment, although its host sent: it was not running, or not there")
		case t.Own == reassembly.None || t.cut:
			say("it holds no TCP segment")
		default:
			say("it holds no TCP segment: taken to have been running, so that nothing reached its host")
		}
		return out
	}
	if t.full {
		say("it has more than %d flows: those beyond are told as from one capture", s.o.Flows)
	}
	if k > 0 {
		switch {
		case p.Paired == 0:
			say("it shares no packet with %s: each is told by itself, and their clocks are taken as they are", s.taps[0].Name)
			return out
		case p.Clock.Forward == 0 || p.Clock.Backward == 0:
			say("packets are shared in one direction only: the fastest is taken to have needed no time")
		case !p.Clock.Steady:
			say("its clock does not run steadily against that of %s: some packets seem to arrive %v before they were sent",
				s.taps[0].Name, time.Duration(p.Clock.Residual))
		}
	}
	if p.Translated > 0 {
		say("%d of %d flows have other addresses, ports or sequence numbers here than in %s", p.Translated, p.Shared, s.taps[0].Name)
	}
	if k > 0 && s.swapped(k) {
		say("the captures look swapped: most connections were opened from the side of %s", t.Name)
	}
	if t.cut {
		say("it is cut off: what it lacks behind its last packet may have arrived")
	}
	if g.silent > 0 {
		say("packets were sent to its host before its first packet or after its last, and its host sent none then: taken to have been running, so that they were lost")
	}
	if g.packets == 0 {
		return out
	}
	start, end := t.clock.common(t.first), t.clock.common(t.last)
	if g.before > 0 {
		say("it begins %v later than packets of its host that another capture has", short(start-g.first))
	}
	if g.after > 0 {
		say("it ends %v before the last packet of its host that another capture has", short(g.last-end))
	}
	if inside := g.packets - g.before - g.after; inside > 0 {
		if g.lossy {
			say("it missed %d of %d packets that its host sent: what it lacks may have arrived", inside, t.of-g.before-g.after)
		} else {
			say("it missed %d of %d packets that its host sent, in %d places: what it lacks there may have arrived", inside, t.of-g.before-g.after, len(g.spans()))
		}
	}
	return out
}

func short(ns int64) time.Duration { return time.Duration(ns).Round(time.Millisecond) }

// swapped: most clients sit at the far end.
func (s *survey) swapped(k int) bool {
	far, near := 0, 0
	for _, l := range s.taps[k].flows {
		if l.synBy == 0 || l.pairs[k] == 0 {
			continue
		}
		if (l.vote > 0) == (l.synBy == 1) {
			near++
		} else {
			far++
		}
	}
	return far > near
}

// Known reports whether the offset is known to within a finite time.
func (c *Clock) Known() bool {
	return c.Forward+c.Backward > 0 && c.Uncertainty != math.MaxInt64
}
