package anomaly

import "github.com/finwait/finwait/reassembly"

// The checks of handshake.go.

// answerDue is the initial retransmission time-out (RFC 6298 section 2): a trace
// that ends sooner after a SYN or SYN-ACK tells nothing of its answer.
const answerDue = second

// unansweredSYNs is how many SYNs must have waited that long in vain where the
// trace ends too soon after the last one to tell of that one.
const unansweredSYNs = 2

func checkSYNUnanswered(c *reassembly.Case) []finding {
	if c.Life.Open != reassembly.OpenUnanswered || c.Life.Endpoints[reassembly.Server].Stats.Packets != 0 {
		return nil
	}
	var syns []packet
	var first, last int64
	overdue := 0 // copies that were left without an answer for as long as one may take
	segs := c.Segments()
	for i := range segs {
		s := &segs[i]
		switch {
		case s.Old && s.Side == reassembly.Server:
			return nil // syn-answered-by-ack
		case !s.Own() || isRST(s):
		case !bareSYN(s):
			return nil // it went on: the answer passed elsewhere (one-sided)
		default:
			if syns == nil {
				first = s.At
			} else if s.At-last >= answerDue {
				overdue++
			}
			syns, last = append(syns, s.Packet), s.At
		}
	}
	if syns == nil {
		return nil
	}
	return one(synUnanswered(syns, first, last, c.Now, overdue))
}

// synUnanswered tells of SYNs without an answer, of which so many were overdue.
func synUnanswered(syns []packet, first, last, now int64, overdue int) finding {
	silence := now - last
	detail := "The client sent a SYN in " + pkt(syns[0])
	if len(syns) > 1 {
		detail = "The client sent its SYN " + times(len(syns)) + " in " + span(last-first) + " (" + nums(syns) + ")"
	}
	f := finding{Side: reassembly.Client, At: last, Packets: cite(syns...),
		Measures: []reassembly.Measure{secs("silence_s", silence, answerDue), number("syn_count", len(syns))}}
	if silence < answerDue && overdue >= unansweredSYNs {
		f.Detail = detail + ", and no segment of the server came up to the end of the trace " + span(silence) + " after the last."
		return f
	}
	if silence < answerDue {
		f.Detail = detail + ", and nothing answered it before the trace of this connection ended " + span(silence) + " later: too soon to tell."
		return withSeverity("syn-unanswered", Handshake, reassembly.Info, f)
	}
	f.Detail = detail + ", and no segment of the server came in the " + span(silence) + " that followed."
	return f
}

// A copy of the SYN counts until its sender shows that it has the SYN-ACK: for
// the client it was not answered, whatever passed the tap.
func checkSYNRetransmitted(c *reassembly.Case) []finding {
	if c.Life.RoleGuessed || !c.Seen().Retransmission {
		return nil
	}
	if _, answer, _ := answeredByACK(c); answer != nil {
		return nil // the copy followed from that: syn-answered-by-ack, syn-in-time-wait-rejected
	}
	segs := c.Segments()
	var found []finding
	for _, side := range sides {
		var all []packet
		var first, last, copied int64
		var answer packet
		for i := range segs {
			s := &segs[i]
			if s.Own() && isRST(s) && s.Side != side && c.JudgeRST(i) == reassembly.RSTExact {
				break // refused: what follows is another attempt
			}
			switch {
			case !s.Own() || isRST(s):
			case s.Side != side:
				if synACK(s) && len(all) > 0 && answer == 0 {
					answer = s.Packet
				}
			case !bareSYN(s):
			case len(all) == 0:
				all, first = append(all, s.Packet), s.At
			case s.Kind == reassembly.Retransmission && !s.HadAck && s.At-max(first, last) >= leastRTO:
				if len(all) == 1 {
					copied = s.At
				}
				all, last = append(all, s.Packet), s.At
			}
		}
		if len(all) < 2 {
			continue
		}
		detail := "The " + side.String() + " sent its SYN (" + pkt(all[0]) + ") again " + times(len(all)-1) + ", in " + nums(all[1:]) +
			", first after " + span(copied-first)
		if answer != 0 && answer < all[len(all)-1] {
			detail += ", although a SYN-ACK had passed in " + pkt(answer)
		}
		found = append(found, finding{Side: side, At: copied, Packets: cite(all...), Detail: detail + ".",
			Measures: []reassembly.Measure{secs("interval_s", copied-first, 0), secs("delay_s", last-first, 0), number("copy_count", len(all)-1)}})
	}
	return found
}

func checkSYNRefused(c *reassembly.Case) []finding {
	if c.Life.Open != reassembly.OpenRefused || !c.Seen().RST {
		return nil
	}
	var syn *segment
	var all []packet
	var first *segment
	segs := c.Segments()
	for i := range segs {
		s := &segs[i]
		switch {
		case !s.Own():
		case s.Side == reassembly.Client && bareSYN(s):
			if first == nil {
				syn = s
			}
			all = append(all, s.Packet)
		case s.Side == reassembly.Server && isRST(s) && syn != nil && c.JudgeRST(i) == reassembly.RSTExact:
			if first == nil {
				first = s
			}
			all = append(all, s.Packet)
		}
	}
	if first == nil {
		return nil
	}
	return one(synRefused(syn.Packet, syn.At, first.Packet, first.At, all))
}

func synRefused(syn packet, synAt int64, rst packet, rstAt int64, all []packet) finding {
	return finding{Side: reassembly.Server, At: rstAt, Packets: cite(all...),
		Detail:   "The SYN in " + pkt(syn) + " was answered by a RST that acknowledges it, in " + pkt(rst) + ", " + span(rstAt-synAt) + " later.",
		Measures: []reassembly.Measure{secs("interval_s", rstAt-synAt, 0)}}
}

// The quote may hold no more than ports and sequence number (RFC 792), so the
// number tells the SYN. A SYN that is answered all the same met a passing error.
func checkSYNRefusedICMP(c *reassembly.Case) []finding {
	if !c.Seen().Quoted {
		return nil
	}
	d := c.Sender(reassembly.Client)
	if !d.HasISN || c.Life.Endpoints[reassembly.Server].Stats.Packets != 0 {
		return nil
	}
	segs := c.Segments()
	var syn packet
	var quotes []packet
	var at int64
	var why string
	for i := range segs {
		s := &segs[i]
		switch {
		case s.Refusal && s.Side == reassembly.Client && s.Seq == d.ISN && syn != 0:
			if quotes == nil {
				at, why = s.At, unreachable(s)
			}
			quotes = append(quotes, s.Packet)
		case s.Own() && s.Side == reassembly.Client && bareSYN(s) && syn == 0:
			syn = s.Packet
		case s.Own() && s.Side == reassembly.Client && !isRST(s) && !bareSYN(s):
			return nil // it went on
		}
	}
	if quotes == nil {
		return nil
	}
	return []finding{{Side: reassembly.Client, At: at, Packets: cite(append([]packet{syn}, quotes...)...), Confidence: reassembly.Likely,
		Detail: "An ICMP error in " + pkt(quotes[0]) + " (" + why + ") quotes the SYN of " + pkt(syn) + ", and the server never answered it."}}
}

// Codes of ICMP destination unreachable (RFC 792, RFC 1122 section 3.2.2.1, RFC
// 1812 section 5.2.7.1) and of ICMPv6 (RFC 4443 section 3.1).
var (
	unreachable4 = [...]string{"net unreachable", "host unreachable", "protocol unreachable", "port unreachable", "fragmentation needed",
		"source route failed", "net unknown", "host unknown", "source host isolated", "net administratively prohibited",
		"host administratively prohibited", "net unreachable for the service", "host unreachable for the service",
		"administratively prohibited", "host precedence violation", "precedence cutoff"}
	unreachable6 = [...]string{"no route", "administratively prohibited", "beyond the scope of the source address", "address unreachable",
		"port unreachable", "source address failed policy", "reject route"}
)

// unreachable words why a destination cannot be reached.
func unreachable(s *segment) string {
	words := unreachable4[:]
	if s.V6 {
		words = unreachable6[:]
	}
	if int(s.ICMPCode) < len(words) {
		return words[s.ICMPCode]
	}
	return "destination unreachable"
}

func checkHalfOpen(c *reassembly.Case) []finding {
	if c.Life.Open != reassembly.OpenHalf || c.Sender(reassembly.Client).HasAck || c.Sender(reassembly.Client).SentData {
		return nil // third-ack-lost-or-dropped
	}
	if c.Life.OneSided {
		return nil // the SYN was not captured either
	}
	segs := c.Segments()
	var all []packet
	var first, last int64
	var copies int
	for i := range segs {
		s := &segs[i]
		switch {
		case !s.Own():
		case s.Side == reassembly.Client && isRST(s):
			return nil // it refused the SYN-ACK
		case s.Side == reassembly.Server && synACK(s):
			if all == nil {
				first = s.At
			} else if s.Kind == reassembly.Retransmission {
				copies++
			}
			all, last = append(all, s.Packet), s.At
		}
	}
	if all == nil || copies == 0 && c.Now-last < answerDue {
		return nil
	}
	detail := "The server's SYN-ACK in " + pkt(all[0])
	if copies > 0 {
		detail = "The server sent its SYN-ACK " + times(len(all)) + " in " + span(last-first) + " (" + nums(all) + "), and it"
	}
	return []finding{{Side: reassembly.Server, At: first, Packets: cite(all...),
		Detail:   detail + " was never acknowledged in the " + span(c.Now-first) + " that followed it.",
		Measures: []reassembly.Measure{secs("silence_s", c.Now-first, answerDue), number("copy_count", copies)}}}
}

func checkSYNACKBadAck(c *reassembly.Case) []finding {
	if !c.Seen().OtherAck {
		return nil
	}
	segs := c.Segments()
	for i := range segs {
		s := &segs[i]
		if !s.Own() || !synACK(s) {
			continue
		}
		d := c.Sender(s.Side.Other())
		// Data on the SYN may be acknowledged with it (RFC 7413).
		syn := firstOf(segs, func(o *segment) bool { return o.Side != s.Side && bareSYN(o) && o.Seq == d.ISN })
		if !d.HasISN || syn == nil || s.Ack-d.ISN-1 <= syn.Len {
			continue
		}
		return []finding{{Side: s.Side, At: s.At, Packets: []packet{syn.Packet, s.Packet}, Confidence: reassembly.Likely,
			Detail:   "The SYN-ACK in " + pkt(s.Packet) + " acknowledges " + offset(s.Ack, d.ISN+1) + " what the SYN in " + pkt(syn.Packet) + " calls for.",
			Measures: []reassembly.Measure{{Name: "offset_bytes", Value: float64(int32(s.Ack - d.ISN - 1))}}}}
	}
	return nil
}

// offset tells how far a number is from the one expected.
func offset(got, want uint32) string {
	n := int64(int32(got - want))
	if n < 0 {
		return count(-n, "byte") + " below"
	}
	return count(n, "byte") + " above"
}

// firstOf is the first of the connection's own segments that fits, or nil.
func firstOf(segs []segment, fits func(*segment) bool) *segment {
	for i := range segs {
		if s := &segs[i]; s.Own() && !isRST(s) && fits(s) {
			return s
		}
	}
	return nil
}

func checkSYNACKChanged(c *reassembly.Case) []finding {
	if !c.Seen().OtherSYN {
		return nil
	}
	segs := c.Segments()
	var first *segment
	for i := range segs {
		s := &segs[i]
		switch {
		case !s.Own() || !synACK(s):
		case first == nil:
			first = s
		case s.Side == first.Side && s.Seq != first.Seq && s.Ack == first.Ack:
			f := finding{Side: s.Side, At: s.At, Packets: []packet{first.Packet, s.Packet}, Confidence: reassembly.Likely,
				Detail: "The SYN-ACKs in " + pkt(first.Packet) + " and " + pkt(s.Packet) + ", " + span(s.At-first.At) +
					" apart, answer one SYN with different sequence numbers.",
				Measures: []reassembly.Measure{secs("interval_s", s.At-first.At, 0)}}
			if s.At-first.At >= answerDue {
				f.Confidence = reassembly.Possible // SYN cookies change with the clock (RFC 4987 section 3.6)
			}
			return []finding{f}
		}
	}
	return nil
}

func checkDataOnSYN(c *reassembly.Case) []finding {
	if !c.Seen().SYNData {
		return nil
	}
	segs := c.Segments()
	for i := range segs {
		s := &segs[i]
		if !s.Own() || s.Flags&reassembly.FlagSYN == 0 || s.Len == 0 || isRST(s) {
			continue
		}
		f := finding{Side: s.Side, At: s.At, Packets: []packet{s.Packet},
			Detail:   "The " + s.Name() + " in " + pkt(s.Packet) + " carried " + count(s.Len, "byte") + " of data",
			Measures: []reassembly.Measure{number("data_bytes", int(s.Len))}}
		if ans := firstOf(segs, func(o *segment) bool { return o.Side != s.Side && synACK(o) }); ans != nil {
			f.Packets = append(f.Packets, ans.Packet)
			if acks(ans, s.End()) {
				f.Detail += ", which the SYN-ACK in " + pkt(ans.Packet) + " acknowledges"
			} else {
				f.Detail += ", which the SYN-ACK in " + pkt(ans.Packet) + " does not acknowledge"
			}
		}
		f.Detail += "."
		return []finding{f}
	}
	return nil
}

func checkMidstream(c *reassembly.Case) []finding {
	if c.Life.Open != reassembly.OpenMidstream {
		return nil
	}
	return []finding{{Side: reassembly.Both, At: c.Life.Start, Packets: []packet{c.Life.First},
		Detail: "The first packet seen, " + pkt(c.Life.First) + ", is not part of a handshake."}}
}

// One acknowledgment after a SYN, or one that moved, shows that the unseen end sent.
func checkOneSided(c *reassembly.Case) []finding {
	if !c.Life.OneSided {
		return nil
	}
	side := reassembly.Client
	if c.Life.Endpoints[side].Stats.Packets == 0 {
		side = reassembly.Server
	}
	d := c.Sender(side)
	if !d.HasAck {
		return nil
	}
	segs := c.Segments()
	for i := range segs {
		s := &segs[i]
		if !s.Own() || s.Side != side || s.Flags&reassembly.FlagACK == 0 || isRST(s) {
			continue
		}
		if s.HadAck && reassembly.Before(s.PrevAck, s.Ack) || !s.HadAck && s.HadEnd && s.Flags&reassembly.FlagSYN == 0 {
			return []finding{{Side: side.Other(), At: s.At, Packets: []packet{c.Life.First, s.Packet},
				Detail: "No segment of the " + side.Other().String() + " was captured, but the " + side.String() + " acknowledges what it sent, in " +
					pkt(s.Packet) + "."}}
		}
	}
	return nil
}
