package reassembly

import "github.com/finwait/finwait/reassembly/seqnum"

// This file: the content gaps in Zeek's history (letter G): bytes that a
// receiver acknowledged although the capture does not have them.

// zeekStream is which bytes of one direction were captured.
type zeekStream struct {
	next uint32 // all below is captured or was given up as a gap
	n    uint8
	held [16]span // what was captured above it
}

// start begins at a sequence number with nothing captured.
func (s *zeekStream) start(next uint32) { s.next, s.n = next, 0 }

// add takes the payload [lo, hi).
func (s *zeekStream) add(lo, hi uint32) {
	if seqnum.Less(s.next, lo) {
		s.hold(lo, hi)
		return
	}
	s.next = seqnum.Max(s.next, hi)
	if s.n > 0 {
		s.absorb()
	}
}

// hold keeps payload beyond a hole. If there is no room left it is forgotten,
// and may be told as a gap later.
func (s *zeekStream) hold(lo, hi uint32) {
	for i := range s.held[:s.n] {
		h := &s.held[i]
		if seqnum.LessEq(lo, h.hi) && seqnum.LessEq(h.lo, hi) {
			if seqnum.Less(lo, h.lo) {
				h.lo = lo
			}
			h.hi = seqnum.Max(h.hi, hi)
			return
		}
	}
	if int(s.n) < len(s.held) {
		s.held[s.n] = span{lo, hi}
		s.n++
	}
}

// absorb moves next over what is held.
func (s *zeekStream) absorb() {
	for i := 0; i < int(s.n); {
		h := s.held[i]
		if seqnum.Less(s.next, h.lo) {
			i++
			continue
		}
		s.n--
		s.held[i] = s.held[s.n]
		if seqnum.Less(s.next, h.hi) {
			s.next = h.hi
			i = 0
		}
	}
}

// skip gives up the first hole below ack; false: there is none.
func (s *zeekStream) skip(ack uint32) bool {
	if !seqnum.Less(s.next, ack) {
		return false
	}
	to := ack
	for _, h := range s.held[:s.n] {
		if seqnum.Less(h.lo, to) {
			to = h.lo
		}
	}
	s.next = to
	s.absorb()
	return true
}

// gaps tells the holes in what side x sent below its peer's ack. They count
// while both ends are established or were until their FINs.
func (z *zeek) gaps(x int, ack uint32) {
	e := &z.end[x]
	if e.hasFIN && seqnum.Less(e.finAt, ack) {
		ack = e.finAt
	}
	for e.stream.skip(ack) {
		if z.clean() && e.gaps.tick() {
			z.tell(x, 'G')
		}
	}
}

// clean reports that both ends are established or were until their FINs.
func (z *zeek) clean() bool {
	for x := range z.end {
		e := &z.end[x]
		if e.state != zeekEstablished && (e.state != zeekClosed || e.prev != zeekEstablished) {
			return false
		}
	}
	return true
}
