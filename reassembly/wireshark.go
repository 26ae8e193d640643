package reassembly

import "encoding/binary"

// This file: what Wireshark shows of a connection, so that a reader finds it
// there: tcp.stream and tcp.completeness, as version 4.0's TCP dissector counts
// them (Wireshark User's Guide, "TCP Conversation Completeness").

// Bits of Lifecycle.Completeness.
const (
	CompleteSYN = 1 << iota
	CompleteSYNACK
	CompleteACK
	CompleteData
	CompleteFIN
	CompleteRST
)

// streams counts tcp.stream. Wireshark makes a stream of every tuple, whatever
// tunnel it is in and however long it was silent, and of every SYN that begins
// it anew with another sequence number.
type streams struct {
	next uint32
	past [pastPages]*[pastPage]pastStream // by the tuple's hash; a capture of few connections has few of the pages
}

// pastStream is the last stream of a tuple.
type pastStream struct {
	tuple  uint64 // hash of the tuple; 0: none
	stream uint32
	base   uint32 // sequence number of the SYN of who sent its first segment, or what it would be
	fromB  bool   // who that was
}

// pastStreams bounds the memory of tuples: of two with the same slot the later
// is known. What is forgotten counts as new.
const (
	pastStreams = pastPages * pastPage
	pastPages   = 1 << 8
	pastPage    = 1 << 8
)

// stream is the number of connection c's stream; s is its first segment.
func (t *Tracker) stream(c *conn, s *arrival) uint32 {
	p := &t.streams
	h := s.tuple
	if s.rec.flags&FlagSYN == 0 {
		h = s.key.tuple()
	}
	slot := h % pastStreams
	page := &p.past[slot/pastPage]
	if *page == nil {
		*page = new([pastPage]pastStream)
	}
	old := &(*page)[slot%pastPage]
	syn := s.rec.flags&(FlagSYN|FlagACK) == FlagSYN
	switch {
	case !syn && t.links[c.links].prev != 0:
		return t.conn(t.links[c.links].prev).stream
	case old.tuple == h && (!syn || old.fromB == c.swapped && old.base == s.rec.seq):
		return old.stream
	}
	*old = pastStream{tuple: h, stream: p.next, base: s.rec.seq, fromB: c.swapped}
	if s.rec.flags&FlagSYN == 0 {
		old.base--
	}
	p.next++
	return old.stream
}

// fetch reads the place of a tuple.
func (p *streams) fetch(tuple uint64) uint64 {
	slot := tuple % pastStreams
	if page := p.past[slot/pastPage]; page != nil {
		return page[slot%pastPage].tuple
	}
	return 0
}

// tuple is a hash of the addresses and ports, the same in every run.
func (k *FlowKey) tuple() uint64 {
	h := uint64(k.APort)<<16 | uint64(k.BPort)
	for _, ip := range [...]*IP{&k.A, &k.B} {
		for half := range 2 {
			h ^= binary.LittleEndian.Uint64(ip[8*half:])
			h *= 0x9e3779b97f4a7c15
			h ^= h >> 32
		}
	}
	return max(h, 1)
}

// completeness gathers the bits of tcp.completeness.
type completeness struct {
	bits  uint8
	first uint8 // what the first segment adds once there is a second
	n     uint8 // segments, counted up to 2
}

// segment takes the next segment of the connection. A SYN counts only as the
// first. Whatever else the first segment is counts when the stream is gone
// through again, as for display, so it does not for a stream of one segment.
func (c *completeness) segment(r *rec) {
	switch c.n {
	case 0:
		c.n = 1
		if r.flags&(FlagSYN|FlagACK) == FlagSYN {
			c.bits = CompleteSYN
			if r.len > 0 {
				c.bits |= CompleteData
			}
		}
		c.first = completes(r)
	case 1:
		c.n = 2
		c.bits |= c.first | completes(r)
	default:
		c.bits |= completes(r)
	}
}

// completes is what a segment that is no SYN adds: a FIN only with an ACK; an
// ACK is one that carries nothing.
func completes(r *rec) (bits uint8) {
	switch r.flags & (FlagSYN | FlagACK) {
	case FlagSYN | FlagACK:
		bits = CompleteSYNACK
	case FlagACK:
		bits = CompleteACK
		if r.len > 0 {
			bits = CompleteData
		}
	}
	if r.has(FlagFIN | FlagACK) {
		bits |= CompleteFIN
	}
	if r.flags&FlagRST != 0 {
		bits |= CompleteRST
	}
	return bits
}

// interop is what a machine gathers for other programs' words, and for what the
// capture lacks.
type interop struct {
	zeek     zeek
	complete completeness
	coverage [2]coverage // of what each side sent
}

// segment takes a segment of the machine's log.
func (p *interop) segment(m *machine, r *rec) {
	p.zeek.segment(r, m.ports)
	p.complete.segment(r)
	p.coverage[r.side()].segment(r)
	if r.flags&(FlagACK|FlagRST) == FlagACK {
		p.coverage[1-r.side()].acknowledged(r.ack)
	}
}

// tell fills in the words.
func (p *interop) tell(l *Lifecycle) {
	l.ZeekState, l.ZeekHistory = p.zeek.connState(), p.zeek.told()
	l.Completeness = p.complete.bits
}
