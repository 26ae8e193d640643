package reassembly

import "github.com/finwait/finwait/reassembly/seqnum"

// This file: the pass of the clean path over the log (machine: observe.go,
// rtt.go, zeek.go, wireshark.go and, for the opening, apply.go).

// walk goes through the log; false: it is not clean.
func (t *cleanTeller) walk() bool {
	n := t.open()
	if n <= 0 {
		return n == 0
	}
	for i := n; i < len(t.recs); i++ {
		if !t.segment(int32(i)) {
			return false
		}
	}
	return true
}

// open takes the handshake. It gives the number of segments in it, 0 where it
// is all there is, -1 where it is not clean.
func (t *cleanTeller) open() int {
	const kind = FlagSYN | FlagACK | FlagRST | FlagFIN
	c, s := &t.side[0], &t.side[1]
	syn := &t.recs[0]
	if syn.flags&kind != FlagSYN || syn.side() != 0 || syn.len != 0 || syn.win == 0 || syn.at <= 0 || !syn.follows(&rec{}) {
		return -1
	}
	c.iss, c.end = syn.seq, syn.seq
	t.take(0, syn, c)
	t.letter('S')
	t.bits = CompleteSYN
	if len(t.recs) == 1 {
		return 0
	}
	answer := &t.recs[1]
	if !answer.follows(syn) || answer.side() != 1 || answer.len != 0 || answer.ack != c.end {
		return -1
	}
	switch {
	case answer.flags&kind == FlagRST|FlagACK && len(t.recs) == 2: // refused: acceptable in SYN-SENT
		s.packets, s.lastAt = 1, answer.at
		t.reset = 1
		t.letter('r')
		t.bits |= completes(answer)
		return 0
	case answer.flags&kind != FlagSYN|FlagACK || answer.win == 0 || !t.echoFits(answer, c):
		return -1
	}
	s.iss, s.end = answer.seq, answer.seq
	t.sample(answer, 1, c)
	t.take(1, answer, s)
	s.ack = answer.ack
	t.letter('h')
	t.bits |= completes(answer)
	if len(t.recs) == 2 {
		return 0
	}
	third := &t.recs[2]
	if third.flags&kind == FlagRST|FlagACK {
		return t.openRST(third, c, s)
	}
	if third.flags&kind != FlagACK || third.side() != 0 || third.len != 0 || third.ack != s.end {
		return -1
	}
	c.ack = s.iss // so that the third ACK is a new one
	t.opened = 2
	return 2
}

// openRST takes a RST of the client in place of the third ACK, as open does: at
// SND.NXT, which is RCV.NXT of the server in SYN-RECEIVED. One without an ACK is
// that of a host which knows of no connection.
func (t *cleanTeller) openRST(r *rec, c, s *cleanSide) int {
	if len(t.recs) > 3 || !r.follows(&t.recs[1]) || r.side() != 0 || r.len != 0 || r.seq != c.end || r.seq == 0 || r.ttl != c.ttl ||
		r.ack != s.end {
		return -1
	}
	t.resetBy(2, r, c)
	return 0
}

// follows reports a segment of the connection's own that comes after o in time
// and in the capture, without SACK blocks.
func (r *rec) follows(o *rec) bool {
	return r.bits&(recNext|recOld|recICMP) == 0 && r.at >= o.at && r.pkt > o.pkt && r.noSACK()
}

// echoFits: what the segment echoes was seen, or it echoes nothing
// (capture-missed-ack); p is the other side.
func (t *cleanTeller) echoFits(r *rec, p *cleanSide) bool {
	return r.bits&recTS == 0 || r.tsecr == 0 || !p.hasTS || seqnum.LessEq(r.tsecr, p.tsMax)
}

// segment takes one after the first two; false: it is not clean.
func (t *cleanTeller) segment(i int32) bool {
	r := &t.recs[i]
	x := r.side()
	s, p := &t.side[x], &t.side[1-x]
	// In order, and acknowledging no less than before and no more than was sent.
	if !r.follows(&t.recs[i-1]) || r.flags&(FlagSYN|FlagACK) != FlagACK || r.seq != s.end || r.ack-s.ack > p.end-s.ack ||
		r.len >= 1<<20 || t.last >= 0 || t.reset >= 0 {
		return false
	}
	if r.flags&FlagRST != 0 {
		return t.segmentRST(i, r, s)
	}
	if r.win == 0 || !t.echoFits(r, p) || r.bits&recTS != 0 && s.hasTS && seqnum.Less(r.tsval, s.tsMax) {
		return false
	}
	fresh := r.bits&recTS != 0 && (!s.hasTS || r.tsval != s.tsMax)
	pure := r.flags&FlagFIN == 0 && r.len == 0
	if pure && r.ack == s.ack && !t.repeats1(i, r, s, p) {
		return false
	}
	covers := r.ack == p.end
	before := cleanBefore{end: s.end, ack: s.ack, at: s.lastAt}
	before.acked = t.sample(r, x, p)
	if p.waiting && seqnum.Less(p.waitSeq, r.ack) {
		if r.at-p.waitAt > cleanACKDelay {
			return false
		}
		p.waiting = false
	}
	if r.len > 0 && !s.waiting {
		s.waiting, s.waitSeq, s.waitAt = true, r.seq, r.at
	}
	before.idStep = t.take(x, r, s)
	if t.gap(r, s, before.idStep) {
		return false
	}
	if r.len > 0 {
		s.dataSegments++
	}
	if s.dataSegments > 0 && t.answer < 0 && before.idStep != 1 && r.at-before.at >= leastRTO {
		s.dataTwice = true
	}
	before.skips, before.noID = before.idStep > 1, before.idStep == 0
	if s.idGap {
		before.idStep = 0 // machine.nextID
	}
	s.ack, s.bare = r.ack, pure
	t.bits |= completes(r)
	t.history(r, s, pure, uint8(x)*('a'-'A'))
	if x == 1 && t.proofOpen < 0 && (r.len > 0 || r.ack != t.side[0].iss+1) {
		t.proofOpen, t.otherOpen = i, t.side[0].packets > 2
	}
	return t.close(i, r, x, covers, fresh, before)
}

// cleanBefore is how a side stood before a segment of it (machine: mark).
type cleanBefore struct {
	end, ack uint32
	at       int64
	idStep   int32
	skips    bool // an IP-ID is missing just before it
	noID     bool // no IP-ID tells whether one is
	acked    int  // segments that it is the first to acknowledge, eight at most
}

// segmentRST: a RST with ACK at its sender's SND.NXT, the first end of the
// connection, is exact wherever its receiver stands (rule 17).
func (t *cleanTeller) segmentRST(i int32, r *rec, s *cleanSide) bool {
	if r.flags&FlagFIN != 0 || r.len != 0 || r.seq == 0 || t.closer >= 0 || t.side[0].packets < 2 || r.ttl != s.ttl {
		return false
	}
	t.resetBy(i, r, s)
	return true
}

func (t *cleanTeller) resetBy(i int32, r *rec, s *cleanSide) {
	t.reset = i
	s.packets++
	s.lastAt = r.at
	t.bits |= completes(r)
	t.letter('R' + uint8(r.side())*('a'-'A'))
}

// repeats1 takes a pure ACK that acknowledges no more than its sender's segment
// before; false where it may be one frame captured twice (sameFrame), or where
// there are so many that a rule asks why.
func (t *cleanTeller) repeats1(i int32, r *rec, s, p *cleanSide) bool {
	if r.win == s.lastWin && seqnum.Less(r.ack, p.end) {
		if s.dupACKs++; s.dupACKs >= cleanRepeats {
			return false
		}
	}
	if !s.bare {
		return true
	}
	if t.repeats++; t.repeats >= cleanLoop {
		return false
	}
	for j := i - 1; j > 0; j-- {
		o := &t.recs[j]
		switch {
		case o.side() != r.side():
		case o.seq != r.seq || o.ack != r.ack || o.span() > 0:
			return true
		case o.flags == r.flags && o.tsval == r.tsval && o.ipid == r.ipid:
			return false
		}
	}
	return true
}

// sample takes the round trip from a segment of p to r, an ACK of exactly its
// end (machine.sampleRTT).
func (t *cleanTeller) sample(r *rec, x int, p *cleanSide) (acked int) {
	for p.sentN > 0 {
		q := &p.sent[p.sentAt&7]
		if !seqnum.LessEq(q.end, r.ack) {
			break
		}
		acked++
		if q.end == r.ack {
			t.samples[x] = append(t.samples[x], r.at-q.at)
		}
		p.sentAt++
		p.sentN--
	}
	return acked
}

// take moves side x on by a segment of it that is no RST, and gives the step of
// its IP-ID (machine.stepID, count, advance).
func (t *cleanTeller) take(x int, r *rec, s *cleanSide) (step int32) {
	s.packets++
	s.bytes += uint64(r.len)
	s.maxLen = max(s.maxLen, r.len)
	s.lastWin, s.ttl, s.lastAt = r.win, r.ttl, r.at
	if r.bits&recTS != 0 {
		if !s.hasTS {
			s.hasTS, s.tsFirst, s.tsFirstAt = true, r.tsval, r.at
		}
		s.tsMax, s.tsLast = r.tsval, r.at
	}
	if n := r.span(); n > 0 {
		if s.sentN == uint8(len(s.sent)) {
			s.sentAt++
			s.sentN--
		}
		s.end += n
		s.sent[(s.sentAt+s.sentN)&7] = pending{end: s.end, at: r.at}
		s.sentN++
	}
	if r.bits&recV6 != 0 || r.ipid == 0 {
		return 0
	}
	if s.hasID {
		if step = idStep(r.ipid, s.lastID, s.lastIDLen, t.opts[1-x].mss, r.bits&recTS != 0); int16(r.ipid-s.lastID) <= 0 {
			return step
		}
	}
	s.idGap = s.idGap || step > 1
	s.lastID, s.lastIDLen, s.hasID = r.ipid, r.len, true
	return step
}

// gap follows the IP-IDs as machine.stepID does; true: what is missing may have
// been a copy of what was acknowledged (machine.copiesUnseen).
func (t *cleanTeller) gap(r *rec, s *cleanSide, idStep int32) bool {
	switch {
	case idStep <= 0:
	case idStep == 1:
		s.idRun++
	case idStep > maxIDStep:
		s.idRun, s.idGaps, s.gap = 0, 0, false
	default:
		s.idGaps++
		s.gap = s.gap || idStep <= 1+unseenMax && r.at-t.recs[0].at >= leastRTO
	}
	return s.gap && s.idRun >= idsPerGap*s.idGaps
}

// Letters of Zeek's history that a side has told.
const (
	cleanData = 1 << iota
	cleanACK
)

// history adds the letter of a segment to Zeek's history.
func (t *cleanTeller) history(r *rec, s *cleanSide, pure bool, lower uint8) {
	switch {
	case r.flags&FlagFIN != 0:
		t.letter('F' + lower)
	case pure && s.letters&cleanACK == 0:
		s.letters |= cleanACK
		t.letter('A' + lower)
	case !pure && s.letters&cleanData == 0:
		s.letters |= cleanData
		t.letter('D' + lower)
	}
}

func (t *cleanTeller) letter(l byte) {
	t.letters[t.nLetter] = l
	t.nLetter++
}
