package reassembly

// This file: the log of a connection that is one SYN. In a flood of SYNs from
// forged addresses, or while a host is scanned, nearly all are. What the conn
// keeps of such a connection anyway tells nearly all of that segment, so that it
// needs no block: what is missing stands where the log's first block and the
// other side's last TSval would, of which there are none yet.

// isLone reports a SYN that can be kept without a log, if it is the first segment.
func (r *rec) isLone() bool {
	return r.flags == FlagSYN && r.bits&^(recTS|recV6) == 0 && r.len|r.ack|r.tsecr == 0 && r.noSACK()
}

// lone reports that c is one SYN, which is in no log: all else is.
func (c *conn) lone() bool { return c.packets == 1 && c.logged == 0 }

// keepLone keeps the first segment of c, as c is before it.
func (c *conn) keepLone(r *rec, opts synOptions) {
	d := &c.side[0]
	if r.bits&recTS != 0 {
		d.bits |= csTS
	}
	d.ts, d.ttl, d.tag = r.tsval, r.ttl, r.tag
	c.head = uint32(r.win) | uint32(r.ipid)<<16
	c.side[1].ts = opts.word()
}

// loneSYN makes r the segment that keepLone took, and gives its options. To give
// r as well would be to copy what was stored in smaller pieces, for which a
// processor waits.
func (c *conn) loneSYN(r *rec) (opts synOptions) {
	d := &c.side[0]
	*r = rec{}
	r.at, r.pkt, r.seq, r.tsval = c.last, c.lastPkt, d.iss, d.ts
	r.win, r.ipid, r.flags, r.ttl, r.tag = uint16(c.head), uint16(c.head>>16), FlagSYN, d.ttl, d.tag
	if d.bits&csTS != 0 {
		r.bits |= recTS
	}
	if c.v6() {
		r.bits |= recV6
	}
	return optionsOf(c.side[1].ts)
}

// unfold puts the lone SYN of c into a log, to which more can be added. What c
// has of that segment must not have changed before.
func (l *logs) unfold(c *conn) {
	var r rec
	opts := c.loneSYN(&r)
	own := c.bare()
	l.append(&own, &r, true, opts)
	c.forgetLone()
	c.takeLog(&own)
}

// forgetLone makes c's log an empty one.
func (c *conn) forgetLone() {
	c.side[1].ts, c.head = 0, 0
}
