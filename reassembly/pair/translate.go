package pair

import (
	"cmp"
	"slices"

	"github.com/finwait/finwait/reassembly"
)

// This file: which flow of one capture is which of another where addresses,
// ports or sequence numbers were translated.

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
				h := mix(p.hash, uint64(p.sum))
				groups[h] = append(groups[h], i)
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
	// Two packets that agree are no chance. One is enough where others have shown
	// that these addresses are translated into each other: a connection that was
	// refused has a SYN that nothing else looks like, and a RST like many.
	firstHere, firstThere := s.taps[k].firsts(), s.taps[0].firsts()
	taken, hosts := map[uint32]bool{}, map[[2]reassembly.IP]bool{}
	for _, least := range [...]int{2, 1} {
		for _, c := range best {
			mine, theirs := s.taps[k].flows[c.flow], s.taps[0].flows[c.of]
			switch {
			case mine.to != nil || taken[c.of] || c.votes < least || c.conflicting > c.votes/4 || !c.hasDelta[0] && !c.hasDelta[1]:
				continue
			case least == 1 && !(hosts[c.host(mine, theirs, 0)] && hosts[c.host(mine, theirs, 1)]):
				continue
			}
			taken[c.of] = true
			c.learn(firstHere, firstThere)
			hosts[c.host(mine, theirs, 0)], hosts[c.host(mine, theirs, 1)] = true, true
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
}

// host is how an end of two flows is addressed here and there, a first.
func (c *candidate) host(mine, theirs *local, x int) [2]reassembly.IP {
	here, there := [2]reassembly.IP{mine.flow.key.a, mine.flow.key.b}, [2]reassembly.IP{theirs.flow.key.a, theirs.flow.key.b}
	if c.swap {
		return [2]reassembly.IP{here[1-x], there[x]}
	}
	return [2]reassembly.IP{here[x], there[x]}
}

// learn finds the difference of the sequence numbers of a side of which no packet
// that is like no other tells it: by the side's first packet.
func (c *candidate) learn(here, there firsts) {
	for x := range 2 {
		if c.hasDelta[x] {
			continue
		}
		mine, theirs := here.of(c.flow, (x == 1) != c.swap), there.of(c.of, x == 1)
		if mine != nil && theirs != nil && mine.flags == theirs.flags && mine.len == theirs.len {
			c.agree(x, mine.seq-theirs.seq)
		}
	}
}

// firsts are the first samples of each flow from each of its ends, a first.
type firsts [][2]*sample

func (t *surveyed) firsts() firsts {
	f := make(firsts, len(t.flows))
	for i := range t.samples {
		p := &t.samples[i]
		if first := &f[p.flow][end(p.fromB)]; *first == nil {
			*first = p
		}
	}
	return f
}

func (f firsts) of(flow uint32, fromB bool) *sample { return f[flow][end(fromB)] }

// add counts a packet that both flows have.
func (c *candidate) add(p, o *sample) {
	x := end(o.fromB)
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
