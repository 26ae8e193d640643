package anomaly

import (
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// More checks of close.go: closes that do not come to an end.

// stall is how long an end that has the peer's FIN sent neither data nor its own.
type stall struct {
	from, to  int64
	begin     packet // the last thing it did, or the peer's FIN
	end       packet // the FIN or RST that ended it; 0: nothing did
	sentBytes uint32 // data sent between
}

// stallOf measures how long side late kept its side open; ok is false when that
// was no longer than the limit.
func stallOf(c *reassembly.Case, late reassembly.Side, since *reassembly.Step) (s stall, ok bool) {
	d, p := c.Sender(late), c.Sender(late.Other())
	if since == nil || since.Packet == 0 || !p.HasFIN || !d.HasAck || !reassembly.AtOrBefore(p.FIN+1, d.Ack) {
		return s, false
	}
	s.from, s.begin, s.to = since.At, since.Packet, c.Now
	if d.HasFIN {
		s.to = d.FINAt
	}
	if s.to-s.from <= closeStall {
		return s, false
	}
	segs := c.Segments()
	for i := range segs {
		g := &segs[i]
		if !g.Own() || g.At < since.At {
			continue
		}
		switch {
		case isRST(g) || g.Side == late && isFIN(g):
			s.end, s.to = g.Packet, g.At
			return s, s.to-s.from > closeStall
		case g.Side == late && g.Len > 0 && g.Kind != reassembly.KeepAlive:
			s.from, s.begin = g.At, g.Packet
			s.sentBytes += g.Len
		}
	}
	return s, s.to-s.from > closeStall
}

func (s *stall) told(side reassembly.Side, detail string) finding {
	f := finding{Side: side, At: s.from, Packets: []packet{s.begin}, Detail: detail,
		Measures: []reassembly.Measure{secs("interval_s", s.to-s.from, closeStall)}}
	if s.end != 0 {
		f.Packets = append(f.Packets, s.end)
		f.Detail += " until " + pkt(s.end)
	} else {
		f.Detail += " up to the end of its trace"
	}
	if s.sentBytes > 0 {
		f.Detail += "; before, it had sent " + count(s.sentBytes, "byte") + " after the peer's FIN"
		f.Measures = append(f.Measures, reassembly.Measure{Name: "sent_bytes", Value: float64(s.sentBytes)})
	}
	f.Detail += "."
	return f
}

func checkCloseWaitStall(c *reassembly.Case) []finding {
	var found []finding
	for _, side := range sides {
		if s, ok := stallOf(c, side, c.Step(side, tcpstate.CloseWait)); ok {
			found = append(found, s.told(side, "After "+pkt(s.begin)+" the "+side.String()+
				", which had acknowledged the peer's FIN, sent neither data nor a FIN for "+span(s.to-s.from)))
		}
	}
	return found
}

func checkFINWait2Stall(c *reassembly.Case) []finding {
	var found []finding
	for _, side := range sides {
		if s, ok := stallOf(c, side.Other(), c.Step(side, tcpstate.FinWait2)); ok {
			found = append(found, s.told(side, "The "+side.String()+"'s FIN was acknowledged, but after "+pkt(s.begin)+" the "+
				side.Other().String()+" sent neither data nor a FIN for "+span(s.to-s.from)))
		}
	}
	return found
}

// Where any ACK of the FIN was seen, its loss is told as final-ack-lost.
func checkLastACKStall(c *reassembly.Case) []finding {
	for _, side := range sides {
		d, p := c.Sender(side), c.Sender(side.Other())
		if d.FINCopies < givingUp || !p.HasFIN || c.Life.OneSided || c.Step(side, tcpstate.LastAck) == nil ||
			p.HasAck && reassembly.AtOrBefore(d.FIN+1, p.Ack) {
			continue
		}
		var all []packet
		var first, last int64
		segs := c.Segments()
		for i := range segs {
			s := &segs[i]
			switch {
			case !s.Own():
			case isRST(s):
				return nil // somebody answered, or gave up aloud
			case s.Side == side && isFIN(s) && s.End() == d.FIN+1:
				if all == nil {
					first = s.At
				}
				all, last = append(all, s.Packet), s.At
			}
		}
		if len(all) <= givingUp {
			continue
		}
		return []finding{{Side: side, At: last, Packets: cite(all...),
			Detail: "The " + side.String() + ", the second to close, sent its FIN " + times(len(all)) + " in " + span(last-first) + " (" + nums(all) +
				"), and no ACK of it was seen" + until(c.Now-last) + ".",
			Measures: []reassembly.Measure{number("copy_count", len(all)-1), secs("silence_s", c.Now-last, 0)}}}
	}
	return nil
}

const idleTimeout = "idle timeout" // why Lifecycle.Evicted says so

func checkVanished(c *reassembly.Case) []finding { return vanished(c.Life, c.Now) }

func vanished(l *reassembly.Lifecycle, now int64) []finding {
	if l.Evicted != idleTimeout || l.Close != reassembly.CloseTimeout {
		return nil
	}
	return []finding{{Side: reassembly.None, At: l.End, Packets: []packet{l.Last}, Confidence: reassembly.Possible,
		Detail:   "Nothing came after " + pkt(l.Last) + " for " + span(now-l.End) + ", and the connection was never closed.",
		Measures: []reassembly.Measure{secs("silence_s", now-l.End, 0)}}}
}
