package reassembly

import "github.com/finwait/finwait/reassembly/seqnum"

// This file: how much of what a receiver acknowledged the capture does not have.
// The count waits with its verdict on a hole, because at many taps an ACK
// stands before the segment that it acknowledges.

// unseenReach is how far beyond a hole a sequence number may lie: twice what a
// window can be (RFC 7323 section 2.3), and still a number that can be compared.
const unseenReach = 1 << 30

// coverage is which sequence numbers of one direction were captured and
// acknowledged. SYN and FIN count as the byte that they take.
type coverage struct {
	next    uint32 // all below is captured or was given up
	ack     uint32 // highest acknowledgment; before the first, where the capture begins
	started bool
	n       uint8
	held    [16]span // what was captured above next, in ascending order
	acked   uint64   // bytes acknowledged
	unseen  uint64   // of them, those given up
}

// segment takes one that the side sent.
func (c *coverage) segment(r *rec) {
	if r.flags&FlagRST != 0 || r.span() == 0 {
		return
	}
	c.start(r.seq)
	if far(c.next, r.seq) {
		return // numbers of something else
	}
	c.add(span{r.seq, r.end()})
}

// acknowledged takes an acknowledgment by the other side. The first one may
// acknowledge what was sent before the capture began, and counts nothing.
func (c *coverage) acknowledged(ack uint32) {
	c.start(ack)
	if far(c.ack, ack) || !seqnum.Less(c.ack, ack) {
		return
	}
	c.acked += uint64(seqnum.Size(c.ack, ack))
	c.ack = ack
	for far(c.next, c.ack) {
		c.giveUp()
	}
}

// start is at the first number that the capture has of the side, sent or
// acknowledged.
func (c *coverage) start(at uint32) {
	if !c.started {
		c.next, c.ack, c.started = at, at, true
	}
}

func far(from, to uint32) bool { return to-from > unseenReach && from-to > unseenReach }

// add takes [s.lo, s.hi).
func (c *coverage) add(s span) {
	if seqnum.LessEq(s.hi, c.next) {
		return
	}
	at := 0
	for at < int(c.n) && seqnum.Less(c.held[at].hi, s.lo) {
		at++
	}
	end := at // of those that touch s, which become one with it
	for end < int(c.n) && seqnum.LessEq(c.held[end].lo, s.hi) {
		s.lo, s.hi = seqnum.Min(s.lo, c.held[end].lo), seqnum.Max(s.hi, c.held[end].hi)
		end++
	}
	if at == end && int(c.n) == len(c.held) {
		c.giveUp()
		c.add(s)
		return
	}
	copy(c.held[at+1:], c.held[end:c.n])
	c.held[at] = s
	c.n += uint8(1 + at - end)
	c.absorb()
	for c.n > 0 && far(c.next, c.held[c.n-1].hi) {
		c.giveUp()
	}
	if far(c.ack, c.next) { // the capture has no ACKs of it
		c.ack = c.next
	}
}

// absorb moves next over what is held.
func (c *coverage) absorb() {
	for c.n > 0 && seqnum.LessEq(c.held[0].lo, c.next) {
		c.next = seqnum.Max(c.next, c.held[0].hi)
		copy(c.held[:], c.held[1:c.n])
		c.n--
	}
}

// giveUp counts the first hole as never captured: the part of it that was
// acknowledged, as the other may still come.
func (c *coverage) giveUp() {
	to := c.ack
	if c.n > 0 {
		to = c.held[0].lo
	}
	if seqnum.Less(c.next, seqnum.Min(to, c.ack)) {
		c.unseen += uint64(seqnum.Size(c.next, seqnum.Min(to, c.ack)))
	}
	c.next = to
	c.absorb()
}

// told gives the bytes acknowledged and those of them that were never captured.
func (c coverage) told() (acked, unseen uint64) {
	for seqnum.Less(c.next, c.ack) {
		c.giveUp()
	}
	return c.acked, c.unseen
}
