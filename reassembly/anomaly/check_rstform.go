package anomaly

import (
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// What the numbers and the surroundings of a RST say of why it was sent; the
// checks that ask are in check_reset.go.

// rstForm is what a RST's numbers say of why it was sent (RFC 9293 sections
// 3.5.2 and 3.10.5).
type rstForm uint8

const (
	rstOther   rstForm = iota
	rstAbort           // SEQ is the sender's SND.NXT: it gave up a connection that it had
	rstClosed          // SEQ is that of an ACK it answers, or 0: it has no such connection
	rstRefusal         // it answers a SYN
)

// formOf tells the form of RST i and, where it answers a segment, which.
func formOf(c *reassembly.Case, i int) (form rstForm, cause int) {
	segs := c.Segments()
	r := &segs[i]
	if r.Unsent {
		return rstOther, -1
	}
	hasAck := r.Has(reassembly.FlagACK)
	turn, past := inFlight(c, r.Side), false
	for j := i - 1; j >= 0 && (!hasAck || r.Seq == 0); j-- {
		s := &segs[j]
		if !s.Own() || isRST(s) {
			continue
		}
		// What the sender sent last may have crossed the segment that it answers.
		if past = past || s.Side == r.Side; past && r.At-s.At > turn {
			break
		}
		if s.Side == r.Side {
			continue
		}
		switch ack := s.Has(reassembly.FlagACK); {
		case !hasAck && ack && s.Ack == r.Seq:
			return rstClosed, j
		case hasAck && bareSYN(s) && s.End() == r.Ack:
			return rstRefusal, j
		case hasAck && !ack && s.End() == r.Ack:
			return rstClosed, j
		}
	}
	switch {
	case r.HadEnd && r.Seq == r.PrevEnd:
		return rstAbort, -1
	case !r.HadEnd && hasAck && c.JudgeRST(i) == reassembly.RSTExact:
		return rstRefusal, -1
	}
	return rstOther, -1
}

// opened reports that both ends of a RST were in an open connection when it passed.
func opened(c *reassembly.Case, r *segment) bool {
	for _, side := range sides {
		if st := c.Step(side, tcpstate.Established); st == nil || st.At > r.At {
			if c.Life.Open != reassembly.OpenMidstream || !c.Sender(side).HasEnd {
				return false
			}
		}
	}
	return true
}

// afterProbes reports that the sender of RST i had repeated itself in vain:
// the path is dead, and the RST says that it gave up.
func afterProbes(c *reassembly.Case, i int) bool {
	segs := c.Segments()
	n := 0
	for j := i - 1; j >= 0; j-- {
		s := &segs[j]
		if !s.Own() {
			continue
		}
		if s.Side != segs[i].Side {
			break
		}
		if s.Kind == reassembly.Retransmission || probe(s) {
			n++
		}
	}
	return n >= 2
}

// inTimeWait reports that a side was in TIME-WAIT when segment s passed.
func inTimeWait(c *reassembly.Case, side reassembly.Side, s *segment) bool {
	st := c.Step(side, tcpstate.TimeWait)
	return st != nil && st.Packet < s.Packet
}

// ended reports that a side had closed before segment s passed.
func ended(c *reassembly.Case, side reassembly.Side, s *segment) bool {
	st := c.Step(side, tcpstate.Closed)
	return st != nil && st.Packet != 0 && st.Packet < s.Packet
}

// challengeTo is the challenge ACK that answers segment i: the next segment of
// its receiver, if that is an ACK of its own numbers without progress; -1 if none.
func challengeTo(c *reassembly.Case, i int) int {
	segs := c.Segments()
	y := segs[i].Side.Other()
	for j := i + 1; j < len(segs); j++ {
		s := &segs[j]
		if s.Side != y || !s.Own() {
			continue
		}
		if s.PureACK() && s.HadEnd && s.Seq == s.PrevEnd && s.HadAck && s.Ack == s.PrevAck && s.At-segs[i].At <= late(c, y) {
			return j
		}
		return -1
	}
	return -1
}

// elsewhere reports that RST r, which answers segment cause as a closed port
// does, is told by another rule.
func elsewhere(c *reassembly.Case, r, cause, abort *segment) bool {
	d := c.Sender(r.Side)
	switch {
	case d.HasISN && !r.HadAck && cause.Ack-d.ISN-1 > sameStream:
		return true // refused in SYN-SENT (RFC 9293 section 3.10.7.3)
	case isFIN(cause) && r.HadAck && reassembly.AtOrBefore(cause.End(), r.PrevAck):
		return true // time-wait-missing
	case inTimeWait(c, r.Side.Other(), r):
		return true // time-wait-assassinated
	case abort != nil && cause.At-abort.At <= inFlight(c, cause.Side):
		return true // what was on its way when the sender aborted
	}
	return false
}

// hops guesses how many routers a packet passed: stacks begin at 64, 128 or 255.
func hops(ttl uint8) int {
	switch {
	case ttl <= 64:
		return 64 - int(ttl)
	case ttl <= 128:
		return 128 - int(ttl)
	}
	return 255 - int(ttl)
}

// goesOn is the segment that shows the alleged sender of RST i going on: later
// than what a RST may overtake on its way.
func goesOn(segs []segment, i int) *segment {
	for j := i + 1; j < len(segs); j++ {
		if s := &segs[j]; s.Own() && s.Side == segs[i].Side && !isRST(s) && s.At-segs[i].At > leastRTO {
			return s
		}
	}
	return nil
}

// usualTTL is the TTL of all of a side's segments but RSTs, and how many there
// are; 0 if they differ.
func usualTTL(segs []segment, side reassembly.Side) (ttl uint8, n int) {
	for i := range segs {
		s := &segs[i]
		if !s.Own() || s.Side != side || isRST(s) {
			continue
		}
		if n > 0 && s.TTL != ttl {
			return 0, 0
		}
		ttl = s.TTL
		n++
	}
	return ttl, n
}
