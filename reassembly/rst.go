package reassembly

import (
	"github.com/finwait/finwait/reassembly/seqnum"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file: resets (rules 14b to 14d, 17 and 18; RFC 9293 section 3.10.7.4,
// RFC 5961 section 3).

// sendRST: what a reset says of its sender.
func (m *machine) sendRST(i int32, x int) {
	r, e := &m.recs[i], &m.e[x]
	if m.marks[i].unsent {
		return
	}
	if len(e.steps) == 0 {
		return // a refusal: its sender had no connection to leave
	}
	if r.flags&FlagACK != 0 {
		if e.state == tcpstate.Closed {
			m.confirmClosed(i, x)
			return
		}
		if m.refusedSYN(i, x) {
			return // it refused a SYN before its own socket was there
		}
		if e.state == tcpstate.TimeWait {
			return // a TIME-WAIT socket sends none; a middlebox may
		}
		proof := Observed
		if r.seq == 0 && m.otherNumbers(i) && !m.snd[1-x].hasISS {
			proof = Presumed // as refusedSYN, for all that is known
		}
		m.event(x, tcpstate.SendRST, i, "send RST", proof)
		return
	}
	if m.refusesOldACK(i, x) {
		return
	}
	if e.state == tcpstate.Closed {
		m.confirmClosed(i, x)
		return
	}
	cause := m.answered(i, x)
	if cause < 0 {
		m.event(x, tcpstate.SendRST, i, "send RST", Observed)
		return
	}
	if e.state == tcpstate.Listen {
		return
	}
	s := m.step(x, tcpstate.Closed, cause, "no connection: answers with RST", Confirmed)
	s.proofs = append(s.proofs, r.pkt)
}

// refusedSYN: reset i has the form in which a host without a socket answers a
// SYN, and its sender has sent segments of other numbers since (RFC 9293 section
// 3.10.7.1; an abort's reset has SEQ = SND.NXT).
func (m *machine) refusedSYN(i int32, x int) bool {
	r, p := &m.recs[i], &m.snd[1-x]
	return r.seq == 0 && m.otherNumbers(i) && p.hasISS && r.ack == p.iss+1+m.synData(1-x)
}

// otherNumbers: segment i does not begin where its sender's last one ended.
func (m *machine) otherNumbers(i int32) bool {
	k := &m.marks[i]
	return k.hadEnd && k.prevEnd != m.recs[i].seq
}

func (m *machine) confirmClosed(i int32, x int) {
	if s := m.e[x].last(); s != nil && s.ev.open() && m.recs[i].flags&FlagACK == 0 && s.rec >= 0 && m.recs[s.rec].flags&FlagRST == 0 {
		s.ev = Confirmed
		s.proofs = append(s.proofs, m.recs[i].pkt)
	}
}

// refusesOldACK: in SYN-SENT a reset refuses an ACK that is not of this SYN,
// and its sender stays where it is (RFC 9293 section 3.10.7.3).
func (m *machine) refusesOldACK(i int32, x int) bool {
	r, s := &m.recs[i], &m.snd[x]
	return m.e[x].state == tcpstate.SynSent && s.hasISS && r.seq != s.iss+1
}

// answered is the earliest segment of the peer, not answered since, whose ACK
// is the bare reset's SEQ (rules 14b, 18); -1 if there is none.
func (m *machine) answered(i int32, x int) int32 {
	r, s, cause, since := &m.recs[i], &m.snd[x], int32(-1), true
	for j := i - 1; j >= 0; j-- {
		o := &m.recs[j]
		if m.own(j, x) && o.flags&FlagRST == 0 {
			since = false // what came before may be answered; data not covered is not
		}
		if m.own(j, x) && o.has(FlagRST|FlagACK) && m.marks[j].hadEnd {
			break // an abort: what came before found a connection
		}
		if m.own(j, 1-x) && m.mayAnswer(i, j) && o.flags&(FlagACK|FlagRST) == FlagACK && o.ack == r.seq &&
			(since || o.span() > 0 && s.hasAck && seqnum.Less(s.ack, o.end())) {
			cause = m.firstThere(j, cause)
		}
	}
	return cause
}

// receiveRST: only an acceptable reset moves its receiver.
func (m *machine) receiveRST(i int32, y int) {
	e := &m.e[y]
	m.marks[i].rst = m.acceptRST(i, y)
	if len(e.steps) == 0 || m.marks[i].rst != rstExact {
		return
	}
	if m.hopeless(i, 1-y) {
		e.undetermined = true
		return
	}
	if tcpstate.Next(e.state, tcpstate.ReceiveRST).To == tcpstate.Listen {
		// The endpoint is the connection's own (rule 9).
		m.step(y, tcpstate.Closed, i, "receive RST, listener continues", Presumed)
		return
	}
	m.event(y, tcpstate.ReceiveRST, i, "receive RST", Presumed)
}

// rstVerdict is how RFC 5961 section 3.2 judges a reset.
type rstVerdict uint8

const (
	rstOutside  rstVerdict = iota // outside the window, or the window is not known
	rstInWindow                   // in the window but not exact: a challenge ACK is due
	rstExact
	rstBadInSynSent // in SYN-SENT, but it does not acknowledge the SYN
)

// acceptRST judges reset i at its receiver y by what the tap knows of y's
// RCV.NXT: between the highest ACK it sent and the contiguous end of what was
// sent to it (rule 17).
func (m *machine) acceptRST(i int32, y int) rstVerdict {
	r, k, e := &m.recs[i], &m.marks[i], &m.e[y]
	s := &m.snd[y]
	if e.state == tcpstate.SynSent {
		if s.hasISS && r.flags&FlagACK != 0 && seqnum.LessEq(s.iss+1, r.ack) && seqnum.LessEq(r.ack, s.end) {
			return rstExact
		}
		return rstBadInSynSent
	}
	lo, hi := e.rcvNxt, m.snd[1-y].contig
	if k.hadEnd {
		hi = seqnum.Min(hi, k.prevEnd) // as of the reset, not of what came later
	}
	if !e.hasRcv {
		lo = hi
	}
	if k.hasPeer {
		lo = k.peerAck
		if !m.snd[1-y].hasEnd || seqnum.Less(hi, lo) {
			hi = lo
		}
	} else if !m.snd[1-y].hasEnd && !e.hasRcv {
		return rstExact // nothing is known of either: believe it
	}
	if seqnum.LessEq(lo, r.seq) && seqnum.LessEq(r.seq, hi) {
		return rstExact
	}
	if m.snd[1-y].hasFIN && r.seq+1 == lo {
		return rstExact
	}
	if m.atSACKEdge(i, y) {
		return rstExact
	}
	win := uint32(s.lastWin) << s.scale(&m.snd[1-y])
	if s.scaleKnown() && seqnum.LessEq(lo, r.seq) && r.seq-lo < max(win, 1) {
		return rstInWindow
	}
	return rstOutside
}

// scale is the shift of the windows that s advertises (RFC 7323 section 2.2).
func (s *sender) scale(p *sender) uint8 {
	if s.synHasScale && p.synHasScale {
		return min(s.synScale, 14)
	}
	return 0
}

func (s *sender) scaleKnown() bool { return s.hasISS }

// atSACKEdge: some stacks accept a reset right behind the last SACK block they sent.
func (m *machine) atSACKEdge(i int32, y int) bool {
	for j := i - 1; j >= 0; j-- {
		if m.own(j, y) {
			o := &m.recs[j]
			for _, b := range o.sack {
				if b != (SACKBlock{}) && b.Right == m.recs[i].seq {
					return true
				}
			}
			return false
		}
	}
	return false
}

// hopeless: the reset follows two or more probes or copies of side x that
// nobody answered, each older than a turn: the path is dead, and nothing says
// that the reset fared better (rule 14d).
func (m *machine) hopeless(i int32, x int) bool {
	r, n := &m.recs[i], 0
	late := m.late(1 - x)
	for j := i - 1; j >= 0; j-- {
		if m.own(j, 1-x) {
			break
		}
		o := &m.recs[j]
		probe := m.own(j, x) && (m.marks[j].kind == retransmission || m.marks[j].kind == keepAlive ||
			o.len == 0 && m.marks[j].hadEnd && o.flags&(FlagSYN|FlagFIN|FlagRST) == 0 && seqnum.Less(o.seq, m.marks[j].prevEnd))
		if probe && r.at-o.at > late && !m.overtakenSince(j, j, x) {
			n++
		}
	}
	return n >= 2
}
