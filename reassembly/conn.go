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
	head, tail uint32 // its log: the first block and the last unit; head is the machine of a long one
	links      uint32 // its neighbours, 0 if it never had any
	packets    uint32 // stays at the highest number; machine.packets goes on
	deadline   uint32 // the low half of the second of the expiry wheel in which it waits, 0: none
	opts       [2]synOptions
	units      uint16 // of its log, or unitsLong
	swapped    bool   // side 0 is the key's B
	synAcked   bool   // a SYN-ACK covered the SYN that began it
}

// unitsLong says that the log is in a machine of its own.
const unitsLong = 1<<16 - 1

func (c *conn) used() bool { return c.id != 0 }

func (c *conn) long() bool { return c.units == unitsLong }

// connLinks are the neighbouring incarnations of one: by slab index those that
// are still in the table, by id those that it reuses and is reused by.
type connLinks struct {
	prev, newer      uint32
	reuses, reusedBy uint32
}

// connSide is what routing needs of one side.
type connSide struct {
	iss, end uint32
	bits     uint8
	ttl, tag uint8 // of its last rec that was no packed one
}

// connSide bits.
const (
	csISS = 1 << iota // iss is valid
	csEnd             // end is valid
	csFIN
	csRST
	csSYN // sent a SYN without ACK
	csACK // sent an ACK without SYN: it had a SYN-ACK, or sent one
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
	o.mss, o.scale = s.MSS, s.WindowScale
	for _, f := range [...]struct {
		on  bool
		bit uint8
	}{{s.HasScale, optScale}, {s.SACKPermitted, optSACK}, {s.HasTimestamps, optTS}, {s.FastOpen, optFastOpen}, {s.MPTCP, optMPTCP}} {
		if f.on {
			o.flags |= f.bit
		}
	}
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

// follow keeps the routing state up to date with a segment of side x.
func (c *conn) follow(s *arrival, x int) {
	d := &c.side[x]
	if s.rec.flags&FlagRST != 0 {
		d.bits |= csRST
		return
	}
	if s.rec.flags&FlagSYN != 0 && d.bits&csISS == 0 {
		d.iss = s.rec.seq
		d.bits |= csISS
		if s.rec.flags&FlagACK == 0 {
			d.bits |= csSYN
		}
		c.opts[x].fill(s.segment)
	}
	if s.rec.flags&(FlagSYN|FlagACK) == FlagSYN|FlagACK && c.side[1-x].bits&csISS != 0 && s.rec.ack-c.side[1-x].iss-1 <= 1500 {
		c.synAcked = true
	}
	end := s.rec.end()
	if d.bits&csEnd == 0 || seqnum.Less(d.end, end) {
		d.end = end
		d.bits |= csEnd
	}
	if s.rec.flags&FlagFIN != 0 {
		d.bits |= csFIN
	}
	if s.rec.flags&(FlagSYN|FlagACK) == FlagACK {
		d.bits |= csACK
	}
}
