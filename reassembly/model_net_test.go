package reassembly_test

import (
	"container/heap"
	"math/rand/v2"
	"time"

	"github.com/finwait/finwait/reassembly"
)

// This file: the model's network. Two hosts, a path with a tap in it, and a
// clock. Everything follows from one seed.

const (
	us = int64(time.Microsecond)
	ms = int64(time.Millisecond)
	// epoch is the trace time at which every case begins.
	epoch = int64(1_700_000_000) * int64(time.Second)
)

// params are what a seed chooses; all of it is printed when a case fails.
type params struct {
	Seed  uint64
	Harsh bool
	Level int // index of modelLevels(Harsh)

	// Faults, by sender (0: client) and half of the path as the packet meets
	// them (0: before the tap).
	Loss, Dup, Late  [2][2]float64
	LateBy           int64    // how long a reordered packet is held back
	Base             [2]int64 // one-way delay of the client's and the server's leg
	Jitter           int64
	Miss             float64 // the capture misses a packet that passes
	From, Until      int64   // the capture sees only what passes between; 0: no limit
	Dead             int64   // from then on DeadHalf of DeadFrom's packets loses everything; 0: never
	DeadFrom         int
	DeadHalf         int
	V6, TS, SACK     bool
	ID               [2]bool // IP-IDs count
	TLP, RACK        bool
	MSS              uint32
	ISS              [2]uint32
	TSBase           [2]uint32
	Cwnd             [2]int
	StrictFIN        bool // the congestion window holds even for a FIN
	Coalesce, Merge  bool // FIN rides on data; copies are merged
	Quick            [2]int
	SynRetries       int
	Retries          [2]int
	KeepAlive        int64
	Refused, Both    bool // nobody listens; both ends open
	BothGap          int64
	App              [2]script
	Length           int64 // trace time simulated
	FinWait2, TwoMSL int64
}

// packet is one packet on its way, or a copy of one that the network made.
type packet struct {
	seg   reassembly.Segment
	from  int
	sent  int64
	tapAt int64
	frame reassembly.Packet // 0: not in the capture
	fate  string
}

type event struct {
	at int64
	n  int
	do func()
}

type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].n < q[j].n
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *eventQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

type sim struct {
	p       *params
	rng     *rand.Rand
	now     int64
	queue   eventQueue
	n       int
	host    [2]*host
	packets []*packet // in the order of sending
	tap     []*packet // in the order of passing the tap, captured or not
	frames  []*packet // what the capture holds
	inOrder [2][2]int64
}

// maxPackets ends a case that has become a flood; none should.
const maxPackets = 2000

func (s *sim) at(t int64, do func()) {
	s.n++
	heap.Push(&s.queue, event{t, s.n, do})
}

func (s *sim) after(d int64, do func()) { s.at(s.now+d, do) }

// chance draws only where there is something to decide, so that a case keeps
// its course when a fault that never struck is switched off.
func (s *sim) chance(p float64) bool { return p > 0 && s.rng.Float64() < p }

// run simulates one case.
func run(p *params) *sim {
	s := &sim{p: p, rng: rand.New(rand.NewPCG(p.Seed, 1)), now: epoch}
	for x := range 2 {
		s.host[x] = newHost(s, x)
	}
	s.host[0].at(0, s.host[0].connect)
	if p.Both {
		s.host[1].at(p.BothGap, s.host[1].connect)
	}
	for len(s.queue) > 0 && len(s.packets) < maxPackets {
		e := heap.Pop(&s.queue).(event)
		if e.at > epoch+p.Length {
			break
		}
		s.now = e.at
		e.do()
	}
	return s
}

// end is the trace clock at the end of the capture.
func (s *sim) end() int64 {
	if s.p.Until != 0 {
		return epoch + s.p.Until
	}
	return epoch + s.p.Length
}

// send puts a segment on the wire.
func (s *sim) send(from int, seg reassembly.Segment) *packet {
	k := &packet{seg: seg, from: from, sent: s.now}
	s.packets = append(s.packets, k)
	s.hop(k, 0)
	return k
}

// hop takes a packet over one half of the path.
func (s *sim) hop(k *packet, half int) {
	p := s.p
	where := [2]string{"lost before the tap", "lost behind the tap"}[half]
	dead := p.Dead != 0 && s.now >= epoch+p.Dead && k.from == p.DeadFrom && half == p.DeadHalf
	if s.chance(p.Loss[k.from][half]) || dead {
		k.fate += where
		return
	}
	if s.chance(p.Dup[k.from][half]) {
		twin := *k
		twin.fate += "copied on the way; "
		s.packets = append(s.packets, &twin)
		s.deliver(&twin, half)
	}
	s.deliver(k, half)
}

func (s *sim) deliver(k *packet, half int) {
	p := s.p
	leg := k.from ^ half // the client's leg is 0, the server's 1
	t := s.now + p.Base[leg]
	if p.Jitter > 0 {
		t += s.rng.Int64N(p.Jitter)
	}
	if s.chance(p.Late[k.from][half]) {
		t += s.rng.Int64N(p.LateBy + 1)
	} else {
		t = max(t, s.inOrder[k.from][half]+us)
		s.inOrder[k.from][half] = t
	}
	if half == 0 {
		s.at(t, func() { s.pass(k) })
	} else {
		s.at(t, func() {
			k.fate += "arrived "
			s.host[1-k.from].receive(k)
		})
	}
}

// pass is the moment at which a packet passes the tap. A copy that the network
// makes behind it is the same frame.
func (s *sim) pass(k *packet) {
	p := s.p
	k.tapAt = s.now
	s.tap = append(s.tap, k)
	t := s.now - epoch
	switch {
	case t < p.From || p.Until != 0 && t > p.Until:
		k.fate += "outside the capture; "
	case s.chance(p.Miss):
		k.fate += "missed by the capture; "
	default:
		s.frames = append(s.frames, k)
		k.frame = reassembly.MakePacket(0, uint64(len(s.frames)))
		k.seg.Time, k.seg.Packet = s.now, k.frame
	}
	s.hop(k, 1)
}
