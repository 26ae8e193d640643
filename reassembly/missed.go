package reassembly

import (
	"github.com/finwait/finwait/reassembly/seqnum"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file: FINs that the tap did not see (rule 6).

// missFIN: side x's first segment that covers the peer's FIN begins one past
// its known end: a FIN of its own was missed (rule 6). Data at that place later
// shows that it was only a byte.
func (m *machine) missFIN(i int32, x int) bool {
	r, k, s, p := &m.recs[i], &m.marks[i], &m.snd[x], &m.snd[1-x]
	if r.span() > 0 {
		return m.noneMissed(i, x) || m.overtakenFIN(i, x) || r.flags&FlagFIN != 0 && s.finRec == i && m.firstFINMissed(i, x)
	}
	if r.flags&(FlagACK|FlagFIN|FlagSYN) != FlagACK || s.hasFIN || !p.hasFIN || !k.hadEnd || r.seq != k.prevEnd+1 ||
		seqnum.Less(r.ack, p.fin+1) || k.hadAck && seqnum.LessEq(p.fin+1, k.prevAck) {
		return false
	}
	copies, last := 0, int32(-1)
	for j := range i {
		if m.own(j, 1-x) && m.recs[j].flags&(FlagFIN|FlagRST) == FlagFIN {
			copies, last = copies+1, j
		}
	}
	if d, ok := r.dsack(); ok && copies == 1 && seqnum.LessEq(d.Left, p.fin) && seqnum.Less(p.fin, d.Right) {
		copies++ // another came, which the capture does not have: this answers the second
	}
	switch {
	case copies == 1:
		k.missed = missedInEstablished
		m.doubts |= someMissed
		m.marks[last].until = i
		m.judge(last, delayed, i, whyCrossed)
	case copies > 1:
		k.missed = missedInCloseWait
		m.doubts |= someMissed
	}
	return copies > 0
}

// noneMissed: where a FIN was thought to have been missed there was only a
// byte, or the FIN stands behind it.
func (m *machine) noneMissed(i int32, x int) bool {
	if m.doubts&someMissed == 0 {
		return false
	}
	r := &m.recs[i]
	for j := range i {
		o, k := &m.recs[j], &m.marks[j]
		if !k.ownFINMissed() || o.side() != x || !seqnum.Less(o.seq, r.end()) && (r.flags&FlagFIN != 0 || r.end() != o.seq) {
			continue
		}
		m.unmiss(j)
		return true
	}
	return false
}

// unmiss takes back that a FIN was missed just before segment j.
func (m *machine) unmiss(j int32) {
	m.marks[j].missed = noMissedFIN
	for n := range j {
		if f := &m.marks[n]; f.recv == delayed && f.until == j {
			m.judge(n, received, -1, noDoubt)
			f.until = -1
		}
	}
}

// overtakenFIN: the FIN thought missed was only overtaken, and acknowledges the
// peer's: it was sent after that one came. A timestamp no newer than that of the
// segment before which it was missed shows it, unless its IP-ID is newer.
func (m *machine) overtakenFIN(i int32, x int) bool {
	r := &m.recs[i]
	if m.doubts&someMissed == 0 || !m.closes(i) || !m.snd[1-x].hasFIN || !m.acks(i, m.snd[1-x].fin+1) {
		return false
	}
	for j := range i {
		o := &m.recs[j]
		if m.marks[j].ownFINMissed() && o.side() == x && (m.marks[i].kind == lateOriginal || r.bits&o.bits&recTS != 0 && r.tsval == o.tsval && m.marks[i].idStep <= 0) {
			m.unmiss(j)
			return true
		}
	}
	return false
}

// firstFINMissed: the first FIN seen of side x stands below a segment sent
// before: nothing but that FIN can have been in its place, so it was first sent
// before that segment (rule 6).
func (m *machine) firstFINMissed(i int32, x int) bool {
	fin := m.recs[i].end()
	for j := range i {
		o, k := &m.recs[j], &m.marks[j]
		if !m.own(j, x) || o.flags&(FlagSYN|FlagRST) != 0 || o.seq != fin {
			continue
		}
		if k.ownFINMissed() {
			return false
		}
		if p := &m.snd[1-x]; p.hasFIN && o.flags&FlagACK != 0 && seqnum.LessEq(p.fin+1, o.ack) {
			return false // it had the peer's FIN by then: which came first is not known
		}
		k.missed = missedInEstablished
		m.doubts |= someMissed
		return true
	}
	return false
}

// missAckedFIN: side x acknowledges one byte more than its peer was seen to
// send, with nothing else missing: the capture missed the peer's FIN, unless
// the peer sends data behind that byte (rule 6).
func (m *machine) missAckedFIN(i int32, x int) bool {
	r, k, s, p := &m.recs[i], &m.marks[i], &m.snd[x], &m.snd[1-x]
	if s.finGuessed && r.span() > 0 && seqnum.Less(s.fin, r.seq+r.len) { // only a byte after all
		s.finGuessed, s.hasFIN = false, false
		if m.closes(i) {
			s.fin, s.hasFIN, s.finRec = r.end()-1, true, i
			m.overview(i, x)
		}
		return m.unmissAcked(i, x)
	}
	if r.flags&FlagFIN != 0 && s.finRec == i && m.overtakenByACK(i, x) {
		return m.unmissAcked(i, x)
	}
	if r.flags&(FlagACK|FlagSYN) != FlagACK || !s.hasISS || !p.hasISS || p.hasFIN || !p.hasEnd ||
		p.contig != p.end || r.ack != p.end+1 || m.e[1-x].find(tcpstate.Established) == nil {
		return false
	}
	p.fin, p.hasFIN, p.finGuessed, p.finAt = p.end, true, true, r.at
	k.missed = missedByCapture
	m.doubts |= someMissed
	return true
}

// overtakenByACK: the FIN thought missed comes right behind its ACK: the two
// only stand the wrong way round in the capture.
func (m *machine) overtakenByACK(i int32, x int) bool {
	for j := i - 1; j >= 0; j-- {
		if m.marks[j].missed == missedByCapture && m.recs[j].side() != x {
			return m.marks[i].kind == lateOriginal || m.recs[i].at-m.recs[j].at < m.late(x)
		}
	}
	return false
}

// unmissAcked takes back that a FIN of side x was missed.
func (m *machine) unmissAcked(i int32, x int) bool {
	for j := range i {
		if m.marks[j].missed == missedByCapture && m.recs[j].side() != x {
			m.unmiss(j)
			return true
		}
	}
	return false
}

// mayAckFIN: the last byte that segment i acknowledges may have been a FIN: the
// capture has neither the start of the peer's numbers nor that byte.
func (m *machine) mayAckFIN(i int32, x int) bool {
	return !m.snd[1-x].hasISS && m.lastAckedUnseen(i, x)
}

// lastAckedUnseen: no segment that the tap saw carries the last byte that segment
// i acknowledges.
func (m *machine) lastAckedUnseen(i int32, x int) bool {
	ack := m.recs[i].ack
	for j := range i {
		if o := &m.recs[j]; m.own(j, 1-x) && o.flags&FlagRST == 0 && seqnum.Less(o.seq, ack) && seqnum.LessEq(ack, o.seq+o.len) {
			return false
		}
	}
	return true
}

// sendMissedFIN: side x sent a FIN that the tap did not see before segment i.
func (m *machine) sendMissedFIN(i int32, x int) {
	st := m.event(x, tcpstate.SendFIN, -1, "send FIN, not seen", Presumed)
	if st == nil {
		return
	}
	st.at, st.inferred = m.recs[i].at, m.recs[i].pkt
	if st.state == tcpstate.LastAck {
		st.alt = tcpstate.Closing
	}
}

// arriveMissedFIN: side x acknowledges a FIN that the capture missed.
func (m *machine) arriveMissedFIN(i int32, x int) {
	e := &m.e[x]
	e.peerFIN, e.sawFIN, e.finDone = m.snd[1-x].fin, true, true
	if st := m.event(x, tcpstate.ReceiveFIN, -1, "receive FIN, not seen", Presumed); st != nil {
		st.at, st.inferred = m.recs[i].at, m.recs[i].pkt
	}
}

// confirmInferredFIN: a FIN that was only inferred before is now seen (rule 6).
func (m *machine) confirmInferredFIN(i int32, x int) {
	e, r, p := &m.e[x], &m.recs[i], &m.snd[1-x]
	if p.hasFIN && m.acks(i, p.fin+1) || !p.hasISS || r.ack != p.iss+1 && m.lastAckedUnseen(i, x) {
		return // it may have been sent first when the peer's FIN had come, seen or not: a copy of that drew the ACK
	}
	for j := range e.steps {
		st := &e.steps[j]
		// LAST-ACK may as well have been CLOSING, FIN seen or not.
		if st.rec < 0 && st.inferred != 0 && st.ev == Presumed && st.state == tcpstate.FinWait1 {
			st.ev = Confirmed
			st.proofs = append(st.proofs, r.pkt)
		}
	}
}
