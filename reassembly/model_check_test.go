package reassembly_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
	"github.com/finwait/finwait/reassembly/seqnum"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file holds what the Tracker tells against what the model's endpoints did.

// verdict is what a case showed.
type verdict struct {
	faults         []string
	ends           int
	hidden         int // ends with a close that no packet shows
	exact          int
	inexact        []string
	steps, certain int
}

func (v *verdict) fault(format string, args ...any) {
	v.faults = append(v.faults, fmt.Sprintf(format, args...))
}

// trackCase feeds the capture to a Tracker of its own.
func trackCase(s *sim, end int64) []*reassembly.Lifecycle {
	var lives []*reassembly.Lifecycle
	t := reassembly.NewTracker(reassembly.Options{Check: anomaly.Check, CheckClean: anomaly.CheckClean, Emit: func(l *reassembly.Lifecycle) { lives = append(lives, l) }})
	for _, k := range s.frames {
		seg := k.seg
		t.Add(&seg)
	}
	t.Advance(end)
	t.Close()
	return lives
}

// check judges all that was told of one case.
func check(s *sim, lives []*reassembly.Lifecycle) *verdict {
	v := &verdict{}
	packets := uint64(0)
	for _, l := range lives {
		packets += l.Packets
		if l.End < l.Start {
			v.fault("connection %d ends before it starts", l.ID)
		}
	}
	if packets != uint64(len(s.frames)) {
		v.fault("%d packets in, %d told", len(s.frames), packets)
	}
	if len(lives) == 0 {
		return v
	}
	for x := range 2 {
		var told []reassembly.Step
		for n, l := range lives {
			e := &l.Endpoints[side(s, l, x)]
			// What comes late, after all is told, makes a connection of its own
			// that begins UNKNOWN.
			if n == 0 || len(e.History) > 0 && e.History[0].State != tcpstate.Unknown {
				told = append(told, e.History...)
			}
			s.checkHistory(v, x, e)
			s.checkCertain(v, x, e)
			s.checkProofs(v, x, e)
		}
		s.comparePaths(v, x, told)
	}
	return v
}

// side is the endpoint of a Lifecycle that is host x.
func side(s *sim, l *reassembly.Lifecycle, x int) reassembly.Side {
	seg := s.host[x].blank()
	if l.Client.Port() == seg.SrcPort {
		return reassembly.Client
	}
	return reassembly.Server
}

func (s *sim) frameAt(p reassembly.Packet) *packet {
	if n := p.Number(); n >= 1 && n <= uint64(len(s.frames)) {
		return s.frames[n-1]
	}
	return nil
}

// checkHistory: legal transitions, true times, causal order, durations.
func (s *sim) checkHistory(v *verdict, x int, e *reassembly.Endpoint) {
	if e.TimeWaitLeast < 0 || e.TimeWaitMost < e.TimeWaitLeast {
		v.fault("%s: TIME-WAIT left: %d to %d ns", who(x), e.TimeWaitLeast, e.TimeWaitMost)
	}
	if r := e.Stats.RTT; r.Min < 0 || r.Mean < r.Min || r.Max < r.Mean {
		v.fault("%s: round trips %+v", who(x), r)
	}
	if n := len(e.History); n > 0 && (e.History[n-1].State != e.State || e.History[n-1].Evidence != e.Evidence) {
		v.fault("%s: the endpoint is not in the last state of its history", who(x))
	}
	latest := int64(0)
	for i := range e.History {
		st := &e.History[i]
		if i > 0 && !legal(e.History[i-1].State, st.State, st.Event) {
			v.fault("%s: %v -> %v on %q is not in the table", who(x), e.History[i-1].State, st.State, st.Event)
		}
		if k := s.frameAt(st.Packet); k != nil && st.At != k.tapAt {
			v.fault("%s: %v at %d, but its packet passed at %d", who(x), st.State, st.At, k.tapAt)
		} else if k == nil && st.Packet != 0 {
			v.fault("%s: %v names no packet of the capture", who(x), st.State)
		}
		// A receipt that crossed what the endpoint sent stands behind it,
		// although its packet passed the tap before.
		receipt := strings.HasPrefix(st.Event, "receive") || strings.HasPrefix(st.Event, "no connection")
		if st.At != 0 && st.At < latest && !receipt {
			v.fault("%s: %v at %d stands behind a step at %d", who(x), st.State, st.At, latest)
		}
		latest = max(latest, st.At)
	}
}

// legal: a move of the table, or one of the two that the rules of evidence add:
// a passive opener's return to LISTEN is CLOSED (rule 9), and a bare RST says
// CLOSED of its sender in whatever state it was thought to be (rule 14b).
func legal(from, to tcpstate.State, what string) bool {
	for ev := range tcpstate.Event(tcpstate.NumEvents) {
		if c := tcpstate.Next(from, ev); c.Verdict == tcpstate.Move && c.To == to && (ev.String() == what || ev != tcpstate.SendFIN && ev != tcpstate.ReceiveFIN) {
			return true
		}
	}
	switch {
	case to == tcpstate.Established && what == "both ends send data":
		return true
	case to == tcpstate.Closed && (what == "receive RST, listener continues" || what == "no connection: answers with RST"):
		return true
	}
	return ev(what, from) == to
}

// ev is where an event named in a report leads.
func ev(what string, from tcpstate.State) tcpstate.State {
	what = strings.TrimSuffix(what, ", not seen")
	if strings.HasSuffix(what, ": a FIN") { // guessed from one direction
		what = tcpstate.ReceiveFIN.String()
	}
	for e := range tcpstate.Event(tcpstate.NumEvents) {
		if e.String() == what {
			return tcpstate.Next(from, e).To
		}
	}
	return tcpstate.Unknown
}

func certain(st *reassembly.Step) bool {
	return st.Evidence == reassembly.Observed || st.Evidence == reassembly.Confirmed
}

// checkCertain: what is told as certain was really done, in that order, and by
// the time of the packet that shows it.
func (s *sim) checkCertain(v *verdict, x int, e *reassembly.Endpoint) {
	path := s.host[x].path
	next := 0
	for i := range e.History {
		st := &e.History[i]
		if !certain(st) {
			continue
		}
		shown := s.frameAt(st.Packet)
		for _, p := range st.ConfirmedBy {
			if k := s.frameAt(p); k != nil && (shown == nil || k.tapAt > shown.tapAt) {
				shown = k
			}
		}
		by := int64(1) << 62
		if shown != nil {
			by = shown.tapAt
		}
		at := next
		for at < len(path) && (path[at].state != st.State || path[at].at > by) {
			at++
		}
		if at == len(path) {
			v.fault("%s: %v is told as %v, but it was not so", who(x), st.State, st.Evidence)
			continue
		}
		next = at + 1
	}
}

// checkProofs: a confirmed step names what proves it, and the states that the
// wire hardly ever shows are confirmed by the forms of rules 3, 14b and 19 only.
func (s *sim) checkProofs(v *verdict, x int, e *reassembly.Endpoint) {
	for i := range e.History {
		st := &e.History[i]
		if st.Evidence != reassembly.Confirmed {
			continue
		}
		later := slices.ContainsFunc(st.ConfirmedBy, func(p reassembly.Packet) bool { return p >= st.Packet })
		if !later {
			v.fault("%s: %v is confirmed by no later packet", who(x), st.State)
		}
		ok := true
		switch st.State {
		case tcpstate.FinWait2:
			ok = s.proved(st, func(k *packet) bool { return k.from == x && s.echoesCoveringACK(k, x) })
		case tcpstate.TimeWait:
			ok = s.proved(st, func(k *packet) bool { return k.from == x && k.seg.Span() == 0 && s.oldSegmentBefore(k, 1-x) })
		case tcpstate.Closed:
			ok = s.proved(st, func(k *packet) bool {
				return k.from == x && (k.seg.Flags&(rst|ack) == rst || k.seg.Flags&syn != 0)
			})
		}
		if !ok {
			v.fault("%s: %v is confirmed outside the rules", who(x), st.State)
		}
	}
}

func (s *sim) proved(st *reassembly.Step, by func(*packet) bool) bool {
	return slices.ContainsFunc(st.ConfirmedBy, func(p reassembly.Packet) bool {
		k := s.frameAt(p)
		return k != nil && by(k)
	})
}

// echoesCoveringACK: packet k of host x echoes a TSval that the peer first used
// in a segment that covers x's FIN.
func (s *sim) echoesCoveringACK(k *packet, x int) bool {
	h := s.host[x]
	for _, a := range s.frames {
		if a.from == 1-x && a.seg.HasTimestamps && a.seg.TSVal == k.seg.TSEcr {
			return a.seg.Flags&ack != 0 && h.finSent && !seqnum.Less(a.seg.Ack, h.nxt)
		}
	}
	return false
}

// oldSegmentBefore: the peer sent something that was already acknowledged
// before k answered.
func (s *sim) oldSegmentBefore(k *packet, peer int) bool {
	for _, a := range s.frames {
		if a.frame >= k.frame {
			return false
		}
		if a.from == peer && a.seg.Span() > 0 && !seqnum.Less(k.seg.Ack, a.seg.Seq+a.seg.Span()) {
			return true
		}
	}
	return false
}

// want is a true step as the tap could know it.
type want struct {
	state    tcpstate.State
	optional bool
}

// wanted is what a perfect reading of the capture would tell of host x. What
// left no packet in the capture may be told or not.
func (s *sim) wanted(x int) []want {
	var out []want
	path := s.host[x].path
	for i, t := range path {
		w := want{state: t.state, optional: t.by == nil && t.own == 0 || t.by != nil && t.by.frame == 0}
		if t.own != 0 && !s.shown(x, t.own) {
			w.optional = true
		}
		// Linux passes FIN-WAIT-2 within one segment on the way to TIME-WAIT.
		if t.state == tcpstate.FinWait2 && i+1 < len(path) && path[i+1].state == tcpstate.TimeWait && path[i+1].by == t.by {
			w.optional = true
		}
		out = append(out, w)
	}
	return out
}

// hiddenClose: the peer's FIN came while the host's own waited behind data. No
// packet tells this FIN-WAIT-1 and CLOSING from CLOSE-WAIT and LAST-ACK.
func (s *sim) hiddenClose(x int) bool {
	path := s.host[x].path
	for i := range path[:max(len(path)-1, 0)] {
		if path[i].state != tcpstate.FinWait1 {
			continue
		}
		for _, k := range s.packets {
			if k.from == x && k.seg.Flags&fin != 0 {
				return path[i+1].by != nil && path[i+1].at < k.sent
			}
		}
		return true // its FIN never left
	}
	return false
}

// shown: the capture holds a segment of host x with these flags.
func (s *sim) shown(x int, flags uint8) bool {
	return slices.ContainsFunc(s.frames, func(k *packet) bool { return k.from == x && k.seg.Flags&flags == flags })
}

// comparePaths counts whether the path told is exact.
func (s *sim) comparePaths(v *verdict, x int, told []reassembly.Step) {
	for len(told) > 0 && (told[0].State == tcpstate.Unknown || told[0].State == tcpstate.Listen || told[0].State == tcpstate.Closed) {
		told = told[1:]
	}
	if s.hiddenClose(x) {
		v.hidden++
		return
	}
	want := s.wanted(x)
	v.ends++
	for i := range want {
		if !want[i].optional {
			v.steps++
		}
	}
	for i := range told {
		if certain(&told[i]) {
			v.certain++
		}
	}
	j := 0
	ok := true
	for i := range told {
		k := j
		for k < len(want) && want[k].state != told[i].State && want[k].optional {
			k++
		}
		if k < len(want) && want[k].state == told[i].State {
			j = k + 1
			continue
		}
		if told[i].State == tcpstate.Closed && told[i].Evidence == reassembly.Timer {
			continue
		}
		ok = false
	}
	for ; j < len(want); j++ {
		ok = ok && want[j].optional
	}
	if ok {
		v.exact++
	} else {
		v.inexact = append(v.inexact, who(x))
	}
}

func who(x int) string { return [2]string{"client", "server"}[x] }
