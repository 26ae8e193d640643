package reassembly

import (
	"time"

	"github.com/finwait/finwait/reassembly/seqnum"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file: the end of a connection's trace. What time decides (2MSL, rule
// 21), what the trace is too short for (rule 15), who is client, how the
// connection opened and closed.

// applyNext: a segment of the next incarnation, which ends what is left of
// this one (rule 19).
func (m *machine) applyNext(i int32) {
	r := &m.recs[i]
	x := r.side()
	e := &m.e[x]
	if len(e.steps) == 0 || e.state == tcpstate.Listen {
		return
	}
	switch {
	case r.flags&(FlagSYN|FlagACK) == FlagSYN:
		m.endByNext(x, i, i, "begins the next incarnation")
	case r.has(FlagSYN|FlagACK) && m.snd[x].hasISS && m.snd[x].iss == r.seq:
		// The same socket still: its SYN was never refused.
	case r.has(FlagSYN | FlagACK):
		m.endByNext(x, m.nextSYN(i, 1-x), i, "accepts the next incarnation")
	}
}

// nextSYN is the copy of the next incarnation's SYN that SYN-ACK i answers.
func (m *machine) nextSYN(i int32, x int) int32 {
	r, best := &m.recs[i], i
	for j := i - 1; j >= 0; j-- {
		o := &m.recs[j]
		if o.bits&recNext == 0 || o.side() != x || o.flags&(FlagSYN|FlagACK) != FlagSYN {
			continue
		}
		if best == i || r.bits&o.bits&recTS != 0 && r.tsecr == o.tsval {
			best = j
		}
	}
	return best
}

// endByNext: side x has left this incarnation for the next, as segment proof shows,
// unless its first sequence number was not seen, and nothing else of it before, or
// what stands just above that SYN: then it may be the SYN of this one, which all
// else overtook.
func (m *machine) endByNext(x int, cause, proof int32, what string) {
	e, of := &m.e[x], &m.snd[x]
	known := of.hasEnd && (of.hasISS || seqnum.Size(m.recs[proof].seq+1, of.end) >= 1<<16)
	if e.state == tcpstate.TimeWait {
		m.expireTimeWait(x, m.recs[cause].at)
	}
	if e.state == tcpstate.Closed {
		if s := e.last(); known && s.ev.open() {
			s.ev = Confirmed
			s.proofs = append(s.proofs, m.recs[proof].pkt)
		}
		return
	}
	s := m.step(x, tcpstate.Closed, cause, what, Presumed)
	if known && s.rec >= 0 && m.recs[proof].flags&FlagSYN != 0 {
		s.ev = Confirmed
		s.proofs = append(s.proofs, m.recs[proof].pkt)
	}
}

// twoMSL is how long TIME-WAIT lasts at side x, ns.
func (c *conn) twoMSL(o *Options, x int) int64 {
	msl := o.MSL
	if h, ok := o.HostMSL[c.ip(c.place(x))]; ok {
		msl = h
	}
	return 2 * int64(msl)
}

// timeWait is the clock of one TIME-WAIT: when it runs out at the earliest and
// the latest, ns since the epoch.
type timeWait struct {
	begin       int64
	least, most int64
	restarts    []int32 // those that count
	unanswered  bool    // a restart whose answer was not seen
}

// clockTimeWait follows rule 21: TIME-WAIT starts at the holder's ACK of the
// FIN, else at the FIN, and starts again as the profile says.
func (m *machine) clockTimeWait(x int, twoMSL int64) timeWait {
	e := &m.e[x]
	s := e.find(tcpstate.TimeWait)
	t := timeWait{begin: s.at}
	if s.rec >= 0 {
		if j := m.answerTo(s.rec, x, int64(time.Second)); j >= 0 {
			t.begin = m.recs[j].at
		}
	} else if t.begin == 0 { // the FIN was not seen: its ACK was
		t.begin = m.inferredAt(s, x)
	}
	t.least, t.most = t.begin+twoMSL, t.begin+twoMSL
	for _, i := range e.restarts {
		if i < 0 {
			continue // folded away: when it was answered cannot be told any more
		}
		r := &m.recs[i]
		if r.at > t.most || m.o.RestartByRFC && r.flags&FlagFIN == 0 {
			continue
		}
		j := m.answerTo(i, x, int64(time.Second))
		if j >= 0 && m.recs[j].flags&FlagRST != 0 {
			continue // answered by a reset: nobody was in TIME-WAIT
		}
		t.restarts = append(t.restarts, i)
		at := r.at
		if j >= 0 {
			at = m.recs[j].at
			t.least = max(t.least, at+twoMSL)
		} else if r.span() > 0 {
			t.unanswered = true
		}
		t.most = max(t.most, at+twoMSL)
		if j < 0 && r.span() == 0 {
			t.least = t.most // a pure ACK draws no answer
		}
	}
	return t
}

// inferredAt is when side x sent the segment that a step without packet was
// inferred from; failing that, when it sent its last.
func (m *machine) inferredAt(s *mstep, x int) int64 {
	for i := range m.recs {
		if m.recs[i].pkt == s.inferred {
			return m.recs[i].at
		}
	}
	return m.snd[x].lastAt
}

// answerTo is side x's next segment after i, if it came within d and no other
// segment of the peer came before it.
func (m *machine) answerTo(i int32, x int, d int64) int32 {
	for j := i + 1; j < int32(len(m.recs)); j++ {
		if m.own(j, 1-x) && m.recs[j].span() > 0 {
			return -1
		}
		if m.own(j, x) {
			if m.recs[j].at-m.recs[i].at <= d {
				return j
			}
			return -1
		}
	}
	return -1
}

// censorFloor is the least trace time after a presumption for it to count as
// not contradicted.
const censorFloor = int64(time.Second)

// leastRTO is the shortest retransmission time-out that Linux uses; RFC 6298
// section 2.4 asks for a second.
const leastRTO = int64(200 * time.Millisecond)

// initialRTO is the time-out of a SYN (RFC 6298 section 2.1).
const initialRTO = int64(time.Second)

// rto is a cautious guess of side x's retransmission time-out.
func (m *machine) rto(x int) int64 { return m.snd[x].rtt.rto(&m.snd[1-x].rtt) }

// finish turns the machine's state into a Lifecycle. now is the trace clock;
// ended says that the trace ends here.
func (m *machine) finish(c *conn, links *connLinks, now int64, ended bool) *Lifecycle {
	if m.crossing != nil {
		m.settle()
		m.certify()
		m.delays()
	}
	l := &Lifecycle{ID: uint64(c.id), Stream: uint64(c.stream), First: m.firstPkt, Last: c.lastPkt,
		Start: m.first, End: c.last, Packets: m.packets, Tunnel: c.scope, Reuses: uint64(links.reuses), ReusedBy: uint64(links.reusedBy)}
	cl := m.clientSide(l)
	l.Client, l.Server = c.endpoint(cl), c.endpoint(1-cl)
	for x := range 2 {
		side := Client
		if x != cl {
			side = Server
		}
		m.finishEnd(&l.Endpoints[side], x, c, now, ended)
	}
	l.Open = m.openKind(cl)
	l.Close, l.CloseFirst = m.closeKind(cl)
	m.interop.tell(l)
	l.Untold = m.untold
	if m.dropped > 0 && len(m.recs) > 0 {
		l.LogFrom = m.recs[0].pkt
	}
	l.OneSided = m.snd[0].stats.Packets == 0 || m.snd[1].stats.Packets == 0
	l.Path = m.toldPath(cl)
	l.MPTCP = m.opts[0].flags&optMPTCP != 0 || m.opts[1].flags&optMPTCP != 0
	return l
}

// clientSide is the side that sent the first SYN, else a stated guess.
func (m *machine) clientSide(l *Lifecycle) int {
	if m.clientKnown {
		return m.client
	}
	l.RoleGuessed = true
	a, b := m.ports[0], m.ports[1]
	if a < b && a < 32768 && b >= 1024 {
		return 1
	}
	return 0
}

func (m *machine) finishEnd(out *Endpoint, x int, c *conn, now int64, ended bool) {
	e := &m.e[x]
	if e.state == tcpstate.TimeWait {
		if t, over := m.expireTimeWait(x, now); !over {
			out.InTimeWait = true
			out.TimeWaitLeast, out.TimeWaitMost = max(t.least-now, 0), t.most-now
		}
	}
	if m.snd[1-x].stats.Packets == 0 {
		m.unseenFIN(x)
	}
	out.State, out.Undetermined = e.state, e.undetermined || m.unsettled(x)
	if s := e.last(); s != nil {
		out.Evidence = s.ev
	}
	out.History = make([]Step, len(e.steps))
	for i := range e.steps {
		out.History[i] = e.steps[i].told()
		if m.crossing != nil {
			m.sameCapture(&out.History[i])
		}
	}
	if s := e.last(); s != nil && ended {
		out.History[len(out.History)-1].Censored = m.censoredStep(s, x, now)
	}
	out.Withdrawn = m.withdrawn[x]
	if m.gaveUp(x, now) {
		out.MayBe = tcpstate.Closed
	}
	out.Stats = m.snd[x].stats
	out.Stats.RTT = m.snd[x].rtt.told()
	out.Stats.Acked, out.Stats.Unseen = m.interop.coverage[x].told()
	m.opts[x].tell(&out.Stats)
}

func (s *mstep) told() Step {
	t := Step{State: s.state, At: s.at, Packet: s.pkt, Event: s.what, Evidence: s.ev, ConfirmedBy: s.proofs,
		InferredFrom: s.inferred, Arrived: s.arrived, PacketEvidence: s.pktEv}
	if s.alt != tcpstate.Unknown {
		t.Alternatives = []tcpstate.State{s.alt}
	}
	return t
}

// unseenFIN: the capture has one direction only, and the last thing that side x
// acknowledged is a single byte, followed by silence: most likely the peer's
// FIN (rule 20). Once x has sent its own FIN, the unseen ACK of that decides
// between CLOSING and TIME-WAIT: then nothing is guessed.
func (m *machine) unseenFIN(x int) {
	e, at := &m.e[x], int32(-1)
	for i := range m.recs {
		if r, k := &m.recs[i], &m.marks[i]; m.own(int32(i), x) && r.flags&FlagACK != 0 && k.hadAck && seqnum.Less(k.prevAck, r.ack) {
			at = -1
			if r.ack == k.prevAck+1 && r.len == 0 {
				at = int32(i)
			}
		}
	}
	switch {
	case at < 0:
	case e.state == tcpstate.Established:
		m.event(x, tcpstate.ReceiveFIN, at, "its last ACK covers one byte more: a FIN, not seen", Presumed)
	case e.state == tcpstate.FinWait1:
		e.undetermined = true
	}
}

// expireTimeWait ends side x's TIME-WAIT if it has run out by now (rule 5).
func (m *machine) expireTimeWait(x int, now int64) (t timeWait, over bool) {
	t = m.clockTimeWait(x, m.twoMSL[x])
	if now < t.most {
		return t, false
	}
	s := m.step(x, tcpstate.Closed, -1, "2MSL over", Timer)
	s.at = t.most
	return t, true
}

// censoredStep: too little trace follows a presumption to contradict it (rule 15).
func (m *machine) censoredStep(s *mstep, x int, now int64) bool {
	return s.ev.open() && now-s.at < max(3*m.rto(1-x), censorFloor)
}

// ended says why a connection left the table before its time, if it did.
func (l *Lifecycle) ended(why string, superseded bool) {
	l.Evicted = why
	switch {
	case l.Close != CloseNone && l.Close != CloseHalf:
	case why == evictedFull:
		l.Close = CloseEvicted
	case why != "":
		l.Close = CloseTimeout
	case superseded:
		l.Close = CloseSuperseded
	}
}

// gaveUp: side x sent again and again without an answer and then fell silent:
// it may have given up without a packet. That is never a step.
func (m *machine) gaveUp(x int, now int64) bool {
	if m.e[x].state == tcpstate.Closed || len(m.e[x].steps) == 0 {
		return false
	}
	copies, last := 0, int64(0)
	for i := len(m.recs) - 1; i >= 0; i-- {
		if m.own(int32(i), 1-x) {
			break
		}
		if m.own(int32(i), x) && m.marks[i].kind == retransmission {
			copies++
			last = max(last, m.recs[i].at)
		}
	}
	return copies >= unansweredMax && now-last > 2*m.rto(x)<<min(copies, 8)
}

func (m *machine) openKind(cl int) OpenKind {
	c, s := &m.snd[cl], &m.snd[1-cl]
	switch {
	case !c.hasISS && !s.hasISS:
		return OpenMidstream
	case m.simultaneous:
		return OpenSimultaneous
	case !s.hasISS:
		if m.refused {
			return OpenRefused
		}
		if s.stats.Packets == 0 {
			if m.e[cl].find(tcpstate.Established) != nil {
				return OpenThreeWay // of one direction: the client's ACKs show it
			}
			return OpenUnanswered
		}
		if m.e[1-cl].find(tcpstate.Established) == nil && !s.dataSent {
			return OpenUnanswered
		}
		return OpenMidstream
	case m.fastOpen:
		return OpenFast
	case m.e[1-cl].find(tcpstate.Established) == nil:
		return OpenHalf
	}
	return OpenThreeWay
}

func (m *machine) closeKind(cl int) (CloseKind, Side) {
	side := func(x int) Side {
		if x == cl {
			return Client
		}
		return Server
	}
	first, both := -1, m.snd[0].hasFIN && m.snd[1].hasFIN
	for x := range 2 {
		if m.snd[x].hasFIN && (first < 0 || m.snd[x].finAt < m.snd[first].finAt) {
			first = x
		}
	}
	if m.rstBy >= 0 && (!both || !m.closedByFIN()) {
		if first >= 0 {
			return CloseReset, side(first)
		}
		return CloseReset, side(m.rstBy)
	}
	switch {
	case first < 0:
		return CloseNone, None
	case !both:
		return CloseHalf, side(first)
	case m.e[0].find(tcpstate.Closing) != nil || m.e[1].find(tcpstate.Closing) != nil:
		return CloseSimultaneous, Both
	case m.finAcked:
		return CloseThreeWay, side(first)
	}
	return CloseFourWay, side(first)
}

// closedByFIN: both ends had finished by their FINs before any reset.
func (m *machine) closedByFIN() bool {
	for x := range 2 {
		e := &m.e[x]
		if e.find(tcpstate.TimeWait) == nil && e.find(tcpstate.LastAck) == nil {
			return false
		}
	}
	return true
}

// overview notes while observing what the kinds of opening and closing need.
func (m *machine) overview(i int32, x int) {
	r, s, p := &m.recs[i], &m.snd[x], &m.snd[1-x]
	switch {
	case r.flags&FlagRST != 0:
		if m.rstBy < 0 {
			m.rstBy = x
		}
		if !s.hasISS && p.hasISS && !s.hasEnd && r.flags&FlagACK != 0 && seqnum.LessEq(p.iss+1, r.ack) {
			m.refused = true
		}
	case r.flags&(FlagSYN|FlagACK) == FlagSYN:
		if !m.bareSYN[0] && !m.bareSYN[1] {
			m.client, m.clientKnown = x, true
		}
		if p.hasISS && m.bareSYN[1-x] {
			m.simultaneous = true
		}
		m.bareSYN[x] = true
	case r.has(FlagSYN|FlagACK) && r.ack != p.iss+1 && p.hasISS && m.synData(1-x) > 0:
		m.fastOpen = true
	}
	if r.has(FlagSYN|FlagACK) && !m.clientKnown {
		m.client, m.clientKnown = 1-x, true // who answers a SYN is no client
	}
	if r.flags&FlagFIN != 0 && r.flags&FlagRST == 0 && s.finRec == i {
		s.finAt = r.at
		if p.hasFIN && seqnum.LessEq(p.fin+1, r.ack) && (!s.hadAckBefore || !seqnum.LessEq(p.fin+1, s.ackBefore)) {
			m.finAcked = true
		}
	}
}
