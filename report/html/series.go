package html

import (
	"math"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file adds up what the page draws over all connections: how many were in
// each state at each time, and how long handshakes took. Neither keeps anything
// of a single connection.

const (
	maxBins      = 480
	leastBin     = 20 // log2 of the finest bin, ns: 1 ms
	microsecond  = 1000
	decadeBins   = 10 // bins of a handshake histogram in each factor of ten
	decades      = 9  // from 1 us to 1000 s
	noHandshake  = -1
	occupancyFor = 2 * int(tcpstate.NumStates) // side and state
)

// bin is a span of trace time. A change of the number in a state at time t adds
// its sign to net, and what it adds to the sum over the bin to area, so that two
// bins can be joined without knowing the changes.
type bin struct {
	net  [occupancyFor]int64
	area [occupancyFor]int64 // connections times us
}

// occupancy counts the endpoints in each state over time. The bins grow with
// the trace, whose length is not known before its end.
type occupancy struct {
	shift uint  // log2 of a bin's length, ns
	first int64 // index of bins[0]: its begin divided by the length
	bins  []bin

	entered [occupancyFor]uint64
}

// add counts both endpoints of a connection. The last state lasts to the end of
// the trace, or to the connection's last packet where it was given up.
func (o *occupancy) add(l *reassembly.Lifecycle) {
	for side := range l.Endpoints {
		history := l.Endpoints[side].History
		for i := range history {
			s := &history[i]
			if s.At == 0 || s.State == tcpstate.Closed {
				continue
			}
			which := side*int(tcpstate.NumStates) + int(s.State)
			o.entered[which]++
			until, ends := int64(0), false
			switch {
			case i+1 < len(history):
				until, ends = history[i+1].At, true
			case l.Evicted != "" || l.ReusedBy != 0:
				until, ends = l.End, true
			}
			if ends && until <= s.At {
				continue
			}
			o.change(s.At, which, 1)
			if ends {
				o.change(until, which, -1)
			}
		}
	}
}

func (o *occupancy) change(at int64, which int, sign int64) {
	b := o.at(at)
	end := (at>>o.shift + 1) << o.shift
	b.net[which] += sign
	b.area[which] += sign * ((end - at) / microsecond)
}

// at is the bin of a time; the bins are made longer until they reach it.
func (o *occupancy) at(t int64) *bin {
	if o.bins == nil {
		o.shift = leastBin
		o.first = t >> o.shift
		o.bins = make([]bin, 1, maxBins)
	}
	for {
		i := t >> o.shift
		low, high := min(i, o.first), max(i, o.first+int64(len(o.bins))-1)
		if high-low < maxBins {
			o.cover(low, high)
			return &o.bins[i-o.first]
		}
		o.join()
	}
}

// cover makes the bins reach from index low to high.
func (o *occupancy) cover(low, high int64) {
	if before := int(o.first - low); before > 0 {
		o.bins = append(make([]bin, before, maxBins), o.bins...)
		o.first = low
	}
	for int64(len(o.bins)) < high-o.first+1 {
		o.bins = append(o.bins, bin{})
	}
}

// join makes the bins twice as long.
func (o *occupancy) join() {
	length := int64(1) << o.shift / microsecond
	first := o.first >> 1
	last := (o.first + int64(len(o.bins)) - 1) >> 1
	joined := make([]bin, last-first+1, maxBins)
	for i := range o.bins {
		index := o.first + int64(i)
		from, to := &o.bins[i], &joined[index>>1-first]
		for k := range occupancyFor {
			to.net[k] += from.net[k]
			to.area[k] += from.area[k]
			if index&1 == 0 {
				// What began in the earlier half lasts through the later one.
				to.area[k] += from.net[k] * length
			}
		}
	}
	o.shift, o.first, o.bins = o.shift+1, first, joined
}

// stateSeries is the mean number of endpoints in one state, bin by bin.
type stateSeries struct {
	State  string    `json:"state"`
	Client []float64 `json:"client"`
	Server []float64 `json:"server"`

	ClientEntered uint64 `json:"client_entered"`
	ServerEntered uint64 `json:"server_entered"`
}

// timeline is what the page gets of an occupancy.
type timeline struct {
	Begin  float64       `json:"begin"` // seconds after the trace's first packet
	Step   float64       `json:"step"`  // seconds
	States []stateSeries `json:"states"`
}

// tell gives the series up to the end of the trace. States that nobody was in
// are left out.
func (o *occupancy) tell(start, end int64) timeline {
	if o.bins == nil {
		return timeline{States: []stateSeries{}}
	}
	length := int64(1) << o.shift
	t := timeline{Begin: reassembly.Seconds(o.first<<o.shift - start), Step: reassembly.Seconds(length), States: []stateSeries{}}
	// A state that outlasts the last change lasts to the end of the trace.
	last := min(max(end>>o.shift, o.first), o.first+maxBins-1)
	o.cover(o.first, last)
	n := int(last - o.first + 1)
	for state := tcpstate.Listen; state < tcpstate.Closed; state++ {
		client, server := int(state), int(tcpstate.NumStates)+int(state)
		s := stateSeries{state.String(), o.means(client, n, end), o.means(server, n, end), o.entered[client], o.entered[server]}
		if s.Client != nil || s.Server != nil {
			t.States = append(t.States, s)
		}
	}
	return t
}

// means gives nil where all are zero.
func (o *occupancy) means(which, n int, end int64) []float64 {
	out := make([]float64, n)
	length := int64(1) << o.shift / microsecond
	level, nonzero := int64(0), false
	for i := range n {
		b := &o.bins[i]
		area, span := b.area[which]+level*length, length
		level += b.net[which]
		if after := ((o.first+int64(i)+1)<<o.shift - end) / microsecond; after > 0 && after < length {
			// The trace ends within this bin.
			area, span = area-level*after, length-after
		}
		if area > 0 {
			out[i] = math.Round(float64(area)/float64(span)*100) / 100
			nonzero = true
		}
	}
	if !nonzero {
		return nil
	}
	return out
}

// handshakeTime is how long the three segments of a handshake took to pass the
// tap, ns; noHandshake if they did not.
func handshakeTime(l *reassembly.Lifecycle) int64 {
	if l.Open != reassembly.OpenThreeWay {
		return noHandshake
	}
	begin, done := int64(0), int64(0)
	for i := range l.Endpoints[reassembly.Client].History {
		if s := &l.Endpoints[reassembly.Client].History[i]; s.State == tcpstate.SynSent {
			begin = s.At
		}
	}
	for i := range l.Endpoints[reassembly.Server].History {
		if s := &l.Endpoints[reassembly.Server].History[i]; s.State == tcpstate.Established && done == 0 {
			done = s.At
		}
	}
	if begin == 0 || done < begin {
		return noHandshake
	}
	return done - begin
}

// histogram counts handshakes by their time, in bins of equal ratio from 1 us.
type histogram struct {
	Bins  [decades*decadeBins + 1]uint64 `json:"bins"`
	Count uint64                         `json:"count"`
}

func (h *histogram) add(ns int64) {
	if ns < 0 {
		return
	}
	i := 0
	if ns > microsecond {
		i = int(math.Floor(math.Log10(float64(ns)/microsecond) * decadeBins))
	}
	h.Bins[min(i, len(h.Bins)-1)]++
	h.Count++
}
