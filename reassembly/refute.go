package reassembly

import (
	"time"

	"github.com/finwait/finwait/reassembly/seqnum"
)

// This file: what a segment refutes of the receipts presumed before it (rules
// 12 to 14d). It only changes marks; machine.replay does the rest.

// why is the reason for which a segment was not received. It is a number so that
// marks hold no pointers, and the collector need not look through them.
type why uint8

const (
	noDoubt why = iota
	whySentAgain
	whyResent
	whyNotCovered
	whyCrossed
	whyRefusedRST
	whyStillAlive
	whyForged
	whyUnanswered
	whyUnseenCopy
	whyLostOnPath
	whyInjected
)

// whyTexts are the reasons as `withdrawn` tells them.
var whyTexts = [...]string{
	whySentAgain:  "its ACK did not arrive: the sender sent again",
	whyResent:     "resent",
	whyNotCovered: "a later segment does not acknowledge it",
	whyCrossed:    "crossed: not yet received when the next segment was sent",
	whyRefusedRST: "answered by RST: no connection there",
	whyStillAlive: "the endpoint went on sending",
	whyForged:     "the alleged sender went on: it did not send this RST",
	whyUnanswered: "sent again and again without an answer",
	whyUnseenCopy: "its ACK did not arrive: the sender sent again, which the capture lacks",
	whyLostOnPath: "lost on the path: the receiver's own capture lacks it",
	whyInjected:   "put in on the path: its alleged sender's own capture lacks it",
}

func (w why) String() string { return whyTexts[w] }

const unansweredMax = 3 // copies without an answer until the receipt is given up (rule 13)

// refute marks what segment i contradicts; it reports whether steps must be
// built again.
func (m *machine) refute(i int32) bool {
	r, k := &m.recs[i], &m.marks[i]
	if r.bits&(recNext|recOld|recICMP) != 0 || k.kind == duplicateFrame || k.kind == networkDuplicate {
		return false
	}
	x := r.side()
	if k.kind == lateOriginal {
		return m.overtakenFIN(i, x)
	}
	changed := false
	if r.flags&FlagRST != 0 {
		return m.refuteByRST(i, x) || m.notCovered(i, x)
	}
	if m.proveArrivals(i, x) {
		changed = true
	}
	if m.answeredAfterAll(i, x) {
		changed = true
	}
	if m.refuteRST(i, x) {
		changed = true
	}
	if m.notCovered(i, x) {
		changed = true
	}
	if m.missAckedFIN(i, x) {
		changed = true
	}
	if m.missFIN(i, x) {
		changed = true
	}
	if m.copiesUnseen(i, x) {
		changed = true
	}
	if k.kind == retransmission {
		if m.refuteACKs(i, x) {
			changed = true
		}
		if m.resent(i, x) {
			changed = true
		}
	}
	return changed
}

// refuteACKs: side x sends bytes again that were acknowledged well over a turn
// ago: those ACKs did not arrive (rule 12).
func (m *machine) refuteACKs(i int32, x int) bool {
	r := &m.recs[i]
	limit := m.sentBy(i) - m.late(x)
	var lost []int32
	crossed := false
	for j := range i {
		a := &m.recs[j]
		if !m.own(j, 1-x) || a.flags&(FlagACK|FlagRST) != FlagACK || !seqnum.Less(r.seq, a.ack) {
			continue
		}
		if m.lostOnPath(j) && m.marks[j].refuter < 0 {
			lost = append(lost, j)
		}
		if m.marks[j].recv == notReceived {
			continue
		}
		if m.knows(j) && (!m.arrivedBefore(j, i) || r.flags&FlagSYN == 0) {
			crossed = crossed || !m.arrivedBefore(j, i) // else it had the ACK, and sent again all the same
			continue
		}
		if a.at >= limit {
			crossed = true
			continue
		}
		if m.hadACK(j, i, x) {
			continue // the sender had it and sent again all the same
		}
		lost = append(lost, j)
	}
	if len(lost) > 0 && m.burstHeldUp(lost[0], i, x) {
		return false
	}
	if len(lost) == 0 {
		if crossed {
			m.noteLate(i, x)
		}
		return false
	}
	changed := false
	for _, j := range lost {
		if m.lostOnPath(j) {
			m.marks[j].refuter = i
			continue
		}
		m.judge(j, notReceived, i, whySentAgain)
		changed = true
	}
	m.tellLostACKs(i, x, lost)
	return changed
}

// sentBy is when segment i would have passed the tap at the latest, had it gone
// as fast as the sender's segments before it: by its timestamp it may have been
// held up on its way. Where the clock behind the timestamps is not known well
// enough, it is when it passed.
func (m *machine) sentBy(i int32) int64 {
	r := &m.recs[i]
	s := &m.snd[r.side()]
	if r.bits&recTS == 0 || !s.tickKnown() {
		return r.at
	}
	by, tick, left := r.at, s.tick(), 8
	for j := i - 1; j >= 0 && left > 0; j-- {
		o := &m.recs[j]
		if !m.own(j, r.side()) || o.bits&recTS == 0 || o.flags&FlagRST != 0 {
			continue
		}
		left--
		if d := int64(int32(r.tsval - o.tsval)); d >= 0 {
			by = min(by, o.at+(d+1)*tick*9/8)
		}
	}
	return by
}

func (m *machine) judge(j int32, v receipt, by int32, reason why) {
	k := &m.marks[j]
	k.recv, k.refuter, k.reason = v, by, reason
	m.doubts |= k.doubts()
}

// resent: side x sends bytes again of which no ACK was seen: what carried them
// first did not arrive, unless something proves that it did (rule 13).
func (m *machine) resent(i int32, x int) bool {
	r, changed := &m.recs[i], false
	for j := range i {
		o, k := &m.recs[j], &m.marks[j]
		if !m.own(j, x) || o.span() == 0 || o.flags&FlagRST != 0 || !seqnum.Overlap(o.seq, o.end(), r.seq, r.end()) {
			continue
		}
		if m.ackSeen(x, o, r) {
			continue
		}
		if m.knows(j) {
			m.resentKnown(i, j, x)
			continue
		}
		k.copies++
		if k.copies >= unansweredMax && !m.knows(i) && m.unansweredSince(j, i, x) {
			m.judge(i, notReceived, i, whyUnanswered)
			changed = true
		}
		if k.recv == notReceived {
			continue
		}
		if k.proven || m.provenBefore(j, i, x) {
			k.proven = true
			continue
		}
		m.judge(j, notReceived, i, whyResent)
		changed = true
		if m.newerEcho(j) >= 0 {
			continue // it came: finding paws-reject
		}
		l := loss{kind: lostData, side: x, at: r.at, carriers: []Packet{o.pkt}, copy: r.pkt, flags: o.flags | r.flags&FlagFIN,
			subject: j, copyRec: i, after: r.at - o.at, where: UndeterminedPlace, conf: Possible}
		if m.sackHole(j, i, x) {
			l.where, l.conf = AfterTap, Certain
		}
		m.tell(l)
	}
	return changed
}

// newerEcho is the segment that first had the highest of the echoes by which the
// receiver of segment j, before that passed, had got a newer TSval; -1 if none did.
// It takes j for an old duplicate (RFC 7323 section 5.3, R1; Linux lets it be one
// tick older).
func (m *machine) newerEcho(j int32) int32 {
	o, best := &m.recs[j], int32(-1)
	if o.bits&recTS == 0 {
		return -1
	}
	newest := o.tsval + 1
	for n := range j {
		a := &m.recs[n]
		if m.own(n, 1-o.side()) && a.bits&recTS != 0 && a.flags&(FlagACK|FlagRST) == FlagACK && seqnum.Less(newest, a.tsecr) && m.plausibleEcho(a) {
			best, newest = n, a.tsecr
		}
	}
	return best
}

// unansweredSince: side 1-x sent nothing between j and i.
func (m *machine) unansweredSince(j, i int32, x int) bool {
	for n := j + 1; n < i; n++ {
		if m.own(n, 1-x) {
			return false
		}
	}
	return true
}

// answeredAfterAll: side x acknowledges what was given up as unanswered: the
// latest copy arrived (rule 13).
func (m *machine) answeredAfterAll(i int32, x int) bool {
	if m.doubts&someUnanswered == 0 {
		return false
	}
	for j := i - 1; j >= 0; j-- {
		k := &m.marks[j]
		if k.reason == whyUnanswered && k.recv == notReceived && m.own(j, 1-x) {
			if m.acks(i, m.recs[j].end()) {
				m.judge(j, received, -1, noDoubt)
				return true
			}
			return false
		}
	}
	return false
}

// ackSeen: the receiver acknowledged part of o that the copy carries as well.
func (m *machine) ackSeen(x int, o, r *rec) bool {
	p := &m.snd[1-x]
	return p.hasAck && seqnum.Less(seqnum.Max(o.seq, r.seq), p.ack)
}

// notCovered: segment i of side x does not acknowledge the peer's FIN, or is a
// bare SYN after the peer's: x had not received it then (rule 14a).
func (m *machine) notCovered(i int32, x int) bool {
	r, e, p := &m.recs[i], &m.e[x], &m.snd[1-x]
	if r.flags&(FlagSYN|FlagACK) == FlagSYN && p.hasISS && p.synRec >= 0 && m.snd[x].synRec == i && e.synRec >= 0 {
		j := e.synRec
		if m.recs[j].flags&FlagACK == 0 && m.marks[j].recv == received {
			m.marks[j].until = i
			m.judge(j, delayed, i, whyCrossed)
			return true
		}
		return false
	}
	if r.flags&(FlagSYN|FlagACK) != FlagACK || !p.hasFIN || !e.finDone || !seqnum.Less(r.ack, p.fin+1) {
		return false
	}
	if m.marks[i].hadAck && seqnum.Less(r.ack, m.marks[i].prevAck) {
		return false // overtaken by a later one
	}
	changed := false
	for j := range i {
		o, k := &m.recs[j], &m.marks[j]
		if !m.own(j, 1-x) || k.recv == notReceived || o.span() == 0 || o.flags&FlagRST != 0 || !seqnum.Less(r.ack, o.end()) {
			continue
		}
		if o.flags&FlagFIN == 0 {
			continue
		}
		if m.sentBy(i) <= o.at+m.late(x) || m.knows(j) {
			for n := j; n < i; n++ { // and what the peer sent after it
				if q := &m.recs[n]; n == j || m.own(n, 1-x) && m.marks[n].recv != notReceived && q.pureACK() && q.seq == p.fin+1 {
					m.marks[n].until = i
					m.judge(n, delayed, i, whyCrossed)
				}
			}
		} else {
			m.judge(j, notReceived, i, whyNotCovered)
		}
		changed = true
	}
	return changed
}

// ACKDelayMax is the longest a delayed ACK may take on the systems we know.
const ACKDelayMax = int64(200 * time.Millisecond)
