package reassembly

import (
	"time"

	"github.com/finwait/finwait/reassembly/seqnum"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file: which of an endpoint's presumed steps its own later segment
// proves (rule 3). A reply proves that a segment arrived, not a state that the
// wire cannot tell apart.

func (m *machine) confirm(i int32, x int) {
	r, k := &m.recs[i], &m.marks[i]
	if r.flags&FlagRST != 0 {
		return // rst.go
	}
	e := &m.e[x]
	for j := range e.steps {
		s := &e.steps[j]
		if !s.ev.open() {
			continue
		}
		ok := false
		switch s.state {
		case tcpstate.SynReceived:
			ok = r.has(FlagSYN|FlagACK) && m.acks(i, m.snd[1-x].iss+1)
		case tcpstate.Established:
			ok = m.provesEstablished(i, x, s)
		case tcpstate.CloseWait:
			ok = m.provesCloseWait(i, x)
		case tcpstate.FinWait2:
			ok = m.provesFinWait2(i, s)
		case tcpstate.TimeWait:
			ok = m.provesTimeWait(i, x, s, k)
		}
		if ok {
			s.ev = Confirmed
			s.proofs = append(s.proofs, r.pkt)
		}
	}
}

func (m *machine) provesEstablished(i int32, x int, s *mstep) bool {
	r, p := &m.recs[i], &m.snd[1-x]
	if r.flags&(FlagSYN|FlagACK) != FlagACK || s.rec < 0 || !p.hasISS {
		return false
	}
	if m.recs[s.rec].flags&FlagSYN != 0 { // by the SYN-ACK: any ACK of it
		return seqnum.LessEq(p.iss+1, r.ack)
	}
	beyond := seqnum.Less(p.iss+1+m.synData(1-x), r.ack)
	if r.len == 0 && !beyond {
		return false
	}
	// Something else of the peer came after the third ACK: it may have been
	// that which opened the connection (TCP_DEFER_ACCEPT, a lost third ACK).
	for j := s.rec + 1; j < i; j++ {
		if m.own(j, 1-x) && m.recs[j].flags&(FlagACK|FlagRST) == FlagACK {
			s.pktEv = Presumed
			break
		}
	}
	return true
}

func (m *machine) provesCloseWait(i int32, x int) bool {
	r, k, p := &m.recs[i], &m.marks[i], &m.snd[1-x]
	if !p.hasFIN || p.finGuessed || !m.acks(i, p.fin+1) {
		return false
	}
	if s := &m.snd[x]; !s.hasISS && (!s.dataSent || k.hadEnd && seqnum.Less(s.dataEnd, k.prevEnd)) {
		return false // its own FIN may have come before the capture
	}
	if s := &m.snd[x]; k.hadEnd && seqnum.Less(k.prevEnd, r.seq) || seqnum.Less(s.contig, s.end) || m.missedBefore(i, x) || m.startMissed(i, x) {
		return false // something of it was missed: perhaps its own FIN
	}
	if s := &m.snd[x]; s.hasFIN && (s.finRec != i || !m.nextID(i, x) || k.hadEnd && k.prevEnd != r.seq) {
		return false // it may have been in FIN-WAIT-1, as after its FIN every segment may
	}
	return !m.blockedAt(i, x)
}

// startMissed: side x's SYN came late, and by segment i nothing was seen that
// stands just behind it: so its first segments came before the capture.
func (m *machine) startMissed(i int32, x int) bool {
	s := &m.snd[x]
	if !s.hasISS || m.dropped > 0 {
		return false
	}
	late := false
	for j := range i + 1 {
		switch r := &m.recs[j]; {
		case !m.own(j, x) || r.flags&FlagRST != 0:
		case r.flags&FlagSYN != 0 && !late, r.flags&FlagSYN == 0 && r.seq-s.iss-1 <= m.synData(x):
			return false
		default:
			late = true
		}
	}
	return true
}

// missedBefore: an earlier segment showed that a FIN of side x was missed.
func (m *machine) missedBefore(i int32, x int) bool {
	for j := range i {
		own := m.recs[j].side() == x
		if k := &m.marks[j]; own && k.ownFINMissed() || !own && k.missed == missedByCapture {
			return true
		}
	}
	return false
}

// blockedAt: side x had bytes under way when it got the peer's FIN: a close of
// its own may have been waiting behind them, with the FIN still unsent (Linux
// enters FIN-WAIT-1 at close, not when the FIN leaves). That it does not react
// to an ACK of all it sent shows that nothing was waiting.
func (m *machine) blockedAt(i int32, x int) bool {
	s := m.e[x].find(tcpstate.CloseWait)
	if s == nil || s.rec < 0 {
		return s != nil // what came before is forgotten
	}
	first := m.firstCover(s.rec, i, x)
	f, c := &m.marks[s.rec], &m.marks[first]
	if m.knows(s.rec) {
		if m.idleAt(s.rec, x) {
			return false
		}
	} else if c.hadEnd && f.hadAck && seqnum.LessEq(m.recs[first].seq, c.prevEnd) && seqnum.LessEq(c.prevEnd, f.prevAck) &&
		(m.wasIdle(s.rec, first, x) || m.recs[first].len == 0 && m.acked(c.prevEnd, s.rec, x) && m.paused(first, i, x)) {
		return false
	}
	for j := s.rec; j < i; j++ {
		a := &m.recs[j]
		if m.own(j, 1-x) && a.flags&FlagACK != 0 && a.win != 0 && m.marks[j].recv == received &&
			m.marks[j].hasPeer && seqnum.LessEq(m.marks[j].peerEnd, a.ack) && m.idleAfter(j, i, x) {
			return false
		}
	}
	return true
}

// acked: before segment i, what side x had sent below end was acknowledged to it
// by something that is not known to be lost.
func (m *machine) acked(end uint32, i int32, x int) bool {
	for j := i - 1; j >= 0; j-- {
		if m.own(j, 1-x) && m.acks(j, end) && m.marks[j].recv != notReceived {
			return true
		}
	}
	return false
}

// firstCover is side x's first segment after the FIN that acknowledges it; i if
// there was none before.
func (m *machine) firstCover(fin, i int32, x int) int32 {
	first := fin + 1
	for first < i && !(m.own(first, x) && m.acks(first, m.snd[1-x].fin+1)) {
		first++
	}
	return first
}

// wasIdle: what side x had sent before its segment first was surely acknowledged
// before the peer's FIN came, or cannot have filled its window: one segment at
// most was out (RFC 5681 section 3.1: two may be from the first on); or the ACK
// came with bytes that it has; or so long before that it would have sent again.
func (m *machine) wasIdle(fin, first int32, x int) bool {
	if m.snd[x].hasISS && m.dropped == 0 && m.sentOnce(first, x) && m.fewOut(fin, first, x) {
		return true
	}
	if m.mayBeCopy(first, x) {
		return false
	}
	end, wait := m.marks[first].prevEnd, int64(0)
	if m.nextID(first, x) { // else what was sent again may have been lost before the tap
		wait = m.againWithin(fin, end, x)
	}
	for j := fin - 1; j >= 0; j-- {
		a := &m.recs[j]
		if !m.own(j, 1-x) || !m.acks(j, end) || m.marks[j].recv == notReceived {
			continue
		}
		if m.bringsACK(j) || wait > 0 && m.recs[fin].at-a.at > wait {
			return true
		}
	}
	return false
}

// mayBeCopy: segment i has data that side x may have sent before, which was lost
// before the tap: it was silent for as long as a time-out takes, and no IP-ID
// tells that nothing is missing.
func (m *machine) mayBeCopy(i int32, x int) bool {
	if m.recs[i].len == 0 || m.marks[i].idStep == 1 {
		return false
	}
	for j := i - 1; j >= 0; j-- {
		if m.own(j, x) {
			return m.recs[i].at-m.recs[j].at >= leastRTO
		}
	}
	return true
}

// bringsACK: whoever has the bytes of segment j has its ACK as well. That of a copy
// is dropped with it where the first had come (RFC 9293 section 3.10.7.4).
func (m *machine) bringsACK(j int32) bool {
	a := &m.recs[j]
	return a.span() > 0 && a.flags&FlagSYN == 0 && m.marks[j].kind == fresh
}

// surelyAgain is how long a sender whose time-out is guessed as rto waits at
// most before it sends again what was not acknowledged: the least time-out that
// RFC 6298 section 2.4 asks for is a second.
func surelyAgain(rto int64) int64 { return max(2*rto, initialRTO+rto) }

// againWithin is how long side x would at most have waited by segment i before
// it sent again what ends at end: longer after each copy (RFC 6298 section 5.5).
func (m *machine) againWithin(i int32, end uint32, x int) int64 {
	wait, last := surelyAgain(m.rto(x)), int64(0)
	for j := range i {
		r := &m.recs[j]
		if !m.own(j, x) || r.span() == 0 || r.flags&FlagRST != 0 || r.end() != end {
			continue
		}
		if last != 0 {
			wait = max(wait, 3*(r.at-last))
		}
		last = r.at
	}
	return wait
}

// sentOnce: up to segment i side x sent no data a second time, after whose
// time-out only one segment may be out (RFC 5681 section 3.1), nor is any of it a
// copy of what was lost before the tap: IP-IDs or the time show it. After a SYN or
// SYN-ACK that was sent again only one may go at first.
func (m *machine) sentOnce(i int32, x int) bool {
	if s, p := m.snd[x].synRec, m.snd[1-x].synRec; s >= 0 && p >= 0 && m.recs[s].at-m.recs[p].at >= initialRTO {
		return false // a SYN-ACK before it may have been lost before the tap
	}
	last, data := int64(0), false
	for j := range i + 1 {
		r, k := &m.recs[j], &m.marks[j]
		own := m.own(j, x)
		data = data || own && r.len > 0
		if k.kind == retransmission && (own || r.flags&FlagSYN != 0) {
			return false
		}
		if own && (data && k.idStep != 1 && r.at-last >= leastRTO || r.len > 0 && k.hadEnd && seqnum.Less(r.seq, k.prevEnd)) {
			return false
		}
		if own {
			last = r.at
		}
	}
	return true
}

// manyACKs is how many ACKs of what was out cannot all be lost: as many as the
// duplicates that are taken for a loss (RFC 5681 section 3.2).
const manyACKs = 3

// fewOut: before its segment first side x had one segment out at most, even if no
// more reached it than the ACKs that came with bytes that it has; or many more
// passed since its last bytes, of which each would have set free what was waiting.
func (m *machine) fewOut(fin, first int32, x int) bool {
	had, out, acks := m.snd[x].iss+1, 0, 0
	for j := range fin {
		o := &m.recs[j]
		if m.own(j, x) && o.len > 0 {
			acks = 0
		}
		if !m.own(j, 1-x) || o.flags&(FlagACK|FlagSYN|FlagRST) != FlagACK || m.marks[j].recv == notReceived || !seqnum.Less(had, o.ack) {
			continue
		}
		if m.bringsACK(j) {
			had, acks = o.ack, 0
		} else if k := &m.marks[j]; !k.hadAck || seqnum.Less(k.prevAck, o.ack) {
			acks++
		}
	}
	for j := range first {
		if o := &m.recs[j]; m.own(j, x) && o.len > 0 && seqnum.Less(had, o.end()) {
			out++
		}
	}
	return out <= 1 || acks >= manyACKs
}

// paused: what side x sent next after segment first, by i, was the next that it
// sent at all, and it did not send that at once: it had nothing waiting that what
// drew segment first would have set free. Even a FIN without data may have waited
// for the congestion window: Linux 6.18 sends none while that is full, older ones
// did.
func (m *machine) paused(first, i int32, x int) bool {
	for n := first + 1; n <= i; n++ {
		if m.own(n, x) {
			return m.nextID(n, x) && sentWellAfter(&m.recs[first], &m.recs[n], m.snd[x].tick(), m.late(x), m.rto(x))
		}
	}
	return false
}

// sentWellAfter: segment r was sent more than late after segment o of the same
// sender, however long either was held up on its way: by its timestamps, of which
// no more than one a millisecond goes by (RFC 7323 section 5.4) where none shorter
// was seen, else because it would have sent again meanwhile.
func sentWellAfter(o, r *rec, tick, late, rto int64) bool {
	if ms := int64(time.Millisecond); o.bits&r.bits&recTS != 0 && tick > ms*3/4 {
		return int64(int32(r.tsval-o.tsval))*ms > late
	}
	return r.at-o.at > surelyAgain(rto)
}

// idleAfter: side x had nothing to send when it got the ACK j: by i it had sent a
// pure ACK that shows that j had come, and then paused.
func (m *machine) idleAfter(j, i int32, x int) bool {
	for n := j + 1; n <= i; n++ {
		r := &m.recs[n]
		if !m.own(n, x) {
			continue
		}
		if r.pureACK() && r.seq == m.marks[n].prevEnd && (m.echoesLater(n, j) || m.echoesFrom(n, j, m.recs[j].ack)) && m.paused(n, i, x) {
			return true
		}
		if r.span() > 0 {
			return false
		}
	}
	return false
}

// echoesLater: segment i echoes something newer than segment a of its peer.
func (m *machine) echoesLater(i, a int32) bool {
	r, o := &m.recs[i], &m.recs[a]
	return r.bits&o.bits&recTS != 0 && r.flags&FlagACK != 0 && seqnum.Less(o.tsval, r.tsecr) && m.plausibleEcho(r)
}

// echoesFrom: the echo of segment i is that of segment a of its peer, or of one of
// the same tick that acknowledges all below end as well (rule 23): none that does
// not passed the tap since, nor did the capture miss one just before a: without
// IP-IDs one may always be missing where a acknowledges more than one segment. A
// D-SACK (RFC 2883) was drawn by a copy, and so may its echo be.
func (m *machine) echoesFrom(i, a int32, end uint32) bool {
	r, o, k := &m.recs[i], &m.recs[a], &m.marks[a]
	if r.bits&o.bits&recTS == 0 || r.flags&FlagACK == 0 || r.tsecr != o.tsval || !m.plausibleEcho(r) || !k.tsNew ||
		k.idStep > 1 || k.idStep == 0 && m.newlyAcked(a, end) > 1 {
		return false
	}
	if _, ok := r.dsack(); ok {
		return false
	}
	for j := a + 1; j < i; j++ {
		if q := &m.recs[j]; m.own(j, o.side()) && q.bits&recTS != 0 && q.tsval == o.tsval && !m.acks(j, end) {
			return false
		}
	}
	return true
}

// newlyAcked is how many segments below end segment a is the first to acknowledge.
func (m *machine) newlyAcked(a int32, end uint32) (n int) {
	k, y := &m.marks[a], 1-m.recs[a].side()
	for j := range a {
		if o := &m.recs[j]; m.own(j, y) && o.span() > 0 && o.flags&FlagRST == 0 && seqnum.LessEq(o.end(), end) && (!k.hadAck || seqnum.Less(k.prevAck, o.end())) {
			n++
		}
	}
	return n
}

// nextID: by its IP-IDs side x sent nothing up to segment i that the tap missed.
func (m *machine) nextID(i int32, x int) bool {
	for n := range i {
		if m.own(n, x) && m.marks[n].idStep > 1 {
			return false
		}
	}
	return m.marks[i].idStep == 1
}

// provesFinWait2: the echo can only come from the covering ACK, or from a
// later segment that covers as well (rule 23).
func (m *machine) provesFinWait2(i int32, s *mstep) bool {
	r := &m.recs[i]
	f := m.e[r.side()].find(tcpstate.FinWait1)
	if s.rec < 0 || f == nil || f.ev < Confirmed {
		return false // no step is stronger than the state it rests on (rule 6)
	}
	if p := &m.snd[1-r.side()]; seqnum.Less(p.contig, p.end) {
		return false // the echo may be of something that was missed, the peer's FIN say
	}
	for j := range s.rec {
		if m.own(j, 1-r.side()) && m.recs[j].flags&(FlagFIN|FlagRST) == FlagFIN {
			return false // that may have come first, refuted or not: CLOSING
		}
	}
	// A FIN that the capture lacks may have come first as well.
	return m.echoesFrom(i, s.rec, m.snd[r.side()].fin+1) && !m.gapBefore(s.rec, 1-r.side())
}

// gapBefore: up to segment i side x was seen to send something that begins past
// its known end, or as its first past what its peer had acknowledged: the capture
// lacks what came before it.
func (m *machine) gapBefore(i int32, x int) bool {
	for j := range i + 1 {
		k := &m.marks[j]
		if !m.own(j, x) || m.recs[j].flags&FlagRST != 0 {
			continue
		}
		if seq := m.recs[j].seq; k.hadEnd && seqnum.Less(k.prevEnd, seq) || !k.hadEnd && k.hasPeer && seqnum.Less(k.peerAck, seq) {
			return true
		}
	}
	return false
}

// mayBeClosing: what side x answers in segment i it would have answered in
// CLOSING as well, and nothing shows that the ACK of its own FIN came: neither
// the segment that moved it to TIME-WAIT, which had the peer's FIN, nor an echo.
func (m *machine) mayBeClosing(i int32, x int, s *mstep) bool {
	if s.rec < 0 || m.recs[s.rec].flags&FlagFIN != 0 && m.acks(s.rec, m.snd[x].fin+1) {
		return false
	}
	if f := m.e[x].find(tcpstate.FinWait2); f != nil && f.ev == Confirmed {
		return false
	}
	return !m.echoesFrom(i, s.rec, m.snd[x].fin+1)
}

// provesTimeWait: it answers a later copy of the peer's FIN, having answered
// the first before. The ACK of the first FIN proves nothing: a host whose
// TIME-WAIT table is full sends it too. Nor is it in TIME-WAIT if its own FIN was
// only a byte that the tap did not see.
func (m *machine) provesTimeWait(i int32, x int, s *mstep, k *mark) bool {
	r, p := &m.recs[i], &m.snd[1-x]
	if !r.pureACK() || m.snd[x].finGuessed || !p.hasFIN || !k.hadAck || !seqnum.LessEq(p.fin+1, k.prevAck) || r.ack != p.fin+1 || m.mayBeClosing(i, x, s) {
		return false
	}
	for j := i - 1; j > s.rec && j >= 0; j-- {
		if m.own(j, x) {
			return false // already answered, or not the first sign of an answer
		}
		if o := &m.recs[j]; m.own(j, 1-x) && m.marks[j].recv != notReceived && o.flags&(FlagRST|FlagACK) == FlagACK &&
			o.span() > 0 && seqnum.LessEq(o.end(), p.fin+1) {
			return true
		}
	}
	return false
}
