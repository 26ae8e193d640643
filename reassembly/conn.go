package reassembly

import (
	"encoding/binary"
	"net/netip"

	"github.com/finwait/finwait/reassembly/seqnum"
)

// conn is what the table keeps of one incarnation while it lives: its key, what
// is needed to route the next segment, and where its log is. It holds no
// pointers and is two cache lines long.
type conn struct {
	ends    [2]uint32 // the last four bytes of the key's A and B
	ports   [2]uint16 // likewise
	id      uint32    // 0: the place is free
	scope   uint64
	last    int64 // time of its last packet
	lastPkt Packet

	hints [2]hints // of IPv6 they hold the other bytes of A and B
	side  [2]connSide

	hash       uint32 // of the key, the half that the table goes by
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

func (c *conn) v6() bool { return c.side[0].bits&csV6 != 0 }

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

// hadTS is recTS if the side's last segment had timestamps, else 0.
func (d *connSide) hadTS() uint8 { return d.bits & csTS / (csTS / recTS) }

// note keeps what the log tells the next segment of the side from.
func (d *connSide) note(r *rec) {
	d.ttl, d.tag = r.ttl, r.tag
	if d.bits &^= csTS; r.bits&recTS != 0 {
		d.ts = r.tsval
		d.bits |= csTS
	}
}

// hints are what else the log tells the next segment of a side from: there is
// room for it in IPv4's conns only.
type hints struct {
	win, ipid uint16
	tsecr     uint32
	len       uint32 // of the last segment that had data
}

// noIPID is the IP-ID before 0, which is that of IPv6.
const noIPID = 1<<16 - 1

func (h *hints) note(r *rec) {
	h.win, h.ipid = r.win, r.ipid
	if r.bits&recTS != 0 {
		h.tsecr = r.tsecr
	}
	if r.len != 0 {
		h.len = r.len
	}
}

// bare is a conn without anything that has a log like c's.
func (c *conn) bare() (o conn) {
	o.side[0].bits = c.side[0].bits & csV6
	return o
}

// takeLog gives c the log of another conn and its context, but for what follow
// and pass keep.
func (c *conn) takeLog(o *conn) {
	c.head, c.tail, c.logged = o.head, o.tail, o.logged
	for x := range c.side {
		d := &c.side[x]
		d.ttl, d.tag = o.side[x].ttl, o.side[x].tag
		d.bits = d.bits&^csTS | o.side[x].bits&csTS
		if !c.v6() {
			c.hints[x] = o.hints[x]
		}
	}
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

	csV6 // of side 0: the connection is IPv6
	csTS // its last segment had timestamps
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

// setKey makes c, which is empty, a connection of key k, which has this hash.
func (c *conn) setKey(k *FlowKey, hash uint64) {
	c.scope, c.hash = k.Scope, uint32(hash>>32)
	c.ports = [2]uint16{k.APort, k.BPort}
	c.ends = [2]uint32{ipEnd(&k.A), ipEnd(&k.B)}
	if k.V6 {
		c.side[0].bits = csV6
		c.hints[0].setNet(&k.A)
		c.hints[1].setNet(&k.B)
	}
}

// is reports that c is of key k.
func (c *conn) is(k *FlowKey) bool {
	return c.ends[0] == ipEnd(&k.A) && c.ends[1] == ipEnd(&k.B) && c.ports[0] == k.APort && c.ports[1] == k.BPort && c.scope == k.Scope && c.sameNets(k)
}

func (c *conn) sameNets(k *FlowKey) bool {
	return c.v6() == k.V6 && (!k.V6 || c.ip(0) == k.A && c.ip(1) == k.B)
}

// ip is A of c's key for 0 and B for 1.
func (c *conn) ip(i int) (ip IP) {
	binary.LittleEndian.PutUint32(ip[12:], c.ends[i])
	if c.v6() {
		c.hints[i].putNet(&ip)
	} else {
		ip[10], ip[11] = 0xff, 0xff
	}
	return ip
}

func ipEnd(ip *IP) uint32 { return binary.LittleEndian.Uint32(ip[12:]) }

// setNet keeps all but the end of an IPv6 address.
func (h *hints) setNet(ip *IP) {
	le := binary.LittleEndian
	h.win, h.ipid, h.tsecr, h.len = le.Uint16(ip[:]), le.Uint16(ip[2:]), le.Uint32(ip[4:]), le.Uint32(ip[8:])
}

// putNet puts what setNet took.
func (h *hints) putNet(ip *IP) {
	le := binary.LittleEndian
	le.PutUint16(ip[:], h.win)
	le.PutUint16(ip[2:], h.ipid)
	le.PutUint32(ip[4:], h.tsecr)
	le.PutUint32(ip[8:], h.len)
}

// place is 0 for the side that is the key's A and 1 for B.
func (c *conn) place(x int) int {
	if c.swapped {
		return 1 - x
	}
	return x
}

// endpoint is the address and port of a side.
func (c *conn) endpoint(x int) netip.AddrPort {
	i := c.place(x)
	if c.v6() {
		return addrPort(c.ip(i), c.ports[i], true)
	}
	var ip [4]byte
	binary.LittleEndian.PutUint32(ip[:], c.ends[i])
	return netip.AddrPortFrom(netip.AddrFrom4(ip), c.ports[i])
}

func (c *conn) port(x int) uint16 { return c.ports[c.place(x)] }

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
