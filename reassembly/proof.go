package reassembly

import "github.com/finwait/finwait/reassembly/seqnum"

// This file: what a segment proves of those before it: that they arrived, or
// that they had not come yet (rules 13, 22 and 23).

// hadACK: side x is known to have had ACK a before it sent segment i: an echo
// of a TSval that was new with a (rule 23), or it acknowledged what a carried.
func (m *machine) hadACK(a, i int32, x int) bool {
	o := &m.recs[a]
	if m.onlyCopy(a, i) {
		for j := a + 1; j <= i; j++ {
			if m.own(j, x) && m.acks(j, o.end()) {
				return true
			}
		}
	}
	if o.bits&recTS == 0 || !m.marks[a].tsNew {
		return false
	}
	for j := a + 1; j <= i; j++ {
		if s := &m.recs[j]; m.own(j, x) && s.bits&recTS != 0 && s.flags&FlagACK != 0 && s.tsecr == o.tsval {
			return true
		}
	}
	return false
}

// onlyCopy: up to segment i no other than segment a carried its bytes: whoever
// acknowledges them has got it.
func (m *machine) onlyCopy(a, i int32) bool {
	o, k := &m.recs[a], &m.marks[a]
	if o.span() == 0 || o.flags&(FlagSYN|FlagRST) != 0 || k.kind != fresh || k.hasPeer && seqnum.LessEq(o.end(), k.peerAck) {
		return false
	}
	for n := range i {
		if c := &m.recs[n]; n != a && m.own(n, o.side()) && c.flags&FlagRST == 0 && seqnum.Overlap(o.seq, o.end(), c.seq, c.end()) {
			return false
		}
	}
	return true
}

// sackHole: before copy i the receiver reported all but segment j, which proves
// that j was lost behind the tap (or is still on its way, overtaken).
func (m *machine) sackHole(j, i int32, x int) bool {
	o := &m.recs[j]
	for n := i - 1; n > j; n-- {
		a := &m.recs[n]
		if !m.own(n, 1-x) || a.flags&FlagACK == 0 || a.ack != o.seq && !seqnum.Less(a.ack, o.end()) {
			continue
		}
		for _, b := range a.sack {
			if b != (SACKBlock{}) && seqnum.LessEq(o.end(), b.Left) {
				return true
			}
		}
	}
	return false
}

// provenBefore: SACK or an echo seen before the copy shows that j arrived.
func (m *machine) provenBefore(j, i int32, x int) bool {
	for n := j + 1; n < i; n++ {
		if m.own(n, 1-x) && (m.echoProves(j, n) || sackProves(&m.recs[j], &m.recs[n])) {
			return true
		}
	}
	return false
}

// echoProves: ACK n echoes the TSval of j, which only the arrival of j can
// have put there (rule 22).
func (m *machine) echoProves(j, n int32) bool {
	s, a, k := &m.recs[j], &m.recs[n], &m.marks[j]
	return s.bits&a.bits&recTS != 0 && a.flags&FlagACK != 0 && a.tsecr == s.tsval && k.tsNew &&
		(!k.hasPeer || seqnum.LessEq(s.seq, k.peerAck))
}

// echoPredates: ACK n covers copy c, but echoes an older TSval although c was
// next in order: n's sender had the bytes before c came (a TIME-WAIT holder
// never refreshes its echo; RFC 7323 section 4.3, rule 22).
func (m *machine) echoPredates(c, n int32) bool {
	s, a, k := &m.recs[c], &m.recs[n], &m.marks[c]
	return s.bits&a.bits&recTS != 0 && a.flags&FlagACK != 0 && k.tsNew && seqnum.LessEq(s.end(), a.ack) &&
		seqnum.Less(a.tsecr, s.tsval) && m.plausibleEcho(a) && k.hasPeer && seqnum.LessEq(s.seq, k.peerAck)
}

// plausibleEcho: the echo is of something that the peer was seen to send; some
// stacks leave the field empty.
func (m *machine) plausibleEcho(a *rec) bool {
	p := &m.snd[1-a.side()]
	return a.tsecr != 0 && p.hasTS && seqnum.LessEq(p.tsFirst, a.tsecr)
}

// sackProves: a SACK block of n covers all of j. A block at or below the
// cumulative ACK tells of a duplicate (D-SACK, RFC 2883 section 4): j arrived
// at least once more than once.
func sackProves(j, n *rec) bool {
	for _, b := range n.sack {
		if b != (SACKBlock{}) && seqnum.LessEq(b.Left, j.seq) && seqnum.LessEq(j.end(), b.Right) {
			return true
		}
	}
	return false
}

// dsack is the D-SACK block of an ACK, if it has one.
func (r *rec) dsack() (SACKBlock, bool) {
	b := r.sack[0]
	if r.flags&FlagACK == 0 || b == (SACKBlock{}) {
		return b, false
	}
	if seqnum.LessEq(b.Right, r.ack) {
		return b, true
	}
	o := r.sack[1]
	return b, o != (SACKBlock{}) && seqnum.LessEq(o.Left, b.Left) && seqnum.LessEq(b.Right, o.Right)
}

// proveArrivals: segment i of side x shows that segments towards x arrived
// that a copy had put in doubt: they are received after all.
func (m *machine) proveArrivals(i int32, x int) bool {
	r, changed := &m.recs[i], false
	if r.flags&FlagACK == 0 {
		return false
	}
	d, isD := r.dsack()
	m.placeLosses(i, x, isD)
	if m.doubts&someLost == 0 {
		return false
	}
	for j := range i {
		k := &m.marks[j]
		if k.recv != notReceived || !m.own(j, 1-x) || k.refuter < 0 {
			continue
		}
		if (k.reason == whySentAgain || k.reason == whyNotCovered) && m.acks(i, m.recs[j].end()) && m.onlyCopy(j, i) ||
			k.reason == whySentAgain && m.echoesOnly(j, i) {
			m.cameLate(j)
			changed = true
		}
		if k.reason != whyResent {
			continue
		}
		o := &m.recs[j]
		byOld := m.echoPredates(k.refuter, i)
		c := &m.recs[k.refuter] // of a larger segment it may repeat a part only
		byD := isD && seqnum.LessEq(d.Left, seqnum.Max(o.seq, c.seq)) && seqnum.LessEq(seqnum.Min(o.end(), c.end()), d.Right)
		if !byD && !byOld && !m.echoProves(j, i) {
			continue
		}
		if byD && !byOld && !m.dsackNames(j, i, d) {
			continue
		}
		by := k.refuter
		k.recv, k.reason, k.refuter, k.proven = received, noDoubt, -1, true
		if k.until >= 0 {
			k.recv = delayed
		}
		changed = true
		m.foldLoss(j)
		m.noteProven(j, by, i, 1-x, byD)
	}
	return changed
}

// echoesOnly: segment i echoes the TSval of j, which no other segment had: j
// came (rule 23).
func (m *machine) echoesOnly(j, i int32) bool {
	r, o := &m.recs[i], &m.recs[j]
	if r.bits&o.bits&recTS == 0 || r.tsecr != o.tsval || !m.marks[j].tsNew {
		return false
	}
	for n := j + 1; n < i; n++ {
		if s := &m.recs[n]; m.own(n, o.side()) && s.bits&recTS != 0 && s.tsval == o.tsval {
			return false
		}
	}
	return true
}

// cameLate: segment j was not lost but on its way for longer than usual: it
// arrived after the copy that was thought to refute it.
func (m *machine) cameLate(j int32) {
	k := &m.marks[j]
	k.until = k.refuter
	m.judge(j, delayed, k.refuter, whyCrossed)
	m.tellLate(j)
}

// dsackNames: with a D-SACK two copies arrived; the first copy in doubt is one
// of them only if there are no others to explain it.
func (m *machine) dsackNames(j, i int32, d SACKBlock) bool {
	o, arrived := &m.recs[j], 0
	for n := range i {
		c := &m.recs[n]
		if n != j && m.own(n, o.side()) && c.span() > 0 && seqnum.LessEq(c.seq, d.Left) && seqnum.LessEq(d.Right, c.end()) && m.marks[n].recv == received {
			arrived++
		}
	}
	return arrived < 2
}
