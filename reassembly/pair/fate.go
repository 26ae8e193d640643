package pair

import (
	"cmp"
	"slices"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/seqnum"
)

// This file: packets leave the merge, in causal order, with their fate.

// retire lets go what was first seen by a time.
func (m *merger) retire(until int64) {
	if len(m.under) > m.o.Packets { // too many: the oldest have no more time
		n := len(m.under) - m.o.Packets
		m.stats.Dropped += uint64(n)
		until = max(until, m.under[n-1].first)
	}
	for m.pop(until) {
	}
	n := 0
	for n < len(m.under) && m.under[n].first <= until && m.under[n].emitted {
		m.forget(m.under[n])
		m.under[n] = nil
		n++
	}
	m.under = m.under[n:]
}

// forget takes a packet out of what others are paired with.
func (m *merger) forget(p *packet) {
	if p.flow == nil {
		return
	}
	drop := func(list []*packet) []*packet {
		if len(list) > 0 && list[0] == p { // as nearly always: the oldest goes first
			list[0] = nil
			return list[1:]
		}
		if i := slices.Index(list, p); i >= 0 {
			return slices.Delete(list, i, i+1)
		}
		return list
	}
	if list := drop(m.pending[p.key]); len(list) > 0 {
		m.pending[p.key] = list
	} else {
		delete(m.pending, p.key)
	}
	p.flow.lone = drop(p.flow.lone)
}

// pop lets the next packet go, if it was first seen by a time. A capture's queue
// keeps its order; a packet leaves when its turn comes in the first capture on
// its way, and holds up the others until then.
func (m *merger) pop(until int64) bool {
	best, stuck := -1, -1
	for k := range m.streams {
		q := m.streams[k].queue
		for len(q) > 0 && q[0].emitted {
			q = q[1:]
		}
		m.streams[k].queue = q
		if len(q) == 0 || q[0].first > until {
			continue
		}
		at := q[0].seen[k].at
		if m.origin(q[0]) != k {
			if stuck < 0 || at < m.streams[stuck].queue[0].seen[stuck].at {
				stuck = k
			}
			continue
		}
		if best < 0 || at < m.streams[best].queue[0].seen[best].at {
			best = k
		}
	}
	switch {
	case best >= 0:
		p := m.streams[best].queue[0]
		if until != 1<<63-1 && p.seen[best].at > until {
			return false // another capture may still show something before it
		}
		m.emit(p)
		return true
	case stuck >= 0:
		p := m.streams[stuck].queue[0]
		if o := m.origin(p); m.blocked(o, until) {
			return false
		}
		m.emit(p) // the captures contradict each other's order
		return true
	}
	return false
}

// blocked: the queue's head only waits for time to pass.
func (m *merger) blocked(k int, until int64) bool {
	q := m.streams[k].queue
	return len(q) > 0 && q[0].first > until
}

// origin is the first capture on the packet's way that has it.
func (m *merger) origin(p *packet) int {
	forth := p.flow == nil || m.forth(p)
	for i := range m.streams {
		k := i
		if !forth {
			k = len(m.streams) - 1 - i
		}
		if p.seen[k].pos != 0 {
			return k
		}
	}
	return 0
}

// emit gives a packet to the tracker, behind those that its sender sent before.
func (m *merger) emit(p *packet) {
	p.emitted = true
	m.emitMissed(p)
	if p.absorbed {
		return
	}
	var c reassembly.Crossing
	if p.flow != nil && p.flow.told() {
		c = m.crossing(p)
	}
	switch c.Fate {
	case reassembly.FateDelivered:
		m.stats.Delivered++
	case reassembly.FateLost:
		m.stats.Lost++
	case reassembly.FateCopy:
		m.stats.Copies++
	case reassembly.FateForged:
		m.stats.Forged++
	default:
		m.stats.Unknown++
	}
	m.sink.AddCrossing(&p.seg, c)
}

// emitMissed lets go what the sender of p sent before it and the sender's own
// capture missed: it is known by the order of arrival at the other end alone.
func (m *merger) emitMissed(p *packet) {
	if p.flow == nil {
		return
	}
	own, to := 0, len(m.streams)-1
	if !m.forth(p) {
		own, to = to, own
	}
	if m.taps[own].missed.packets == 0 || p.seen[own].pos == 0 || p.seen[to].pos == 0 {
		return
	}
	var first []*packet
	for n, q := range p.flow.since(p.first) { // what came before p was sent has gone already
		if n > maxPieces || q.first > p.seen[to].at {
			break
		}
		if q.sender == p.sender && !q.emitted && q.seen[own].pos == 0 && q.seen[to].pos != 0 && q.seen[to].pos < p.seen[to].pos &&
			(!q.seg.HasTimestamps || !p.seg.HasTimestamps || seqnum.LessEq(q.seg.TSVal, p.seg.TSVal)) {
			first = append(first, q)
		}
	}
	slices.SortFunc(first, func(a, b *packet) int { return cmp.Compare(a.seen[to].pos, b.seen[to].pos) })
	for _, q := range first {
		m.emit(q)
	}
}

// crossing tells what became of a packet.
func (m *merger) crossing(p *packet) (c reassembly.Crossing) {
	from, to := 0, len(m.streams)-1
	step := 1
	if !m.forth(p) {
		from, to, step = to, from, -1
	}
	own := func(k int) bool {
		return m.taps[k].Own != reassembly.None && (p.flow.locals[k] != nil || p.flow.absent>>k&1 != 0)
	}
	if own(from) {
		c.Sent = p.seen[from].pos
	}
	last := from
	for k := from; ; k += step {
		if s := &p.seen[k]; s.pos != 0 {
			last = k
			if m.taps[k].Own == reassembly.None {
				c.Via = append(c.Via, reassembly.Passing{Point: uint8(k), At: s.at, As: s.pkt})
			}
		}
		if k == to {
			break
		}
	}
	if p.seen[to].pos == 0 && p.seg.Length > 0 {
		m.recut(p, last, to)
	}
	for k := m.origin(p); k != to; k += step {
		if p.seen[k].pos == 0 && (k-last)*step < 0 {
			m.stats.Missed[k]++
		}
	}
	if own(to) && p.seen[to].pos != 0 {
		s := &p.seen[to]
		c.Arrived, c.ArrivedAt, c.ArrivedAs, c.Fate = s.pos, s.at, s.pkt, reassembly.FateDelivered
	}
	switch {
	case p.copy:
		// One that the sender's own capture has twice is a matter for the rules of one tap.
		if c.Arrived != 0 && c.Sent == 0 {
			c.Fate = reassembly.FateCopy
		}
		return c
	case p.seen[to].pos == 0:
		next := last + step
		for next != to && p.flow.locals[next] == nil {
			next += step // not on the flow's way
		}
		if m.lacks(p, next, p.seen[last].at) && (next == to || m.lacksAll(p, next, to, step)) {
			c.Fate, c.From, c.To = reassembly.FateLost, uint8(last), uint8(next)
			c.Assumed = p.flow.locals[next] == nil || m.edge(next, p.seen[last].at)
		}
	}
	if own(from) && c.Sent == 0 {
		if p.seg.Flags&reassembly.FlagRST != 0 && m.covers(from, p.seen[last].at) && !m.edge(from, p.seen[last].at) && c.Arrived != 0 {
			c.Fate = reassembly.FateForged
		} else {
			c.SentMissed = true
			m.stats.Missed[from]++
		}
	}
	return c
}

// lacks: capture k was running when packet p, sent at a time, would have passed
// it, and lacks it.
func (m *merger) lacks(p *packet, k int, at int64) bool {
	switch absent := p.flow.locals[k] == nil; {
	case absent && p.flow.absent>>k&1 == 0:
		return false
	case absent && m.taps[k].segments > 0 && m.edge(k, at):
		return false // more than one assumption
	}
	return m.covers(k, at)
}

// lacksAll: none of the captures from k on to the end has the packet, although
// they cover its time.
func (m *merger) lacksAll(p *packet, k, to, step int) bool {
	for ; ; k += step {
		if p.flow.locals[k] != nil && p.seen[k].pos != 0 {
			return false
		}
		if k == to {
			return true
		}
	}
}
