package pair

import (
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/finwait/finwait/reassembly"
)

// This file: the first reading. It compares a sample of the packets, chosen by
// what no translation changes, so that every capture's sample has the same ones.

// ErrSamePoint says that two captures show one point of the path: no packet
// takes any time between them.
var ErrSamePoint = errors.New("both captures were taken at one point: every packet passes both at the same time")

// ErrUnrelated says that two captures have connections of the same addresses and
// ports and yet not one packet in common: they are of other times or networks, and
// nothing true can be told of both together.
var ErrUnrelated = errors.New("the captures have the same addresses and ports, but not one packet in common")

// survey is what the first reading gathers.
type survey struct {
	o          Options
	taps       []surveyed
	global     map[tuple]*flow
	translated [MaxTaps]int
	near       map[reassembly.IP]int // above 0: nearer to the first capture
	seed       uint64
	slowest    int64 // greatest delay between two captures, ns
}

type surveyed struct {
	Tap
	flows       []*local
	index       map[tuple]uint32
	samples     []sample
	limit       uint64 // samples have a hash up to this
	segments    uint64
	frames      uint64
	full        bool // it has more flows than are known
	cut         bool // it ends before the capture did
	first, last int64
	clock       Clock
	missed      gaps
	of          int // sampled packets that it must have seen
	paired      int
	doubled     int // sampled packets that it has twice
	sameID      int // paired packets with one IP-ID in both captures, and with two
	otherID     int
	slowest     int64 // greatest delay between this capture and the first, ns
}

// Survey reads all captures once. The error is one of a Source, ErrSamePoint or
// ErrUnrelated.
func Survey(taps []Tap, o Options) (*Plan, error) {
	s := &survey{o: o.withDefaults(), global: map[tuple]*flow{}, near: map[reassembly.IP]int{}, seed: rand.Uint64()}
	for i := range taps {
		s.taps = append(s.taps, surveyed{Tap: taps[i], index: map[tuple]uint32{}, limit: math.MaxUint64})
		if err := s.read(i); err != nil {
			return nil, err
		}
	}
	for k := 1; k < len(s.taps); k++ {
		if err := s.compare(k); err != nil {
			return nil, err
		}
	}
	s.orient()
	for k := range s.taps {
		s.slowest = max(s.slowest, s.taps[k].slowest)
		s.listen(k)
	}
	for k := range s.taps {
		s.findGaps(k)
	}
	return s.plan(), nil
}

// read takes in capture k.
func (s *survey) read(k int) error {
	t := &s.taps[k]
	src, err := t.Open()
	if err != nil {
		return err
	}
	var seg reassembly.Segment
	for {
		sum, ok, err := src.Next(&seg)
		if err != nil {
			closing := src.Close()
			if t.cut = errors.Is(err, ErrCut); t.cut || err == io.EOF {
				return closing
			}
			return err
		}
		if t.frames == 0 {
			t.first, t.last = seg.Time, seg.Time
		}
		t.frames++
		t.first, t.last = min(t.first, seg.Time), max(t.last, seg.Time)
		if ok && !seg.Quoted() {
			t.segments++
			s.take(k, &seg, sum)
		}
	}
}

// take notes one segment of capture k.
func (s *survey) take(k int, seg *reassembly.Segment, sum uint32) {
	t := &s.taps[k]
	key, fromB := tupleOf(seg)
	i, ok := t.index[key]
	if !ok {
		if len(t.flows) >= s.o.Flows {
			t.full = true
			return
		}
		f := s.global[key]
		if f == nil {
			f = &flow{key: key, tunnel: seg.Tunnel, vlan: seg.VLAN}
			s.global[key] = f
		}
		i = uint32(len(t.flows))
		t.index[key] = i
		f.locals[k] = &local{flow: f}
		t.flows = append(t.flows, f.locals[k])
	}
	f := t.flows[i]
	x := end(fromB)
	f.sent[x] = f.sent[x] || seg.Flags&reassembly.FlagRST == 0
	f.maxLen[x] = max(f.maxLen[x], seg.Length)
	if f.synBy == 0 && seg.Flags&(reassembly.FlagSYN|reassembly.FlagACK) == reassembly.FlagSYN {
		f.synBy = uint8(x) + 1
	}
	h := s.invariant(seg)
	if h > t.limit {
		return
	}
	t.samples = append(t.samples, sample{hash: h, at: seg.Time, flow: i, seq: seg.Seq, ack: seg.Ack, len: seg.Length,
		tsval: seg.TSVal, sum: sum, ipid: seg.IPID, flags: seg.Flags, fromB: fromB})
	if len(t.samples) > s.o.Samples {
		t.halve(t.limit / 2)
	}
}

// halve keeps the samples up to a limit.
func (t *surveyed) halve(limit uint64) {
	t.limit = limit
	t.samples = slices.DeleteFunc(t.samples, func(p sample) bool { return p.hash > limit })
}

// invariant is a hash of what a translation of addresses, ports and sequence
// numbers leaves as it is.
func (s *survey) invariant(seg *reassembly.Segment) uint64 {
	h := mix(s.seed, uint64(seg.Length)<<16|uint64(seg.Flags))
	if seg.HasTimestamps {
		return mix(h, uint64(seg.TSVal)<<32|uint64(seg.TSEcr))
	}
	return mix(h, uint64(seg.IPID)<<16|uint64(seg.Window))
}

// matched is a packet that the first capture and another have.
type matched struct {
	flow   *flow
	sender int
	d      int64 // by the clocks as they are: later by so much in the other
	x      int64 // when the other saw it
}

// compare pairs the samples of capture k with those of the first.
func (s *survey) compare(k int) error {
	a, b := &s.taps[0], &s.taps[k]
	limit := min(a.limit, b.limit)
	a.halve(limit)
	b.halve(limit)
	pairs := s.pairs(k)
	s.translate(k)
	if s.translated[k] > 0 {
		pairs = s.pairs(k)
	}
	b.paired = len(pairs)
	if samePoint(pairs) {
		return ErrSamePoint
	}
	if len(pairs) == 0 && slices.ContainsFunc(b.flows, func(l *local) bool { return l.flow.locals[0] != nil }) {
		return ErrUnrelated
	}
	// Which end is near which capture: what goes from the first capture to the
	// other is seen later there than what comes from it, whatever their clocks say.
	type seen struct {
		d  [2]int64
		ok [2]bool
	}
	last := map[*flow]*seen{}
	for _, p := range pairs {
		l := last[p.flow]
		if l == nil {
			l = &seen{}
			last[p.flow] = l
		}
		l.d[p.sender], l.ok[p.sender] = p.d, true
		switch {
		case !l.ok[0] || !l.ok[1]:
		case l.d[0] > l.d[1]:
			p.flow.vote++
		case l.d[0] < l.d[1]:
			p.flow.vote--
		}
	}
	for f := range last {
		s.near[f.key.a] += sign(f.vote)
		s.near[f.key.b] -= sign(f.vote)
	}
	var forth, back []point
	for _, p := range pairs {
		if (p.sender == 0) == s.aIsNear(p.flow) {
			forth = append(forth, point{p.x, p.d})
		} else {
			back = append(back, point{p.x, p.d})
		}
	}
	b.clock = fit(forth, back)
	for _, p := range slices.Concat(forth, back) {
		d := p.x - b.clock.common(p.x) // what the clocks differ by then
		b.slowest = max(b.slowest, max(p.d-d, d-p.d))
	}
	return nil
}

// pairs matches packets that look alike in every way and are found once in each
// capture, in the order of capture k.
func (s *survey) pairs(k int) []matched {
	a, b := &s.taps[0], &s.taps[k]
	a.doubled, b.doubled = 0, 0
	there := make(map[uint64]int, len(a.samples))
	for i := range a.samples {
		there[a.keyOf(i)] = a.once(there, a.keyOf(i), i)
	}
	here := make(map[uint64]int, len(b.samples))
	for i := range b.samples {
		here[b.keyOf(i)] = b.once(here, b.keyOf(i), i)
	}
	b.sameID, b.otherID = 0, 0
	for _, l := range b.flows {
		l.pairs[k] = 0
	}
	var out []matched
	for i := range b.samples {
		h := b.keyOf(i)
		j, ok := there[h]
		if !ok || j < 0 || here[h] != i {
			continue
		}
		p, o := &b.samples[i], &a.samples[j]
		if p.sum != 0 && o.sum != 0 && p.sum != o.sum {
			continue
		}
		switch {
		case p.ipid == 0 && o.ipid == 0:
		case p.ipid == o.ipid:
			b.sameID++
		default:
			b.otherID++
		}
		l := b.flows[p.flow]
		l.pairs[k]++
		out = append(out, matched{flow: l.flow, sender: l.sender(p.fromB), d: p.at - o.at, x: p.at})
	}
	return out
}

// frameTwice is the longest time, ns, between two frames of one packet in a
// capture that shows things twice.
const frameTwice = int64(1e6)

// doubledShare: a capture that has one packet in so many twice shows things twice.
const doubledShare = 50

// once is the index of a key's only sample, or of the first of those that are one
// packet; -1 for one found again.
func (t *surveyed) once(m map[uint64]int, h uint64, i int) int {
	j, again := m[h]
	switch {
	case !again:
		return i
	case j < 0:
		return j
	}
	p, o := &t.samples[i], &t.samples[j]
	if p.ipid != o.ipid || p.at < o.at || p.at-o.at > frameTwice {
		return -1
	}
	if p.ipid != 0 || p.len > 0 || p.flags&(reassembly.FlagSYN|reassembly.FlagFIN) != 0 {
		t.doubled++ // no host sends that again so soon
	}
	return j
}

func (t *surveyed) keyOf(i int) uint64 {
	p := &t.samples[i]
	return t.flows[p.flow].key(p.fromB, p.flags, p.seq, p.ack, p.len, p.tsval)
}

// samePoint: whichever way they go, no packets differ by more than a
// microsecond in how much later the other capture has them.
func samePoint(pairs []matched) bool {
	var least, most [2]int64
	var n [2]int
	for _, p := range pairs {
		if n[p.sender] == 0 {
			least[p.sender], most[p.sender] = p.d, p.d
		}
		least[p.sender], most[p.sender] = min(least[p.sender], p.d), max(most[p.sender], p.d)
		n[p.sender]++
	}
	return n[0] > 1 && n[1] > 1 && max(most[0], most[1])-min(least[0], least[1]) <= 1000
}

// aIsNear: the flow's lower end is the one near the first capture.
func (s *survey) aIsNear(f *flow) bool {
	if f.vote != 0 {
		return f.vote > 0
	}
	if d := s.near[f.key.a] - s.near[f.key.b]; d != 0 {
		return d > 0
	}
	return f.synBy != 2 // clients are near the first capture
}

// orient settles for every flow which end is near the first capture.
func (s *survey) orient() {
	for k := range s.taps {
		for _, l := range s.taps[k].flows {
			if s.aIsNear(l.flow) {
				l.vote = max(l.vote, 1)
			} else {
				l.vote = min(l.vote, -1)
			}
		}
	}
}

func sign(n int) int {
	switch {
	case n > 0:
		return 1
	case n < 0:
		return -1
	}
	return 0
}
