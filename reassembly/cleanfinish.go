package reassembly

import (
	"slices"
	"time"

	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file: the Lifecycle of a clean connection (machine: finish.go and the
// steps of apply.go). Side 0 is the client.

// finish fills l. The memory of its slices is used again if a cleanTeller made
// it.
func (t *cleanTeller) finish(l *Lifecycle, c *conn, o *Options, now int64, ended bool) {
	h, found := [2][]Step{}, []Finding(nil)
	if l.reusable {
		h[0], h[1], found = l.Endpoints[0].History[:0], l.Endpoints[1].History[:0], l.Findings[:0]
	}
	*l = Lifecycle{} // a literal with fields would be built elsewhere and copied
	l.ID, l.Stream, l.Tunnel = uint64(c.id), uint64(c.stream), c.scope
	l.First, l.Last, l.Packets = t.recs[0].pkt, t.recs[len(t.recs)-1].pkt, uint64(c.packets)
	l.Start, l.End = t.recs[0].at, c.last
	l.Client, l.Server = c.endpoint(0), c.endpoint(1)
	l.Findings, l.reusable = found, true
	l.MPTCP, l.OneSided = (t.opts[0].flags|t.opts[1].flags)&optMPTCP != 0, t.side[1].packets == 0
	l.Completeness, l.ZeekHistory = t.bits, t.zeekWord()
	t.kinds(l)
	t.facts = Clean{Now: now, Ended: ended, Holder: None, Resetter: None}
	for x := range 2 {
		l.Endpoints[x].History = h[x]
		if h[x] == nil {
			l.Endpoints[x].History = make([]Step, 0, t.steps(x))
		}
		if x == t.closer {
			t.closerSteps(l, x, c, o, now)
		} else {
			t.otherSteps(l, x)
		}
		t.finishEnd(&l.Endpoints[x], x, c, now, ended)
		if mss := uint32(t.opts[1-x].mss); mss != 0 && t.side[x].maxLen > mss {
			t.oversize(x, mss)
		}
	}
	if t.reset >= 2 {
		x := t.recs[t.reset].side()
		t.facts.Resetter, t.facts.Unacked = Side(x), t.side[x].end-t.side[1-x].ack
	}
}

// kinds tells how the connection opened and closed, with Zeek's conn_state.
func (t *cleanTeller) kinds(l *Lifecycle) {
	l.Open, l.Close, l.CloseFirst = OpenThreeWay, CloseNone, None
	switch {
	case t.side[1].packets == 0:
		l.Open, l.ZeekState = OpenUnanswered, "S0"
	case t.reset == 1:
		l.Open, l.Close, l.CloseFirst, l.ZeekState = OpenRefused, CloseReset, Server, "REJ"
	case t.opened < 0 && t.reset >= 0:
		l.Open, l.Close, l.CloseFirst, l.ZeekState = OpenHalf, CloseReset, Client, "RSTO"
	case t.opened < 0:
		l.Open, l.ZeekState = OpenHalf, "S1"
	case t.reset >= 0:
		l.Close, l.CloseFirst = CloseReset, Side(t.recs[t.reset].side())
		l.ZeekState = [...]string{"RSTO", "RSTR"}[l.CloseFirst]
	case t.closer < 0:
		l.ZeekState = "S1"
	case t.fin2 < 0:
		l.Close, l.CloseFirst = CloseHalf, Side(t.closer)
		l.ZeekState = [...]string{"S2", "S3"}[t.closer]
	default:
		l.Close, l.CloseFirst, l.ZeekState = CloseFourWay, Side(t.closer), "SF"
		if t.fin2 == t.answer {
			l.Close = CloseThreeWay
		}
		if t.recs[t.fin2].at == t.recs[t.fin].at {
			l.CloseFirst = Client // closeKind goes by time
		}
	}
}

// zeekWord is Zeek's history, without an allocation where it is a common one or
// that of the connection before.
func (t *cleanTeller) zeekWord() string {
	letters := t.letters[:t.nLetter]
	if string(letters) == t.word {
		return t.word
	}
	s, ok := zeekCommon[string(letters)]
	if !ok {
		s = string(letters)
	}
	t.word = s
	return s
}

// step appends a step of side x that segment i caused; by is the segment that
// confirms it, -1 if none.
func (t *cleanTeller) step(l *Lifecycle, x int, st tcpstate.State, i int32, what string, ev Evidence, by int32) *Step {
	h := l.Endpoints[x].History
	n := len(h)
	h = slices.Grow(h, 1)[:n+1]
	l.Endpoints[x].History = h
	s := &h[n]
	proofs := s.ConfirmedBy[:0]
	*s = Step{}
	if by >= 0 {
		ev = Confirmed
		proofs = t.proof(proofs, t.recs[by].pkt)
	}
	s.State, s.Event, s.Evidence, s.ConfirmedBy = st, what, ev, proofs
	if i >= 0 {
		s.At, s.Packet = t.recs[i].at, t.recs[i].pkt
	}
	return s
}

// proof adds p to an empty list; new ones are cut from a common piece of memory.
func (t *cleanTeller) proof(list []Packet, p Packet) []Packet {
	if cap(list) == 0 {
		if len(t.proofs) == 0 {
			t.proofs = make([]Packet, 64)
		}
		list, t.proofs = t.proofs[:0:1], t.proofs[1:]
	}
	return append(list, p)
}

// steps is how many steps side x will have at most.
func (t *cleanTeller) steps(x int) int {
	switch {
	case t.side[x].packets == 0:
		return 0
	case t.closer >= 0:
		return 7
	}
	return 4
}

// openSteps are the steps of the handshake.
func (t *cleanTeller) openSteps(l *Lifecycle, x int) {
	synAck := t.side[1].packets > 0 && t.reset != 1
	switch {
	case x == 0:
		t.step(l, 0, tcpstate.SynSent, 0, "send SYN", Observed, -1)
		if synAck {
			t.step(l, 0, tcpstate.Established, 1, "receive SYN-ACK", Presumed, t.opened)
		}
	case synAck:
		t.step(l, 1, tcpstate.Listen, -1, "passive open", Assumed, -1)
		t.step(l, 1, tcpstate.SynReceived, 0, "receive SYN", Presumed, 1)
		if t.opened < 0 {
			return
		}
		s := t.step(l, 1, tcpstate.Established, t.opened, "receive ACK of SYN-ACK", Presumed, t.proofOpen)
		if t.proofOpen >= 0 && t.otherOpen {
			s.PacketEvidence = Presumed // something else may have opened it
		}
	}
}

// closerSteps are the steps of the side that closed first.
func (t *cleanTeller) closerSteps(l *Lifecycle, x int, c *conn, o *Options, now int64) {
	t.openSteps(l, x)
	t.step(l, x, tcpstate.FinWait1, t.fin, "send FIN", Observed, -1)
	if t.answer >= 0 {
		t.step(l, x, tcpstate.FinWait2, t.answer, "receive ACK of FIN", Presumed, t.proofAnswer)
	}
	if t.fin2 < 0 {
		return
	}
	t.step(l, x, tcpstate.TimeWait, t.fin2, "receive FIN", Presumed, -1)
	// Rule 21: from the ACK of the FIN, else from the FIN.
	begin, twoMSL := t.recs[t.fin2].at, c.twoMSL(o, x)
	if t.last >= 0 && t.recs[t.last].at-begin <= int64(time.Second) {
		begin = t.recs[t.last].at
	}
	over := begin + twoMSL
	if now >= over {
		t.step(l, x, tcpstate.Closed, -1, "2MSL over", Timer, -1).At = over
		return
	}
	e := &l.Endpoints[x]
	e.InTimeWait, e.TimeWaitLeast, e.TimeWaitMost = true, over-now, over-now
	t.facts.Holder, t.facts.TimeWait = Side(x), TimeWaitClock{Begin: begin, Least: over, Most: over, TwoMSL: twoMSL}
}

// otherSteps are the steps of the other side, and of both without a FIN.
func (t *cleanTeller) otherSteps(l *Lifecycle, x int) {
	t.openSteps(l, x)
	switch {
	case t.reset == 1 && x == 1: // it had no connection to leave
	case t.reset >= 0 && t.recs[t.reset].side() == x:
		t.step(l, x, tcpstate.Closed, t.reset, "send RST", Observed, -1)
	case t.reset == 2 && t.opened < 0:
		t.step(l, x, tcpstate.Closed, t.reset, "receive RST, listener continues", Presumed, -1)
	case t.reset >= 0:
		t.step(l, x, tcpstate.Closed, t.reset, "receive RST", Presumed, -1)
	case t.closer >= 0:
		t.step(l, x, tcpstate.CloseWait, t.fin, "receive FIN", Presumed, t.proofClosing)
		if t.fin2 >= 0 {
			t.step(l, x, tcpstate.LastAck, t.fin2, "send FIN", t.fin2Proof, -1)
		}
		if t.last >= 0 {
			t.step(l, x, tcpstate.Closed, t.last, "receive ACK of FIN", Presumed, -1)
		}
	}
}

// finishEnd sums up side x.
func (t *cleanTeller) finishEnd(e *Endpoint, x int, c *conn, now int64, ended bool) {
	s := &t.side[x]
	if n := len(e.History); n > 0 {
		last := &e.History[n-1]
		e.State, e.Evidence = last.State, last.Evidence
		last.Censored = ended && last.Evidence == Presumed && t.censored(last.At, x, now)
	}
	st := &e.Stats // zero
	st.Packets, st.Bytes, st.DuplicateACKs = uint64(s.packets), s.bytes, uint64(s.dupACKs)
	st.TTL, st.MaxLength = s.ttl, s.maxLen
	st.Acked, st.RTT = uint64(t.acked(x)), t.roundTrips(x)
	t.opts[x].tell(st)
}

// acked is how many sequence numbers of side x its peer acknowledged.
func (t *cleanTeller) acked(x int) uint32 {
	if x == 0 && (t.side[1].packets == 0 || t.reset == 1) || x == 1 && t.opened < 0 {
		return 0
	}
	return t.side[1-x].ack - t.side[x].iss
}

// censored: see machine.censoredStep.
func (t *cleanTeller) censored(at int64, x int, now int64) bool {
	if now-at < censorFloor {
		return true
	}
	return now-at < 3*t.rtt(1-x).rto(t.rtt(x))
}

// roundTrips sums up the round trips to side x and back.
func (t *cleanTeller) roundTrips(x int) RTT {
	all := t.samples[x]
	if len(all) == 0 {
		return RTT{}
	}
	least, most, sum := all[0], all[0], int64(0)
	for _, d := range all {
		least, most, sum = min(least, d), max(most, d), sum+d
	}
	return RTT{Samples: len(all), Min: least, Mean: sum / int64(len(all)), Max: most}
}

// oversize finds side x's first segment longer than its peer's MSS.
func (t *cleanTeller) oversize(x int, mss uint32) {
	for i := range t.recs {
		if r := &t.recs[i]; r.side() == x && r.len > mss {
			f := &t.facts.Oversize[x]
			f.Packet, f.At, f.Len = r.pkt, r.at, r.len
			return
		}
	}
}
