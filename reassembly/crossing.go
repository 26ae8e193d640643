package reassembly

import "slices"

// This file: packets captured at several points of their path (package pair).
// An endpoint's own capture tells what it sent and what reached it, in which
// order: what a single tap must presume of a receipt is a fact then. The log
// holds each packet once, in the order in which the packets were sent; a
// receipt waits until the receiver's own capture has it.

// Fate is what became of a packet, as captures at several points show it.
type Fate uint8

// Fates.
const (
	FateUnknown   Fate = iota // the captures do not tell: the rules for one tap apply
	FateDelivered             // the receiver's own capture has it
	FateLost                  // it left, and the receiver's own capture, which ran, lacks it
	FateCopy                  // the network delivered a packet once more
	FateForged                // it arrived, and its alleged sender's own capture, which ran, lacks it
)

// Crossing is what captures at several points know of one packet beside the
// segment, which is as its sender's own capture has it where that has it.
type Crossing struct {
	// Sent and Arrived are the packet's places in the reading order of the
	// sender's and of the receiver's own capture, from 1; 0: it is not there, or
	// there is no such capture.
	Sent, Arrived uint64
	ArrivedAt     int64  // when it arrived, ns since the epoch by the clock of Segment.Time; valid if Arrived is not 0
	ArrivedAs     Packet // the packet in the receiver's own capture; valid if Arrived is not 0
	Fate          Fate
	From, To      uint8 // FateLost: the points between which it was lost, in the order of the captures
	SentMissed    bool  // the sender's own capture ran and missed it
	// Via are the points between both ends that have it, in the order of its way.
	Via []Passing
	// Assumed: FateLost if the capture at To was running and took in such packets:
	// it has nothing from before, nothing from after, or nothing of the connection.
	Assumed bool
	alone   bool // Assumed, and nothing else speaks for it: see lean
	delayed bool // see delays
	behind  bool // it arrived behind a packet that was sent later
}

// Passing is a packet's passing of a point between both ends.
type Passing struct {
	Point uint8  // in the order of the captures, from 0
	At    int64  // ns since the epoch by the clock of Segment.Time
	As    Packet // the packet in that capture
}

// known: something is known of the packet.
func (c *Crossing) known() bool {
	return c.Sent != 0 || c.Arrived != 0 || c.Fate != FateUnknown || c.SentMissed || c.Via != nil
}

// AddCrossing is Add for a segment of which several captures know. A Tracker
// takes either Add or AddCrossing, not both, and no Options.Parallel with it.
func (t *Tracker) AddCrossing(s *Segment, c Crossing) {
	if t.teller.crossings == nil {
		t.teller.crossings = map[Packet]Crossing{}
	}
	t.crossing, t.teller.now = c, t.now
	t.Add(s)
}

// noteCrossing keeps what is known of a packet that went into a log.
func (t *Tracker) noteCrossing(p Packet) {
	if t.teller.crossings != nil && t.crossing.known() {
		t.teller.crossings[p] = t.crossing
	}
}

// forgetCrossings lets go what is known of the packets in c's log.
func (t *Tracker) forgetCrossings(c *conn) {
	if t.teller.crossings == nil {
		return
	}
	t.teller.gather(c, t.logs.view())
	for i := range t.teller.scratch {
		if r := &t.teller.scratch[i]; r.bits&(recNext|recOld) == 0 { // else another connection's log has it
			delete(t.teller.crossings, r.pkt)
		}
	}
}

// Between is where a packet was lost: behind the first of two points and before
// the second, by their numbers in the order of the captures.
type Between struct{ From, To uint8 }

// LostPacket is a packet that left its sender and did not reach its receiver.
type LostPacket struct {
	Packet   Packet
	At       int64 // when it was sent, ns since the epoch
	Side     Side  // its sender
	Flags    uint8
	Seq, Ack uint32
	Len      uint32
	Between  Between
	Assumed  bool // if the capture behind was running then: nothing in it proves that
}

// Delay sums up how long packets took from their sender's own capture to their
// receiver's, ns by the common clock.
type Delay struct {
	Samples     uint64
	Least, Most int64
	Sum         int64
}

// Mean is the mean delay, ns.
func (d *Delay) Mean() int64 {
	if d.Samples == 0 {
		return 0
	}
	return d.Sum / int64(d.Samples)
}

// Crossed is what captures at several points tell of the packets that one
// endpoint sent.
type Crossed struct {
	Delivered, Lost, Copies, Forged uint64
	Unknown                         uint64 // neither seen to arrive nor known to be lost
	Missed                          uint64 // that the endpoint's own capture lacks
	Assumed                         uint64 // of Lost: if the capture behind was running then
	Reordered                       uint64 // arrived behind a packet that was sent later: see delays
	Delayed                         uint64 // held up on the way, whether or not others overtook them: see delays
	Delay                           Delay
}

// Path is what captures at several points tell of a connection.
type Path struct {
	From [2]Crossed // by Side of the sender
	Lost []LostPacket
	// Lacks says of each endpoint that its own capture missed packets of this
	// connection, so that a packet it lacks may have arrived.
	Lacks [2]bool
}

// maxLostTold bounds the lost packets that one connection lists; the counters
// tell how many there were.
const maxLostTold = 4096

// note counts crossing c of segment r.
func (m *machine) note(r *rec, c *Crossing) {
	x := r.side()
	p := &m.path.From[x]
	if r.bits&(recNext|recOld|recICMP) != 0 {
		return
	}
	if c.SentMissed {
		p.Missed++
	}
	switch c.Fate {
	case FateCopy:
		p.Copies++
		return
	case FateForged:
		p.Forged++
		return
	case FateDelivered:
		p.Delivered++
	case FateLost:
		if m.path.Lacks[1-x] {
			p.Unknown++
			break
		}
		p.Lost++
		if c.Assumed {
			p.Assumed++
		}
		if len(m.path.Lost) < maxLostTold {
			m.path.Lost = append(m.path.Lost, LostPacket{Packet: r.pkt, At: r.at, Side: Side(x), Flags: r.flags,
				Seq: r.seq, Ack: r.ack, Len: r.len, Between: Between{c.From, c.To}, Assumed: c.Assumed})
		}
	default:
		p.Unknown++
	}
	if c.Sent == 0 || c.Arrived == 0 {
		return
	}
	d, took := &p.Delay, c.ArrivedAt-r.at
	if d.Samples == 0 || took < d.Least {
		d.Least = took
	}
	if d.Samples == 0 || took > d.Most {
		d.Most = took
	}
	d.Samples++
	d.Sum += took
}

// cross begins the marks of segment i by what is known of its crossing.
func (m *machine) cross(i int32) {
	r, k, c := &m.recs[i], &m.marks[i], &m.crossing[i]
	if c.SentMissed && r.bits&(recNext|recOld|recICMP) == 0 {
		m.path.Lacks[r.side()] = true
	}
	m.note(r, c)
	switch c.Fate {
	case FateLost:
		if m.knows(i) {
			k.recv, k.reason = notReceived, whyLostOnPath
		}
	case FateForged:
		k.unsent, k.reason = true, whyInjected
	}
}

// knows: it is a fact whether segment i reached its receiver's host.
func (m *machine) knows(i int32) bool {
	if m.crossing == nil {
		return false
	}
	switch c := &m.crossing[i]; c.Fate {
	case FateDelivered, FateCopy, FateForged:
		return c.Arrived != 0
	case FateLost:
		return !c.alone && !m.path.Lacks[1-m.recs[i].side()]
	}
	return false
}

// lostOnPath: segment i is known not to have reached its receiver.
func (m *machine) lostOnPath(i int32) bool {
	return m.crossing != nil && m.crossing[i].Fate == FateLost && m.knows(i)
}

// crossed is what is known of the way of segment i.
func (m *machine) crossed(i int32) (c CaseCrossing) {
	if m.crossing == nil {
		return c
	}
	if x := &m.crossing[i]; x.Arrived != 0 {
		c.ArrivedAs, c.ArrivedAt, c.Delayed = x.ArrivedAs, x.ArrivedAt, x.delayed
	} else if x.Fate == FateLost && !m.path.Lacks[1-m.recs[i].side()] {
		c.Lost, c.Between, c.Assumed = true, m.between(i), x.Assumed
	}
	c.Via = m.crossing[i].Via
	return c
}

// between is where segment i was lost.
func (m *machine) between(i int32) Between {
	return Between{m.crossing[i].From, m.crossing[i].To}
}

// arrivedBefore: segment j had reached its receiver when that sent segment i.
func (m *machine) arrivedBefore(j, i int32) bool {
	a, s := &m.crossing[j], &m.crossing[i]
	if s.Sent == 0 {
		return a.ArrivedAt <= m.recs[i].at
	}
	return a.Arrived < s.Sent
}

// lossConfidence: how sure it is that segment i was lost on the path.
func (m *machine) lossConfidence(i int32) Confidence {
	if m.crossing[i].Assumed {
		return Likely
	}
	return Certain
}

// mayAnswer: segment i can be an answer to segment j: that had come by then.
func (m *machine) mayAnswer(i, j int32) bool {
	return !m.lostOnPath(j) && (!m.knows(j) || m.crossing[j].Arrived == 0 || m.arrivedBefore(j, i))
}

// firstThere is the one of two segments of a side that came first; k may be -1.
func (m *machine) firstThere(j, k int32) int32 {
	if k >= 0 && m.knows(j) && m.knows(k) && m.crossing[k].Arrived < m.crossing[j].Arrived {
		return k
	}
	return j
}

// await lets segment i's receipt wait until its receiver's capture has it.
func (m *machine) await(i int32, y int) {
	e, at := &m.e[y], m.crossing[i].Arrived
	n, _ := slices.BinarySearchFunc(e.due, at, func(j int32, at uint64) int {
		if m.crossing[j].Arrived < at {
			return -1
		}
		return 1
	})
	e.due = slices.Insert(e.due, n, i)
}

// arrivals applies what had reached side x when it sent segment i.
func (m *machine) arrivals(i int32, x int) {
	e := &m.e[x]
	if f := m.crossing[i].Fate; f == FateCopy || f == FateForged {
		return // x did nothing
	}
	n := 0
	for n < len(e.due) && m.arrivedBefore(e.due[n], i) {
		n++
	}
	m.receiveDue(x, n)
}

// receiveDue applies the first n receipts that side x has waiting.
func (m *machine) receiveDue(x, n int) {
	e := &m.e[x]
	for _, j := range e.due[:n] {
		m.receive(j, x)
	}
	e.due = e.due[:copy(e.due, e.due[n:])]
}

// overtake applies the receipts that side x has waiting and that came before
// segment i, of which it is not known when it came: packets that are not held up
// arrive in the order in which they were sent.
func (m *machine) overtake(i int32, x int) {
	e, from := &m.e[x], &m.path.From
	usual := from[1-x].Delay.Mean()
	usual += (usual + from[x].Delay.Mean()) / 2 // and half the way there and back, whatever the clocks are wrong by
	n := 0
	for n < len(e.due) && m.crossing[e.due[n]].ArrivedAt <= m.recs[i].at+usual {
		n++
	}
	m.receiveDue(x, n)
}

// settle applies every receipt that waits: nothing comes after.
func (m *machine) settle() {
	for x := range 2 {
		m.receiveDue(x, len(m.e[x].due))
	}
}

// stamp dates a step of side x to the arrival of segment i there.
func (m *machine) stamp(s *mstep, x int, i int32) {
	c := &m.crossing[i]
	if m.recs[i].side() == x || c.Arrived == 0 {
		return
	}
	s.at, s.arrived = c.ArrivedAt, c.ArrivedAs
	if s.ev == Presumed {
		s.ev = Delivered
	}
}

// resentKnown: side x sends in segment i bytes of segment j again, whose fate
// is known.
func (m *machine) resentKnown(i, j int32, x int) {
	k := &m.marks[j]
	if !m.lostOnPath(j) {
		k.proven = true
		return
	}
	if k.refuter >= 0 {
		return // told already
	}
	k.refuter = i
	o, r := &m.recs[j], &m.recs[i]
	m.tell(loss{kind: lostData, side: x, at: r.at, after: r.at - o.at, carriers: []Packet{o.pkt}, copy: r.pkt, flags: o.flags | r.flags&FlagFIN,
		subject: j, copyRec: i, where: OnPath, between: m.between(j), conf: m.lossConfidence(j)})
}

// feedCrossed works the gathered log of a connection that several captures have
// into a machine. Where the packets contradict a loss, the receiver's capture missed
// that packet: then all is worked out again without trust in what it lacks.
func (t *teller) feedCrossed(m *machine, c *conn) {
	var lacks [2]bool
	for {
		t.begin(m, c)
		m.path.Lacks = lacks
		if m.crossing == nil {
			m.crossing = []Crossing{}
		}
		for i := range t.scratch {
			r := &t.scratch[i]
			m.crossing = append(m.crossing, t.crossings[r.pkt])
			m.add(r)
		}
		again := m.contradict(t.now)
		if again {
			for i := range t.scratch {
				if f := &m.crossing[i]; f.known() {
					t.crossings[t.scratch[i].pkt] = *f
				}
			}
		}
		if m.path.Lacks == lacks && !again {
			return
		}
		lacks[0], lacks[1] = lacks[0] || m.path.Lacks[0], lacks[1] || m.path.Lacks[1]
	}
}

// toldPath is what is told of the path, where cl is the client's side.
func (m *machine) toldPath(cl int) *Path {
	if m.crossing == nil {
		return nil
	}
	p := m.path
	m.addDelayed(&p, len(m.recs))
	if cl == 1 {
		p.From[0], p.From[1] = p.From[1], p.From[0]
		p.Lacks[0], p.Lacks[1] = p.Lacks[1], p.Lacks[0]
	}
	p.Lost = slices.Clone(p.Lost)
	for i := range p.Lost {
		if cl == 1 {
			p.Lost[i].Side = p.Lost[i].Side.Other()
		}
	}
	return &p
}

// sameCapture names the packets of a step by their numbers in one capture where
// that is possible: in the endpoint's own if that has the segment which caused
// the step, else in the other's.
func (m *machine) sameCapture(s *Step) {
	if s.Packet == 0 || len(s.ConfirmedBy) == 0 {
		return
	}
	in := s.Packet
	if s.Arrived != 0 {
		in = s.Arrived
	}
	var other []Packet
	for n, p := range s.ConfirmedBy {
		if p.File() == in.File() {
			continue
		}
		if other == nil {
			other = slices.Clone(s.ConfirmedBy)
		}
		other[n] = m.nameIn(p, in.File())
	}
	if other != nil {
		s.ConfirmedBy = other
	}
}

// nameIn is the number in a file of packet p or of its sender's next that the
// file has: what p acknowledges, that does too. p itself if there is none.
func (m *machine) nameIn(p Packet, file int) Packet {
	found := int32(-1)
	for i := range int32(len(m.recs)) {
		if m.recs[i].pkt == p {
			found = i
		}
		if found < 0 || i != found && (!m.own(i, m.recs[found].side()) || m.recs[i].flags&FlagRST != m.recs[found].flags&FlagRST) {
			continue
		}
		if c := &m.crossing[i]; m.recs[i].pkt.File() == file {
			return m.recs[i].pkt
		} else if c.Arrived != 0 && c.ArrivedAs.File() == file {
			return c.ArrivedAs
		}
	}
	return p
}
