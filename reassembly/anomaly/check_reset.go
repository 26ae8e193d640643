package anomaly

import (
	"strconv"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// The checks of reset.go. Read check_rstform.go first.

func checkRSTExact(c *reassembly.Case) []finding {
	if !c.Seen().RST {
		return nil
	}
	segs := c.Segments()
	for i := range segs {
		s := &segs[i]
		if !s.Own() || !isRST(s) || c.JudgeRST(i) != reassembly.RSTExact {
			continue
		}
		if form, _ := formOf(c, i); form == rstRefusal {
			continue // syn-refused
		}
		return one(rstExact(s.Side, s.Packet, s.At))
	}
	return nil
}

func rstExact(side reassembly.Side, rst packet, at int64) finding {
	return finding{Side: side, At: at, Packets: []packet{rst},
		Detail: "The RST in " + pkt(rst) + " has the sequence number that the " + side.Other().String() + " expects next."}
}

// unfitting lists the RSTs of a verdict that reached an open connection, by side.
func unfitting(c *reassembly.Case, verdict reassembly.RSTVerdict) (found [2][]int) {
	if !c.Seen().RST {
		return found
	}
	segs := c.Segments()
	var dead [2]bool
	for i := range segs {
		s := &segs[i]
		if !s.Own() || !isRST(s) || s.Crossed.Lost {
			continue
		}
		y := s.Side.Other()
		switch v := c.JudgeRST(i); {
		case v == reassembly.RSTExact:
			dead[y] = dead[y] || s.Received
		case v != verdict || dead[y] || !opened(c, s) || inTimeWait(c, y, s) || ended(c, y, s):
		default:
			// What answers segments on their way has their older numbers, and is
			// told as rst-for-closed.
			if form, _ := formOf(c, i); form != rstClosed {
				found[s.Side] = append(found[s.Side], i)
			}
		}
	}
	return found
}

func checkRSTInexact(c *reassembly.Case) []finding {
	var found []finding
	segs := func() []segment { return c.Segments() }
	for side, list := range unfitting(c, reassembly.RSTInWindow) {
		if len(list) == 0 {
			continue
		}
		s := &segs()[list[0]]
		f := finding{Side: reassembly.Side(side), At: s.At, Packets: packetsOf(segs(), list),
			Detail: "The RST in " + pkt(s.Packet) + " lies " + offset(s.Seq, s.PeerAck) + " the number that the " + s.Side.Other().String() +
				" expects next, within its window",
			Measures: []reassembly.Measure{number("offset_bytes", int(int32(s.Seq-s.PeerAck)))}}
		if reassembly.Before(s.PrevEnd, s.Seq) {
			f.Confidence = reassembly.Possible // the capture may lack the bytes between
		}
		if j := challengeTo(c, list[0]); j >= 0 {
			f.Confidence = reassembly.Certain
			f.Packets = cite(append([]packet{s.Packet, segs()[j].Packet}, f.Packets[1:]...)...)
			f.Detail += "; an ACK answered it in " + pkt(segs()[j].Packet)
		}
		f.Detail += "."
		found = append(found, f)
	}
	return found
}

func packetsOf(segs []segment, list []int) []packet {
	var all []packet
	for _, i := range list {
		all = append(all, segs[i].Packet)
	}
	return cite(all...)
}

// Where the window scale is unknown, so is the window, and nothing is said.
func checkRSTOutside(c *reassembly.Case) []finding {
	var found []finding
	for side, list := range unfitting(c, reassembly.RSTOutside) {
		if len(list) == 0 || !c.Sender(reassembly.Client).HasISN || !c.Sender(reassembly.Server).HasISN {
			continue
		}
		s := &c.Segments()[list[0]]
		if !s.HasPeerAck {
			continue
		}
		found = append(found, finding{Side: reassembly.Side(side), At: s.At, Packets: packetsOf(c.Segments(), list),
			Detail: "The RST in " + pkt(s.Packet) + " lies " + offset(s.Seq, s.PeerAck) + " the number that the " + s.Side.Other().String() +
				" expects next, outside its window.",
			Measures: []reassembly.Measure{number("offset_bytes", int(int32(s.Seq-s.PeerAck)))}})
	}
	return found
}

func checkChallengeACK(c *reassembly.Case) []finding {
	if v := c.Seen(); !v.RST && !v.Next && !v.OtherSYN && !v.NetworkDuplicate {
		return nil
	}
	segs := c.Segments()
	var f finding
	n := 0
	for i := range segs {
		s := &segs[i]
		odd := s.Own() && isRST(s) && c.JudgeRST(i) == reassembly.RSTInWindow
		if bareSYN(s) && (s.Own() || s.Next) {
			st := c.Step(s.Side.Other(), tcpstate.Established)
			odd = odd || st != nil && st.Packet != 0 && st.Packet < s.Packet
		}
		if !odd {
			continue
		}
		j := challengeTo(c, i)
		if j < 0 {
			continue
		}
		if n++; n == 1 {
			f = finding{Side: segs[j].Side, At: segs[j].At,
				Detail: "The " + segs[j].Side.String() + " answered the unfitting " + s.Name() + " in " + pkt(s.Packet) +
					" by an ACK of its own numbers in " + pkt(segs[j].Packet) + "."}
		}
		f.Packets = append(f.Packets, s.Packet, segs[j].Packet)
	}
	if n == 0 {
		return nil
	}
	f.Packets = cite(f.Packets...)
	f.Measures = []reassembly.Measure{number("challenge_count", n)}
	return []finding{f}
}

// An inexact RST is rightly ignored, and so is one to TIME-WAIT (RFC 1337);
// after a refusal some clients try the same SYN again.
func checkRSTIgnored(c *reassembly.Case) []finding {
	if !c.Seen().RST {
		return nil
	}
	segs := c.Segments()
	for i := range segs {
		r := &segs[i]
		y := r.Side.Other()
		if !r.Own() || !isRST(r) || c.JudgeRST(i) != reassembly.RSTExact || !opened(c, r) || inTimeWait(c, y, r) {
			continue
		}
		for j := i + 1; j < len(segs); j++ {
			s := &segs[j]
			if s.Side != y || !s.Own() || isRST(s) || s.Flags&reassembly.FlagSYN != 0 || s.Kind == reassembly.NetworkDuplicate ||
				s.Kind == reassembly.LateOriginal || s.At-r.At <= max(inFlight(c, y), leastRTO) {
				continue
			}
			return []finding{{Side: y, At: s.At, Packets: []packet{r.Packet, s.Packet}, Where: reassembly.AfterTap, Confidence: reassembly.Likely,
				Detail: "The RST in " + pkt(r.Packet) + " fits the " + y.String() + "'s numbers exactly, yet " + span(s.At-r.At) + " later, in " +
					pkt(s.Packet) + ", the " + y.String() + " went on sending.",
				Measures: []reassembly.Measure{secs("interval_s", s.At-r.At, max(inFlight(c, y), leastRTO))}}}
		}
	}
	return nil
}

func checkRSTAfterFIN(c *reassembly.Case) []finding {
	if !c.Seen().RST {
		return nil
	}
	segs := c.Segments()
	var fin *segment
	for i := range segs {
		s := &segs[i]
		switch {
		case !s.Own():
		case isFIN(s) && fin == nil:
			fin = s
		case fin == nil || !isRST(s) || s.Unsent || inTimeWait(c, reassembly.Client, s) || inTimeWait(c, reassembly.Server, s):
		default:
			if form, _ := formOf(c, i); form != rstAbort || ended(c, s.Side.Other(), s) {
				continue
			}
			return []finding{{Side: s.Side, At: s.At, Packets: []packet{fin.Packet, s.Packet},
				Detail: "The " + s.Side.String() + " sent a RST in " + pkt(s.Packet) + ", " + span(s.At-fin.At) + " after the " +
					fin.Side.String() + "'s FIN in " + pkt(fin.Packet) + " and before the close was complete.",
				Measures: []reassembly.Measure{secs("interval_s", s.At-fin.At, 0)}}}
		}
	}
	return nil
}

func checkRSTForClosed(c *reassembly.Case) []finding {
	if !c.Seen().RST {
		return nil
	}
	if fin, _ := unexpectedFIN(c); fin != nil {
		return nil
	}
	segs := c.Segments()
	var found [2]*finding
	var abort, next [2]*segment
	for i := range segs {
		s := &segs[i]
		if s.Next && bareSYN(s) {
			next[s.Side] = s
		}
		if !s.Own() || !isRST(s) {
			continue
		}
		form, j := formOf(c, i)
		if form == rstAbort {
			abort[s.Side] = s
		}
		if form != rstClosed || next[s.Side] != nil || elsewhere(c, s, &segs[j], abort[s.Side]) {
			continue
		}
		if f := found[s.Side]; f != nil {
			f.Packets = append(f.Packets, s.Packet)
			continue
		}
		found[s.Side] = &finding{Side: s.Side, At: s.At, Packets: []packet{segs[j].Packet, s.Packet},
			Detail: "The " + s.Side.String() + " answered the " + segs[j].Name() + " in " + pkt(segs[j].Packet) + " by a RST in " + pkt(s.Packet) +
				" whose number it took from there: it had no such connection."}
	}
	var all []finding
	for _, f := range found {
		if f != nil {
			f.Packets = cite(f.Packets...)
			all = append(all, *f)
		}
	}
	return all
}

func checkRSTForged(c *reassembly.Case) []finding {
	if !c.Seen().RST {
		return nil
	}
	segs := c.Segments()
	for i := range segs {
		r := &segs[i]
		if !r.Own() || !isRST(r) {
			continue
		}
		if s := goesOn(segs, i); r.Unsent && s != nil {
			return []finding{{Side: r.Side, At: r.At, Packets: []packet{r.Packet, s.Packet}, Confidence: reassembly.Likely,
				Detail: "After the RST in " + pkt(r.Packet) + " its alleged sender, the " + r.Side.String() +
					", went on as if it had not sent it, in " + pkt(s.Packet) + "."}}
		}
		ttl, n := usualTTL(segs, r.Side)
		if d := hops(r.TTL) - hops(ttl); n >= 3 && (d >= 2 || d <= -2) {
			return []finding{{Side: r.Side, At: r.At, Packets: []packet{r.Packet}, Confidence: reassembly.Possible,
				Detail: "The RST in " + pkt(r.Packet) + " has TTL " + strconv.Itoa(int(r.TTL)) + ", all other packets of the " + r.Side.String() + " have " +
					strconv.Itoa(int(ttl)) + ": it may come from another host.",
				Measures: []reassembly.Measure{{Name: "ttl", Value: float64(r.TTL), Limit: float64(ttl)}}}}
		}
	}
	return nil
}

// A storm is stormOf RSTs of one end within stormIn: more than a window in
// flight towards a closed socket draws in an ordinary close.
const (
	stormOf = 100
	stormIn = 60 * second
)

func checkRSTStorm(c *reassembly.Case) []finding {
	if !c.Seen().RST || c.Life.Packets < stormOf {
		return nil
	}
	segs := c.Segments()
	var found []finding
	for _, side := range sides {
		var all []packet
		var at []int64
		storm := false
		for i := range segs {
			if s := &segs[i]; s.Own() && isRST(s) && s.Side == side {
				all, at = append(all, s.Packet), append(at, s.At)
				n := len(at)
				storm = storm || n >= stormOf && at[n-1]-at[n-stormOf] <= stormIn
			}
		}
		if !storm {
			continue
		}
		first, last := all[0], all[len(all)-1]
		found = append(found, finding{Side: side, At: at[0], Packets: cite(all...),
			Detail: "The " + side.String() + " sent at least " + count(len(all), "RST") + " in " + span(at[len(at)-1]-at[0]) + ", from " + pkt(first) +
				" to " + pkt(last) + ".",
			Measures: []reassembly.Measure{{Name: "rst_count", Value: float64(len(all)), Limit: stormOf}}})
	}
	return found
}

func checkRSTBadSYNSent(c *reassembly.Case) []finding {
	if !c.Seen().RST {
		return nil
	}
	segs := c.Segments()
	for i := range segs {
		s := &segs[i]
		if s.Own() && isRST(s) && c.JudgeRST(i) == reassembly.RSTBadSynSent && !s.HasPeerAck {
			detail := "The RST in " + pkt(s.Packet) + " came while the " + s.Side.Other().String() + " waited for an answer to its SYN"
			if s.Has(reassembly.FlagACK) {
				detail += ", and it acknowledges another number"
			} else {
				detail += ", and it has no ACK flag"
			}
			return []finding{{Side: s.Side, At: s.At, Packets: []packet{s.Packet}, Detail: detail + "."}}
		}
	}
	return nil
}
