package reassembly

import (
	"slices"
	"time"

	"github.com/finwait/finwait/reassembly/seqnum"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file keeps the judgements that the rules of package anomaly turn into
// findings: what was lost, where, and what shows it (rules 11 to 13, 22 to 25).

// What one connection keeps of its losses; those beyond are counted in
// Lifecycle.Untold. A live capture looks at each again and again, for weeks.
const (
	maxLosses     = 4096
	maxLiveLosses = 256
)

func (m *machine) tell(l loss) {
	most := maxLosses
	if m.o.Live {
		most = maxLiveLosses
	}
	if len(m.losses) >= most {
		m.untold++
		return
	}
	m.losses = append(m.losses, l)
}

// foldLoss takes back the judgement that segment j was lost.
func (m *machine) foldLoss(j int32) {
	m.settled = 0
	left := m.losses[:0]
	for _, l := range m.losses {
		if l.kind != lostData || l.subject != j {
			left = append(left, l)
		}
	}
	m.losses = left
}

// unplaced: where the segment was lost may still be found out.
func (l *loss) unplaced() bool {
	return l.kind == lostData && l.where == UndeterminedPlace && l.copyRec >= 0 && !l.settled
}

// placeLosses: side x's first ACK of a copy reports no duplicate although it
// speaks SACK: what was sent first had not come (RFC 2883 section 4). An ACK
// too soon to have been made from the copy says nothing, nor does one before
// which another is missing by the IP-IDs: that one may have had the report.
func (m *machine) placeLosses(i int32, x int, dsack bool) {
	for m.settled < len(m.losses) && !m.losses[m.settled].unplaced() {
		m.settled++
	}
	open := m.losses[m.settled:]
	if len(open) == 0 {
		return
	}
	r := &m.recs[i]
	covered := func(l *loss) bool {
		return l.unplaced() && l.side != x && seqnum.LessEq(m.recs[l.copyRec].end(), r.ack)
	}
	if m.acksUnseen(i, x) {
		for n := range open {
			if l := &open[n]; covered(l) && l.flags&FlagSYN == 0 {
				l.kind, l.byIDs, l.where, l.conf = lostUnseenACK, true, BeforeTap, Likely
				l.carriers = append(l.carriers, r.pkt)
				l.lastACK = m.inLastACK(l.flags, l.side)
			}
		}
	}
	var c *rec // the newest copy: if even that was no duplicate, none had come
	for n := range open {
		if l := &open[n]; covered(l) {
			c = &m.recs[l.copyRec]
		}
	}
	for n := range open {
		l := &open[n]
		if !covered(l) {
			continue
		}
		l.settled = true
		if m.sackBoth && !dsack && m.marks[i].idStep == 1 && m.e[x].state != tcpstate.TimeWait && r.at-c.at >= m.snd[x].rtt.least/2 && r.at-c.at < ACKDelayMax {
			l.where, l.conf = AfterTap, Likely
		}
	}
}

// tellLostACKs: the ACKs that side x never got, shown by copy i.
func (m *machine) tellLostACKs(i int32, x int, lost []int32) {
	r := &m.recs[i]
	l := loss{kind: lostACK, side: x, at: r.at, copy: r.pkt, flags: r.flags, subject: -1, where: AfterTap, conf: Likely}
	// The first tells how long ago it was; of the others the newest tell most.
	for _, j := range lost {
		l.carriers = append(l.carriers, m.recs[j].pkt)
	}
	if n := len(l.carriers); n > 15 {
		l.carriers = append(l.carriers[:1:1], l.carriers[n-14:]...)
	}
	first := lost[0]
	if a := &m.recs[first]; r.bits&a.bits&recTS != 0 && r.flags&FlagACK != 0 && m.marks[first].tsNew && seqnum.Less(r.tsecr, a.tsval) && m.plausibleEcho(r) {
		l.conf = Certain // the copy's echo is older than the ACK (section 2.2, row 3)
	}
	if m.knows(first) {
		l.conf = Certain
		if l.where = AtReceiver; m.lostOnPath(first) {
			l.where, l.between, l.conf = OnPath, m.between(first), m.lossConfidence(first)
		}
	}
	l.lastACK = m.inLastACK(r.flags, x)
	l.after = r.at - m.recs[first].at
	m.tell(l)
}

// tellLate: ACK j was thought lost, and only came late: so, by all that is
// known, did what was lost with it.
func (m *machine) tellLate(j int32) {
	for n := range m.losses {
		if l := &m.losses[n]; l.kind == lostACK && slices.Contains(l.carriers, m.recs[j].pkt) {
			l.kind, l.where, l.conf = lateACK, NoWhere, Likely
		}
	}
}

// inLastACK: what was sent again, with these flags, is side x's FIN, whose first
// copy acknowledged the peer's: it was in LAST-ACK (rule 25).
func (m *machine) inLastACK(flags uint8, x int) bool {
	s, p := &m.snd[x], &m.snd[1-x]
	return flags&FlagFIN != 0 && s.hasFIN && p.hasFIN && m.e[x].find(tcpstate.LastAck) != nil
}

// noteLate: copy i crossed the ACK of what it repeats: nothing was lost.
func (m *machine) noteLate(i int32, x int) {
	if m.ackUnseen(i, x) {
		return
	}
	r := &m.recs[i]
	m.tell(loss{kind: lateACK, side: x, at: r.at, copy: r.pkt, flags: r.flags, subject: -1, where: NoWhere, conf: Likely})
}

const (
	// burst is the time within which segments count as sent at once.
	burst = int64(time.Millisecond)
	// heldUpLeast is how many of a burst make it likelier that one delay held
	// them up than that each was lost.
	heldUpLeast = 3
)

// burstHeldUp: by the echo of copy i none of several segments that passed in
// one burst with ACK a had come when the copy was made, soon after: one delay
// behind the tap is likelier than that all of them were lost.
func (m *machine) burstHeldUp(a, i int32, x int) bool {
	r, o := &m.recs[i], &m.recs[a]
	if r.bits&o.bits&recTS == 0 || m.crossing != nil || m.sentBy(i)-o.at >= leastRTO || !m.plausibleEcho(r) {
		return false
	}
	l := loss{kind: lateACK, side: x, at: r.at, after: r.at - o.at, copy: r.pkt, flags: r.flags, subject: -1, where: NoWhere, conf: Possible}
	for j := range i {
		b := &m.recs[j]
		if !m.own(j, 1-x) || b.flags&(FlagACK|FlagRST|FlagSYN) != FlagACK || b.at < o.at-burst || b.at > o.at+burst {
			continue
		}
		if m.marks[j].recv != received || !seqnum.Less(r.tsecr, b.tsval) {
			return false
		}
		l.carriers = append(l.carriers, b.pkt)
	}
	if len(l.carriers) < heldUpLeast {
		return false
	}
	m.tell(l)
	return true
}

// noteProven: segment j of side x, thought lost when copy by was sent, is
// proved by segment n to have arrived: its ACK was lost before the tap, or only
// delayed (rule 22).
func (m *machine) noteProven(j, by, n int32, x int, byDSACK bool) {
	s, c, a, y := &m.recs[j], &m.recs[by], &m.recs[n], 1-x
	l := loss{kind: lostUnseenACK, side: x, at: c.at, after: c.at - s.at, copy: c.pkt, carriers: []Packet{s.pkt, a.pkt}, flags: s.flags, subject: j, where: BeforeTap, conf: Likely}
	l.lastACK = m.inLastACK(s.flags, x)
	gap := m.gapSince(j, n, y)
	none := m.allSeen(j, n, y)
	switch {
	case gap && byDSACK:
		l.conf = Certain
	case gap:
	case none:
		l.kind, l.where, l.conf = neverSentACK, NeverSent, Certain
	case c.at-s.at <= m.ackDelay(j, y):
		l.kind, l.where = neverSentACK, NeverSent
	}
	switch {
	case byDSACK || gap || !none && m.overdue(j, n, y):
	case s.flags&FlagSYN == 0 && m.e[y].state != tcpstate.TimeWait && m.echoProves(j, n):
		// A socket that had the copy would echo it: the ACK was made from the
		// first and was only late (Eifel, RFC 3522). TIME-WAIT and an answer to
		// a copy of a SYN never refresh the echo.
		l.kind, l.where, l.conf = lateACK, NoWhere, Certain
	case a.at < c.at+m.snd[y].rtt.least/2:
		l.kind, l.where, l.conf = lateACK, NoWhere, Likely
	}
	m.tell(l)
}

// gapSince: by its IP-IDs side y sent something before segment n that the
// capture lacks, and since segment j, although nothing is missing of its bytes.
func (m *machine) gapSince(j, n int32, y int) bool {
	for i := j + 1; i <= n && m.snd[y].idRun >= 2; i++ {
		if k := &m.marks[i]; m.own(i, y) && k.idStep > 1 && k.idStep <= maxIDStep && (i == n || m.recs[i].seq == k.prevEnd) {
			return true
		}
	}
	return false
}

// ackDelay is how long side y may take to acknowledge segment j: a FIN that
// ends the connection for it at once (it enters TIME-WAIT), all else after a
// while (RFC 9293 section 3.8.6.3).
func (m *machine) ackDelay(j int32, y int) int64 {
	if s := &m.snd[y]; m.recs[j].flags&FlagFIN != 0 && s.hasFIN && !s.finGuessed && s.finRec < j {
		return m.late(y)
	}
	return ACKDelayMax
}

// overdue: by its timestamp side y made segment n later than it may acknowledge
// segment j: it had sent an ACK before.
func (m *machine) overdue(j, n int32, y int) bool {
	s := &m.recs[j]
	return m.recs[n].bits&recTS != 0 && m.snd[y].tickKnown() && m.sentBy(n)-s.at > ACKDelayMax+m.late(y)
}

// countsIDs is how many IP-IDs in a row make a counter of the connection's own.
const countsIDs = 4

// allSeen: by its IP-IDs side x sent nothing from segment j to segment n that
// the capture lacks.
func (m *machine) allSeen(j, n int32, x int) bool {
	if m.snd[x].idRun < countsIDs {
		return false
	}
	for i := j + 1; i <= n; i++ {
		if m.own(i, x) && m.marks[i].idStep != 1 {
			return false
		}
	}
	return true
}
