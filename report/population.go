package report

import (
	"cmp"
	"slices"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file follows how many endpoints were in TIME-WAIT at a time: over all,
// for each holder, and for each client towards a service, where ports run out.

// EphemeralPorts is how many ports Linux has for outgoing connections to one
// service (net.ipv4.ip_local_port_range 32768 to 60999).
const EphemeralPorts = 28232

// pressureShare is the share of the ephemeral ports above which port-pressure
// is told.
const pressureShare = 0.70

// Buckets that a population holds at most; when there are more, two become one.
// There may be a hundred thousand hosts, but only one overall.
const (
	populationBuckets = 1024
	hostBuckets       = 64
)

// population is how many of something there were at a time, kept as changes a
// bucket of time. What it holds depends on what was added, not on the order: a
// bucket is as wide as all of them need. The zero value is empty.
type population struct {
	width   int64 // seconds a bucket, a power of two; 0 means 1
	entered uint64
	changes []change // in order of time
	held    int      // begins and ends of all changes that are not 0
	near    [2]int32 // where the last begin and the last end stand: times come nearly in order
}

// change is what began and ended in a bucket; at is its time in widths.
type change struct {
	at    int64
	count [2]uint32 // begins, ends
}

const (
	begins = iota
	ends
)

// add counts one from begin to end, ns since the epoch; end 0: it lasts. most
// is how many buckets of begins and of ends the population may hold.
func (p *population) add(begin, end int64, most int) {
	p.entered++
	p.count(begins, begin/nsPerSecond, 1)
	if end != 0 {
		p.count(ends, end/nsPerSecond, 1)
	}
	for p.held > most {
		p.halve()
	}
}

// count adds n begins or ends at a second.
func (p *population) count(what int, second int64, n uint32) {
	if p.width > 1 {
		second /= p.width
	}
	i := int(p.near[what])
	if i >= len(p.changes) || p.changes[i].at != second {
		i = p.place(second)
		p.near[what] = int32(i)
	}
	c := &p.changes[i].count[what]
	if *c == 0 {
		p.held++
	}
	*c += n
}

// place is the index of the change at a time, which it makes if there is none.
func (p *population) place(at int64) int {
	low, high := 0, len(p.changes)
	for low < high {
		if middle := (low + high) / 2; p.changes[middle].at < at {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low < len(p.changes) && p.changes[low].at == at {
		return low
	}
	if p.changes == nil {
		p.changes = make([]change, 0, 4)
	}
	p.changes = slices.Insert(p.changes, low, change{at: at})
	return low
}

// halve makes the buckets twice as wide.
func (p *population) halve() {
	p.width = 2 * max(p.width, 1)
	old := p.changes
	p.changes, p.held = p.changes[:0], 0
	for _, c := range old {
		c.at /= 2
		if n := len(p.changes); n > 0 && p.changes[n-1].at == c.at {
			p.changes[n-1].count[begins] += c.count[begins]
			p.changes[n-1].count[ends] += c.count[ends]
		} else {
			p.changes = append(p.changes, c)
		}
	}
	for _, c := range p.changes {
		p.held += int(count(c.count[begins] > 0) + count(c.count[ends] > 0))
	}
}

// merge adds what another population counted, as if it had been added here.
func (p *population) merge(o *population, most int) {
	p.entered += o.entered
	for p.width < o.width {
		p.halve()
	}
	for _, c := range o.changes {
		for what, n := range c.count {
			if n > 0 {
				p.count(what, c.at*max(o.width, 1), n)
			}
		}
	}
	for p.held > most {
		p.halve()
	}
}

// series gives the number in each bucket in which it changes; what begins in a
// bucket counts before what ends in it.
func (p *population) series() []PopulationPoint {
	out := make([]PopulationPoint, 0, len(p.changes))
	n := uint64(0)
	for _, c := range p.changes {
		n += uint64(c.count[begins])
		out = append(out, PopulationPoint{Time(c.at * max(p.width, 1) * nsPerSecond), n})
		n -= uint64(c.count[ends])
	}
	return out
}

// peak is the greatest number, and when it was first reached.
func (p *population) peak() PopulationPoint {
	var top PopulationPoint
	for _, pt := range p.series() {
		if pt.Count > top.Count {
			top = pt
		}
	}
	return top
}

// thin keeps at most n points of a series, the greatest of each stretch.
func thin(points []PopulationPoint, n int) []PopulationPoint {
	if len(points) <= n {
		return points
	}
	out := make([]PopulationPoint, 0, n)
	for i := range n {
		part := points[i*len(points)/n : (i+1)*len(points)/n]
		out = append(out, slices.MaxFunc(part, func(a, b PopulationPoint) int { return cmp.Compare(a.Count, b.Count) }))
	}
	return out
}

// timeWaitSpan is when an endpoint entered and left TIME-WAIT, ns; ok is false
// if it never was in it; end 0: it still is. last is the connection's last packet.
func timeWaitSpan(e *reassembly.Endpoint, last int64) (begin, end int64, ok bool) {
	for i := range e.History {
		switch s := &e.History[i]; {
		case s.State == tcpstate.TimeWait:
			begin, ok = s.At, true
		case ok && s.State == tcpstate.Closed:
			return begin, s.At, true
		}
	}
	if e.InTimeWait && !ok {
		return last, 0, true
	}
	return begin, 0, ok
}
