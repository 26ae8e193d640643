package pair

import "github.com/finwait/finwait/reassembly"

// This file: the flows that the captures have, and how a packet of one is told in
// the coordinates of the first. translate.go finds which flow is which.

// flow is a connection's tuple as all captures have it, in the coordinates of
// the first of them.
type flow struct {
	key    tuple
	synBy  uint8          // 1: a sent the first SYN seen, 2: b did
	vote   int            // above 0: the captures' times put a nearer to the first capture
	pairs  [MaxTaps]int32 // packets paired between the first capture and this
	locals [MaxTaps]*local
	tunnel uint64
	vlan   uint16
	lone   []*packet // under way in the merge, not yet paired; see recut.go
	absent uint8     // captures that lack it and listened for it; bit k: see listen
}

// local is a flow as one capture has it.
type local struct {
	*flow
	to     *translation // nil: as in the first capture
	maxLen [2]uint32    // most payload bytes in one segment, by sender
	sent   [2]bool      // anything but an RST, by sender
}

// translation leads from one capture's flow to the coordinates of the first.
type translation struct {
	swap  bool      // its a is the flow's b
	delta [2]uint32 // by sender, a first: sequence numbers here minus there
}

// sample is a packet that the survey compares.
type sample struct {
	hash     uint64 // of what no translation changes
	at       int64  // as stamped
	flow     uint32 // index in the capture's list
	seq, ack uint32
	len      uint32
	tsval    uint32
	sum      uint32
	ipid     uint16
	flags    uint8
	fromB    bool
}

// sender is 0 where the flow's a sent the packet.
func (l *local) sender(fromB bool) int { return end(fromB != (l.to != nil && l.to.swap)) }

// end is 0 for a tuple's a and 1 for its b.
func end(b bool) int {
	if b {
		return 1
	}
	return 0
}

// numbers gives a packet's numbers in the coordinates of the first capture.
func (l *local) numbers(fromB bool, seq, ack uint32) (uint32, uint32) {
	if l.to == nil {
		return seq, ack
	}
	x := l.sender(fromB)
	return seq - l.to.delta[x], ack - l.to.delta[1-x]
}

// key identifies a packet of a flow in the coordinates of the first capture,
// without what may be rewritten on the way.
func (l *local) key(fromB bool, flags uint8, seq, ack, n, tsval uint32) uint64 {
	seq, ack = l.numbers(fromB, seq, ack)
	if flags&reassembly.FlagACK == 0 {
		ack = 0
	}
	k := &l.flow.key
	h := mix(uint64(l.sender(fromB))<<32|uint64(k.aPort)<<16|uint64(k.bPort), ipHash(&k.a))
	h = mix(h, ipHash(&k.b))
	h = mix(h, uint64(seq)<<32|uint64(ack))
	return mix(h, uint64(n)<<40^uint64(tsval)<<8^uint64(flags&(reassembly.FlagFIN|reassembly.FlagSYN|reassembly.FlagRST|reassembly.FlagACK)))
}

func ipHash(ip *reassembly.IP) (h uint64) {
	for _, b := range ip {
		h = h*0x100000001b3 ^ uint64(b)
	}
	return h
}
