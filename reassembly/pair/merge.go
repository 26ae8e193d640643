package pair

import (
	"errors"
	"io"

	"github.com/finwait/finwait/reassembly"
)

// This file: the second reading. The captures are read side by side in common
// time. A packet is kept until no capture can show it any more; then it goes to
// the Tracker, in the order of its sender's own capture, and not before what had
// reached its sender by then.

// sight is one capture's view of a packet.
type sight struct {
	pos uint64 // place in the capture's reading order, from 1; 0: not there
	at  int64  // ns, common time
	pkt reassembly.Packet
}

// packet is one packet as all captures have it.
type packet struct {
	seg      reassembly.Segment // by the first capture on its way; numbers of the first capture
	flow     *flow
	sender   int
	key      uint64
	sum      uint32
	first    int64 // earliest sight, common time
	seen     [MaxTaps]sight
	copy     bool // the network made it of one that was seen before
	absorbed bool // its bytes belong to a packet that was cut anew on the way
	emitted  bool
	quoted   bool
}

// Sink takes the packets.
type Sink interface {
	AddCrossing(s *reassembly.Segment, c reassembly.Crossing)
	Advance(now int64)
}

// Stats is what the merge counted.
type Stats struct {
	Packets, Delivered, Lost, Copies, Forged, Unknown uint64
	Missed                                            [MaxTaps]uint64 // that passed a capture and that it lacks
	Dropped                                           uint64          // let go unpaired, since too many were under way
	First, Last                                       int64           // least and greatest time of a frame, common time
}

type merger struct {
	*survey
	streams []stream
	pending map[uint64][]*packet
	under   []*packet // in order of first sight
	window  int64
	now     int64
	sink    Sink
	stats   Stats
	typical [MaxTaps]int64 // usual delay from the first capture, ns; by absolute value
}

// stream is one capture under way.
type stream struct {
	src   Source
	seg   reassembly.Segment
	sum   uint32
	ok    bool
	at    int64 // common time of the segment in hand
	pos   uint64
	done  bool
	queue []*packet // its packets that are not yet through
}

// Merge reads the captures again and gives each packet to sink. each is called
// now and then, and ends the merge by an error, which Merge returns.
func (p *Plan) Merge(sink Sink, each func() error) (Stats, error) {
	m := &merger{survey: p.s, pending: map[uint64][]*packet{}, window: p.s.window(), sink: sink}
	m.streams = make([]stream, len(p.s.taps))
	defer m.close()
	for k := range m.streams {
		src, err := p.s.taps[k].Open()
		if err != nil {
			return m.stats, err
		}
		m.streams[k].src = src
		if err := m.advance(k); err != nil {
			return m.stats, err
		}
	}
	for {
		k := m.next()
		if k < 0 {
			break
		}
		m.see(k)
		m.retire(m.now - m.window)
		if err := each(); err != nil {
			return m.stats, err
		}
		if err := m.advance(k); err != nil {
			return m.stats, err
		}
	}
	m.retire(1<<63 - 1)
	sink.Advance(m.stats.Last)
	return m.stats, each()
}

func (m *merger) close() {
	for k := range m.streams {
		if src := m.streams[k].src; src != nil {
			_ = src.Close() // only read from
		}
	}
}

// advance takes the next frame of capture k in hand.
func (m *merger) advance(k int) error {
	t := &m.streams[k]
	sum, ok, err := t.src.Next(&t.seg)
	if err == io.EOF || errors.Is(err, ErrCut) {
		t.done = true
		return nil
	}
	if err != nil {
		return err
	}
	t.sum, t.ok = sum, ok
	t.at = m.taps[k].clock.common(t.seg.Time)
	t.pos++
	if m.stats.First == 0 {
		m.stats.First, m.stats.Last = t.at, t.at
	}
	m.stats.First, m.stats.Last = min(m.stats.First, t.at), max(m.stats.Last, t.at)
	return nil
}

// next is the capture with the earliest frame in hand, -1 if none is left.
func (m *merger) next() int {
	best := -1
	for k := range m.streams {
		if t := &m.streams[k]; !t.done && (best < 0 || t.at < m.streams[best].at) {
			best = k
		}
	}
	if best >= 0 {
		m.now = max(m.now, m.streams[best].at)
	}
	return best
}

// see takes in the segment in hand of capture k.
func (m *merger) see(k int) {
	t := &m.streams[k]
	if !t.ok {
		return
	}
	key, fromB := tupleOf(&t.seg)
	i, known := m.taps[k].index[key]
	here := sight{pos: t.pos, at: t.at, pkt: t.seg.Packet}
	if !known || t.seg.Quoted() {
		p := &packet{seg: t.seg, first: t.at, quoted: true}
		p.seg.Time = t.at
		p.seen[k] = here
		m.hold(k, p)
		return
	}
	l := m.taps[k].flows[i]
	h := l.key(fromB, t.seg.Flags, t.seg.Seq, t.seg.Ack, t.seg.Length, t.seg.TSVal)
	p, again := m.find(k, h, t, l.sender(fromB))
	if p == nil {
		p = &packet{flow: l.flow, sender: l.sender(fromB), key: h, sum: t.sum, first: t.at, copy: again}
		m.pending[h] = append(m.pending[h], p)
		l.flow.lone = append(l.flow.lone, p)
		p.seen[k] = here
		m.fill(p, t, l, fromB)
		m.hold(k, p)
		return
	}
	// The sender's side tells the segment best: it is nearest to what was sent.
	if m.earlier(p, k) {
		m.fill(p, t, l, fromB)
	}
	p.seen[k] = here
	t.queue = append(t.queue, p)
}

// hold keeps a packet that is seen for the first time.
func (m *merger) hold(k int, p *packet) {
	m.streams[k].queue = append(m.streams[k].queue, p)
	m.under = append(m.under, p)
	m.stats.Packets++
}

// fill takes over what capture k says of the packet, in the coordinates of the
// first capture.
func (m *merger) fill(p *packet, t *stream, l *local, fromB bool) {
	s := &p.seg
	*s = t.seg
	s.Time, s.Tunnel, s.VLAN = t.at, l.flow.tunnel, l.flow.vlan
	if l.to == nil {
		return
	}
	s.Seq, s.Ack = l.numbers(fromB, s.Seq, s.Ack)
	for i := range s.SACK[:s.SACKCount] {
		b := &s.SACK[i]
		b.Left -= l.to.delta[1-p.sender]
		b.Right -= l.to.delta[1-p.sender]
	}
	f := &l.flow.key
	s.Src, s.SrcPort, s.Dst, s.DstPort = f.a, f.aPort, f.b, f.bPort
	if p.sender == 1 {
		s.Src, s.SrcPort, s.Dst, s.DstPort = f.b, f.bPort, f.a, f.aPort
	}
}

// find looks for the packet among those under way. again: capture k has one
// that looks the same already, and no other is left that it could be.
func (m *merger) find(k int, h uint64, t *stream, sender int) (best *packet, again bool) {
	var off int64
	for _, p := range m.pending[h] {
		if p.seen[k].pos != 0 {
			again = again || p.seg.IPID == t.seg.IPID && m.isCopy(k, p)
			continue
		}
		if p.sum != 0 && t.sum != 0 && p.sum != t.sum || m.idsDiffer(k, p, t) || m.wrongWay(k, p, t.at) {
			continue
		}
		// Of equals the one whose delay is most like the others'.
		d := t.at - p.first
		if d -= m.typical[k]; d < 0 {
			d = -d
		}
		// A packet before the copy that only a capture made of it.
		if best == nil || best.copy && !p.copy || d < off && best.copy == p.copy {
			best, off = p, d
		}
	}
	if best != nil {
		d := t.at - best.first
		if m.typical[k] == 0 {
			m.typical[k] = d
		}
		m.typical[k] += (d - m.typical[k]) / 8
	}
	return best, again && best == nil
}

// isCopy: a packet that looks like p, which capture k has already, is no other
// one. Hosts that number no packet (IP-ID 0) send RSTs that are all alike; where
// they leave, each is one of its own, unless the capture shows all things twice.
func (m *merger) isCopy(k int, p *packet) bool {
	own := m.taps[k].Own != reassembly.None && m.forth(p) == (k == 0)
	return !own || p.seg.IPID != 0 || m.taps[k].doubled*doubledShare > len(m.taps[k].samples)
}

// idsDiffer: the IP-IDs show that these are two packets.
func (m *merger) idsDiffer(k int, p *packet, t *stream) bool {
	if p.seg.IPID == t.seg.IPID || p.seg.V6 || t.seg.V6 {
		return false
	}
	tap := &m.taps[max(k, 1)]
	return tap.sameID >= tap.otherID // else something on the way writes them anew
}

// wrongWay: the packet would have passed capture k well before a capture that it
// must pass first.
func (m *merger) wrongWay(k int, p *packet, at int64) bool {
	for o := range m.streams {
		s := &p.seen[o]
		if s.pos == 0 {
			continue
		}
		if ahead := (o < k) == m.forth(p); ahead && at < s.at-m.slack(k, o) || !ahead && s.at < at-m.slack(k, o) {
			return true
		}
	}
	return false
}

// slack is what the clocks of two captures may be wrong by.
func (m *merger) slack(k, o int) int64 {
	s := int64(1e6)
	for _, i := range [...]int{k, o} {
		c := &m.taps[i].clock
		if c.Known() {
			s += 2*c.Uncertainty + 2*c.Residual
		} else if i > 0 {
			s += m.window
		}
	}
	return s
}

// forth: the packet goes from the first capture towards the last.
func (m *merger) forth(p *packet) bool { return (p.sender == 0) == (p.flow.vote > 0) }

// earlier: capture k comes before all those that have the packet so far.
func (m *merger) earlier(p *packet, k int) bool {
	for o := range m.streams {
		if p.seen[o].pos != 0 && (o < k) == m.forth(p) {
			return false
		}
	}
	return true
}
