package pair

import (
	"cmp"
	"slices"

	"github.com/finwait/finwait/reassembly"
)

// This file: the flows that the captures have, and which flow of one is which
// flow of another where addresses, ports or sequence numbers were translated.

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
func (l *local) sender(fromB bool) int {
	if fromB != (l.to != nil && l.to.swap) {
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

// candidate is two flows that may be one.
type candidate struct {
	flow, of uint32
	swap     bool

	delta              [2]uint32
	hasDelta           [2]bool
	votes, conflicting int
}

// translate finds which flow of capture k, of those that share no packet by
// their tuples, is which flow of the first: they share packets whose timestamps,
// flags, lengths, IP-IDs and payloads agree and are found once in each, and the
// sequence numbers differ by the same everywhere.
func (s *survey) translate(k int) {
	free := func(t int) map[uint64][]int {
		groups := map[uint64][]int{}
		for i := range s.taps[t].samples {
			p := &s.taps[t].samples[i]
			if l := s.taps[t].flows[p.flow]; l.pairs[k] == 0 {
				groups[mix(p.hash, uint64(p.sum))] = append(groups[mix(p.hash, uint64(p.sum))], i)
			}
		}
		return groups
	}
	there, here := free(0), free(k)
	found := map[[2]uint32]*candidate{}
	for h, mine := range here {
		theirs := there[h]
		if len(mine) != 1 || len(theirs) != 1 {
			continue
		}
		p, o := &s.taps[k].samples[mine[0]], &s.taps[0].samples[theirs[0]]
		id := [2]uint32{p.flow, o.flow}
		c := found[id]
		if c == nil {
			c = &candidate{flow: p.flow, of: o.flow, swap: p.fromB != o.fromB}
			found[id] = c
		}
		c.add(p, o)
	}
	best := make([]*candidate, 0, len(found))
	for _, c := range found {
		best = append(best, c)
	}
	// The surest first; equal ones in the order of the captures.
	slices.SortFunc(best, func(a, b *candidate) int {
		return cmp.Or(cmp.Compare(b.votes-b.conflicting, a.votes-a.conflicting), cmp.Compare(a.flow, b.flow), cmp.Compare(a.of, b.of))
	})
	taken := map[uint32]bool{}
	for _, c := range best {
		mine := s.taps[k].flows[c.flow]
		if mine.to != nil || taken[c.of] || c.votes < 2 || c.conflicting > c.votes/4 || !c.hasDelta[0] && !c.hasDelta[1] {
			continue
		}
		taken[c.of] = true
		theirs := s.taps[0].flows[c.of]
		mine.flow.locals[k] = nil
		theirs.flow.locals[k] = mine
		mine.flow, mine.to = theirs.flow, &translation{swap: c.swap, delta: c.delta}
		if c.swap {
			mine.maxLen[0], mine.maxLen[1] = mine.maxLen[1], mine.maxLen[0]
			mine.sent[0], mine.sent[1] = mine.sent[1], mine.sent[0]
		}
		s.translated[k]++
	}
}

// add counts a packet that both flows have.
func (c *candidate) add(p, o *sample) {
	x := 0
	if o.fromB {
		x = 1
	}
	c.votes++
	if (p.fromB != o.fromB) != c.swap || !c.agree(x, p.seq-o.seq) ||
		p.flags&reassembly.FlagACK != 0 && !c.agree(1-x, p.ack-o.ack) {
		c.conflicting++
	}
}

// agree holds a difference of sequence numbers against those seen before.
func (c *candidate) agree(x int, delta uint32) bool {
	if !c.hasDelta[x] {
		c.delta[x], c.hasDelta[x] = delta, true
		return true
	}
	return c.delta[x] == delta
}
