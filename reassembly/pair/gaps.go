package pair

import (
	"slices"

	"github.com/finwait/finwait/reassembly"
)

// This file: what the captures missed. An end's own capture must have every
// packet that the host sent; what another capture shows of them and it lacks, it
// missed. Where it missed any, a packet towards the host that it lacks may have
// arrived all the same.

// gaps are the seconds of common time in which a capture is known to have missed
// packets.
type gaps struct {
	packets int
	seconds map[int64]int
	first   int64 // of the packets missed, ns, common time
	last    int64
	before  int // missed before its first packet, or behind its last
	after   int
	lossy   bool // they are spread all over
	silent  int  // packets to its host that it lacks, before its first or behind its last
}

const (
	maxGapSeconds = 100_000
	lossyShare    = 200 // one of so many missed: nothing it lacks says anything
)

// findGaps compares the samples of the other captures with those of capture k,
// if that is an end's own.
func (s *survey) findGaps(k int) {
	t := &s.taps[k]
	g := &t.missed
	g.seconds = map[int64]int{}
	if t.Own == reassembly.None || len(s.taps) < 2 {
		return
	}
	has := make(map[uint64]bool, len(t.samples))
	for i := range t.samples {
		has[s.exactly(k, i)] = true
	}
	start, end := t.clock.common(t.first), t.clock.common(t.last)
	for o := range s.taps {
		if o == k {
			continue
		}
		from := &s.taps[o]
		counted := make(map[uint64]bool)
		for i := range from.samples {
			p := &from.samples[i]
			l := from.flows[p.flow]
			if p.hash > t.limit {
				continue
			}
			h := s.exactly(o, i)
			if !s.mustHave(k, o, l, p) {
				if !has[h] && l.flow.locals[k] != nil && !s.nearTo(k, l, p) && s.edge(k, from.clock.common(p.at)) {
					g.silent++
				}
				continue
			}
			if counted[h] {
				continue // a copy that the network made
			}
			counted[h] = true
			t.of++
			if !has[h] {
				at := from.clock.common(p.at)
				g.add(at)
				if at < start {
					g.before++
				} else if at > end {
					g.after++
				}
			}
		}
	}
	if g.before+g.after > 0 {
		g.silent = 0 // it was not running
	}
	g.lossy = (g.packets-g.before-g.after)*lossyShare > t.of-g.before-g.after
}

// exactly is the key of a sample with its IP-ID, where nothing writes that anew.
func (s *survey) exactly(k, i int) uint64 {
	for o := 1; o < len(s.taps); o++ {
		if s.taps[o].otherID > s.taps[o].sameID {
			return s.taps[k].keyOf(i)
		}
	}
	return mix(s.taps[k].keyOf(i), uint64(s.taps[k].samples[i].ipid))
}

// nearTo: the end of the flow that sent packet p is the one near capture k, which
// is the first or the last.
func (s *survey) nearTo(k int, l *local, p *sample) bool {
	_, x := l.flow.endNear(k)
	return l.sender(p.fromB) == x
}

// mustHave: capture k is that of the host which sent packet p of capture o.
func (s *survey) mustHave(k, o int, l *local, p *sample) bool {
	x := l.sender(p.fromB)
	switch {
	case !s.nearTo(k, l, p):
		return false
	case s.taps[k].segments == 0:
		return true
	case p.flags&reassembly.FlagRST != 0:
		return false // perhaps forged on the way
	}
	// Segments cut anew cannot be compared one by one.
	if mine := l.flow.locals[k]; mine != nil {
		return p.len == 0 || mine.maxLen[x] == l.maxLen[x]
	}
	// A flow that the capture lacks altogether may have been left out on purpose,
	// unless the capture had ended or not begun.
	at := s.taps[o].clock.common(p.at)
	t := &s.taps[k]
	ip := l.flow.key.a
	if x == 1 {
		ip = l.flow.key.b
	}
	return s.near[ip] != 0 && (at < t.clock.common(t.first) || at > t.clock.common(t.last))
}

func (g *gaps) add(at int64) {
	if g.packets == 0 {
		g.first, g.last = at, at
	}
	g.packets++
	g.first, g.last = min(g.first, at), max(g.last, at)
	if len(g.seconds) < maxGapSeconds {
		g.seconds[at/1e9]++
	} else {
		g.lossy = true
	}
}

// near: something is known to have been missed within a second of the time.
func (g *gaps) near(at int64) bool {
	sec := at / 1e9
	return g.lossy || g.seconds[sec-1]+g.seconds[sec]+g.seconds[sec+1] > 0
}

// spans gives the gaps in order, first and last second of each, for the notes.
func (g *gaps) spans() [][2]int64 {
	var sec []int64
	for s := range g.seconds {
		sec = append(sec, s)
	}
	slices.Sort(sec)
	var out [][2]int64
	for _, s := range sec {
		if n := len(out); n > 0 && out[n-1][1] >= s-1 {
			out[n-1][1] = s
			continue
		}
		out = append(out, [2]int64{s, s})
	}
	return out
}
