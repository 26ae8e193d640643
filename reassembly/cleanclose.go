package reassembly

// This file: the rules of the close in the clean path (machine: confirm.go,
// and sendFIN, receiveACK and receiveData of apply.go). As every segment after
// the first FIN acknowledges it, only what proves its steps is left to decide.

// close takes a segment that is no RST for the close; false: it is not clean.
func (t *cleanTeller) close(i int32, r *rec, x int, covers, fresh bool, before cleanBefore) bool {
	fin := r.flags&FlagFIN != 0
	switch {
	case t.closer < 0:
		if fin {
			t.closer, t.fin, t.finPrevAck = x, i, before.ack
		}
		return true
	case t.closer == x:
		return t.closerGoesOn(i, r, covers)
	case !covers || r.len > 0 || t.fin2 >= 0:
		return false // it crossed the FIN, or goes on after it
	}
	if t.answer < 0 {
		t.answer, t.answerEnd, t.answerNew, t.answerNext = i, before.end, fresh, before.idStep == 1
	}
	if fin && t.proofClosing >= 0 && t.wentOn(i, x) && !t.wasIdle(x) {
		t.proofClosing = -1 // machine.sentOn
	}
	if t.proofClosing < 0 && (!fin || before.idStep == 1) && !t.blockedAt(i, x, before.idStep) {
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
	if t.answer >= 0 && t.proofAnswer < 0 && t.answerNew && r.bits&recTS != 0 && r.tsecr == t.recs[t.answer].tsval {
		t.proofAnswer = i
	}
	return true
}

// blockedAt is machine.blockedAt for side x, whose segments after the FIN carry
// no data: a close of its own may have been waiting behind bytes under way.
func (t *cleanTeller) blockedAt(i int32, x int, idStep int32) bool {
	if int32(t.answerEnd-t.finPrevAck) <= 0 && (!t.wentOn(i, x) || t.wasIdle(x)) {
		return false
	}
	late := t.late(x)
	for n := t.fin; n < i; n++ {
		if a := &t.recs[n]; a.side() != x && a.ack == t.answerEnd && t.idleAfter(n, i, x, idStep, late) {
			return false
		}
	}
	return true
}

// wentOn is machine.wentOn: side x sent its FIN, segment i, right behind its
// first segment after the peer's.
func (t *cleanTeller) wentOn(i int32, x int) bool {
	r := &t.recs[i]
	return r.flags&FlagFIN != 0 && t.answer < i && r.at-t.recs[t.answer].at <= t.late(x)
}

// wasIdle is machine.wasIdle for side x, whose first segment after the peer's
// FIN was t.answer.
func (t *cleanTeller) wasIdle(x int) bool {
	late := x == 1 && t.recs[1].at-t.recs[0].at >= initialRTO // the SYN-ACK
	if s := &t.side[x]; !late && (s.dataSegments == 0 || s.dataSegments == 1 && s.dataOnce) {
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

// idleAfter is machine.idleAfter; a FIN of side x can only be segment i.
func (t *cleanTeller) idleAfter(n, i int32, x int, idStep int32, late int64) bool {
	for j := n + 1; j <= i; j++ {
		r := &t.recs[j]
		if r.side() != x {
			continue
		}
		fin := r.flags&FlagFIN != 0
		if r.at-t.recs[n].at > late && r.echoes(&t.recs[n]) && (!fin || idStep == 1) {
			return true
		}
		if fin {
			return false
		}
	}
	return false
}
