package reassembly

import "github.com/finwait/finwait/reassembly/seqnum"

// This file: the rules of the close in the clean path (machine: confirm.go,
// and sendFIN, receiveACK and receiveData of apply.go). As every segment after
// the first FIN acknowledges it, only what proves its steps is left to decide.

// close takes a segment that is no RST for the close; false: it is not clean.
func (t *cleanTeller) close(i int32, r *rec, x int, covers, fresh bool, before cleanBefore) bool {
	fin := r.flags&FlagFIN != 0
	switch {
	case t.closer < 0:
		if fin {
			t.closer, t.fin, t.finPrevAck, t.finSkips = x, i, before.ack, before.hides()
		}
		return true
	case t.closer == x:
		return (t.answer >= 0 || !before.hides()) && t.closerGoesOn(i, r, covers)
	case !covers || r.len > 0 || t.fin2 >= 0 || !fin && t.answer >= 0:
		return false // it crossed the FIN, goes on after it, or acknowledges it twice
	}
	if t.answer < 0 {
		t.answer, t.answerEnd, t.answerNew, t.answerNext = i, before.end, fresh && !before.hides(), before.idStep == 1
	}
	if t.proofClosing < 0 && (!fin || before.idStep == 1) && !t.blockedAt(i, x) {
		t.proofClosing = i
	}
	if !fin {
		t.bareAnswer = true
		return true
	}
	t.fin2, t.fin2Proof = i, Observed
	if t.proofClosing < 0 || !t.bareAnswer && before.idStep != 1 {
		t.fin2Proof = Presumed
	}
	return true
}

// hides: the capture may lack an ACK of less that came just before it (machine.echoesFrom).
func (b *cleanBefore) hides() bool { return b.skips || b.noID && b.acked > 1 }

// closerGoesOn: a segment of the side that closed first, after its FIN.
func (t *cleanTeller) closerGoesOn(i int32, r *rec, covers bool) bool {
	if r.span() > 0 {
		return false
	}
	if t.fin2 >= 0 {
		if !covers {
			return false
		}
		t.last = i
	}
	// It echoes the ACK of its FIN: FIN-WAIT-2 (machine.provesFinWait2).
	if t.answer >= 0 && t.proofAnswer < 0 && t.answerNew && r.bits&recTS != 0 && r.tsecr != 0 && r.tsecr == t.recs[t.answer].tsval {
		t.proofAnswer = i
	}
	return true
}

// blockedAt is machine.blockedAt for side x, whose segments after the FIN carry
// no data: a close of its own may have been waiting behind bytes under way.
func (t *cleanTeller) blockedAt(i int32, x int) bool {
	acked, paused := int32(t.answerEnd-t.finPrevAck) <= 0, t.paused(i, x)
	if acked && (paused || t.wasIdle(x)) {
		return false
	}
	for n := t.fin; paused && n < t.answer; n++ {
		if a := &t.recs[n]; a.side() != x && a.ack == t.answerEnd && t.echoes(n) {
			return false
		}
	}
	return true
}

// paused is machine.paused for side x, whose segment i has the next IP-ID if it is
// its FIN, and can only follow t.answer.
func (t *cleanTeller) paused(i int32, x int) bool {
	if t.answer == i {
		return false
	}
	s, r, p := &t.side[x], t.rtt(x), t.rtt(1-x)
	clock := tick(s.tsFirst, s.tsMax, s.tsFirstAt, s.tsLast)
	return sentWellAfter(&t.recs[t.answer], &t.recs[i], clock, r.late(clock), r.rto(p))
}

// echoes: t.answer shows that segment n of its peer had come (machine.echoesLater,
// machine.echoesFrom).
func (t *cleanTeller) echoes(n int32) bool {
	r, o := &t.recs[t.answer], &t.recs[n]
	if r.bits&o.bits&recTS == 0 || seqnum.Less(r.tsecr, o.tsval) || r.tsecr == 0 {
		return false
	}
	for j := n - 1; r.tsecr == o.tsval && j >= 0; j-- {
		if q := &t.recs[j]; q.side() == o.side() && q.bits&recTS != 0 {
			return q.tsval != o.tsval && (n != t.fin || !t.finSkips)
		}
	}
	return true
}

// wasIdle is machine.wasIdle for side x, whose first segment after the peer's
// FIN was t.answer.
func (t *cleanTeller) wasIdle(x int) bool {
	late := x == 1 && t.recs[1].at-t.recs[0].at >= initialRTO // the SYN-ACK
	if s := &t.side[x]; !late && !s.dataTwice && (s.dataSegments <= 1 || t.fewOut(x)) {
		return true
	}
	long := surelyAgain(t.rtt(x).rto(t.rtt(1 - x)))
	for j := t.fin - 1; j > 0; j-- {
		a := &t.recs[j]
		switch {
		case a.side() == x:
		case a.ack != t.answerEnd:
			return false
		case a.span() > 0 && a.flags&FlagSYN == 0 || t.answerNext && t.recs[t.fin].at-a.at > long:
			return true
		}
	}
	return false
}

// fewOut is machine.fewOut.
func (t *cleanTeller) fewOut(x int) bool {
	had, before, out, acks := t.side[x].iss+1, t.side[x].iss+1, 0, 0
	for j := range t.fin {
		switch o := &t.recs[j]; {
		case o.side() == x && o.len > 0:
			acks = 0
		case o.side() == x || o.flags&FlagSYN != 0 || !seqnum.Less(had, o.ack):
		case o.len > 0:
			had, before, acks = o.ack, o.ack, 0
		case o.ack != before:
			before = o.ack
			acks++
		}
	}
	for j := range t.fin {
		if o := &t.recs[j]; o.side() == x && o.len > 0 && seqnum.Less(had, o.end()) {
			out++
		}
	}
	return out <= 1 || acks >= manyACKs
}
