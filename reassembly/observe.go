package reassembly

import (
	"time"

	"github.com/finwait/finwait/reassembly/seqnum"
)

// This file: what a segment says by itself, whoever received it. Nothing here
// is ever taken back.

// frameTwice is the longest time between two captures of one packet.
const frameTwice = int64(time.Millisecond)

func (m *machine) observe(i int32) {
	r, k := &m.recs[i], &m.marks[i]
	if r.refusal() && !m.snd[1-r.side()].hasISS {
		// A short quote has the sequence number only (RFC 792).
		s := &m.snd[r.side()]
		m.refused = m.refused || r.flags&(FlagSYN|FlagACK) == FlagSYN || r.flags == 0 && s.hasISS && r.seq == s.iss
	}
	if r.bits&(recNext|recOld|recICMP) != 0 {
		return
	}
	x := r.side()
	s, p := &m.snd[x], &m.snd[1-x]
	m.interop.segment(m, r)
	k.prevEnd, k.hadEnd = s.end, s.hasEnd
	k.prevAck, k.hadAck = s.ack, s.hasAck
	k.peerAck, k.hasPeer = p.ack, p.hasAck
	k.peerEnd = p.end
	k.tsNew = r.bits&recTS != 0 && (!s.hasTS || seqnum.Less(s.tsMax, r.tsval))
	m.stepID(i, s)
	m.classify(i, s, p)
	m.count(i, s, p)
	if k.kind == duplicateFrame {
		return
	}
	m.sampleRTT(r, k, s, p)
	s.ackBefore, s.hadAckBefore = s.ack, s.hasAck
	if r.flags&FlagRST != 0 {
		m.overview(i, x)
	}
	m.advance(i, s, p)
	if r.flags&FlagRST == 0 {
		m.overview(i, x)
	}
}

// maxIDStep is the largest step of an IP-ID that may be a gap of a counter of
// the connection's own.
const maxIDStep = 64

// ordersIDs is how many IP-IDs in a row tell the order in which they were sent.
const ordersIDs = 3

// stepID follows the sender's IP-IDs. Only a full socket counts: Linux sends
// SYN-ACKs, RSTs and the ACKs of TIME-WAIT with ID 0 (rule 24).
func (m *machine) stepID(i int32, s *sender) {
	r, k := &m.recs[i], &m.marks[i]
	if r.bits&recV6 != 0 || r.ipid == 0 || r.flags&FlagRST != 0 {
		return
	}
	if s.hasID {
		k.idStep = idStep(r.ipid, s.lastID, s.lastIDLen, m.opts[1-r.side()].mss, r.bits&recTS != 0)
		switch {
		case k.idStep == 1:
			s.idRun++
		case int16(r.ipid-s.lastID) <= 0:
			return // late or a copy: the count goes on from the highest
		case k.idStep == 0:
		case k.idStep > maxIDStep:
			s.idRun, s.idGaps, s.gaps = 0, 0, 0
		default:
			k.gap = true
			s.idGaps++
			s.gaps++
		}
	}
	s.lastID, s.lastIDLen, s.hasID = r.ipid, r.len, true
}

// idStep is an IP-ID minus that of its sender's segment before, which carried
// length bytes. Offload makes one frame of several segments, which had an ID
// each: the step counts from the last of them. 0 where it is not known how many
// they were: the MSS that its receiver announced is the most that each can have
// carried (with timestamps 12 bytes less), the default MSS what many do (RFC 9293
// section 3.7.1).
func idStep(id, last uint16, length uint32, mss uint16, ts bool) int32 {
	step, most := int32(int16(id-last)), uint32(mss)
	if most == 0 {
		most = usualMSS
	}
	if length <= most || step <= 0 {
		return step
	}
	if ts {
		most -= min(most-1, 12)
	}
	switch {
	case mss != 0 && step == int32((length+most-1)/most):
		return 1
	case step <= int32(length/defaultMSS)+1:
		return 0
	}
	return step
}

const (
	// usualMSS is what most hosts on Ethernet announce.
	usualMSS = 1460
	// defaultMSS is that of a host that announces none over IPv4.
	defaultMSS = 536
)

// classify tells what the segment is to earlier ones (rule 11).
func (m *machine) classify(i int32, s, p *sender) {
	r, k := &m.recs[i], &m.marks[i]
	if !s.hasEnd {
		return
	}
	if m.crossing != nil && m.crossing[i].Fate == FateCopy {
		k.kind, k.orig = networkDuplicate, m.firstCopy(i)
		return
	}
	if j := m.sameFrame(i); j >= 0 {
		k.orig = j
		return
	}
	if r.flags&FlagRST != 0 || r.span() == 0 || r.flags&FlagFIN != 0 && r.len == 0 && !m.closes(i) {
		return
	}
	if !seqnum.Less(r.seq, s.end) {
		return // nothing of it was sent before
	}
	if r.flags&(FlagSYN|FlagFIN) == 0 && r.len == 1 && r.seq == s.end-1 && p.hasAck && seqnum.LessEq(s.end, p.ack) && !m.sentAlone(i) {
		k.kind = keepAlive
		return
	}
	// A TSval (else an IP-ID) older than one already seen: overtaken on the way.
	if s.hasTS && r.bits&recTS != 0 && seqnum.Less(r.tsval, s.tsMax) {
		k.kind = lateOriginal
		return
	}
	if r.bits&recTS == 0 && k.idStep < 0 && k.idStep > -maxIDStep && s.idRun >= ordersIDs {
		k.kind = lateOriginal
		return
	}
	k.orig = m.firstCopy(i)
	if k.orig >= 0 || r.flags&FlagSYN == 0 && (m.dropped > 0 || seqnum.Less(r.seq, s.contig)) {
		k.kind = retransmission
	}
	// Else it fills a hole: bytes that the tap never saw before.
}

// sameFrame finds an earlier frame that is the same packet seen again: by the
// capture (duplicateFrame) or delivered twice by the network (networkDuplicate).
func (m *machine) sameFrame(i int32) int32 {
	r, k := &m.recs[i], &m.marks[i]
	if m.firstSeen(r, k) {
		return -1
	}
	for j := i - 1; j >= 0 && i-j <= 64; j-- {
		o := &m.recs[j]
		if o.bits&(recNext|recOld|recICMP) != 0 || o.side() != r.side() || o.seq != r.seq || o.ack != r.ack ||
			o.len != r.len || o.flags != r.flags || o.tsval != r.tsval {
			continue
		}
		gap := r.at - o.at
		sameID := r.bits&recV6 == 0 && r.ipid != 0 && r.ipid == o.ipid
		elsewhere := o.tag != r.tag || o.ttl != r.ttl
		switch {
		case sameID && (gap <= frameTwice || elsewhere):
			k.kind = duplicateFrame
		case sameID:
			k.kind = networkDuplicate
		case r.ipid != o.ipid:
			continue // sent anew, or a host without a counter
		case (elsewhere || m.mirrored) && gap <= frameTwice:
			k.kind = duplicateFrame
		case r.span() > 0 && r.bits&recTS != 0 && gap > 2*m.snd[r.side()].tick()+leastSlack && r.bits&recV6 != 0:
			k.kind = networkDuplicate
		default:
			continue
		}
		return j
	}
	return -1
}

// firstSeen: by what its sender had reached before it, a segment cannot have
// been seen already.
func (m *machine) firstSeen(r *rec, k *mark) bool {
	s := &m.snd[r.side()]
	switch {
	case r.flags&(FlagSYN|FlagRST) != 0:
		return false
	case r.span() > 0 && !seqnum.Less(r.seq, s.end), k.tsNew:
		return true
	}
	return r.bits&recTS != 0 && r.tsval == s.tsMax && r.flags&FlagACK != 0 && s.hasAck && seqnum.Less(s.ack, r.ack)
}

// sameBytes: two frames that only differ by when they were captured.
func sameBytes(a, b *rec) bool {
	return a.side() == b.side() && a.seq == b.seq && a.ack == b.ack && a.len == b.len && a.flags == b.flags &&
		a.tsval == b.tsval && a.ipid == b.ipid && a.win == b.win
}

// isMirrored: over 80 % of the frames of both directions stand in the log
// twice within a millisecond: a mirror port copies each packet (rule 11).
func isMirrored(recs []rec) bool {
	var frames, twice [2]int
	for i := range recs {
		r := &recs[i]
		frames[r.side()]++
		for j := i + 1; j < len(recs) && recs[j].at-r.at <= frameTwice; j++ {
			if sameBytes(r, &recs[j]) {
				twice[r.side()] += 2
				break
			}
		}
	}
	return frames[0] > 1 && frames[1] > 1 && 5*twice[0] > 4*frames[0] && 5*twice[1] > 4*frames[1]
}

// sentAlone: the one byte of segment i was sent before as a segment of its own:
// then it is no keep-alive's garbage byte (RFC 9293 section 3.8.4).
func (m *machine) sentAlone(i int32) bool {
	r := &m.recs[i]
	for j := i - 1; j >= 0; j-- {
		if o := &m.recs[j]; m.own(j, r.side()) && o.seq == r.seq && o.len == 1 {
			return m.marks[j].kind != keepAlive
		}
	}
	return false
}

// firstCopy is the earliest segment in the log with bytes of segment i.
func (m *machine) firstCopy(i int32) int32 {
	r := &m.recs[i]
	for j := range i {
		o := &m.recs[j]
		if m.own(j, r.side()) && o.span() > 0 && o.flags&FlagRST == 0 &&
			(r.flags&FlagSYN == 0 || (r.flags^o.flags)&FlagACK == 0) && // a SYN-ACK is no copy of a bare SYN
			seqnum.Overlap(o.seq, o.end(), r.seq, r.end()) {
			return j
		}
	}
	return -1
}

// own reports a segment that side x really sent in this incarnation.
func (m *machine) own(j int32, x int) bool {
	r := &m.recs[j]
	return r.side() == x && r.bits&(recNext|recOld|recICMP) == 0 && m.marks[j].kind != duplicateFrame
}

// count keeps the figures that the report shows.
func (m *machine) count(i int32, s, p *sender) {
	r, k := &m.recs[i], &m.marks[i]
	st := &s.stats
	st.Packets++
	st.Bytes += uint64(r.len)
	st.MaxLength = max(st.MaxLength, r.len)
	switch {
	case k.kind == retransmission:
		st.Retransmissions++
	case k.kind == lateOriginal, r.len > 0 && k.kind == fresh && s.hasEnd && seqnum.Less(r.seq, s.end):
		st.OutOfOrder++
	}
	if r.win == 0 && r.flags&(FlagRST|FlagSYN|FlagFIN) == 0 {
		st.ZeroWindows++
	}
	if r.pureACK() && s.hasAck && r.ack == s.ack && r.win == s.lastWin && p.hasEnd && seqnum.Less(r.ack, p.end) {
		st.DuplicateACKs++
	}
	s.lastWin = r.win
}

// sampleRTT takes the round trip from a segment of p, sent once, to this
// segment's ACK of exactly its end.
func (m *machine) sampleRTT(r *rec, k *mark, s, p *sender) {
	if r.flags&FlagACK != 0 && r.flags&FlagRST == 0 && p.npend > 0 {
		left := 0
		for _, q := range p.pend[:p.npend] {
			if !seqnum.LessEq(q.end, r.ack) {
				p.pend[left] = q
				left++
			} else if q.end == r.ack && !q.bad && !m.thirdMissed(r, k, q.end, p) && !m.answersUnseenSYN(r, p) {
				s.rtt.add(r.at - q.at)
			}
		}
		p.npend = left
	}
	fills := r.span() > 0 && r.flags&FlagSYN == 0 && k.hadEnd && seqnum.Less(r.seq, k.prevEnd) // below what was seen: what comes behind had to wait for it
	if k.kind != fresh || fills {
		if k.kind == retransmission || fills {
			for j := range s.pend[:s.npend] {
				if seqnum.Less(r.seq, s.pend[j].end) {
					s.pend[j].bad = true
				}
			}
		}
		return
	}
	// In a simultaneous open the SYN-ACK repeats the SYN: its answer may be the SYN's.
	if r.span() > 0 && r.flags&FlagRST == 0 && !(r.has(FlagSYN|FlagACK) && k.hadEnd) {
		if s.npend == len(s.pend) {
			copy(s.pend[:], s.pend[1:])
			s.npend--
		}
		s.pend[s.npend] = pending{end: r.end(), at: r.at}
		s.npend++
	}
}

// thirdMissed: the SYN-ACK is first acknowledged by data before which, by its
// IP-ID, something was missed: the ACK that a client sends at once (RFC 9293
// section 3.10.7.3). The time to the data is no round trip.
func (m *machine) thirdMissed(r *rec, k *mark, end uint32, p *sender) bool {
	return r.len > 0 && p.hasISS && end == p.iss+1 && k.idStep > 1 && k.idStep <= maxIDStep
}

// answersUnseenSYN: a SYN-ACK that acknowledges a SYN-ACK of p was not drawn by
// it: both opened, and it answers the SYN of p before, which the capture lacks
// (RFC 9293 section 3.5, figure 7).
func (m *machine) answersUnseenSYN(r *rec, p *sender) bool {
	return r.has(FlagSYN|FlagACK) && p.synRec >= 0 && m.recs[p.synRec].has(FlagSYN|FlagACK)
}

// advance moves the sender's highest numbers on.
func (m *machine) advance(i int32, s, p *sender) {
	r, k := &m.recs[i], &m.marks[i]
	if s.firstAt == 0 {
		s.firstAt = r.at
	}
	s.lastAt = max(s.lastAt, r.at)
	if r.flags&FlagRST == 0 {
		s.stats.TTL = r.ttl
	}
	if r.flags&FlagSYN != 0 && r.flags&FlagRST == 0 && !s.hasISS {
		s.iss, s.hasISS, s.synRec = r.seq, true, i
		if !s.hasEnd {
			s.contig = r.seq
		}
	}
	if r.bits&recTS != 0 && r.flags&FlagRST == 0 {
		if !s.hasTS {
			s.hasTS, s.tsMax, s.tsFirst, s.tsFirstAt = true, r.tsval, r.tsval, r.at
		} else if seqnum.Less(s.tsMax, r.tsval) {
			s.tsMax = r.tsval
		}
		s.tsLastAt = r.at
	}
	if r.flags&FlagRST != 0 {
		return
	}
	if r.flags&FlagACK != 0 && (!s.hasAck || seqnum.Less(s.ack, r.ack)) && k.kind != lateOriginal {
		s.ack, s.hasAck = r.ack, true
	}
	if r.flags&FlagSYN != 0 && s.hasISS && r.seq != s.iss {
		return // a SYN of other numbers
	}
	if !s.hasEnd {
		s.end, s.contig, s.hasEnd = r.end(), r.end(), true
	} else {
		if seqnum.Less(s.end, r.end()) {
			s.end = r.end()
		}
		s.contig, s.holes = join(s.contig, s.holes, r.seq, r.end())
	}
	if r.len > 0 {
		if end := r.seq + r.len; !s.dataSent || seqnum.Less(s.dataEnd, end) {
			s.dataEnd = end
		}
		s.dataSent = true
	}
	if m.closes(i) {
		if !s.hasFIN || s.finGuessed && s.fin == r.end()-1 {
			s.finGuessed = false
			s.fin, s.hasFIN, s.finRec = r.end()-1, true, i
		} else if k.kind == retransmission {
			s.finCopies++
		}
	}
}

// closes reports a segment whose FIN counts: one without ACK is dropped
// unread, and one at the SYN's own number or below it is none (RFC 9293 section
// 3.10.7.4).
func (m *machine) closes(i int32) bool {
	r := &m.recs[i]
	s := &m.snd[r.side()]
	return r.flags&(FlagFIN|FlagACK) == FlagFIN|FlagACK && (!s.hasISS || seqnum.Less(s.iss, r.end()-1))
}

// maxHoles bounds the ranges kept beyond a hole; the ones that do not fit are
// forgotten, which only delays the moment at which the sequence is complete.
const maxHoles = 32

// join adds [lo, hi) to what is contiguous up to next and the ranges beyond it.
func join(next uint32, holes []span, lo, hi uint32) (uint32, []span) {
	if lo == hi {
		return next, holes
	}
	if !seqnum.LessEq(lo, next) {
		for _, h := range holes {
			if h.lo == lo && h.hi == hi {
				return next, holes
			}
		}
		if len(holes) < maxHoles {
			holes = append(holes, span{lo, hi})
		}
		return next, holes
	}
	next = seqnum.Max(next, hi)
	for again := true; again && len(holes) > 0; {
		again = false
		left := holes[:0]
		for _, h := range holes {
			if seqnum.LessEq(h.lo, next) {
				next = seqnum.Max(next, h.hi)
				again = true
			} else {
				left = append(left, h)
			}
		}
		holes = left
	}
	return next, holes
}
