package anomaly

import (
	"fmt"
	"time"

	"github.com/finwait/finwait/reassembly"
)

// Checks of the lost-ack family that look at how ACKs flow, rather than at one
// that was lost.

// ackDelayLimit is the longest that a delayed ACK may take (RFC 9293 MUST-40).
const ackDelayLimit = int64(500 * time.Millisecond)

// checkDelayedACK: an ACK later than 500 ms, of data that was sent once.
func checkDelayedACK(c *reassembly.Case) []reassembly.Finding {
	var out []reassembly.Finding
	if c.Life.OneSided {
		return nil
	}
	for _, side := range bothSides {
		if c.Life.Endpoints[side].Stats.Bytes == 0 || !c.Sender(side.Other()).HasAck {
			continue
		}
		if data, ack := slowestACK(c, side); data != nil {
			late := ack.At - data.At
			out = append(out, reassembly.Finding{
				Side: side.Other(), At: ack.At, Packets: cite(data.Packet, ack.Packet), Confidence: reassembly.Likely,
				Measures: []reassembly.Measure{secs("ack_delay_s", late, ackDelayLimit)},
				Detail: fmt.Sprintf("The %s acknowledged the data in %s only after %s (%s); a delayed ACK may take 500 ms.",
					side.Other(), pkt(data.Packet), span(late), pkt(ack.Packet)),
			})
		}
	}
	return out
}

// slowestACK finds the data of a side that waited longest, beyond the limit,
// for the peer's first ACK of it.
func slowestACK(c *reassembly.Case, side reassembly.Side) (data, ack *reassembly.CaseSegment) {
	segments := c.Segments()
	limit := ackDelayLimit + c.Sender(side.Other()).Turn
	var waiting *reassembly.CaseSegment // oldest unacknowledged data, sent once
	worst := limit
	for i := range segments {
		s := &segments[i]
		switch {
		case !s.Own() || s.Has(reassembly.FlagRST):
		case s.Side == side:
			if s.Kind == reassembly.Retransmission {
				waiting = nil // which copy the ACK answers is not known
			} else if s.Len > 0 && waiting == nil && s.Kind == reassembly.Fresh {
				waiting = s
			}
		case waiting != nil && s.Has(reassembly.FlagACK) && reassembly.Before(waiting.Seq, s.Ack):
			if s.At-waiting.At > worst && reassembly.AtOrBefore(waiting.End(), s.Ack) {
				worst, data, ack = s.At-waiting.At, waiting, s
			}
			waiting = nil
		}
	}
	return data, ack
}

// stallFloor is how long data must wait for an ACK, with nothing sent again,
// before it is told: three time-outs, and not less than 3 s.
const stallFloor = int64(3 * time.Second)

// checkACKStall: data outstanding to the end of the trace that is neither
// acknowledged nor sent again (RFC 9293 section 3.8.3).
func checkACKStall(c *reassembly.Case) []reassembly.Finding {
	if c.Life.OneSided || c.Life.Close == reassembly.CloseReset {
		return nil
	}
	var out []reassembly.Finding
	for _, side := range bothSides {
		s, p := c.Sender(side), c.Sender(side.Other())
		end := s.End
		if s.HasFIN {
			end = s.FIN // a FIN without ACK has a rule of its own
		}
		if !s.SentData || !p.HasAck || !reassembly.Before(p.Ack, end) || c.Now-s.LastAt < max(stallFloor, 3*s.RTO) {
			continue
		}
		last, copies := lastData(c, side, p.Ack)
		if last == nil || copies > 0 {
			continue // sent again: user-timeout or data loss tell it
		}
		out = append(out, reassembly.Finding{
			Side: side, At: last.At, Packets: cite(last.Packet), Confidence: reassembly.Likely, Where: reassembly.UndeterminedPlace,
			Measures: []reassembly.Measure{secs("silence_s", c.Now-last.At, max(stallFloor, 3*s.RTO)), {Name: "outstanding_bytes", Value: float64(end - p.Ack)}},
			Detail: fmt.Sprintf("%d bytes of the %s (to %s) were neither acknowledged nor sent again in the %s to the end of the trace.",
				end-p.Ack, side, pkt(last.Packet), span(c.Now-last.At)),
		})
	}
	return out
}

// lastData is a side's newest segment above an ACK, and how many segments
// above it were sent again.
func lastData(c *reassembly.Case, side reassembly.Side, ack uint32) (last *reassembly.CaseSegment, copies int) {
	segments := c.Segments()
	for i := range segments {
		s := &segments[i]
		if !s.Own() || s.Side != side || s.Len == 0 || !reassembly.Before(ack, s.End()) {
			continue
		}
		last = s
		if s.Kind == reassembly.Retransmission {
			copies++
		}
	}
	return last, copies
}

// ackLoopRun is how many pure ACKs in a row, in turn from both ends and within
// a second, make a loop: more than any exchange of window updates has.
const ackLoopRun = 10

// checkACKLoop: both ends answer each other's pure ACKs without progress (RFC
// 1337 H2; RFC 5961 section 7 asks for throttling because of it).
func checkACKLoop(c *reassembly.Case) []reassembly.Finding {
	run, from, to := ackLoop(c)
	if run == nil {
		return nil
	}
	return one(reassembly.Finding{
		Side: reassembly.Both, At: from, Packets: cite(run...), Confidence: reassembly.Likely,
		Measures: []reassembly.Measure{number("acks", len(run)), secs("within_s", to-from, 0)},
		Detail: fmt.Sprintf("From %s on both ends answer each other's ACKs with ACKs of the same numbers, %d within %s: neither accepts the other's.",
			pkt(run[0]), len(run), span(to-from)),
	})
}

// ackLoop finds the first run of ackLoopRun pure ACKs within a second, from the
// two ends in turn, each with the numbers of its sender's one before. What an end
// sent is told by those ACKs alone: others may have sent bytes in its name.
func ackLoop(c *reassembly.Case) (run []reassembly.Packet, from, to int64) {
	if c.Life.Packets < ackLoopRun {
		return nil, 0, 0
	}
	segments := c.Segments()
	var last [2]*reassembly.CaseSegment // the newest of each side
	turn := reassembly.None             // whose segment came last
	for i := range segments {
		s := &segments[i]
		if !s.Own() {
			continue
		}
		before := last[s.Side]
		repeats := s.PureACK() && before != nil && before.PureACK() && before.Seq == s.Seq && before.Ack == s.Ack
		switch {
		case len(run) >= ackLoopRun && (!repeats || turn == s.Side):
			return run, from, to
		case !repeats:
			run = nil
		case turn == s.Side || len(run) < ackLoopRun && len(run) > 0 && s.At-from > second:
			run, from = []reassembly.Packet{s.Packet}, s.At
		default:
			if len(run) == 0 {
				from = s.At
			}
			run, to = append(run, s.Packet), s.At
		}
		last[s.Side], turn = s, s.Side
	}
	if len(run) < ackLoopRun {
		return nil, 0, 0
	}
	return run, from, to
}

// echoAhead is how far an echo may be ahead of what was seen, ticks: beyond it
// the field is not an echo at all (some stacks leave it empty).
const echoAhead = 1 << 24

// checkCaptureMissed: an endpoint echoes a timestamp that its peer was never
// seen to send: a packet passed that the capture does not have (section 2.3).
func checkCaptureMissed(c *reassembly.Case) []reassembly.Finding {
	if c.Life.OneSided {
		return nil
	}
	segments := c.Segments()
	var newest [2]uint32
	var has [2]bool
	for i := range segments {
		s := &segments[i]
		if !s.Own() || !s.HasTS || s.Has(reassembly.FlagRST) {
			continue
		}
		p := s.Side.Other()
		if has[p] && s.Has(reassembly.FlagACK) && s.TSEcr != 0 && reassembly.Before(newest[p], s.TSEcr) &&
			s.TSEcr-newest[p] < echoAhead && !echoedEarly(segments[i:], p, s) {
			return one(reassembly.Finding{
				Side: p, At: s.At, Packets: cite(s.Packet), Where: reassembly.CaptureMissed, Confidence: reassembly.Certain,
				Detail: fmt.Sprintf("The %s echoes timestamp %d (%s), which the %s had not been seen to send: the capture missed a packet.",
					s.Side, s.TSEcr, pkt(s.Packet), p),
			})
		}
		if !has[s.Side] || reassembly.Before(newest[s.Side], s.TSVal) {
			newest[s.Side], has[s.Side] = s.TSVal, true
		}
	}
	return nil
}

// echoedEarly: the capture only has the two the wrong way round: the segment with
// the echoed timestamp follows within a few milliseconds.
func echoedEarly(rest []reassembly.CaseSegment, side reassembly.Side, echo *reassembly.CaseSegment) bool {
	for i := range rest {
		s := &rest[i]
		if s.At > echo.At+20e6 {
			return false
		}
		if s.Own() && s.Side == side && s.HasTS && s.TSVal == echo.TSEcr {
			return true
		}
	}
	return false
}
