package anomaly

import (
	"fmt"
	"slices"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// Checks of the lost-ack family. The judgement what was lost, and where, is
// made where histories are built (package reassembly, refute.go and losses.go):
// a finding here and a withdrawn step there are two views of one fact.

// ofLosses makes findings of the losses that want selects. Those of one side
// that follow each other become one finding while its packets fit; apart gives
// each its own.
func ofLosses(c *reassembly.Case, apart bool, want func(*reassembly.Loss) bool, detail func(*reassembly.Loss) string) []reassembly.Finding {
	var out []reassembly.Finding
	losses := c.Losses()
	for i := range losses {
		l := &losses[i]
		if !want(l) {
			continue
		}
		packets := append(append([]reassembly.Packet(nil), l.Carriers...), l.Copy)
		if n := len(out); n > 0 && !apart && out[n-1].Side == l.Side && out[n-1].Where == l.Where && out[n-1].Between == l.Between &&
			out[n-1].Confidence == l.Confidence && len(out[n-1].Packets)+len(packets) <= maxPackets {
			f := &out[n-1]
			f.Packets = append(f.Packets, packets...)
			f.Measures[1].Value++
			f.Detail = fmt.Sprintf("%s It happened %d times.", detail1(f.Detail), int(f.Measures[1].Value))
			continue
		}
		s := c.Sender(l.Side)
		out = append(out, reassembly.Finding{
			Side: l.Side, At: l.At, Packets: cite(packets...), Where: l.Where, Between: l.Between, Confidence: l.Confidence, Detail: detail(l),
			Measures: []reassembly.Measure{secs("sent_again_after_s", l.After, s.Turn+s.Slack), {Name: "times", Value: 1}},
		})
	}
	for i := range out {
		slices.Sort(out[i].Packets)
		out[i].Packets = slices.Compact(out[i].Packets)
	}
	return out
}

// detail1 is the first sentence of a detail that may have a second.
func detail1(s string) string {
	for i := len(s) - 1; i > 0; i-- {
		if s[i] == '.' && i+1 < len(s) && s[i+1] == ' ' {
			return s[:i+1]
		}
	}
	return s
}

func lostACK(l *reassembly.Loss) bool { return l.Kind == reassembly.LostACK }

// isSYNACK: what was sent again is a SYN-ACK.
func isSYNACK(l *reassembly.Loss) bool {
	return l.Flags&(reassembly.FlagSYN|reassembly.FlagACK) == reassembly.FlagSYN|reassembly.FlagACK
}

// final: the loss is that of the last ACK of the close (rule 25).
func final(l *reassembly.Loss) bool { return l.Flags&reassembly.FlagFIN != 0 && l.LastACK }

// tapAt: the tap stands on a side's host, by what this connection shows.
func tapAt(c *reassembly.Case, side reassembly.Side) bool {
	e := c.Life.TapEvidence()
	place := e.Place()
	return place == reassembly.TapAtClient && side == reassembly.Client || place == reassembly.TapAtServer && side == reassembly.Server
}

func checkThirdACK(c *reassembly.Case) []reassembly.Finding {
	return ofLosses(c, false,
		func(l *reassembly.Loss) bool { return lostACK(l) && isSYNACK(l) },
		func(l *reassembly.Loss) string {
			switch l.Where {
			case reassembly.OnPath:
				return fmt.Sprintf("The %s's ACK (%s) was lost on the path: %s later the %s sent its SYN-ACK again (%s).",
					l.Side.Other(), pkt(l.Carriers[0]), span(l.After), l.Side, pkt(l.Copy))
			case reassembly.AtReceiver:
				return fmt.Sprintf("The %s's ACK (%s) reached the %s, but %s later that sent its SYN-ACK again (%s): its host dropped the ACK, as a full accept queue does.",
					l.Side.Other(), pkt(l.Carriers[0]), l.Side, span(l.After), pkt(l.Copy))
			}
			why := "the ACK was lost behind the tap or dropped by the host"
			if tapAt(c, l.Side) {
				why = fmt.Sprintf("the tap stands at the %s, so its host almost surely dropped the ACK, as a full accept queue does", l.Side)
			}
			return fmt.Sprintf("The %s's ACK (%s) passed the tap, but %s later the %s sent its SYN-ACK again (%s): %s.",
				l.Side.Other(), pkt(l.Carriers[0]), span(l.After), l.Side, pkt(l.Copy), why)
		})
}

func checkFinalACK(c *reassembly.Case) []reassembly.Finding {
	return ofLosses(c, false,
		func(l *reassembly.Loss) bool {
			return final(l) && (lostACK(l) || l.Kind == reassembly.LostUnseenACK)
		},
		func(l *reassembly.Loss) string {
			if l.Where == reassembly.OnPath {
				return fmt.Sprintf("The last ACK of the close (%s) was lost on the path: %s later the %s sent its FIN again (%s), still in LAST-ACK.",
					pkt(l.Carriers[0]), span(l.After), l.Side, pkt(l.Copy))
			}
			if l.Where == reassembly.AtReceiver {
				return fmt.Sprintf("The last ACK of the close (%s) reached the %s, but %s later that sent its FIN again (%s): its host did not take the ACK, or not yet.",
					pkt(l.Carriers[0]), l.Side, span(l.After), pkt(l.Copy))
			}
			if l.Where == reassembly.AfterTap {
				return fmt.Sprintf("The last ACK of the close (%s) passed the tap, but %s later the %s sent its FIN again (%s): it was still in LAST-ACK.",
					pkt(l.Carriers[0]), span(l.After), l.Side, pkt(l.Copy))
			}
			return fmt.Sprintf("The %s sent its FIN again (%s) %s after the first (%s); the answer (%s) shows that the first had arrived, so the last ACK was lost before the tap.",
				l.Side, pkt(l.Copy), span(l.After), pkt(l.Carriers[0]), pkt(l.Carriers[len(l.Carriers)-1]))
		})
}

func checkACKLostAfter(c *reassembly.Case) []reassembly.Finding {
	out := ofLosses(c, true,
		func(l *reassembly.Loss) bool { return lostACK(l) && !isSYNACK(l) && !final(l) },
		func(l *reassembly.Loss) string {
			ack, what := "ACK", "the acknowledged bytes"
			switch {
			case l.Flags&reassembly.FlagFIN != 0:
				what = "the acknowledged FIN"
			case l.Flags&reassembly.FlagSYN != 0:
				ack, what = "SYN-ACK", "its SYN"
			}
			if l.Unseen {
				return fmt.Sprintf("The %s to the %s in %s passed the tap, but within %s the %s sent something that the capture lacks (IP-IDs are missing before %s), and it had nothing to send but %s again.",
					ack, l.Side, pkt(l.Carriers[0]), span(l.After), l.Side, pkt(l.Copy), what)
			}
			n, fate, and := len(l.Carriers), "passed the tap", ", but"
			switch {
			case l.Where == reassembly.AtReceiver:
				fate = "reached it"
			case l.Where == reassembly.OnPath && n > 1:
				fate, and = "were lost on the path", ":"
			case l.Where == reassembly.OnPath:
				fate, and = "was lost on the path", ":"
			}
			head := fmt.Sprintf("The %s to the %s in %s %s", ack, l.Side, pkt(l.Carriers[0]), fate)
			if n > 1 {
				head = fmt.Sprintf("%s to the %s %s from %s on", count(n, ack), l.Side, fate, pkt(l.Carriers[0]))
			}
			return fmt.Sprintf("%s%s %s later it sent %s again (%s).", head, and, span(l.After), what, pkt(l.Copy))
		})
	for i := range out {
		if out[i].Where == reassembly.AfterTap && tapAt(c, out[i].Side) { // nothing lies between the tap and its receiver but the host's own stack
			out[i].Confidence = reassembly.Possible
		}
	}
	return out
}

func checkACKLostBefore(c *reassembly.Case) []reassembly.Finding {
	return ofLosses(c, true,
		func(l *reassembly.Loss) bool { return l.Kind == reassembly.LostUnseenACK && !final(l) },
		func(l *reassembly.Loss) string {
			if l.Unseen {
				return fmt.Sprintf("What the %s sent in %s had arrived, as the echo in %s shows, but no ACK was seen before that, and IP-IDs are missing before %s: the ACK was lost before the tap, and so was the copy that its loss brought about.",
					l.Side, pkt(l.Carriers[0]), pkt(l.Carriers[1]), pkt(l.Copy))
			}
			if l.ByIDs {
				return fmt.Sprintf("The %s sent again (%s) what %s had brought %s before without an ACK being seen; IP-IDs are missing before %s, as many as there were ACKs to send: those were lost before the tap.",
					l.Side, pkt(l.Copy), pkt(l.Carriers[0]), span(l.After), pkt(l.Carriers[len(l.Carriers)-1]))
			}
			return fmt.Sprintf("The %s sent again (%s) what %s had brought %s before without an ACK being seen; %s shows that the first copy had arrived, so its ACK was lost before the tap.",
				l.Side, pkt(l.Copy), pkt(l.Carriers[0]), span(l.After), pkt(l.Carriers[len(l.Carriers)-1]))
		})
}

func checkLateACK(c *reassembly.Case) []reassembly.Finding {
	return ofLosses(c, false,
		func(l *reassembly.Loss) bool { return l.Kind == reassembly.LateACK },
		func(l *reassembly.Loss) string {
			n := len(l.Carriers)
			if l.Confidence == reassembly.Possible {
				return fmt.Sprintf("The %s sent again (%s) %s after %s had passed the tap together (%s): by the echo of the copy none of them had come yet. One delay behind the tap is likelier than the loss of all.",
					l.Side, pkt(l.Copy), span(l.After), count(n, "ACK"), nums(l.Carriers))
			}
			if n > 0 && l.Carriers[n-1] < l.Copy {
				return fmt.Sprintf("The %s sent again (%s) %s after the ACK (%s) had passed the tap: that was held up behind it and came after all, as later packets show. Nothing was lost.",
					l.Side, pkt(l.Copy), span(l.After), nums(l.Carriers))
			}
			if n > 1 {
				return fmt.Sprintf("The %s sent again (%s) after %s what had arrived (%s): the ACK made from that passed only in %s. Nothing was lost.",
					l.Side, pkt(l.Copy), span(l.After), pkt(l.Carriers[0]), pkt(l.Carriers[n-1]))
			}
			return fmt.Sprintf("The %s sent again (%s) what was acknowledged within the same round trip: ACK and copy crossed, nothing was lost.", l.Side, pkt(l.Copy))
		})
}

func checkDataLost(c *reassembly.Case) []reassembly.Finding {
	out := ofLosses(c, false,
		func(l *reassembly.Loss) bool {
			return l.Kind == reassembly.LostSegment && l.Flags&(reassembly.FlagSYN|reassembly.FlagFIN) == 0
		},
		func(l *reassembly.Loss) string {
			if l.Where == reassembly.OnPath {
				return fmt.Sprintf("Data of the %s (%s) was lost on the path and sent again %s later (%s).", l.Side, pkt(l.Carriers[0]), span(l.After), pkt(l.Copy))
			}
			if l.Where != reassembly.AfterTap {
				return fmt.Sprintf("Data of the %s (%s) was sent again %s later (%s) and no ACK of the first copy was seen: either the data was lost behind the tap or its ACK before it.",
					l.Side, pkt(l.Carriers[0]), span(l.After), pkt(l.Copy))
			}
			why := "its copy was acknowledged without the report of a duplicate"
			if l.Confidence == reassembly.Certain {
				why = "the receiver reported what came behind it"
			}
			return fmt.Sprintf("Data of the %s (%s) passed the tap and was sent again %s later (%s); %s: it was lost behind the tap.",
				l.Side, pkt(l.Carriers[0]), span(l.After), pkt(l.Copy), why)
		})
	return out
}

// checkNeverSent: the receiver had the segment and had sent no ACK of it when
// the copy was sent (rule 22): a fact where an ACK may be delayed that long.
func checkNeverSent(c *reassembly.Case) []reassembly.Finding {
	neverSent := func(overdue bool) func(l *reassembly.Loss) bool {
		return func(l *reassembly.Loss) bool {
			return l.Kind == reassembly.DelayedACK && overdue == (l.After > reassembly.ACKDelayMax)
		}
	}
	out := ofLosses(c, false, neverSent(false),
		func(l *reassembly.Loss) string {
			return fmt.Sprintf("The %s sent again (%s) after %s what had arrived (%s); no ACK is known to be missing: the receiver had not sent one yet.",
				l.Side, pkt(l.Copy), span(l.After), pkt(l.Carriers[0]))
		})
	for i := range out {
		out[i].ID, out[i].Family, out[i].Severity = "ack-never-sent", LostACK, reassembly.Info
	}
	return append(out, ofLosses(c, false, neverSent(true),
		func(l *reassembly.Loss) string {
			return fmt.Sprintf("What the %s sent (%s) had arrived, but when it sent it again (%s) %s later it had no ACK: by its IP-IDs the %s had sent nothing that the capture lacks.",
				l.Side, pkt(l.Carriers[0]), pkt(l.Copy), span(l.After), l.Side.Other())
		})...)
}

// checkFINACKMissing: a FIN that nothing acknowledges to the end of the trace,
// although the peer was there (ANOMALIES section C). LAST-ACK has a rule of its own.
func checkFINACKMissing(c *reassembly.Case) []reassembly.Finding {
	var out []reassembly.Finding
	for _, side := range []reassembly.Side{reassembly.Client, reassembly.Server} {
		s := c.Sender(side)
		p := c.Sender(side.Other())
		if !s.HasFIN || !p.HasAck || !reassembly.Before(p.Ack, s.FIN+1) || c.Life.OneSided {
			continue
		}
		if st := c.Life.Endpoints[side].State; st == tcpstate.LastAck || st == tcpstate.Closed {
			continue
		}
		if silent := c.Now - s.FINAt; silent > max(3*s.RTO, 1e9) {
			var packets []reassembly.Packet
			for i := range c.Segments() {
				if g := &c.Segments()[i]; g.Own() && g.Side == side && g.Has(reassembly.FlagFIN) {
					packets = append(packets, g.Packet)
				}
			}
			out = append(out, reassembly.Finding{
				Side: side, At: s.FINAt, Packets: cite(packets...), Where: reassembly.UndeterminedPlace, Confidence: reassembly.Likely,
				Detail: fmt.Sprintf("The %s's FIN was sent %d times and nothing acknowledges it in the %s to the end of the trace.",
					side, len(packets), span(silent)),
				Measures: []reassembly.Measure{secs("silence_s", silent, max(3*s.RTO, 1e9)), {Name: "fins", Value: float64(len(packets))}},
			})
		}
	}
	return out
}

// checkDSACK: the receiver says that it got something twice (RFC 2883 section 4).
func checkDSACK(c *reassembly.Case) []reassembly.Finding {
	var packets []reassembly.Packet
	var first *reassembly.CaseSegment
	if c.Life.Endpoints[0].Stats.Retransmissions+c.Life.Endpoints[1].Stats.Retransmissions == 0 {
		return nil
	}
	segments := c.Segments()
	for i := range segments {
		s := &segments[i]
		if s.Own() && s.DSACK() {
			if first == nil {
				first = s
			}
			packets = append(packets, s.Packet)
		}
	}
	if first == nil {
		return nil
	}
	b, base := first.SACK[0], uint32(0)
	if p := c.Sender(first.Side.Other()); p.HasISN {
		base = p.ISN // relative, as other programs show them
	}
	detail := fmt.Sprintf("The %s reports sequence numbers %d to %d as received twice (%s)", first.Side, b.Left-base, b.Right-base, pkt(first.Packet))
	if len(packets) > 1 {
		detail += fmt.Sprintf(", and others in %s", count(len(packets)-1, "more ACK"))
	}
	return one(reassembly.Finding{Side: first.Side, At: first.At, Packets: cite(packets...), Confidence: reassembly.Certain,
		Detail: detail + ".", Measures: []reassembly.Measure{number("reports", len(packets))}})
}

// checkACKOfUnsent: an ACK above all that a fully captured peer has sent (RFC
// 9293 section 3.10.7.4, RFC 5961 section 5).
func checkACKOfUnsent(c *reassembly.Case) []reassembly.Finding {
	a, b := c.Sender(reassembly.Client), c.Sender(reassembly.Server)
	if !a.HasISN || !b.HasISN || !reassembly.Before(a.End, b.Ack) && !reassembly.Before(b.End, a.Ack) {
		return nil
	}
	segments := c.Segments()
	for i := range segments {
		s := &segments[i]
		p := c.Sender(s.Side.Other())
		if !s.Own() || s.Flags&(reassembly.FlagACK|reassembly.FlagRST) != reassembly.FlagACK || !reassembly.Before(p.End, s.Ack) || s.Ack-p.End <= 1 {
			continue
		}
		if wentOn(segments[i:], s.Side.Other(), s.Ack) || p.Contiguous != p.End {
			continue // the peer goes on from there: the capture missed what was sent
		}
		return one(reassembly.Finding{Side: s.Side, At: s.At, Packets: cite(s.Packet), Confidence: reassembly.Likely,
			Detail:   fmt.Sprintf("The %s acknowledges %d bytes more than the %s was seen to send (%s).", s.Side, s.Ack-p.End, s.Side.Other(), pkt(s.Packet)),
			Measures: []reassembly.Measure{{Name: "beyond_bytes", Value: float64(s.Ack - p.End)}}})
	}
	return nil
}

// wentOn: a side later sends from seq or above.
func wentOn(segments []reassembly.CaseSegment, side reassembly.Side, seq uint32) bool {
	for i := range segments {
		if s := &segments[i]; s.Own() && s.Side == side && reassembly.AtOrBefore(seq, s.Seq) {
			return true
		}
	}
	return false
}

// checkDupACKRun: three identical pure ACKs or more while data is outstanding
// (RFC 5681 section 3.2).
func checkDupACKRun(c *reassembly.Case) []reassembly.Finding {
	var out []reassembly.Finding
	for _, side := range []reassembly.Side{reassembly.Client, reassembly.Server} {
		if c.Life.Endpoints[side].Stats.DuplicateACKs < 3 {
			continue
		}
		var run, best []reassembly.Packet
		var last *reassembly.CaseSegment
		var at int64
		segments := c.Segments()
		for i := range segments {
			s := &segments[i]
			if !s.Own() || s.Side != side {
				continue
			}
			if last != nil && s.PureACK() && last.Flags&reassembly.FlagACK != 0 && s.Ack == last.Ack && s.Window == last.Window && s.HasPeerEndBeyond() {
				run = append(run, s.Packet)
			} else {
				run = run[:0:0]
			}
			if len(run) > len(best) {
				best, at = run, s.At
			}
			last = s
		}
		if len(best) >= 3 {
			out = append(out, reassembly.Finding{Side: side, At: at, Packets: cite(best...), Confidence: reassembly.Certain,
				Detail:   fmt.Sprintf("The %s repeats one ACK %d times while data is outstanding: something of the %s is missing there.", side, len(best), side.Other()),
				Measures: []reassembly.Measure{{Name: "duplicate_acks", Value: float64(len(best)), Limit: 3}}})
		}
	}
	return out
}
