package reassembly

import (
	"time"

	"github.com/finwait/finwait/reassembly/seqnum"
)

// This file: copies that were themselves lost before the tap. That a side sent
// again what an ACK behind the tap had covered shows that it never got the ACK
// (rule 12), even where the capture lacks the copy: then the sender's IP-IDs
// tell that something was sent (rule 24), and that it had nothing else to send.
// It is told as likely, never as certain.

const (
	// unseenMax is how many packets in a row may be missing.
	unseenMax = 3
	// idsPerGap is how many IP-IDs that go up by one there must be for each
	// gap, so that the counter is the connection's own.
	idsPerGap = 3
	// linuxTTL is where Linux begins. Hosts that begin above it have one counter
	// for all connections with a peer (Windows) or none: what is missing may be
	// another connection's.
	linuxTTL = 64
	// leastKeepAlive is the shortest idle time after which a host probes: what
	// is missing later may be a probe (RFC 9293 section 3.8.4; seconds on Linux).
	leastKeepAlive = int64(time.Second)
)

// copiesUnseen judges the gaps in the IP-IDs of side x once they can be read.
func (m *machine) copiesUnseen(i int32, x int) bool {
	s := &m.snd[x]
	if s.gaps == 0 || s.idRun < idsPerGap*s.idGaps || m.crossing != nil {
		return false
	}
	changed := false
	for q := int32(1); q <= i && s.gaps > 0; q++ {
		if k := &m.marks[q]; k.gap && m.own(q, x) {
			k.gap = false
			s.gaps--
			if m.copyUnseen(q, x) {
				changed = true
			}
		}
	}
	s.gaps = 0
	return changed
}

// copyUnseen: what is missing before segment q of side x can only have been a
// copy of what an ACK, seen at the tap, had acknowledged: that ACK did not
// arrive. Or the ACK is missing as well.
func (m *machine) copyUnseen(q int32, x int) bool {
	r, k := &m.recs[q], &m.marks[q]
	before := m.lastOwn(q, x)
	if before < 0 || r.flags&(FlagSYN|FlagRST|FlagACK) != FlagACK || !k.hadEnd || r.seq != k.prevEnd || k.idStep > 1+unseenMax || r.ttl > linuxTTL {
		return false
	}
	b := &m.recs[before]
	if b.flags&(FlagSYN|FlagRST|FlagACK) != FlagACK || b.ipid+uint16(k.idStep) != r.ipid || b.len > usualMSS || r.win/2 >= b.win {
		return false // it may have opened its window, or the step counts from within a merged frame
	}
	a, sent := m.firstACK(q, x)
	if a < 0 || r.at-m.recs[sent].at < leastRTO || !m.onlyAnswers(before, q, x) {
		return false
	}
	for j := range before { // it had an ACK by then
		if o := &m.recs[j]; m.own(j, 1-x) && m.acks(j, k.prevEnd) && o.span() > 0 && seqnum.LessEq(o.end(), b.ack) {
			return false
		}
	}
	if !m.quick(a, sent, x) {
		m.bothUnseen(q, a, sent, x)
		return false
	}
	if r.at-m.recs[a].at >= leastKeepAlive || m.hadACK(a, q, x) || r.span() > 0 && !m.olderEcho(q, a) {
		return false
	}
	m.judge(a, notReceived, q, whyUnseenCopy)
	f := &m.recs[sent]
	m.tell(loss{kind: lostACK, side: x, at: r.at, after: r.at - m.recs[a].at, carriers: []Packet{m.recs[a].pkt}, copy: r.pkt, flags: f.flags,
		subject: -1, where: AfterTap, conf: Likely, unseen: true, lastACK: m.inLastACK(f.flags, x)})
	return true
}

// bothUnseen: what side x had sent was acknowledged only in segment a, long
// after it came, as the echo shows: an ACK of it was lost before the tap, by the
// IP-IDs or because it was due, and so was the copy that its loss brought about,
// missing before segment q.
func (m *machine) bothUnseen(q, a, sent int32, x int) {
	f, o, r := &m.recs[sent], &m.recs[a], &m.recs[q]
	if o.at-f.at <= ACKDelayMax || !m.echoProves(sent, a) || r.span() > 0 || r.at-f.at >= leastKeepAlive ||
		!m.gapSince(sent, a, 1-x) && !m.overdue(sent, a, 1-x) {
		return
	}
	m.tell(loss{kind: lostUnseenACK, side: x, at: r.at, after: r.at - f.at, carriers: []Packet{f.pkt, o.pkt}, copy: r.pkt, flags: f.flags,
		subject: -1, where: BeforeTap, conf: Likely, unseen: true})
}

// olderEcho: segment q was made when ACK a, new and in order, had not come: it
// would echo it (RFC 7323 section 4.3, rule 23). Without that what is missing
// before a segment with data may have been a first copy of it.
func (m *machine) olderEcho(q, a int32) bool {
	r, o := &m.recs[q], &m.recs[a]
	return r.bits&o.bits&recTS != 0 && m.marks[a].tsNew && m.plausibleEcho(r) && seqnum.Less(r.tsecr, o.tsval)
}

// lastOwn is side x's newest segment before segment i, -1 if there is none.
func (m *machine) lastOwn(i int32, x int) int32 {
	for j := i - 1; j >= 0; j-- {
		if m.own(j, x) {
			return j
		}
	}
	return -1
}

// firstACK is the first ACK of all that side x had sent before segment q, and
// the newest copy of the last of that before it; a is -1 if there is none.
func (m *machine) firstACK(q int32, x int) (a, sent int32) {
	end := m.marks[q].prevEnd
	sent = -1
	for a = range q {
		o := &m.recs[a]
		if m.own(a, x) && o.span() > 0 && o.end() == end && o.flags&(FlagSYN|FlagRST) == 0 {
			sent = a
		} else if sent >= 0 && m.own(a, 1-x) && m.acks(a, end) && o.flags&FlagRST == 0 {
			if m.marks[a].recv != received || o.win == 0 {
				return -1, -1
			}
			return a, sent
		}
	}
	return -1, -1
}

// quick: ACK a of segment sent came too soon for a copy to be under way. One
// segment alone is not sent again within half the least time-out, several may be
// probed for after two round trips (RFC 8985 section 7.2).
func (m *machine) quick(a, sent int32, x int) bool {
	limit := m.late(1 - x)
	if f := &m.marks[sent]; f.hasPeer && seqnum.LessEq(m.recs[sent].seq, f.peerAck) {
		limit = max(limit, leastRTO/2)
	}
	return m.recs[a].at-m.recs[sent].at <= limit
}

// onlyAnswers: nothing that came for side x between its segments before and q
// can have drawn an ACK but the first new segment, and that ACK is segment q.
func (m *machine) onlyAnswers(before, q int32, x int) bool {
	r, b := &m.recs[q], &m.recs[before]
	first, found := uint32(0), 0
	for j := range q {
		o, k := &m.recs[j], &m.marks[j]
		if !m.own(j, 1-x) || o.flags&FlagRST != 0 {
			continue
		}
		if (j > before || b.at-o.at < m.late(x)) && (k.kind != fresh || k.hadEnd && o.seq != k.prevEnd) &&
			(k.kind != retransmission || seqnum.Less(o.seq, b.ack) || !m.sackBoth || !r.noSACK()) {
			return false // a copy of what it had, a probe, or one out of order
		}
		if o.span() == 0 || !seqnum.Less(b.ack, o.end()) {
			continue
		}
		if found == 0 || seqnum.Less(o.end(), first) {
			first = o.end()
		}
		found++
	}
	if found == 0 {
		return r.span() > 0 && r.ack == b.ack
	}
	return r.pureACK() && r.ack == first && (found == 1 || m.sackBoth && r.noSACK())
}
