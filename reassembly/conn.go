package reassembly

import (
	"net/netip"

	"github.com/finwait/finwait/reassembly/seqnum"
)

// conn is what the table keeps of one incarnation while it lives: its key, what
// is needed to route the next segment, and where its log is. It holds no
// pointers and is two cache lines long.
type conn struct {
	key     FlowKey
	last    int64 // time of its last packet
	lastPkt Packet

	side [2]connSide

	id         uint32 // 0: the place is free
	stream     uint32
	head, tail uint32 // its log: the first block and the last
	links      uint32 // what few have, 0 if it never had any of it
	packets    uint32 // stays at the highest number; long.packets goes on
	deadline   uint32 // the low half of the second of the expiry wheel in which it waits, 0: none
	logged     uint16 // bytes in its log
	swapped    bool   // side 0 is the key's B
	synAcked   bool   // a SYN-ACK covered the SYN that began it
}

func (c *conn) used() bool { return c.id != 0 }

// connLinks are the neighbouring incarnations of one: by slab index those that
// are still in the table, by id those that it reuses and is reused by; and of a
// connection too long for a plain log, where in Tracker.long it is.
type connLinks struct {
	prev, newer      uint32
	reuses, reusedBy uint32
	long             uint32
}

// connSide is what routing and the log need of one side.
type connSide struct {
	iss, end uint32 // until a SYN is seen, iss is what it would be had its first segment been seen
	ts       uint32 // its last TSval
	bits     uint8
	ttl, tag uint8 // of its last rec
}

// opens reports the SYN that tells the side's first sequence number.
func (d *connSide) opens(r *rec) bool {
	return r.flags&(FlagSYN|FlagRST) == FlagSYN && d.bits&csISS == 0
}

// reach moves the side's end on by a segment of it.
func (d *connSide) reach(r *rec) {
	if r.flags&FlagRST != 0 {
		return
	}
	if end := r.end(); d.bits&csEnd == 0 || seqnum.Less(d.end, end) {
		d.end = end
		d.bits |= csEnd
	}
}

// connSide bits.
const (
	csISS = 1 << iota // iss is valid
	csEnd             // end is valid
	csFIN
	csRST
	csSYN // sent a SYN without ACK
	csACK // sent an ACK without SYN, as one does that had a SYN-ACK or sent one, or data

	csLone   // of side 0: its SYN is all there is, and in no log
	csLoneTS // and has timestamps
)

// synOptions keeps the options of a SYN or SYN-ACK.
type synOptions struct {
	mss   uint16
	scale uint8
	flags uint8
}

// synOptions flags.
const (
	optScale = 1 << iota
	optSACK
	optTS
	optFastOpen
	optMPTCP
)

func (o *synOptions) fill(s *Segment) {
	*o = synOptions{mss: s.MSS, scale: s.WindowScale}
	for _, f := range [...]struct {
		on  bool
		bit uint8
	}{{s.HasScale, optScale}, {s.SACKPermitted, optSACK}, {s.HasTimestamps, optTS}, {s.FastOpen, optFastOpen}, {s.MPTCP, optMPTCP}} {
		if f.on {
			o.flags |= f.bit
		}
	}
}

// word is the options in 32 bits, of which optionsOf makes them again.
func (o synOptions) word() uint32 {
	return uint32(o.mss) | uint32(o.scale)<<16 | uint32(o.flags)<<24
}

func optionsOf(word uint32) synOptions {
	return synOptions{mss: uint16(word), scale: uint8(word >> 16), flags: uint8(word >> 24)}
}

func (o *synOptions) tell(s *EndpointStats) {
	s.MSS, s.WindowScale = o.mss, o.scale
	s.HasScale = o.flags&optScale != 0
	s.SACKPermitted = o.flags&optSACK != 0
	s.Timestamps = o.flags&optTS != 0
	s.FastOpen = o.flags&optFastOpen != 0
	s.MPTCP = o.flags&optMPTCP != 0
}

// sideOf is the side that sent a segment whose source is the key's B if fromB.
func (c *conn) sideOf(fromB bool) int {
	if fromB != c.swapped {
		return 1
	}
	return 0
}

// endpoint is the address and port of a side.
func (c *conn) endpoint(x int) netip.AddrPort {
	if (x == 1) != c.swapped {
		return addrPort(c.key.B, c.key.BPort, c.key.V6)
	}
	return addrPort(c.key.A, c.key.APort, c.key.V6)
}

func (c *conn) port(x int) uint16 {
	if (x == 1) != c.swapped {
		return c.key.BPort
	}
	return c.key.APort
}

// pass counts a packet of the connection's own.
func (c *conn) pass(r *rec) {
	if c.packets == 0 {
		c.last = r.at
	}
	c.packets = max(c.packets+1, c.packets)
	c.last = max(c.last, r.at)
	c.lastPkt = r.pkt
}

// follow keeps the routing state up to date with a segment of the connection's own.
func (c *conn) follow(r *rec) {
	x := r.side()
	d := &c.side[x]
	if r.flags&FlagRST != 0 {
		d.bits |= csRST
		return
	}
	if d.bits&csEnd == 0 {
		d.iss = r.seq - 1
	}
	if d.opens(r) {
		d.iss = r.seq
		d.bits |= csISS
		if r.flags&FlagACK == 0 {
			d.bits |= csSYN
		}
	}
	if r.flags&(FlagSYN|FlagACK) == FlagSYN|FlagACK && c.side[1-x].bits&csISS != 0 && r.ack-c.side[1-x].iss-1 <= 1500 {
		c.synAcked = true
	}
	d.reach(r)
	if r.flags&FlagFIN != 0 {
		d.bits |= csFIN
	}
	// A bare ACK in answer to a SYN opens nothing: in SYN-SENT it is dropped or
	// refused (RFC 9293 section 3.10.7.3), and the SYN is sent again.
	if r.flags&(FlagSYN|FlagACK) == FlagACK && (d.bits&csISS != 0 || r.len > 0) {
		d.bits |= csACK
	}
}
