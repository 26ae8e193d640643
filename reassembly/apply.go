package reassembly

import (
	"github.com/finwait/finwait/reassembly/seqnum"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file turns a segment into events: what it proves of its sender's past,
// what its sender did by sending it, and, unless it is marked as not received,
// what it did to its receiver. Every event goes through the one table of
// package tcpstate.

func (m *machine) apply(i int32) {
	r, k := &m.recs[i], &m.marks[i]
	if k.kind == duplicateFrame {
		return
	}
	x := r.side()
	switch {
	case r.bits&recICMP != 0:
		return
	case r.bits&recNext != 0:
		m.applyNext(i)
		return
	case r.bits&recOld != 0:
		return
	}
	if m.crossing != nil {
		m.arrivals(i, x)
		if f := m.crossing[i].Fate; f == FateCopy || f == FateForged { // nothing its sender did
			m.arrive(i, 1-x)
			return
		}
	}
	m.confirm(i, x)
	m.send(i, x)
	m.arrive(i, 1-x)
	if m.doubts&someDelayed == 0 {
		return
	}
	for j := range i { // receipts that were waiting for this segment
		if m.marks[j].recv == delayed && m.marks[j].until == i {
			m.receive(j, 1-m.recs[j].side())
		}
	}
}

func (m *machine) arrive(i int32, y int) {
	if k := m.marks[i].recv; k != received && k != ackOnly {
		return
	}
	if m.crossing != nil {
		if m.crossing[i].Arrived != 0 {
			m.await(i, y)
			return
		}
		m.overtake(i, y)
	}
	m.receive(i, y)
}

// event runs one event of side x through the table; it returns the new step,
// or nil where the table has no step for it.
func (m *machine) event(x int, ev tcpstate.Event, i int32, what string, proof Evidence) *mstep {
	e := &m.e[x]
	c := tcpstate.Next(e.state, ev)
	if c.Verdict != tcpstate.Move {
		return nil
	}
	return m.step(x, c.To, i, what, proof)
}

// step appends a step caused by rec i (-1: no packet).
func (m *machine) step(x int, to tcpstate.State, i int32, what string, proof Evidence) *mstep {
	e := &m.e[x]
	s := mstep{state: to, ev: proof, what: what, rec: i}
	if i >= 0 {
		s.at, s.pkt = m.recs[i].at, m.recs[i].pkt
		if m.crossing != nil {
			m.stamp(&s, x, i)
		}
	}
	e.steps = append(e.steps, s)
	e.state = to
	e.undetermined = false
	return &e.steps[len(e.steps)-1]
}

// last is the newest step of side x, or nil.
func (e *end) last() *mstep {
	if len(e.steps) == 0 {
		return nil
	}
	return &e.steps[len(e.steps)-1]
}

// find is the newest step of side x that entered a state, or nil.
func (e *end) find(st tcpstate.State) *mstep {
	for k := len(e.steps) - 1; k >= 0; k-- {
		if e.steps[k].state == st {
			return &e.steps[k]
		}
	}
	return nil
}

// send applies what side x did by sending segment i.
func (m *machine) send(i int32, x int) {
	r, k := &m.recs[i], &m.marks[i]
	e, s, p := &m.e[x], &m.snd[x], &m.snd[1-x]
	switch {
	case r.flags&FlagRST != 0:
		m.sendRST(i, x)
		return
	case r.has(FlagSYN | FlagACK):
		m.sendSYNACK(i, x)
		return
	case r.flags&FlagSYN != 0:
		if e.state == tcpstate.Unknown && len(e.steps) == 0 {
			m.step(x, tcpstate.SynSent, i, "send SYN", Observed)
		}
		return
	}
	m.midstream(i, x)
	m.unseenPeer(i, x)
	switch k.missed {
	case missedByCapture:
		m.sendMissedFIN(i, 1-x)
		m.arriveMissedFIN(i, x)
	case missedInEstablished, missedInCloseWait:
		m.sendMissedFIN(i, x)
	}
	if r.flags&FlagACK != 0 && k.missed != missedInEstablished {
		// What it acknowledges it has received, whoever saw it.
		if !e.hasRcv || seqnum.Less(e.rcvNxt, r.ack) && k.kind != lateOriginal {
			m.impliedReceipt(i, x)
		}
		if p.hasFIN && e.finDone && seqnum.LessEq(p.fin+1, r.ack) && !r.has(FlagFIN) && k.kind != lateOriginal && r.end() == s.end {
			e.covered = true
		}
	}
	if m.closes(i) {
		m.sendFIN(i, x)
	}
}

// midstream gives an endpoint whose start was not seen its first step (rule 10).
func (m *machine) midstream(i int32, x int) {
	e := &m.e[x]
	if len(e.steps) == 0 && e.state == tcpstate.Unknown {
		if m.snd[1-x].hasISS && !m.snd[x].hasISS && m.recs[i].flags&FlagACK != 0 && m.recs[i].ack == m.snd[1-x].iss+1 && !m.snd[1-x].hasAck {
			return // a SYN answered by something that is no SYN-ACK
		}
		s := m.step(x, tcpstate.Unknown, i, "first packet seen", Assumed)
		s.at, s.pkt = 0, 0
	}
	m.assumeEstablished()
}

// unseenPeer: the capture has one direction only. What the end that it shows
// received follows from its own ACK numbers: the packet is that ACK, and it is
// the proof. What the unseen end received is presumed at best (rule 20).
func (m *machine) unseenPeer(i int32, x int) {
	r, e, p := &m.recs[i], &m.e[x], &m.snd[1-x]
	if r.flags&FlagACK == 0 || p.stats.Packets > 0 {
		return
	}
	var s *mstep
	switch {
	case e.state == tcpstate.SynSent:
		if u := &m.e[1-x]; len(u.steps) == 0 && u.synRec >= 0 {
			m.step(1-x, tcpstate.Listen, -1, "passive open", Assumed)
			m.event(1-x, tcpstate.ReceiveSYN, u.synRec, "receive SYN", Presumed)
		}
		s = m.event(x, tcpstate.ReceiveSYNACK, i, "its ACK shows that the SYN-ACK came", Confirmed)
	case e.state == tcpstate.SynReceived && (r.len > 0 || m.marks[i].hadAck && seqnum.Less(m.marks[i].prevAck, r.ack)):
		s = m.event(x, tcpstate.ReceiveACKOfSYN, i, "it goes on: the ACK of its SYN-ACK came", Confirmed)
	}
	if s != nil {
		s.proofs = append(s.proofs, r.pkt)
	}
}

// assumeEstablished: at a mid-stream start both ends are taken to be ESTABLISHED
// once both have sent data and no FIN was seen (rule 4).
func (m *machine) assumeEstablished() {
	if m.snd[0].hasFIN || m.snd[1].hasFIN || !m.snd[0].dataSent || !m.snd[1].dataSent {
		return
	}
	for x := range 2 {
		if e := &m.e[x]; e.state == tcpstate.Unknown && len(e.steps) == 1 {
			m.step(x, tcpstate.Established, -1, "both ends send data", Assumed)
		}
	}
}

// sendSYNACK: the passive opener's first sign of life (rules 3, 4 and 19).
func (m *machine) sendSYNACK(i int32, x int) {
	r, e, p := &m.recs[i], &m.e[x], &m.snd[1-x]
	switch {
	case len(e.steps) == 0:
		if p.hasISS && r.ack-p.iss-1 > m.synData(1-x) {
			return // it answers some other SYN
		}
		s := m.step(x, tcpstate.Listen, -1, "", Assumed)
		s.what = "passive open"
		syn := m.answeredSYN(i, 1-x)
		s = m.event(x, tcpstate.ReceiveSYN, syn, "receive SYN", Confirmed)
		s.proofs = append(s.proofs, r.pkt)
		if syn < 0 {
			s.inferred = r.pkt
		}
		if !e.hasRcv {
			e.rcvNxt, e.hasRcv = r.ack, true
		}
	case e.state == tcpstate.SynSent && p.hasISS && r.ack == p.iss+1:
		// Simultaneous open: it has the peer's SYN, whose receipt waits (rule 14a).
		if syn := m.answeredSYN(i, 1-x); syn >= 0 {
			if s := m.event(x, tcpstate.ReceiveSYN, syn, "receive SYN", Confirmed); s != nil {
				s.proofs = append(s.proofs, r.pkt)
			}
		}
	}
}

// synData is the payload on side x's SYN.
func (m *machine) synData(x int) uint32 {
	if j := m.snd[x].synRec; j >= 0 {
		return m.recs[j].len
	}
	return 0
}

// answeredSYN names the copy of side x's SYN that SYN-ACK i answers: the one
// its timestamp echo names, else the latest that was received (rule 13).
func (m *machine) answeredSYN(i int32, x int) int32 {
	r, best := &m.recs[i], int32(-1)
	for j := i - 1; j >= 0; j-- {
		o := &m.recs[j]
		if !m.own(j, x) || o.flags&(FlagSYN|FlagACK|FlagRST) != FlagSYN || m.marks[j].recv == notReceived {
			continue
		}
		if r.bits&o.bits&recTS != 0 && r.tsecr == o.tsval {
			best = j
			continue // an earlier copy with the same tick came first
		}
		if best < 0 && r.bits&o.bits&recTS == 0 {
			return j
		}
		if best < 0 && m.snd[x].synRec == j {
			best = j // no echo fits: the first
		}
	}
	return best
}

// sendFIN: the first copy of side x's FIN (rules 1, 6 and 10).
func (m *machine) sendFIN(i int32, x int) {
	r, e, s := &m.recs[i], &m.e[x], &m.snd[x]
	if s.hasFIN && s.fin != r.end()-1 {
		return // a second FIN elsewhere: fin-seq-changed
	}
	switch e.state {
	case tcpstate.FinWait1, tcpstate.FinWait2, tcpstate.Closing, tcpstate.TimeWait, tcpstate.LastAck, tcpstate.Closed:
		m.confirmInferredFIN(i, x)
		return
	case tcpstate.Unknown:
		if st := m.event(x, tcpstate.SendFIN, i, "send FIN", Presumed); st != nil {
			st.alt = tcpstate.LastAck
		}
		return
	case tcpstate.CloseWait:
		proof := Observed
		if e.find(tcpstate.CloseWait).ev < Confirmed || !e.covered && !m.nextID(i, x) {
			proof = Presumed
		}
		m.event(x, tcpstate.SendFIN, i, "send FIN", proof)
		return
	}
	st := m.event(x, tcpstate.SendFIN, i, "send FIN", Observed)
	p := &m.snd[1-x]
	if st != nil && !p.hasFIN && (p.hasEnd && seqnum.Less(p.contig, r.ack) || m.mayAckFIN(i, x)) {
		st.ev, st.alt = Presumed, tcpstate.LastAck // the unseen may have been the peer's FIN (rule 6)
	}
}

// receive applies segment i to side y, which got it.
func (m *machine) receive(i int32, y int) {
	r := &m.recs[i]
	switch {
	case r.flags&FlagRST != 0:
		m.receiveRST(i, y)
	case r.has(FlagSYN | FlagACK):
		m.receiveSYNACK(i, y)
	case r.flags&FlagSYN != 0:
		m.receiveSYN(i, y)
	default:
		m.receiveACK(i, y)
		m.receiveData(i, y)
	}
}

func (m *machine) receiveSYN(i int32, y int) {
	r, e := &m.recs[i], &m.e[y]
	if !e.hasRcv {
		e.rcvNxt, e.hasRcv = r.end(), true
	}
	if e.synRec < 0 {
		e.synRec = i
	}
	if e.state == tcpstate.SynSent {
		m.event(y, tcpstate.ReceiveSYN, i, "receive SYN", Presumed)
	}
}

func (m *machine) receiveSYNACK(i int32, y int) {
	r, e, s := &m.recs[i], &m.e[y], &m.snd[y]
	if !s.hasISS || r.ack-s.iss-1 > m.synData(y) {
		return // RFC 9293 section 3.10.7.3: not acceptable
	}
	if e.state == tcpstate.SynSent || e.state == tcpstate.SynReceived {
		if !e.hasRcv || e.state == tcpstate.SynSent {
			e.rcvNxt, e.hasRcv = r.end(), true
		}
		m.event(y, tcpstate.ReceiveSYNACK, i, "receive SYN-ACK", Presumed)
	}
}

// receiveACK applies the acknowledgment first (rule 8).
func (m *machine) receiveACK(i int32, y int) {
	r, e, s := &m.recs[i], &m.e[y], &m.snd[y]
	if r.flags&FlagACK == 0 {
		return
	}
	if e.state == tcpstate.SynReceived && (!s.hasEnd || s.hasISS && seqnum.LessEq(s.iss+1, r.ack) && seqnum.LessEq(r.ack, s.end)) {
		m.event(y, tcpstate.ReceiveACKOfSYN, i, "receive ACK of SYN-ACK", Presumed)
	}
	if s.hasFIN && seqnum.LessEq(s.fin+1, r.ack) {
		m.event(y, tcpstate.ReceiveACKOfFIN, i, "receive ACK of FIN", Presumed)
	}
	if e.state == tcpstate.TimeWait && e.last().rec != i {
		e.restarts = append(e.restarts, i)
	}
}

// receiveData: bytes and FIN, in order (rule 16).
func (m *machine) receiveData(i int32, y int) {
	r, e := &m.recs[i], &m.e[y]
	if r.span() == 0 || m.marks[i].recv == ackOnly {
		return
	}
	if !e.hasRcv {
		e.rcvNxt, e.hasRcv = r.seq, true
	}
	if m.closes(i) && (m.snd[1-y].fin == r.end()-1 || !m.snd[1-y].hasFIN) {
		e.peerFIN, e.sawFIN = r.end()-1, true
	}
	e.rcvNxt, e.holes = join(e.rcvNxt, e.holes, r.seq, r.end())
	m.finArrives(i, y, Presumed)
}

// finArrives counts the peer's FIN once all before it has come. In SYN-SENT it is
// dropped (RFC 9293 section 3.10.7.3): if it came after the SYN-ACK all the same,
// its receiver's ACK will tell.
func (m *machine) finArrives(i int32, y int, proof Evidence) {
	e := &m.e[y]
	if e.finDone || e.state == tcpstate.SynSent || !e.sawFIN || !seqnum.Less(e.peerFIN, e.rcvNxt) {
		return
	}
	e.finDone = true
	if e.state == tcpstate.Unknown && len(e.steps) == 0 {
		s := m.step(y, tcpstate.Unknown, -1, "first packet seen", Assumed)
		s.what = "before the capture"
	}
	m.event(y, tcpstate.ReceiveFIN, i, "receive FIN", proof)
}

// impliedReceipt: side x acknowledges more than the tap saw it receive: it had
// it all the same. A FIN among it is dated to its latest copy (rule 6, 16).
func (m *machine) impliedReceipt(i int32, x int) {
	r, e, p := &m.recs[i], &m.e[x], &m.snd[1-x]
	if !e.hasRcv {
		e.rcvNxt, e.hasRcv = r.ack, true
	} else {
		if !seqnum.Less(e.rcvNxt, r.ack) || p.hasEnd && int32(r.ack-p.end) > 1 && p.contig == p.end && m.snd[x].hasISS && p.hasISS {
			return // an ACK of what was never sent proves nothing
		}
		e.rcvNxt, e.holes = join(e.rcvNxt, e.holes, e.rcvNxt, r.ack)
	}
	if !p.hasFIN || e.finDone || !seqnum.Less(p.fin, e.rcvNxt) {
		return
	}
	e.peerFIN, e.sawFIN = p.fin, true
	at := int32(-1)
	for j := i - 1; j >= 0; j-- {
		if o := &m.recs[j]; m.own(j, 1-x) && m.closes(j) && o.flags&FlagRST == 0 {
			at = j
			if m.marks[j].recv != notReceived {
				break
			}
		}
	}
	m.finArrives(at, x, Presumed)
	if s := e.last(); at < 0 && s != nil && s.rec < 0 && s.at == 0 && s.ev == Presumed {
		s.inferred = r.pkt
	}
	m.confirm(i, x)
}
