package anomaly

import (
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// More checks of handshake.go: SYNs that are not answered by a SYN-ACK, or come
// where none belongs.

// answeredByACK finds a SYN and the pure ACK of other numbers that answered it.
// An old segment that merely crossed the SYN is none: there the SYN-ACK follows
// without another SYN.
func answeredByACK(c *reassembly.Case) (syn, answer, reset *segment) {
	seen := c.Seen()
	d := c.Sender(reassembly.Client)
	f := seen.First[reassembly.Server]
	odd := f != 0 && f&(reassembly.FlagSYN|reassembly.FlagACK) == reassembly.FlagACK
	if !d.HasISN || !seen.Old && !odd {
		return nil, nil, nil
	}
	segs := c.Segments()
	for i := range segs {
		s := &segs[i]
		if s.Next || s.Quoted || s.Kind == reassembly.DuplicateFrame {
			continue
		}
		switch {
		case s.Side == reassembly.Client && bareSYN(s) && !s.Old:
			if answer == nil {
				syn = s
			} else {
				return syn, answer, reset
			}
		case s.Side == reassembly.Client && isRST(s) && answer != nil:
			reset = s
		case s.Side == reassembly.Client && !s.Old:
			return nil, nil, nil // the handshake went on
		case s.Side == reassembly.Server && synACK(s):
			if reset == nil {
				return nil, nil, nil
			}
			return syn, answer, reset
		case s.Side == reassembly.Server && s.PureACK() && syn != nil && answer == nil && s.Ack != d.ISN+1:
			answer = s
		}
	}
	return syn, answer, reset
}

func checkSYNAnsweredByACK(c *reassembly.Case) []finding {
	if p := c.Prev; p != nil && p.Holder != reassembly.None && p.Holder != reassembly.Client {
		return nil // syn-in-time-wait-rejected
	}
	syn, answer, reset := answeredByACK(c)
	if answer == nil {
		return nil
	}
	detail := "The SYN in " + pkt(syn.Packet) + " was answered in " + pkt(answer.Packet) + " by an ACK that does not acknowledge it"
	if c.Prev != nil {
		detail += " but carries the numbers of the connection before, which ended in " + pkt(c.Prev.Last) + " for all the tap saw"
	} else {
		detail += ", of a connection that the trace does not have"
	}
	all := []packet{syn.Packet, answer.Packet}
	if reset != nil {
		all = append(all, reset.Packet)
		detail += "; the client reset it in " + pkt(reset.Packet)
	}
	return []finding{{Side: reassembly.Server, At: answer.At, Packets: all, Detail: detail + ".",
		Measures: []reassembly.Measure{secs("interval_s", answer.At-syn.At, 0)}}}
}

func checkSimultaneousOpen(c *reassembly.Case) []finding {
	if c.Life.Open != reassembly.OpenSimultaneous || splitSYN(c) != nil {
		return nil
	}
	segs := c.Segments()
	var syn [2]*segment
	for _, side := range sides {
		syn[side] = firstOf(segs, func(s *segment) bool { return s.Side == side && bareSYN(s) })
		if syn[side] == nil {
			return nil
		}
	}
	a, b := syn[0], syn[1]
	return []finding{{Side: reassembly.Both, At: b.At, Packets: []packet{a.Packet, b.Packet},
		Detail: "The client's SYN in " + pkt(a.Packet) + " and the server's in " + pkt(b.Packet) + ", " + span(b.At-a.At) + " later, crossed."}}
}

// splitSYN is the server's SYN where a connection looks like a simultaneous open
// but the server, instead of a SYN-ACK, sent only ACKs besides that SYN.
func splitSYN(c *reassembly.Case) *segment {
	if c.Life.Open != reassembly.OpenSimultaneous {
		return nil
	}
	segs := c.Segments()
	syn := firstOf(segs, func(s *segment) bool { return s.Side == reassembly.Server && bareSYN(s) })
	other := firstOf(segs, func(s *segment) bool { return s.Side == reassembly.Server && synACK(s) })
	answer := firstOf(segs, func(s *segment) bool { return s.Side == reassembly.Client && synACK(s) })
	ack := firstOf(segs, func(s *segment) bool {
		return s.Side == reassembly.Server && s.Flags&reassembly.FlagSYN == 0 && s.Has(reassembly.FlagACK)
	})
	if syn == nil || other != nil || answer == nil || ack == nil || ack.At < syn.At {
		return nil
	}
	// A SYN that comes before the client's can have reached the server crossed it;
	// the SYN-ACK may have been lost before the tap.
	first := firstOf(segs, func(s *segment) bool { return s.Side == reassembly.Client && bareSYN(s) })
	if rtt := c.Life.Endpoints[reassembly.Server].Stats.RTT; first == nil || rtt.Samples == 0 || syn.At-first.At < rtt.Min {
		return nil
	}
	return syn
}

func checkSplitHandshake(c *reassembly.Case) []finding {
	var syn, ack *segment
	segs := []segment(nil)
	if syn = splitSYN(c); syn == nil {
		if !c.Seen().Next || c.Sender(reassembly.Server).HasISN || !c.Sender(reassembly.Client).HasISN {
			return nil
		}
		segs = c.Segments()
		for i := range segs {
			s := &segs[i]
			switch {
			case s.Side != reassembly.Server || isRST(s):
			case s.Own() && s.PureACK() && s.Ack == c.Sender(reassembly.Client).ISN+1 && ack == nil:
				ack = s
			case s.Next && bareSYN(s) && ack != nil && s.At-ack.At < answerDue:
				syn = s
			}
		}
		if syn == nil {
			return nil
		}
	}
	f := finding{Side: reassembly.Server, At: syn.At, Packets: []packet{syn.Packet},
		Detail: "The server answered the SYN not by a SYN-ACK but by a SYN of its own, in " + pkt(syn.Packet) + "."}
	if ack != nil {
		f.Packets = []packet{ack.Packet, syn.Packet}
		f.Detail = "The server answered the SYN by an ACK in " + pkt(ack.Packet) + " and a SYN of its own in " + pkt(syn.Packet) + "."
	}
	return []finding{f}
}

// live reports a state in which a SYN has no place (RFC 9293 section 3.10.7.4).
func live(s tcpstate.State) bool {
	switch s {
	case tcpstate.Established, tcpstate.FinWait1, tcpstate.FinWait2, tcpstate.CloseWait:
		return true
	}
	return false
}

// missedClose is the silence before a SYN that speaks for a close which the
// capture missed: 2MSL of most systems.
const missedClose = 60 * second

func checkSYNInSynchronized(c *reassembly.Case) []finding {
	if c.Seen().OtherSYN {
		if f := foldedSYN(c); f != nil {
			return f
		}
	}
	p := c.Prev
	if p == nil || p.Holder != reassembly.None || !live(p.State[reassembly.Server]) || c.Life.Start-p.LastAt >= missedClose {
		return nil
	}
	if _, answer, _ := answeredByACK(c); answer != nil {
		return nil // syn-answered-by-ack
	}
	segs := c.Segments()
	syn := firstOf(segs, func(s *segment) bool { return s.Side == reassembly.Client && bareSYN(s) })
	if syn == nil {
		return nil
	}
	f := finding{Side: reassembly.Client, At: syn.At, Packets: []packet{p.Last, syn.Packet},
		Detail: "The SYN in " + pkt(syn.Packet) + " came " + span(syn.At-p.LastAt) + " after " + pkt(p.Last) +
			" of a connection on the same addresses and ports whose server was in " + p.State[reassembly.Server].String(),
		Measures: []reassembly.Measure{secs("interval_s", syn.At-p.LastAt, missedClose)}}
	// A conforming server in such a state answers no SYN by a SYN-ACK: it had closed unseen.
	if ans := firstOf(segs, func(s *segment) bool { return s.Side == reassembly.Server && synACK(s) }); ans != nil {
		f.Packets = append(f.Packets, ans.Packet)
		f.Detail += ", and was answered by a SYN-ACK in " + pkt(ans.Packet)
		f.Confidence = reassembly.Possible
	}
	f.Detail += "."
	return []finding{f}
}

// foldedSYN: a SYN inside the connection that began no other.
func foldedSYN(c *reassembly.Case) []finding {
	segs := c.Segments()
	for i := range segs {
		s := &segs[i]
		if !s.Own() || !bareSYN(s) || !s.HadEnd || s.Seq == c.Sender(s.Side).ISN {
			continue
		}
		if st := c.Step(s.Side, tcpstate.Established); st == nil || st.At > s.At {
			continue
		}
		f := finding{Side: s.Side, At: s.At, Packets: []packet{s.Packet},
			Detail: "The SYN in " + pkt(s.Packet) + " came in the " + s.Side.String() + "'s name inside the open connection"}
		if j := challengeTo(c, i); j >= 0 {
			f.Packets = append(f.Packets, segs[j].Packet)
			f.Detail += " and was answered by an ACK of the connection's own numbers in " + pkt(segs[j].Packet)
		}
		f.Detail += "; the connection went on."
		return []finding{f}
	}
	return nil
}
