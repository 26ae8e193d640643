package reassembly

import "github.com/finwait/finwait/reassembly/seqnum"

// This file: which incarnation of a tuple a segment belongs to (rule 19). A SYN
// with a new ISN begins one; a copy of a SYN, SYN-ACK or FIN, or a late
// duplicate, never does.

// route gives a segment to connection i, to an older incarnation, or to a new one.
func (t *Tracker) route(i uint32, s *arrival) {
	c := t.conn(i)
	x := c.sideOf(s.swapped)
	switch {
	case s.quoted():
		t.log(i, s, x, 0)
	case s.rec.flags&(FlagSYN|FlagRST|FlagACK) == FlagSYN:
		t.routeSYN(i, s, x)
	case s.rec.flags&(FlagSYN|FlagRST|FlagACK) == FlagSYN|FlagACK:
		t.routeSYNACK(i, s, x)
	case c.links != 0 && t.links[c.links].prev != 0:
		t.routeOld(i, s, x)
	default:
		t.log(i, s, x, 0)
	}
}

// routeSYN: a SYN without ACK.
func (t *Tracker) routeSYN(i uint32, s *arrival, x int) {
	c := t.conn(i)
	d, o, prev := &c.side[x], &c.side[1-x], t.links[c.links].prev
	if d.bits&csISS != 0 && d.iss == s.rec.seq {
		t.log(i, s, x, 0)
		if prev != 0 && !c.synAcked {
			t.logPrev(prev, s)
		}
		return
	}
	if prev != 0 {
		p := t.conn(prev)
		if y := p.sideOf(s.swapped); p.side[y].bits&csISS != 0 && p.side[y].iss == s.rec.seq {
			t.log(prev, s, y, 0) // a late copy of an older SYN
			return
		}
	}
	if d.bits&csISS == 0 {
		switch {
		case o.bits&csSYN != 0 && !c.synAcked && o.bits&csFIN == 0 && d.bits&(csEnd|csRST) == 0:
			t.log(i, s, x, 0) // simultaneous open
			return
		case o.bits&csISS != 0 && o.bits&csSYN == 0 && c.packets <= 2:
			t.log(i, s, x, 0) // the SYN-ACK overtook the SYN
			return
		case d.bits&csEnd != 0 && d.iss == s.rec.seq:
			t.log(i, s, x, 0) // all that it sent overtook its SYN
			return
		case d.bits&csEnd != 0 && c.packets <= 3 && o.bits&csEnd == 0 && seqnum.Size(s.rec.seq+1, d.end) < 1<<16:
			t.log(i, s, x, 0) // data overtook the SYN
			return
		}
	}
	n := t.open(s, i)
	t.log(n, s, 0, 0)
	t.logPrev(i, s)
}

// logPrev cites a segment of a newer incarnation in an older one.
func (t *Tracker) logPrev(i uint32, s *arrival) {
	t.log(i, s, t.conn(i).sideOf(s.swapped), recNext)
}

// routeSYNACK: a SYN with ACK.
func (t *Tracker) routeSYNACK(i uint32, s *arrival, x int) {
	c := t.conn(i)
	d, o, prev := &c.side[x], &c.side[1-x], t.links[c.links].prev
	answers := o.bits&csISS != 0 && s.rec.ack-o.iss-1 <= 1500
	if prev != 0 && !answers {
		p := t.conn(prev)
		if y := p.sideOf(s.swapped); p.side[y].bits&csISS != 0 && p.side[y].iss == s.rec.seq {
			t.log(prev, s, y, 0)
			return
		}
	}
	closed := (d.bits|o.bits)&csRST != 0 || d.bits&o.bits&csFIN != 0
	if !answers && d.bits&csISS != 0 && d.iss != s.rec.seq && closed {
		n := t.open(s, i) // its SYN was missed
		t.log(n, s, 0, 0)
		return
	}
	t.log(i, s, x, 0)
	if prev != 0 && answers {
		t.logPrev(prev, s)
	}
}

// routeOld decides by the numbers between a connection and the incarnation
// before it.
func (t *Tracker) routeOld(i uint32, s *arrival, x int) {
	c := t.conn(i)
	prev := t.links[c.links].prev
	p := t.conn(prev)
	y := p.sideOf(s.swapped)
	d, old := &c.side[x], &p.side[y]
	if d.bits&csISS != 0 && (s.rec.seq == d.iss+1 || s.rec.seq != old.end && seqnum.LessEq(d.iss, s.rec.seq) && seqnum.LessEq(s.rec.seq, d.end+1<<20)) {
		t.log(i, s, x, 0)
		return
	}
	o := &c.side[1-x]
	if s.rec.flags&FlagACK != 0 && o.bits&csISS != 0 && (s.rec.ack == o.iss+1 || c.synAcked && seqnum.LessEq(o.iss, s.rec.ack) && seqnum.LessEq(s.rec.ack, o.end)) {
		t.log(i, s, x, 0)
		return
	}
	if old.bits&csEnd != 0 && near(s.rec.seq, old.end, 1<<20) || s.rec.flags&FlagRST != 0 && p.side[1-y].bits&csEnd != 0 {
		if x == 0 && !c.synAcked && s.rec.flags&(FlagSYN|FlagRST) == 0 && s.rec.seq == old.end {
			t.foldBack(i, s.hash) // the SYN was not the sender's
			t.log(prev, s, y, 0)
			return
		}
		t.log(prev, s, y, 0)
		if !c.synAcked {
			t.log(i, s, x, recOld)
		}
		return
	}
	t.log(i, s, x, 0)
}

// foldBack undoes the beginning of connection i: its SYN was forged or an old
// duplicate, and the incarnation before it lives on. The SYN stays in its log.
func (t *Tracker) foldBack(i uint32, h uint64) {
	prev := t.links[t.conn(i).links].prev
	p, c := t.conn(prev), t.conn(i)
	if p.lone() {
		t.logs.unfold(p)
	}
	t.table.put(h, i, prev)
	p.last = max(p.last, c.last)
	own := &t.links[p.links]
	own.newer, own.reusedBy = 0, 0
	if t.longOf(p) == nil && p.logged > mostAdopted {
		t.lengthen(prev, p)
	}
	if g := t.longOf(p); g != nil {
		t.settle(p, g)
		g.packets += uint64(c.packets)
		g.m.foldBack()
	} else {
		p.packets += c.packets
		t.logs.adopt(p)
	}
	t.logs.setContext(p)
	t.drop(i, true)
}

// foldBack takes the segments cited of a next incarnation for the connection's own.
func (m *machine) foldBack() {
	for i := range m.recs {
		m.recs[i].bits &^= recNext
	}
	m.replay(int32(len(m.recs)))
}
