package reassembly

import (
	"github.com/finwait/finwait/reassembly/seqnum"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file: what resets refute of the receipts before them (rule 14b), and what
// refutes a reset (rules 14c and 17).

// refuteRST: side x goes on after a reset that should have killed it, or that
// it is said to have sent (rules 14c and 17).
func (m *machine) refuteRST(i int32, x int) bool {
	changed := false
	if m.e[x].state != tcpstate.Closed {
		return false
	}
	for j := i - 1; j >= 0; j-- {
		o, k := &m.recs[j], &m.marks[j]
		if o.flags&FlagRST == 0 || o.bits&(recNext|recOld|recICMP) != 0 || m.overtakenSince(j, i, x) {
			continue
		}
		if o.side() == x {
			if !k.unsent && m.causedClosed(x, j) && !m.mayFollowRST(i, j, x) {
				k.unsent = true
				k.refuter, k.reason = i, whyForged
				changed = true
			}
			continue
		}
		if (k.recv == received || k.recv == delayed) && m.causedClosed(x, j) {
			for n := j; n < i; n++ { // nor has it any of the copies that a burst draws
				if m.own(n, 1-x) && m.recs[n].flags&FlagRST != 0 && m.marks[n].recv != notReceived {
					m.outlived(n, i, x)
				}
			}
			changed = true
		}
	}
	return changed
}

// outlived: side x sent segment i without having received reset n.
func (m *machine) outlived(n, i int32, x int) {
	if m.recs[i].at > m.recs[n].at+m.late(x) {
		m.judge(n, notReceived, i, whyStillAlive)
		return
	}
	m.marks[n].until = i // sent before the reset came
	m.judge(n, delayed, i, whyCrossed)
}

// causedClosed: side x is CLOSED because of reset j.
func (m *machine) causedClosed(x int, j int32) bool {
	s := m.e[x].last()
	if s == nil || s.state != tcpstate.Closed {
		return false
	}
	if s.rec == j {
		return true
	}
	for _, p := range s.proofs {
		if p == m.recs[j].pkt {
			return true
		}
	}
	return false
}

// overtakenSince: segment i of side x was sent before segment j came to it, and
// only overtaken: x sent another of a later tick (else of a later IP-ID of a
// counter of the connection's own), which passed soon enough to have been sent
// before j came.
func (m *machine) overtakenSince(j, i int32, x int) bool {
	r, byID := &m.recs[i], m.marks[i].idStep < 0 && m.snd[x].idRun >= ordersIDs
	if r.bits&recTS == 0 && !byID {
		return false
	}
	for n := range i {
		o := &m.recs[n]
		if !m.own(n, x) || o.flags&FlagRST != 0 || o.at > m.recs[j].at+m.late(x) {
			continue
		}
		if r.bits&o.bits&recTS != 0 && seqnum.Less(r.tsval, o.tsval) {
			return true
		}
		if step := int16(o.ipid - r.ipid); byID && o.ipid != 0 && step > 0 && step < maxIDStep {
			return true
		}
	}
	return false
}

// mayFollowRST: a segment that passed the tap after the reset but was sent
// before it, or is outside the sequence space of the connection.
func (m *machine) mayFollowRST(i, j int32, x int) bool {
	r, o := &m.recs[i], &m.recs[j]
	if r.flags&FlagSYN != 0 {
		return true
	}
	return r.bits&o.bits&recTS != 0 && seqnum.Less(r.tsval, o.tsval)
}

// refuteByRST: a bare reset says that its sender has no connection: steps that
// rest on a FIN, SYN-ACK or third ACK it never acknowledged fall (rule 14b).
func (m *machine) refuteByRST(i int32, x int) bool {
	r, e := &m.recs[i], &m.e[x]
	if r.flags&FlagACK != 0 || len(e.steps) == 0 || m.refusesOldACK(i, x) {
		return false
	}
	cause := m.answered(i, x)
	if cause < 0 {
		return false
	}
	changed := m.closedBefore(cause, i, x)
	if m.marks[cause].recv == notReceived && m.marks[cause].reason == whyResent {
		m.judge(cause, ackOnly, i, whyRefusedRST) // it came, and drew the reset
		changed = true
	}
	for n := range e.steps {
		s := &e.steps[n]
		if !s.ev.open() || s.rec < 0 || m.marks[s.rec].recv != received && m.marks[s.rec].recv != delayed {
			continue
		}
		o := &m.recs[s.rec]
		switch s.state {
		case tcpstate.CloseWait, tcpstate.Closing, tcpstate.TimeWait:
			if (o.flags&FlagFIN != 0 || m.e[x].sawFIN) && s.rec >= cause {
				if s.rec == cause && m.marks[s.rec].recv == received {
					m.judge(s.rec, ackOnly, i, whyRefusedRST)
				} else { // it was gone by then
					m.tooLate(s.rec, i, x)
				}
				changed = true
			}
		case tcpstate.FinWait2:
			if s.rec > cause && !m.acks(cause, m.snd[x].fin+1) { // it was gone before that ACK came
				m.tooLate(s.rec, i, x)
				changed = true
			}
		case tcpstate.Established:
			if s.rec >= cause { // nor did anything else that could have opened it
				for j := s.rec; j < i; j++ {
					if m.own(j, 1-x) && m.marks[j].recv == received {
						m.judge(j, notReceived, i, whyRefusedRST)
					}
				}
				changed = true
			}
		}
	}
	return changed
}

// closedBefore: side x was in LAST-ACK, and answers the only ACK of its FIN that
// has come since its last copy with a reset: it was CLOSED by then, so that an
// earlier ACK thought lost only came late.
func (m *machine) closedBefore(cause, i int32, x int) bool {
	s := &m.snd[x]
	if !s.hasFIN || m.doubts&someLost == 0 || m.e[x].find(tcpstate.LastAck) == nil || !m.acks(cause, s.fin+1) {
		return false
	}
	for j := cause + 1; j < i; j++ {
		if m.own(j, 1-x) {
			return false
		}
	}
	for j := cause - 1; j >= 0; j-- {
		if k := &m.marks[j]; m.own(j, 1-x) && k.recv == notReceived && k.reason == whySentAgain && m.acks(j, s.fin+1) {
			m.cameLate(j)
			return true
		}
	}
	return false
}

// tooLate: segment j found no connection at side x, nor did any later one that
// acknowledges its FIN.
func (m *machine) tooLate(j, i int32, x int) {
	m.judge(j, notReceived, i, whyRefusedRST)
	for n := j + 1; n < i; n++ {
		if m.own(n, 1-x) && m.marks[n].recv == received && m.snd[x].hasFIN && m.acks(n, m.snd[x].fin+1) {
			m.judge(n, notReceived, i, whyRefusedRST)
		}
	}
}
