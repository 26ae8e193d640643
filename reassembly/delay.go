package reassembly

import (
	"slices"
	"time"
)

// This file: packets that were held up on their way from one captured host to the
// other. The measure is the packet delay variation of RFC 5481 section 4.2: by
// how much a packet took longer than the fastest of its direction, which no
// offset between the clocks changes. A packet is delayed if that is well above
// what is usual in the connection and long enough to matter to a sender's timer.
// Being reordered is another thing (RFC 4737 section 3.3: it arrives behind one
// that was sent later): a packet can be either, both or none.

const (
	delayedLeast   = int64(20 * time.Millisecond)
	delayedTimes   = 4 // the median variation of the direction
	delayedSamples = 3 // with fewer nothing is usual
)

// delays settles which packets were delayed, and which were reordered.
func (m *machine) delays() {
	for x := range 2 {
		var took []int64
		first := ^uint64(0) // place of arrival among those sent later
		for i := len(m.recs) - 1; i >= 0; i-- {
			if d, ok := m.took(i, x); ok {
				took = append(took, d)
				c := &m.crossing[i]
				c.behind = c.Arrived > first
				first = min(first, c.Arrived)
			}
		}
		if len(took) < delayedSamples {
			continue
		}
		slices.Sort(took)
		least := took[0]
		most := max(delayedLeast, delayedTimes*(took[len(took)/2]-least))
		for i := range m.recs {
			if d, ok := m.took(i, x); ok {
				m.crossing[i].delayed = d-least > most
			}
		}
	}
}

// took is how long segment i of side x was under way, if both hosts' own captures
// have it.
func (m *machine) took(i, x int) (ns int64, ok bool) {
	r, c := &m.recs[i], &m.crossing[i]
	if r.side() != x || r.bits&(recNext|recOld|recICMP) != 0 || c.Fate != FateDelivered || c.Sent == 0 || c.Arrived == 0 {
		return 0, false
	}
	return c.ArrivedAt - r.at, true
}

// addDelayed counts the delayed and the reordered packets among the first n
// segments.
func (m *machine) addDelayed(p *Path, n int) {
	for i := range n {
		from, c := &p.From[m.recs[i].side()], &m.crossing[i]
		if c.delayed {
			from.Delayed++
		}
		if c.behind {
			from.Reordered++
		}
	}
}
