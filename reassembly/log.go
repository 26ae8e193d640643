package reassembly

import "unsafe"

// This file: where the logs of all connections stand, and how. Most segments
// differ little from those before them on their connection, so that half a cache
// line holds all that a rec says of one; the others take a whole line. A log is
// a chain of short blocks of such units.

// packed is a rec in one unit, told by what differs from the connection as it
// stood: its last packet, and its sender's TTL and tag.
type packed struct {
	after          uint32 // ns since the connection's last packet, or one of the marks below
	packet         uint32 // packet number minus that of the last packet
	seq, ack       uint32
	tsval, tsecr   uint32
	len, win, ipid uint16
	flags, bits    uint8
}

// Marks in packed.after.
const (
	markOwn   = 1<<32 - 1 - iota // a full begins here
	markCited                    // the same, of a rec that is no packet of the connection's own
	markLast                     // no rec: seq and ack are the connection's last from here on
	markSkip                     // nothing stands here
	markLeast
)

// full is any rec, in two units.
type full struct {
	mark uint32 // markOwn or markCited
	seq  uint32
	at   int64
	pkt  Packet

	ack, len, tsval, tsecr uint32

	sack        [2]SACKBlock
	win, ipid   uint16
	flags, bits uint8
	ttl, tag    uint8
}

// logs holds the blocks of all connections, named by the index of their first
// unit; index 0 is none.
type logs struct {
	units chunks[packed]
	next  chunks[uint32]         // the block that follows one, by half its index
	used  uint32                 // units ever handed out
	free  [blockClasses][]uint32 // blocks given back
}

// The first block of a log has room for one full, which is all that most SYNs of
// a flood ever need.
const (
	firstBlock   = 2 // units, class 0
	otherBlock   = 4 // units, class 1
	blockClasses = 2
)

// begins reports that a block begins after n units of a log.
func begins(n uint32) bool { return n == 0 || (n-firstBlock)%otherBlock == 0 }

// add writes the next rec of c's log; c is as it was before that segment. own
// says that it is a packet of the connection's own.
func (l *logs) add(c *conn, r *rec, own bool) {
	d := &c.side[r.side()]
	after, packet := uint64(r.at-c.last), uint64(r.pkt-c.lastPkt)
	if own && after < markLeast && packet < 1<<32 && r.len < 1<<16 && r.noSACK() && r.ttl == d.ttl && r.tag == d.tag {
		*l.unit(c) = packed{after: uint32(after), packet: uint32(packet), seq: r.seq, ack: r.ack, tsval: r.tsval, tsecr: r.tsecr,
			len: uint16(r.len), win: r.win, ipid: r.ipid, flags: r.flags, bits: r.bits}
		return
	}
	mark := uint32(markCited)
	if own {
		mark = markOwn
		d.ttl, d.tag = r.ttl, r.tag
	}
	u := l.unit(c)
	if begins(uint32(c.units)) { // the last of its block
		u.after = markSkip
		u = l.unit(c)
	}
	l.unit(c)
	*(*full)(unsafe.Pointer(u)) = full{mark: mark, at: r.at, pkt: r.pkt, seq: r.seq, ack: r.ack, len: r.len, tsval: r.tsval, tsecr: r.tsecr,
		sack: r.sack, win: r.win, ipid: r.ipid, flags: r.flags, bits: r.bits, ttl: r.ttl, tag: r.tag}
}

// unit gives room for the next unit of c's log.
func (l *logs) unit(c *conn) *packed {
	if n := uint32(c.units); begins(n) {
		b := l.block(n == 0)
		if n == 0 {
			c.head = b
		} else {
			*l.next.at(blockAt(c.tail, n-1) / 2) = b
		}
		c.tail = b
	} else {
		c.tail++
	}
	c.units++
	return l.units.at(c.tail)
}

// blockAt is the block that unit i of a log, the n-th, stands in.
func blockAt(i, n uint32) uint32 {
	if n < firstBlock {
		return i - n
	}
	return i - (n-firstBlock)%otherBlock
}

func (l *logs) block(first bool) uint32 {
	class, length := 1, uint32(otherBlock)
	if first {
		class, length = 0, firstBlock
	}
	if f := l.free[class]; len(f) > 0 {
		l.free[class] = f[:len(f)-1]
		return f[len(f)-1]
	}
	l.used = max(l.used, firstBlock)                       // index 0 stays unused
	if rest := chunkLen - l.used%chunkLen; rest < length { // a block stands in one chunk
		l.used += rest
	}
	b := l.used
	l.used += length
	l.units.reach(l.used - 1)
	l.next.reach((l.used - 1) / 2)
	return b
}

// release gives back the log of c.
func (l *logs) release(c *conn) {
	v := l.view()
	v.blocks(c, func(class int, block uint32, _ []packed) { l.free[class] = append(l.free[class], block) })
}

// logView is the logs as they stood when it was made: what is added later is not
// in it, and does not disturb it.
type logView struct {
	units [][]packed
	next  [][]uint32
}

func (l *logs) view() logView { return logView{l.units.list, l.next.list} }

// blocks calls f with each block of c's log: its class, and as many units of it
// as are used.
func (v *logView) blocks(c *conn, f func(class int, block uint32, units []packed)) {
	class, length := 0, uint32(firstBlock)
	for n, b := uint32(c.units), c.head; ; class, length = 1, otherBlock {
		at := b & (chunkLen - 1)
		used := min(n, length)
		f(class, b, v.units[b>>chunkBits][at:at+used])
		if n -= used; n == 0 {
			return
		}
		b = v.next[b/2>>chunkBits][b/2&(chunkLen-1)]
	}
}

// unpack appends the recs of c's log to recs.
func (v *logView) unpack(c *conn, recs []rec) []rec {
	var ttl, tag [2]uint8
	last, lastPkt := int64(0), Packet(0)
	begun := false
	v.blocks(c, func(_ int, _ uint32, units []packed) {
		for i := 0; i < len(units); i++ {
			u := &units[i]
			switch {
			case u.after < markLeast:
				x := u.bits & recFromB
				r := rec{at: last + int64(u.after), pkt: lastPkt + Packet(u.packet), seq: u.seq, ack: u.ack, len: uint32(u.len),
					tsval: u.tsval, tsecr: u.tsecr, win: u.win, ipid: u.ipid, flags: u.flags, bits: u.bits, ttl: ttl[x], tag: tag[x]}
				last, lastPkt, begun = r.at, r.pkt, true
				recs = append(recs, r)
			case u.after == markLast:
				last = int64(uint64(u.seq) | uint64(u.ack)<<32)
			case u.after != markSkip:
				f := (*full)(unsafe.Pointer(u))
				i++
				recs = append(recs, rec{at: f.at, pkt: f.pkt, seq: f.seq, ack: f.ack, len: f.len, tsval: f.tsval, tsecr: f.tsecr,
					sack: f.sack, win: f.win, ipid: f.ipid, flags: f.flags, bits: f.bits, ttl: f.ttl, tag: f.tag})
				if f.mark == markCited {
					continue
				}
				x := f.bits & recFromB
				ttl[x], tag[x] = f.ttl, f.tag
				if !begun || f.at > last {
					last = f.at
				}
				lastPkt, begun = f.pkt, true
			}
		}
	})
	return recs
}

// setLast notes in c's log that c.last was changed by something that is not in it.
func (l *logs) setLast(c *conn) {
	*l.unit(c) = packed{after: markLast, seq: uint32(c.last), ack: uint32(uint64(c.last) >> 32)}
}

// adopt takes the recs cited of the next incarnation in c's log for c's own.
func (l *logs) adopt(c *conn) {
	v := l.view()
	v.blocks(c, func(_ int, _ uint32, units []packed) {
		for i := 0; i < len(units); i++ {
			switch units[i].after {
			case markCited:
				(*full)(unsafe.Pointer(&units[i])).bits &^= recNext
				i++
			case markOwn:
				i++
			}
		}
	})
}
