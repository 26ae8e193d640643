package anomaly

import (
	"fmt"
	"strings"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// Checks of the 2msl family: TIME-WAIT, its clock, and the reuse of a tuple
// before that clock has run out (RFC 9293 section 3.6.1, RFC 6191, RFC 1337).

var bothSides = []reassembly.Side{reassembly.Client, reassembly.Server}

// Verdicts of a reuse.
const (
	legalTS     = "legal_ts"
	legalISN    = "legal_isn"
	oldDup      = "old_duplicate"
	illegalSYN  = "illegal_syn"
	illegalISN  = "illegal_synack_isn"
	holderEarly = "holder_early"
	holderNoTS  = "holder_without_timestamps"
	undecided   = "undetermined"
)

// reuseDelay is how old a TIME-WAIT must be before Linux lets its holder reuse
// the tuple (tcp_tw_reuse_delay).
const reuseDelay = int64(1e9)

// profiles are the lengths of TIME-WAIT in use, s.
var profiles = []int64{30, 60, 120, 240}

// breaks lists the profiles that an interval falls short of.
func breaks(ns int64) string {
	var out []string
	for _, p := range profiles {
		if ns < p*1e9 {
			out = append(out, fmt.Sprint(p))
		}
	}
	return strings.Join(out, "/")
}

// newSYN is the SYN that began the connection.
func newSYN(c *reassembly.Case) *reassembly.CaseSegment {
	segments := c.Segments()
	for i := range segments {
		if s := &segments[i]; s.Own() && s.Flags&(reassembly.FlagSYN|reassembly.FlagACK|reassembly.FlagRST) == reassembly.FlagSYN {
			return s
		}
	}
	return nil
}

// synACKOf is the first SYN-ACK that covers a SYN.
func synACKOf(c *reassembly.Case, syn *reassembly.CaseSegment) *reassembly.CaseSegment {
	segments := c.Segments()
	for i := range segments {
		s := &segments[i]
		if s.Own() && s.Side != syn.Side && s.Has(reassembly.FlagSYN|reassembly.FlagACK) && s.Ack == syn.Seq+1 {
			return s
		}
	}
	return nil
}

func reused(c *reassembly.Case) *reassembly.CaseSegment {
	if c.Prev == nil || c.Prev.Holder == reassembly.None {
		return nil
	}
	return newSYN(c)
}

// checkTupleReused: the SYN comes from the remote of the TIME-WAIT holder.
func checkTupleReused(c *reassembly.Case) []reassembly.Finding {
	syn := reused(c)
	if syn == nil || c.Prev.Holder == syn.Side {
		return nil
	}
	holder := syn.Side.Other()
	interval := syn.At - c.Prev.TimeWait.Begin
	answer := synACKOf(c, syn)
	verdict, severity := judgeReuse(c, syn, answer)
	f := reassembly.Finding{
		ID: "tuple-reused-in-2msl", Family: TwoMSL, Severity: severity, Side: holder, At: syn.At,
		Packets: cite(c.Prev.Last, syn.Packet), Confidence: reassembly.Certain, Verdict: verdict,
		Measures: []reassembly.Measure{secs("interval_s", interval, c.Prev.TimeWait.TwoMSL)},
		Detail: fmt.Sprintf("A SYN for the same addresses and ports came %s after the %s entered TIME-WAIT (%s), sooner than 2MSL (%s); it breaks profiles of %s s: %s.",
			span(interval), holder, pkt(syn.Packet), span(c.Prev.TimeWait.TwoMSL), breaks(interval), verdictWords[verdict]),
	}
	if answer != nil {
		f.Packets = append(f.Packets, answer.Packet)
	}
	return one(f)
}

var verdictWords = map[string]string{
	legalTS:     "its timestamp is newer than the last one of that direction, so it may be accepted",
	legalISN:    "its sequence number is above the last one of that direction, so it may be accepted",
	oldDup:      "it is an old duplicate and was not accepted",
	illegalSYN:  "it was accepted although neither its timestamp nor its sequence number allows it",
	illegalISN:  "the holder's new sequence number is not above the largest it had used",
	undecided:   "the capture does not show the numbers that would decide whether it may be accepted",
	holderEarly: "the holder itself began it within a second",
	holderNoTS:  "the holder itself began it without timestamps, which nothing allows",
}

// judgeReuse decides by RFC 6191 section 2 whether the SYN may be accepted, and
// by RFC 9293 MAY-2 whether the holder's own sequence number allows it.
func judgeReuse(c *reassembly.Case, syn, answer *reassembly.CaseSegment) (string, reassembly.Severity) {
	p, from, holder := c.Prev, syn.Side, syn.Side.Other()
	if !p.HasEnd[from] || !p.HasEnd[holder] {
		return undecided, reassembly.Note
	}
	verdict := ""
	above := reassembly.Before(p.End[from]-1, syn.Seq)
	switch {
	case p.HasTS[from] && syn.HasTS:
		if reassembly.Before(p.TSVal[from], syn.TSVal) {
			verdict = legalTS
		} else if p.TSVal[from] == syn.TSVal && above {
			verdict = legalISN
		}
	case !p.HasTS[from] && syn.HasTS:
		verdict = legalTS
	case above:
		verdict = legalISN
	}
	switch {
	case verdict == "" && answer == nil:
		return oldDup, reassembly.Error
	case verdict == "":
		// Linux also takes a SYN whose ISN alone is higher; the RFC does not
		// where timestamps say that it is old.
		return illegalSYN, reassembly.Error
	case answer != nil && !reassembly.Before(p.End[holder]-1, answer.Seq):
		return illegalISN, reassembly.Error
	}
	return verdict, reassembly.Info
}

// checkReuseByHolder: the SYN comes from the side that holds TIME-WAIT.
func checkReuseByHolder(c *reassembly.Case) []reassembly.Finding {
	syn := reused(c)
	if syn == nil || c.Prev.Holder != syn.Side {
		return nil
	}
	interval := syn.At - c.Prev.TimeWait.Begin
	verdict, severity := legalTS, reassembly.Info
	words := "with newer timestamps and after a second, as Linux's tcp_tw_reuse allows"
	switch {
	case !syn.HasTS || !c.Prev.HasTS[syn.Side]:
		verdict, severity, words = holderNoTS, reassembly.Warning, verdictWords[holderNoTS]
	case interval < reuseDelay:
		verdict, severity, words = holderEarly, reassembly.Warning, verdictWords[holderEarly]
	}
	return one(reassembly.Finding{
		ID: "tw-reuse-by-holder", Family: TwoMSL, Severity: severity, Side: syn.Side, At: syn.At, Packets: cite(c.Prev.Last, syn.Packet),
		Confidence: reassembly.Certain, Verdict: verdict, Measures: []reassembly.Measure{secs("interval_s", interval, c.Prev.TimeWait.TwoMSL)},
		Detail: fmt.Sprintf("The %s, which was in TIME-WAIT, began the same tuple again after %s (%s), sooner than 2MSL (%s); it breaks profiles of %s s: %s.",
			syn.Side, span(interval), pkt(syn.Packet), span(c.Prev.TimeWait.TwoMSL), breaks(interval), words),
	})
}

// checkSYNRejected: TIME-WAIT answers the SYN by an ACK of its old numbers; the
// client resets that and tries again (RFC 9293 section 3.10.7.4, RFC 6191).
func checkSYNRejected(c *reassembly.Case) []reassembly.Finding {
	if c.Prev == nil || c.Prev.Holder == reassembly.None {
		return nil
	}
	syn := newSYN(c)
	if syn == nil || c.Prev.Holder == syn.Side {
		return nil
	}
	packets := []reassembly.Packet{syn.Packet}
	acks := 0
	segments := c.Segments()
	for i := range segments {
		s := &segments[i]
		if !s.Old || len(packets) >= maxPackets-1 {
			continue
		}
		if s.Side != syn.Side && (s.PureACK() || s.Has(reassembly.FlagRST)) {
			acks++
			packets = append(packets, s.Packet)
		} else if s.Side == syn.Side && s.Has(reassembly.FlagRST) {
			packets = append(packets, s.Packet)
		}
	}
	if acks == 0 {
		return nil
	}
	f := reassembly.Finding{Side: syn.Side, At: syn.At, Confidence: reassembly.Certain}
	end, outcome := c.Now, "no SYN-ACK came at all"
	if answer := synACKOf(c, syn); answer != nil {
		end, outcome = answer.At, "the SYN-ACK came in "+pkt(answer.Packet)
		packets = append(packets, answer.Packet)
	}
	f.Packets = cite(packets...)
	f.Measures = []reassembly.Measure{secs("delay_s", end-syn.At, 0)}
	f.Detail = fmt.Sprintf("The SYN (%s) met a TIME-WAIT, which answered it %s with its old numbers; that cost the connect %s: %s.",
		pkt(syn.Packet), map[bool]string{true: "once", false: fmt.Sprintf("%d times", acks)}[acks == 1], span(end-syn.At), outcome)
	return one(f)
}

// checkRestarted: each segment that begins TIME-WAIT anew (rule 21).
func checkRestarted(c *reassembly.Case) []reassembly.Finding {
	var out []reassembly.Finding
	for _, side := range bothSides {
		if c.Step(side, tcpstate.TimeWait) == nil {
			continue
		}
		t, ok := c.TimeWait(side)
		if !ok || len(t.Restarts) == 0 {
			continue
		}
		conf := reassembly.Certain
		last, words := nums(t.Restarts), "it was answered"
		if len(t.Restarts) > 1 {
			words = "each was answered"
		}
		if t.Unanswered {
			conf, words = reassembly.Likely, "not every answer was seen"
		}
		out = append(out, reassembly.Finding{Side: side, At: t.Begin, Packets: cite(t.Restarts...), Confidence: conf,
			Measures: []reassembly.Measure{secs("time_wait_s", t.Most-t.Begin, t.TwoMSL), {Name: "restarts", Value: float64(len(t.Restarts))}},
			Detail: fmt.Sprintf("The %s's TIME-WAIT began anew %s (%s): it ends %s later than it would have; %s.",
				side, times(len(t.Restarts)), last, span(t.Most-t.Begin-t.TwoMSL), words)})
	}
	return out
}

// checkCensored: the trace ends before 2MSL has passed.
func checkCensored(c *reassembly.Case) []reassembly.Finding {
	var out []reassembly.Finding
	for _, side := range bothSides {
		e := &c.Life.Endpoints[side]
		if !e.InTimeWait || !c.Ended {
			continue
		}
		t, _ := c.TimeWait(side)
		out = append(out, censoredTimeWait(c.Life, side, t.Begin, t.TwoMSL))
	}
	return out
}

func censoredTimeWait(l *reassembly.Lifecycle, side reassembly.Side, begin, twoMSL int64) finding {
	left := l.Endpoints[side].TimeWaitMost
	return finding{Side: side, At: begin, Packets: []packet{l.Step(side, tcpstate.TimeWait).Packet}, Confidence: reassembly.Certain,
		Measures: []reassembly.Measure{secs("left_s", left, twoMSL)},
		Detail:   "The trace ends while the " + side.String() + " is in TIME-WAIT: " + span(left) + " of 2MSL (" + span(twoMSL) + ") are left."}
}

// checkAssassinated: a reset reached TIME-WAIT (RFC 1337 section 2). Only a
// new SYN that is accepted at once proves that the holder left.
func checkAssassinated(c *reassembly.Case) []reassembly.Finding {
	var out []reassembly.Finding
	for _, side := range bothSides {
		h := c.Life.Endpoints[side].History
		for i := 1; i < len(h); i++ {
			if h[i].State != tcpstate.Closed || h[i-1].State != tcpstate.TimeWait || h[i].Packet == 0 || h[i].Evidence == reassembly.Observed {
				continue
			}
			rst, cause := resetIn(c, side, &h[i])
			if rst == nil {
				continue
			}
			packets := []reassembly.Packet{h[i-1].Packet}
			words := "an RST"
			if cause != nil {
				packets = append(packets, cause.Packet)
				words = fmt.Sprintf("an old segment (%s) was answered and drew an RST", pkt(cause.Packet))
			}
			packets = append(packets, rst.Packet)
			conf := reassembly.Likely
			f := reassembly.Finding{Side: side, At: rst.At, Packets: cite(packets...), Confidence: conf,
				Measures: []reassembly.Measure{secs("time_wait_s", rst.At-h[i-1].At, 0)},
				Detail: fmt.Sprintf("The %s had been in TIME-WAIT for %s when %s (%s); unless it ignores resets there (RFC 1337), it left early.",
					side, span(rst.At-h[i-1].At), words, pkt(rst.Packet))}
			out = append(out, f)
		}
	}
	return out
}

// resetIn finds the reset behind a CLOSED step of a TIME-WAIT holder, and the
// late segment whose answer drew it.
func resetIn(c *reassembly.Case, side reassembly.Side, closed *reassembly.Step) (rst, cause *reassembly.CaseSegment) {
	segments := c.Segments()
	at := -1
	for i := range segments {
		if segments[i].Packet == closed.Packet && segments[i].Has(reassembly.FlagRST) && segments[i].Side != side {
			at = i
		}
	}
	if at < 0 {
		return nil, nil
	}
	for i := at - 1; i >= 0; i-- {
		s := &segments[i]
		if s.Own() && s.Side != side && s.End() != s.Seq && s.HadEnd && reassembly.AtOrBefore(s.End(), s.PrevEnd) && s.At > segments[at].At-10e9 {
			return &segments[at], s
		}
	}
	return &segments[at], nil
}

// checkTimeWaitMissing: the peer's FIN came again and the side that should be
// in TIME-WAIT answers it with a reset of the form that a closed port sends.
func checkTimeWaitMissing(c *reassembly.Case) []reassembly.Finding {
	for _, side := range bothSides {
		s, p := c.Sender(side), c.Sender(side.Other())
		if !s.HasFIN || !p.HasFIN || p.FINCopies == 0 || !s.HasAck || reassembly.Before(s.Ack, p.FIN+1) {
			continue
		}
		segments := c.Segments()
		var fin *reassembly.CaseSegment
		for i := range segments {
			g := &segments[i]
			switch {
			case !g.Own():
			case g.Side != side && g.Has(reassembly.FlagFIN) && g.Kind == reassembly.Retransmission && g.HasPeerAck && reassembly.AtOrBefore(p.FIN+1, g.PeerAck):
				fin = g
			case g.Side == side && fin != nil && g.Flags&(reassembly.FlagRST|reassembly.FlagACK) == reassembly.FlagRST && g.Seq == fin.Ack:
				return one(reassembly.Finding{Side: side, At: g.At, Packets: cite(fin.Packet, g.Packet), Confidence: reassembly.Likely,
					Detail: fmt.Sprintf("The %s had acknowledged the peer's FIN and should be in TIME-WAIT, but answers the FIN's copy (%s) with an RST (%s): it has forgotten the connection.",
						side, pkt(fin.Packet), pkt(g.Packet))})
			case g.Side == side:
				fin = nil
			}
		}
	}
	return nil
}

// checkOldDuplicate: a segment with numbers of the old incarnation fell into
// the new one's window: its timestamp is older than the SYN's (RFC 1337 H1).
func checkOldDuplicate(c *reassembly.Case) []reassembly.Finding {
	if c.Prev == nil {
		return nil
	}
	segments := c.Segments()
	for _, side := range bothSides {
		var syn *reassembly.CaseSegment
		for i := range segments {
			s := &segments[i]
			if !s.Own() || s.Side != side {
				continue
			}
			if s.Has(reassembly.FlagSYN) && syn == nil {
				syn = s
			}
			if syn == nil || !syn.HasTS || !s.HasTS || s.Len == 0 || !c.Prev.HasTS[side] {
				continue
			}
			if reassembly.Before(s.TSVal, syn.TSVal) && reassembly.AtOrBefore(s.TSVal, c.Prev.TSVal[side]) && acceptedLater(segments[i:], s) {
				return one(reassembly.Finding{Side: side.Other(), At: s.At, Packets: cite(syn.Packet, s.Packet), Confidence: reassembly.Likely,
					Detail: fmt.Sprintf("Data of the %s (%s) carries a timestamp of the incarnation before and was acknowledged in this one.", side, pkt(s.Packet))})
			}
		}
	}
	return nil
}

// acceptedLater: the receiver acknowledges the segment before its sender sends
// those bytes again.
func acceptedLater(rest []reassembly.CaseSegment, s *reassembly.CaseSegment) bool {
	for i := 1; i < len(rest); i++ {
		g := &rest[i]
		if !g.Own() {
			continue
		}
		if g.Side == s.Side && g.Len > 0 && reassembly.AtOrBefore(g.Seq, s.Seq) && reassembly.Before(s.Seq, g.End()) {
			return false
		}
		if g.Side != s.Side && g.Flags&(reassembly.FlagACK|reassembly.FlagRST) == reassembly.FlagACK && reassembly.AtOrBefore(s.End(), g.Ack) {
			return true
		}
	}
	return false
}

// checkReuseFailed: in a connection that reuses a tuple within 2MSL, the ends
// answer each other's ACKs without end, or one resets it right after a segment
// of the connection before (RFC 1337 H2, H3). A reset without such a segment is
// the new connection's own affair.
func checkReuseFailed(c *reassembly.Case) []reassembly.Finding {
	if c.Prev == nil {
		return nil
	}
	syn := newSYN(c)
	if syn == nil || synACKOf(c, syn) == nil || syn.At-c.Prev.LastAt > missedClose {
		return nil
	}
	again := fmt.Sprintf("The tuple was used again (%s) %s after its last packet", pkt(syn.Packet), span(syn.At-c.Prev.LastAt))
	f := reassembly.Finding{Side: reassembly.Both, Confidence: reassembly.Possible,
		Measures: []reassembly.Measure{secs("interval_s", syn.At-c.Prev.LastAt, missedClose)}}
	if run, from, _ := ackLoop(c); run != nil {
		f.At, f.Packets = from, cite(append([]reassembly.Packet{syn.Packet}, run...)...)
		f.Detail = fmt.Sprintf("%s, and from %s on the ends of the new connection only answer each other's ACKs: they disagree on the numbers.", again, pkt(run[0]))
		return one(f)
	}
	if c.Life.Close != reassembly.CloseReset {
		return nil
	}
	segments := c.Segments()
	var old *reassembly.CaseSegment
	for i := range segments {
		s := &segments[i]
		switch {
		case s.Old && s.Side != syn.Side && !isRST(s), s.Own() && ofPrevious(c, s, syn):
			old = s
		case s.Own() && isRST(s) && old != nil && s.Side != old.Side && s.At-old.At <= max(late(c, s.Side), leastRTO):
			f.Side, f.At, f.Packets = s.Side, s.At, cite(syn.Packet, old.Packet, s.Packet)
			f.Detail = fmt.Sprintf("%s; a segment of the connection before (%s) came in the new one, and %s later the %s reset it (%s).",
				again, pkt(old.Packet), span(s.At-old.At), s.Side, pkt(s.Packet))
			return one(f)
		}
	}
	return nil
}

// ofPrevious: the segment's timestamp is one of the incarnation before.
func ofPrevious(c *reassembly.Case, s, syn *reassembly.CaseSegment) bool {
	first := syn
	if s.Side != syn.Side {
		first = synACKOf(c, syn)
	}
	return s.HasTS && first.HasTS && c.Prev.HasTS[s.Side] && reassembly.Before(s.TSVal, first.TSVal) &&
		reassembly.AtOrBefore(s.TSVal, c.Prev.TSVal[s.Side])
}
