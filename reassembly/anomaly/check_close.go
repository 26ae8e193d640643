package anomaly

import (
	"slices"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// The checks of close.go.

const (
	// closeStall is how long an end may keep its side open silently: Linux drops
	// a FIN-WAIT-2 that no program owns after so long (tcp_fin_timeout).
	closeStall = 60 * second
	// givingUp is from how many unanswered copies on a FIN counts as never
	// answered: one or two and then silence speak for an answer not captured.
	givingUp = 3
	// disorder is the longest time for which two segments change places on their
	// way without a retransmission.
	disorder = 3 * second / 1000
	// sameStream bounds how far beyond a FIN bytes can be of the same stream:
	// further up it is a new incarnation whose SYN was missed.
	sameStream = 1 << 20
)

// needless lists the copies of a FIN that had no cause: the first had arrived,
// and no retransmission time-out had passed. Tail-loss probes are such (RFC 8985
// section 7); that one was sent too early is ack-late-spurious-rto.
func needless(c *reassembly.Case, side reassembly.Side) (all []packet) {
	losses := c.Losses()
	for i := range losses {
		l := &losses[i]
		if l.Side == side && (l.Kind == reassembly.LateACK || l.Kind == reassembly.DelayedACK) {
			all = append(all, l.Copy)
		}
	}
	return all
}

func checkFINRetransmitted(c *reassembly.Case) []finding {
	var found []finding
	for _, side := range sides {
		d := c.Sender(side)
		if d.FINCopies == 0 {
			continue
		}
		var all []packet
		var first, copied, last int64
		spare := needless(c, side)
		segs := c.Segments()
		for i := range segs {
			s := &segs[i]
			if !s.Own() || s.Side != side || !isFIN(s) || s.End() != d.FIN+1 {
				continue
			}
			switch {
			case all == nil && s.Kind != reassembly.Retransmission || s.At == d.FINAt && all == nil:
				all, first = append(all, s.Packet), s.At
			case s.At-first < disorder, s.At-first < leastRTO && slices.Contains(spare, s.Packet): // no time-out
			case s.Kind == reassembly.Retransmission:
				if copied == 0 {
					copied = s.At
				}
				all, last = append(all, s.Packet), s.At
			}
		}
		if copied == 0 || len(all) < 2 {
			continue
		}
		found = append(found, finding{Side: side, At: copied, Packets: cite(all...),
			Detail: "The " + side.String() + "'s FIN in " + pkt(all[0]) + " was sent again " + times(len(all)-1) + ", in " + nums(all[1:]) +
				", first after " + span(copied-first) + ".",
			Measures: []reassembly.Measure{secs("interval_s", copied-first, 0), secs("delay_s", last-first, 0), number("copy_count", len(all)-1)}})
	}
	return found
}

// CLOSING at one end only means that a FIN was lost, not that two crossed.
func checkSimultaneousClose(c *reassembly.Case) []finding {
	if c.Life.Close != reassembly.CloseSimultaneous {
		return nil
	}
	f := finding{Side: reassembly.Both}
	var fin [2]*reassembly.Step
	for _, side := range sides {
		fin[side] = c.Step(side, tcpstate.FinWait1)
		if fin[side] == nil || fin[side].Packet == 0 || c.Step(side, tcpstate.Closing) == nil {
			return nil
		}
	}
	a, b := fin[0], fin[1]
	if b.Packet < a.Packet {
		a, b = b, a
	}
	f.At, f.Packets = b.At, []packet{a.Packet, b.Packet}
	f.Detail = "Neither FIN, in " + pkt(a.Packet) + " and " + pkt(b.Packet) + ", acknowledges the other: they crossed."
	return []finding{f}
}

func checkHalfCloseData(c *reassembly.Case) []finding {
	if !c.Seen().AfterFIN {
		return nil
	}
	segs := c.Segments()
	var first, last *segment
	var all []packet
	var n uint32
	for i := range segs {
		s := &segs[i]
		p := c.Sender(s.Side.Other())
		if !s.Own() || isRST(s) || s.Len == 0 || s.Kind != reassembly.Fresh || !p.HasFIN || !acks(s, p.FIN+1) {
			continue
		}
		if first == nil {
			first = s
		}
		all, last = append(all, s.Packet), s
		n += s.Len
	}
	if first == nil {
		return nil
	}
	fin := c.Sender(first.Side.Other()).FINAt
	return []finding{{Side: first.Side, At: first.At, Packets: cite(all...),
		Detail: "The " + first.Side.String() + " sent " + count(n, "byte") + " of data after it had acknowledged the peer's FIN, the last in " +
			pkt(last.Packet) + ", " + span(last.At-fin) + " after that FIN.",
		Measures: []reassembly.Measure{number("sent_bytes", int(n)), secs("interval_s", last.At-fin, 0)}}}
}

// beyond finds what a side sent above its own FIN; both ends must not have
// closed already, or it is a new incarnation whose SYN was missed.
func beyond(c *reassembly.Case, fin bool) *segment {
	if !c.Seen().BeyondFIN {
		return nil
	}
	segs := c.Segments()
	for i := range segs {
		s := &segs[i]
		d := c.Sender(s.Side)
		if !s.Own() || isRST(s) || s.Flags&reassembly.FlagSYN != 0 || !d.HasFIN || s.At < d.FINAt || isFIN(s) != fin || !fin && s.Len == 0 ||
			s.End() == d.FIN+1 {
			continue
		}
		p := c.Sender(s.Side.Other())
		closed := p.HasFIN && s.HadAck && reassembly.AtOrBefore(p.FIN+1, s.PrevAck) && s.HasPeerAck && reassembly.AtOrBefore(d.FIN+1, s.PeerAck)
		above := reassembly.Before(d.FIN+1, s.End())
		if closed || !above && !fin || s.End()-d.FIN > sameStream && d.FIN-s.End() > sameStream {
			continue
		}
		return s
	}
	return nil
}

func finPacket(c *reassembly.Case, side reassembly.Side) packet {
	d := c.Sender(side)
	if s := firstOf(c.Segments(), func(s *segment) bool { return s.Side == side && isFIN(s) && s.End() == d.FIN+1 }); s != nil {
		return s.Packet
	}
	return 0
}

func checkDataBeyondFIN(c *reassembly.Case) []finding {
	s := beyond(c, false)
	if s == nil {
		return nil
	}
	d, fin := c.Sender(s.Side), finPacket(c, s.Side)
	n := s.End() - d.FIN - 1
	return []finding{{Side: s.Side, At: s.At, Packets: []packet{fin, s.Packet}, Confidence: reassembly.Likely,
		Detail:   "The data in " + pkt(s.Packet) + " ends " + count(n, "byte") + " above the " + s.Side.String() + "'s own FIN in " + pkt(fin) + ".",
		Measures: []reassembly.Measure{number("beyond_bytes", int(n))}}}
}

func checkFINSeqChanged(c *reassembly.Case) []finding {
	s := beyond(c, true)
	if s == nil {
		return nil
	}
	d, fin := c.Sender(s.Side), finPacket(c, s.Side)
	return []finding{{Side: s.Side, At: s.At, Packets: []packet{fin, s.Packet}, Confidence: reassembly.Likely,
		Detail:   "The FIN in " + pkt(s.Packet) + " stands " + offset(s.End()-1, d.FIN) + " the one of the same end in " + pkt(fin) + ".",
		Measures: []reassembly.Measure{{Name: "offset_bytes", Value: float64(int32(s.End() - 1 - d.FIN))}}}}
}

// A hole is seen where bytes below the FIN pass for the first time after it, or
// where they pass again after the receiver's SACK had covered the FIN.
func checkFINWithHole(c *reassembly.Case) []finding {
	if seen := c.Seen(); !seen.Filler && !seen.LateOriginal && !seen.Retransmission {
		return nil
	}
	for _, side := range sides {
		d := c.Sender(side)
		if !d.HasFIN {
			continue
		}
		if f := holeBelow(c, side, d); f != nil {
			return f
		}
	}
	return nil
}

func holeBelow(c *reassembly.Case, side reassembly.Side, d reassembly.Sender) []finding {
	var fin, again, sack, fill *segment
	segs := c.Segments()
	for i := range segs {
		s := &segs[i]
		switch {
		case !s.Own() || isRST(s):
		case s.Side != side:
			if again != nil && (s.SACK[0].Right == d.FIN+1 || s.SACK[1].Right == d.FIN+1) && sack == nil && reassembly.Before(s.Ack, d.FIN) {
				sack, fin = s, again // the copy that is known to have arrived
			}
		case isFIN(s) && s.End() == d.FIN+1:
			again = s
			if fin == nil {
				fin = s
			}
		case fin == nil || s.Len == 0 || !reassembly.Before(s.Seq, d.FIN) || isFIN(s):
		case s.Kind == reassembly.Fresh || s.Kind == reassembly.LateOriginal && s.Original < 0 || s.Kind == reassembly.Retransmission && sack != nil:
			fill = s
		}
	}
	if fill == nil || fill.At-fin.At < disorder {
		return nil
	}
	how := "; " + pkt(fill.Packet) + " filled the hole " + span(fill.At-fin.At) + " later."
	if fill.Kind == reassembly.Retransmission {
		how = ", as the SACK in " + pkt(sack.Packet) + " shows; the data passed again in " + pkt(fill.Packet) + ", " + span(fill.At-fin.At) + " later."
	}
	return []finding{{Side: side.Other(), At: fin.At, Packets: []packet{fin.Packet, fill.Packet},
		Detail:   "The " + side.String() + "'s FIN in " + pkt(fin.Packet) + " arrived before data that belongs in front of it" + how,
		Measures: []reassembly.Measure{secs("interval_s", fill.At-fin.At, 0)}}}
}

// unexpectedFIN finds a FIN that begins all that is seen of a connection and
// has no ACK, as no conforming end sends it, or draws a RST; or a FIN after a SYN
// that nothing answered.
func unexpectedFIN(c *reassembly.Case) (fin, answer *segment) {
	v := c.Seen()
	first := (v.First[0] | v.First[1]) & (reassembly.FlagFIN | reassembly.FlagSYN)
	d := c.Sender(reassembly.Client)
	inSYNSent := c.Life.Open == reassembly.OpenUnanswered && d.HasFIN && !d.HasAck
	if !inSYNSent && (c.Life.Open != reassembly.OpenMidstream || first&reassembly.FlagFIN == 0 || c.Dropped() > 0) {
		return nil, nil
	}
	segs := c.Segments()
	for i := range segs {
		s := &segs[i]
		switch {
		case !s.Own():
		case fin == nil && inSYNSent && bareSYN(s):
		case fin == nil && !isFIN(s):
			return nil, nil
		case fin == nil:
			fin = s
		case s.Side != fin.Side && isRST(s) && (s.Seq == fin.Ack || s.Seq == 0):
			return fin, s
		case s.Side != fin.Side:
			return nil, nil // it is known there
		}
	}
	if fin != nil && !inSYNSent && fin.Has(reassembly.FlagACK) {
		return nil, nil // the capture may have begun here
	}
	return fin, nil
}

func checkFINUnexpected(c *reassembly.Case) []finding {
	fin, rst := unexpectedFIN(c)
	if fin == nil {
		return nil
	}
	f := finding{Side: fin.Side, At: fin.At, Packets: []packet{fin.Packet}, Detail: "The FIN in " + pkt(fin.Packet)}
	switch {
	case c.Life.Open == reassembly.OpenUnanswered:
		f.Detail += " followed a SYN that was never answered"
	case fin.Has(reassembly.FlagACK):
		f.Detail += " is the first packet seen of its connection"
	default:
		f.Detail += " is the first packet seen of its connection and has no ACK flag"
	}
	if rst != nil {
		f.Packets = append(f.Packets, rst.Packet)
		f.Detail += ", and was answered by a RST in " + pkt(rst.Packet)
	}
	f.Detail += "."
	return []finding{f}
}

// Copies of a FIN and the ACKs they draw are the business of TIME-WAIT.
func checkLateAfterClose(c *reassembly.Case) []finding {
	a, b, v := c.Sender(reassembly.Client), c.Sender(reassembly.Server), c.Seen()
	if !v.NetworkDuplicate && !v.LateOriginal && !v.Retransmission && !v.BeyondFIN || !a.HasFIN || !b.HasFIN || !a.HasAck || !b.HasAck ||
		!reassembly.AtOrBefore(a.FIN+1, b.Ack) || !reassembly.AtOrBefore(b.FIN+1, a.Ack) {
		return nil
	}
	segs := c.Segments()
	var closed *segment
	var acked [2]bool
	for i := range segs {
		s := &segs[i]
		if !s.Own() || isRST(s) {
			continue
		}
		if closed != nil && !isFIN(s) && (s.Len > 0 || s.Flags&reassembly.FlagSYN != 0) && s.At-closed.At > late(c, s.Side) {
			return []finding{{Side: s.Side, At: s.At, Packets: []packet{closed.Packet, s.Packet},
				Detail: "The " + s.Name() + " segment of the " + s.Side.String() + " in " + pkt(s.Packet) + " came " + span(s.At-closed.At) +
					" after " + pkt(closed.Packet) + " had acknowledged the second FIN.",
				Measures: []reassembly.Measure{secs("interval_s", s.At-closed.At, 0)}}}
		}
		if acks(s, c.Sender(s.Side.Other()).FIN+1) && s.Kind != reassembly.LateOriginal {
			acked[s.Side] = true
		}
		if closed == nil && acked[0] && acked[1] {
			closed = s
		}
	}
	return nil
}

func checkAbortiveClose(c *reassembly.Case) []finding {
	if !c.Seen().RST {
		return nil
	}
	segs := c.Segments()
	for i := range segs {
		s := &segs[i]
		switch {
		case !s.Own():
		case isFIN(s):
			return nil // rst-after-fin
		case !isRST(s) || s.Unsent || !opened(c, s):
		default:
			if form, _ := formOf(c, i); form != rstAbort || afterProbes(c, i) {
				continue
			}
			unacked := s.PrevEnd - s.PeerAck
			if !s.HasPeerAck {
				unacked = 0
			}
			return one(abortiveClose(s.Side, s.Packet, s.At, unacked))
		}
	}
	return nil
}

func abortiveClose(side reassembly.Side, rst packet, at int64, unacked uint32) finding {
	f := finding{Side: side, At: at, Packets: []packet{rst}, Detail: "The " + side.String() + " ended the open connection by a RST in " + pkt(rst)}
	if unacked > 0 && unacked < sameStream<<4 {
		f.Detail += " while " + count(unacked, "byte") + " that it had sent were not yet acknowledged"
		f.Measures = []reassembly.Measure{number("unacked_bytes", int(unacked))}
	} else {
		f.Detail += ", with all that it had sent acknowledged and no FIN"
	}
	f.Detail += "."
	return f
}

func checkServerClosesFirst(c *reassembly.Case) []finding {
	if st := serverClosed(c.Life); st != nil {
		return []finding{serverClosesFirst(st)}
	}
	return nil
}

// serverClosed is the server's step to FIN-WAIT-1 where it closed first, nil
// where it did not.
func serverClosed(l *reassembly.Lifecycle) *reassembly.Step {
	if l.CloseFirst != reassembly.Server || l.RoleGuessed || l.Close != reassembly.CloseFourWay && l.Close != reassembly.CloseThreeWay {
		return nil
	}
	if st := l.Step(reassembly.Server, tcpstate.FinWait1); st != nil && st.Packet != 0 {
		return st
	}
	return nil
}

func serverClosesFirst(fin *reassembly.Step) finding {
	return finding{Side: reassembly.Server, At: fin.At, Packets: []packet{fin.Packet},
		Detail: "The server sent the first FIN, in " + pkt(fin.Packet) + "."}
}
