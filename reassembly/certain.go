package reassembly

import (
	"slices"
	"time"

	"github.com/finwait/finwait/reassembly/seqnum"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file: what an endpoint's own capture makes certain (crossing.go), and
// what it does not: that a segment reached the host is not yet that the host
// did with it what the RFC says. A full accept queue drops the third ACK, a host
// with too many TIME-WAITs has none: these steps stay `delivered` until
// something of the endpoint proves them.

// certify raises the steps that rest on delivered segments and on nothing else.
func (m *machine) certify() {
	for x := range 2 {
		if m.path.Lacks[x] {
			continue
		}
		e := &m.e[x]
		for n := range e.steps {
			s := &e.steps[n]
			if n == 0 || s.rec < 0 || !s.ev.open() {
				continue
			}
			if p := &e.steps[n-1]; p.ev < Confirmed && p.state != tcpstate.Listen {
				continue // no step is stronger than the state it rests on (rule 6)
			}
			switch {
			case m.recs[s.rec].side() == x:
				// Its own FIN after the peer's: which came first its capture tells.
				if s.state == tcpstate.LastAck && m.crossing[s.rec].Sent != 0 {
					s.ev, s.alt = Observed, tcpstate.Unknown
				}
			case s.ev == Delivered && m.suffices(s, x, e.steps[n-1].state):
				s.ev = Confirmed
				s.proofs = append(s.proofs, s.arrived)
			case s.ev == Delivered && s.state == tcpstate.TimeWait:
				if j := m.answeredByTimeWait(s.rec, x); j >= 0 {
					s.ev = Confirmed
					s.proofs = append(s.proofs, m.recs[j].pkt)
				}
			}
		}
	}
}

// suffices: that the segment reached side x in the state before leaves no
// other state than the one of step s.
func (m *machine) suffices(s *mstep, x int, before tcpstate.State) bool {
	r := &m.recs[s.rec]
	switch s.state {
	case tcpstate.Established:
		return before == tcpstate.SynSent && r.flags&FlagSYN != 0
	case tcpstate.FinWait2, tcpstate.Closing:
		return true
	case tcpstate.CloseWait:
		return m.idleAt(s.rec, x)
	case tcpstate.Closed:
		if r.flags&FlagRST != 0 {
			return before != tcpstate.TimeWait && m.marks[s.rec].rst == rstExact
		}
		return before == tcpstate.LastAck
	}
	return false
}

// idleAt: before segment f arrived, all that side x had sent was acknowledged and
// the peer's window was open. A close of its own would have sent its FIN, so
// that none can have been waiting behind data (compare blockedAt).
func (m *machine) idleAt(f int32, x int) bool {
	var end, ack uint32
	var hasEnd, hasAck, open bool
	by := m.crossing[f].Arrived
	if by == 0 || m.dropped > 0 {
		return false
	}
	for j := range m.recs {
		r, c := &m.recs[j], &m.crossing[j]
		if r.bits&(recNext|recOld|recICMP) != 0 || r.flags&FlagRST != 0 {
			continue
		}
		switch {
		case r.side() == x:
			if c.Sent == 0 || c.Sent < by && (!hasEnd || seqnum.Less(end, r.end())) {
				end, hasEnd = r.end(), true
			}
		case c.Arrived != 0 && c.Arrived < by && r.flags&FlagACK != 0:
			if !hasAck || seqnum.LessEq(ack, r.ack) {
				ack, hasAck, open = r.ack, true, r.win != 0
			}
		}
	}
	return hasEnd && hasAck && open && seqnum.LessEq(end, ack)
}

// answeredByTimeWait is side x's answer to the FIN f, if it comes from a
// TIME-WAIT block: Linux sends its ACKs with IP-ID 0, those of a full socket with
// the socket's own count (rule 24). -1 if there is none.
func (m *machine) answeredByTimeWait(f int32, x int) int32 {
	counts := false
	for j := range m.recs {
		r := &m.recs[j]
		if !m.own(int32(j), x) || r.bits&recV6 != 0 || r.flags&(FlagSYN|FlagRST) != 0 {
			continue
		}
		if s := m.crossing[j].Sent; s == 0 || s < m.crossing[f].Arrived {
			counts = counts || r.ipid != 0
			continue
		}
		if r.pureACK() && m.snd[1-x].hasFIN && r.ack == m.snd[1-x].fin+1 && r.ipid == 0 && counts {
			return int32(j)
		}
		return -1
	}
	return -1
}

// answerDue is how long after a segment was lost its peer must have sent again:
// well above the least time-out, a second (RFC 6298 section 2).
const answerDue = int64(1500 * time.Millisecond)

// contradict looks for packets told as lost that must have arrived: the
// receiver acknowledges or echoes what nothing else brought, or never sends
// again what only that packet acknowledged. now is the trace clock. Then the
// receiver's capture missed packets, or was not running as was assumed: it
// reports whether that takes fates back.
func (m *machine) contradict(now int64) (some bool) {
	some = m.lean()
	for j := range int32(len(m.recs)) {
		if m.crossing[j].Fate != FateLost || m.path.Lacks[1-m.recs[j].side()] || m.recs[j].bits&(recNext|recOld|recICMP) != 0 {
			continue
		}
		y := 1 - m.recs[j].side()
		switch {
		case !m.cameAfterAll(j, y) && !m.neverMissed(j, y, now):
		case m.crossing[j].Assumed:
			m.disbelieve(y)
			some = true
		default:
			m.path.Lacks[y] = true
		}
	}
	return some
}

// lean settles which of the packets that are assumed to be lost moved nothing at
// their receiver: those whose sender sent them again, having got no answer, and
// those behind another that was lost, if that said the same or the receiver sent
// nothing since. Of one that stands alone at the edge of a capture the steps are
// told as from one tap. It reports whether that changes anything.
func (m *machine) lean() (some bool) {
	lost := [2]int32{-1, -1} // the side's last packet, if it was lost
	var alive [2]bool        // the other side has sent something since
	for j := range int32(len(m.recs)) {
		r, c, x := &m.recs[j], &m.crossing[j], m.recs[j].side()
		if r.bits&(recNext|recOld|recICMP) != 0 || c.Fate == FateCopy || c.Fate == FateForged {
			continue
		}
		alone := c.Fate == FateLost && c.Assumed && !m.sentAgain(j)
		if i := lost[x]; alone && i >= 0 {
			o := &m.recs[i]
			alone = alive[x] && (o.flags != r.flags || o.seq != r.seq || o.ack != r.ack)
		}
		some = some || alone != c.alone
		c.alone = alone
		if lost[x] = -1; c.Fate == FateLost && !alone {
			lost[x] = j
		}
		alive[x], alive[1-x] = false, true
	}
	return some
}

// sentAgain: segment j is a copy, or its bytes were sent again later: its sender
// had no ACK of them.
func (m *machine) sentAgain(j int32) bool {
	o := &m.recs[j]
	if k := &m.marks[j]; k.hadEnd && o.len <= 1 && o.seq+1 == k.prevEnd && o.flags&(FlagSYN|FlagFIN|FlagRST) == 0 {
		return m.unansweredSince(j, int32(len(m.recs)), o.side()) // a probe
	}
	if o.span() == 0 || o.flags&FlagRST != 0 {
		return false
	}
	if m.marks[j].kind == retransmission {
		return true
	}
	for i := j + 1; i < int32(len(m.recs)); i++ {
		if r := &m.recs[i]; m.own(i, o.side()) && r.flags&FlagRST == 0 && r.span() > 0 && seqnum.Overlap(o.seq, o.end(), r.seq, r.end()) {
			return true
		}
	}
	return false
}

// disbelieve drops the assumption that the capture of side y was running before
// its first packet and after its last.
func (m *machine) disbelieve(y int) {
	for j := range m.recs {
		if c := &m.crossing[j]; c.Assumed && m.recs[j].side() != y {
			c.Fate, c.Assumed, c.alone = FateUnknown, false, false
		}
	}
}

// unsettled: whether side x took a step depends on a packet of which it is
// assumed that it was lost.
func (m *machine) unsettled(x int) bool {
	if m.crossing == nil || len(m.e[x].steps) == 0 || m.e[x].state == tcpstate.Closed {
		return false
	}
	for j := range int32(len(m.recs)) {
		r := &m.recs[j]
		if !m.lostOnPath(j) || !m.crossing[j].Assumed || !m.own(j, 1-x) {
			continue
		}
		if r.flags&(FlagFIN|FlagRST) != 0 || r.flags&FlagACK != 0 && r.ack == m.snd[x].end &&
			slices.Contains([]tcpstate.State{tcpstate.SynReceived, tcpstate.FinWait1, tcpstate.Closing, tcpstate.LastAck}, m.e[x].state) {
			return true
		}
	}
	return false
}

// cameAfterAll: side y acknowledges the bytes of segment j, or echoes its
// timestamp, and nothing else that may have reached it carries them.
func (m *machine) cameAfterAll(j int32, y int) bool {
	o := &m.recs[j]
	acked, echoed := o.span() > 0, o.bits&recTS != 0 && o.flags&FlagRST == 0
	for i := range int32(len(m.recs)) {
		r := &m.recs[i]
		if i == j || r.side() == y || r.bits&recICMP != 0 || m.lostOnPath(i) {
			continue
		}
		if r.span() > 0 && seqnum.Overlap(o.seq, o.end(), r.seq, r.end()) {
			acked = false
		}
		if r.bits&recTS != 0 && r.tsval == o.tsval {
			echoed = false
		}
	}
	if !acked && !echoed {
		return false
	}
	for i := j + 1; i < int32(len(m.recs)); i++ {
		r := &m.recs[i]
		if !m.own(i, y) || r.flags&(FlagACK|FlagRST) != FlagACK {
			continue
		}
		if acked && seqnum.LessEq(o.end(), r.ack) || echoed && r.bits&recTS != 0 && r.tsecr == o.tsval {
			return true
		}
	}
	return false
}

// neverMissed: segment j alone acknowledges all that side y sent, and yet y did
// not send it again in good time.
func (m *machine) neverMissed(j int32, y int, now int64) bool {
	o := &m.recs[j]
	if !o.pureACK() || !m.snd[y].hasEnd || o.ack != m.snd[y].end || now-o.at < max(answerDue, 3*m.rto(y)) {
		return false
	}
	for i := range int32(len(m.recs)) {
		r := &m.recs[i]
		switch {
		case r.bits&(recNext|recOld|recICMP) != 0:
		case r.flags&FlagRST != 0:
			return false // that ended it
		case r.side() == y:
			if i > j && r.span() > 0 {
				return false
			}
		case i != j && !m.lostOnPath(i) && r.flags&FlagACK != 0 && seqnum.LessEq(o.ack, r.ack):
			return false
		}
	}
	return true
}
