package reassembly

import (
	"github.com/finwait/finwait/reassembly/seqnum"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// A machine works out the lives of both endpoints of one connection from its
// log. It goes through the log once, in capture order; for each segment it
//
//	observes   what the segment says by itself (observe.go): copies, highest
//	           sequence numbers, round trips, counters;
//	refutes    receipts presumed before that this segment contradicts
//	           (refute.go): they are marked as not received, and all steps are
//	           built again from the marks: there is no undo code;
//	applies    it: the sender's own acts and the receiver's receipts become
//	           events of the one transition table (apply.go, package tcpstate).
//
// Sides are 0 and 1 here: side 0 sent the first packet. Who is client is
// decided in finish.go. Rule numbers in comments are those of the rules of
// evidence (see doc.go).

// receipt is the verdict on whether a segment reached its receiver.
type receipt uint8

const (
	received    receipt = iota // no reason to doubt: presumed
	notReceived                // refuted by a later packet
	ackOnly                    // its acknowledgment counted, its FIN did not (rule 14b)
	delayed                    // received, but only after the segment mark.until
)

// copyKind is what a segment is to those of its sender before it (rule 11).
type copyKind uint8

const (
	fresh            copyKind = iota
	retransmission            // the sender sent bytes again: the only kind that refutes
	duplicateFrame            // the capture saw one packet twice
	networkDuplicate          // the network delivered one packet twice
	lateOriginal              // overtaken by later ones
	keepAlive                 // a probe below SND.NXT; carries nothing
)

// missedFIN says in which state a FIN was sent that the tap did not see.
type missedFIN uint8

const (
	noMissedFIN         missedFIN = iota
	missedInEstablished           // before the peer's FIN came: FIN-WAIT-1, then CLOSING
	missedInCloseWait             // after it: LAST-ACK
	missedByCapture               // the peer's FIN: this segment acknowledges one byte more than was seen
)

// mark is what a machine knows of a rec besides the rec.
type mark struct {
	kind    copyKind
	recv    receipt
	unsent  bool       // a forged RST: its alleged sender did not send it (rule 14c)
	proven  bool       // a later packet proves that it arrived
	tsNew   bool       // its TSval is above every earlier one of its sender
	rst     rstVerdict // a reset: how its receiver should judge it
	missed  missedFIN  // its sender's FIN was missed just before it (rule 6)
	reason  why        // why it was not received
	orig    int32      // the earlier segment it copies, -1 if none
	until   int32      // delayed: the segment after which it arrived
	refuter int32      // the segment that refuted it, -1
	copies  int32      // unanswered copies of it so far
	idStep  int32      // IP-ID minus the sender's last one; 0: not known
	prevEnd uint32     // the sender's highest end before it
	prevAck uint32     // the sender's highest ACK before it
	peerAck uint32     // the receiver's highest ACK before it
	peerEnd uint32     // the receiver's highest end before it
	gap     bool       // IP-IDs before it are missing, and not yet judged
	hadEnd  bool       // prevEnd is valid
	hadAck  bool       // prevAck is valid
	hasPeer bool       // peerAck is valid
}

// ownFINMissed: a FIN of the segment's own sender was missed before it.
func (k *mark) ownFINMissed() bool {
	return k.missed == missedInEstablished || k.missed == missedInCloseWait
}

// doubts says which kinds of doubt any mark holds, so that a segment of a
// connection in which nothing is in doubt need not look through the log.
type doubts uint8

const (
	someLost       doubts = 1 << iota // sent again: a later packet may prove that it arrived
	someUnanswered                    // given up as unanswered
	someDelayed                       // received, but later
	someMissed                        // a FIN that the tap did not see
)

func (k *mark) doubts() (d doubts) {
	switch {
	case k.recv == notReceived && k.reason == whyUnanswered:
		d = someUnanswered
	case k.recv == notReceived:
		d = someLost
	case k.recv == delayed:
		d = someDelayed
	}
	if k.missed != noMissedFIN {
		d |= someMissed
	}
	return d
}

// mstep is a Step under construction.
type mstep struct {
	state    tcpstate.State
	ev       Evidence
	pktEv    Evidence
	alt      tcpstate.State
	at       int64
	pkt      Packet
	inferred Packet
	arrived  Packet // the causing segment in the endpoint's own capture
	rec      int32  // the causing segment's index, -1 if none
	what     string
	proofs   []Packet
}

// sender is what a side's own segments say, whatever was received.
type sender struct {
	iss, end     uint32 // initial sequence number; highest end seen
	ack          uint32 // highest ACK sent
	fin          uint32 // sequence number of its FIN
	contig       uint32 // contiguous end of what was seen
	tsMax        uint32
	tsFirst      uint32
	tsFirstAt    int64
	tsLastAt     int64
	lastID       uint16
	lastIDLen    uint32 // payload of the segment with that ID
	hasISS       bool
	hasEnd       bool
	hasAck       bool
	hasFIN       bool
	finGuessed   bool // no FIN was seen, but the peer acknowledges one byte more
	hasTS        bool
	hasID        bool
	idRun        int32 // IP-IDs in a row that went up by one
	idGaps       int32 // among them, places where some are missing
	gaps         int32 // of those, the ones not yet judged
	finRec       int32 // first copy of its FIN
	synRec       int32 // first copy of its SYN
	finCopies    int32
	holes        []span // beyond contig
	rtt          rttStats
	pend         [8]pending // unacknowledged ranges sent once: the next samples
	npend        int
	stats        EndpointStats
	lastWin      uint16
	synScale     uint8
	synHasScale  bool
	dataSent     bool
	dataEnd      uint32 // highest end of its data seen; valid if dataSent
	firstAt      int64
	lastAt       int64
	finAt        int64
	ackBefore    uint32 // highest ACK before the current segment
	hadAckBefore bool
}

type span struct{ lo, hi uint32 }

type pending struct {
	end uint32
	at  int64
	bad bool
}

// end is one endpoint's inferred state: it is thrown away and built again when
// a receipt falls.
type end struct {
	state        tcpstate.State
	steps        []mstep
	rcvNxt       uint32 // next byte it awaits, as far as received
	hasRcv       bool
	holes        []span
	peerFIN      uint32 // the peer's FIN, once a copy of it was received (maybe beyond a hole)
	sawFIN       bool
	finDone      bool  // the peer's FIN has counted
	synRec       int32 // the peer's SYN that it received, -1
	undetermined bool
	covered      bool    // it sent a segment that ends where its FIN begins, after covering the peer's FIN
	restarts     []int32 // segments that restart TIME-WAIT
	due          []int32 // segments that reach it later than they were sent, in order of arrival
}

// loss is a judgement on a lost or late segment that a rule makes a finding of.
type loss struct {
	kind     lossKind
	side     int      // the side that sent again
	at       int64    // when the copy passed
	after    int64    // how long after the first of them the copy passed, ns
	carriers []Packet // the segments that were lost, oldest first
	copy     Packet   // the copy that shows it
	flags    uint8    // of the copy
	lastACK  bool     // the side that sent again was in LAST-ACK (rule 25)
	subject  int32    // the segment sent again, while it is in the log
	copyRec  int32    // the copy, likewise
	settled  bool     // the copy was acknowledged
	unseen   bool     // the capture lacks the copy: copy is the segment before which it is missing
	byIDs    bool     // only missing IP-IDs show what was lost
	where    Where
	between  Between
	conf     Confidence
}

type lossKind uint8

const (
	lostACK       lossKind = iota // rule 12: seen at the tap, not received
	lostData                      // rule 13: seen at the tap, sent again, only then acknowledged
	lostUnseenACK                 // rule 22: the receiver had it, its ACK was never seen
	lateACK                       // the copy was sent although nothing was lost
	neverSentACK                  // the ACK was only delayed
)

type machine struct {
	o         *Options
	opts      [2]synOptions // of the sides' SYNs
	recs      []rec
	marks     []mark
	snd       [2]sender
	e         [2]end
	base      [2]end // state before recs[0]; set when old recs were dropped
	losses    []loss
	settled   int // losses before this one are placed for good
	untold    uint64
	doubts    doubts
	withdrawn [2][]Withdrawal
	dropped   int        // recs folded into base
	crossing  []Crossing // of each rec, where several captures tell; nil: one tap
	path      Path
	interop   interop

	first    int64 // time of the connection's first packet
	firstPkt Packet
	packets  uint64 // of this incarnation

	ports        [2]uint16
	twoMSL       [2]int64 // how long TIME-WAIT lasts at each side, ns
	mirrored     bool     // the capture saw every packet twice
	sackBoth     bool     // both ends speak SACK
	clientKnown  bool     // client is valid: a SYN or SYN-ACK was seen
	client       int
	bareSYN      [2]bool
	rstBy        int  // side of the first RST, -1 if none
	simultaneous bool // a bare SYN each way
	refused      bool // RST answered the SYN
	fastOpen     bool // the SYN-ACK covers data on the SYN
	finAcked     bool // the second FIN's segment was the first to cover the first FIN
}

func (m *machine) reset(o *Options) {
	recs, marks, crossing := m.recs[:0], m.marks[:0], m.crossing[:0]
	steps := [2][]mstep{m.e[0].steps, m.e[1].steps} // a Lifecycle keeps none of them
	*m = machine{o: o, recs: recs, marks: marks, crossing: crossing, rstBy: -1}
	for x := range 2 {
		m.snd[x].finRec, m.snd[x].synRec = -1, -1
		m.base[x] = end{synRec: -1}
		m.e[x] = end{synRec: -1, steps: steps[x][:0]}
	}
}

// add takes the next segment of the log.
func (m *machine) add(r *rec) {
	m.recs = append(m.recs, *r)
	m.marks = append(m.marks, mark{orig: -1, until: -1, refuter: -1})
	i := int32(len(m.recs) - 1)
	if m.crossing != nil {
		m.cross(i)
		m.arrivals(i, r.side())
	}
	m.observe(i)
	if m.refute(i) {
		m.replay(i)
	}
	m.apply(i)
}

// replay builds both endpoints again from the marks, up to but without rec i,
// and tells what fell as withdrawn, refuted by rec i.
func (m *machine) replay(i int32) {
	var old [2][]mstep
	for x := range 2 {
		old[x] = m.e[x].steps
		m.e[x] = m.base[x].clone()
	}
	for j := range i {
		m.apply(j)
	}
	if m.crossing != nil && int(i) < len(m.recs) {
		m.arrivals(i, m.recs[i].side())
	}
	if int(i) < len(m.recs) {
		for x := range 2 {
			m.tellWithdrawn(x, old[x], i)
		}
	}
}

func (e *end) clone() end {
	c := *e
	c.steps = append([]mstep(nil), e.steps...)
	for i := range c.steps {
		c.steps[i].proofs = append([]Packet(nil), c.steps[i].proofs...)
	}
	c.holes = append([]span(nil), e.holes...)
	c.restarts = append([]int32(nil), e.restarts...)
	c.due = append([]int32(nil), e.due...)
	return c
}

func sameStep(a, b *mstep) bool { return a.state == b.state && a.pkt == b.pkt }

// tellWithdrawn records the steps of old that did not come back.
func (m *machine) tellWithdrawn(x int, old []mstep, by int32) {
	kept := m.e[x].steps
	has := func(s *mstep) bool {
		for k := range kept {
			if sameStep(&kept[k], s) {
				return true
			}
		}
		return false
	}
	// A step that came back is withdrawn no more.
	w := m.withdrawn[x][:0]
	for _, d := range m.withdrawn[x] {
		if !has(&mstep{state: d.State, pkt: d.Packet}) {
			w = append(w, d)
		}
	}
	m.withdrawn[x] = w
	for k := range old {
		s := &old[k]
		if has(s) || s.ev == Assumed {
			continue
		}
		reason, refuter := "rests on a step that was withdrawn", by
		if s.rec >= 0 && m.marks[s.rec].reason != noDoubt {
			reason = m.marks[s.rec].reason.String()
			if m.marks[s.rec].reason == whyUnseenCopy { // read from later IP-IDs
				refuter = m.marks[s.rec].refuter
			}
		}
		m.withdrawn[x] = append(m.withdrawn[x], Withdrawal{
			State: s.state, At: s.at, Packet: s.pkt, Event: s.what,
			RefutedBy: []Packet{m.recs[refuter].pkt}, Reason: reason,
		})
	}
}

// machineKeep is how many recs of a long connection stay when its log is full:
// the others are folded into the base and can be judged no more.
const machineKeep = 64

// forgets is how many segments a machine folds into its base at a time.
func (o *Options) forgets() int { return 2*o.LogLimit - max(machineKeep, o.LogLimit/4) }

// trim folds the oldest recs into the base if there are too many.
func (m *machine) trim() {
	if len(m.recs) < 2*m.o.LogLimit {
		return
	}
	n := ((len(m.recs)-2*m.o.LogLimit)/m.o.forgets() + 1) * m.o.forgets()
	// Build the base by applying the recs to go with their marks as they stand.
	saved := m.e
	for x := range 2 {
		m.e[x] = m.base[x].clone()
	}
	for j := range n {
		m.apply(int32(j))
	}
	if m.crossing != nil {
		m.settle()
		m.delays()
		m.addDelayed(&m.path, n)
	}
	for x := range 2 {
		m.base[x] = m.e[x].clone()
		m.base[x].shift(int32(n))
		saved[x].shift(int32(n))
	}
	m.e = saved
	m.recs = m.recs[:copy(m.recs, m.recs[n:])]
	m.marks = m.marks[:copy(m.marks, m.marks[n:])]
	if m.crossing != nil {
		m.crossing = m.crossing[:copy(m.crossing, m.crossing[n:])]
	}
	m.doubts = 0
	for i := range m.marks {
		k := &m.marks[i]
		m.doubts |= k.doubts()
		k.orig, k.until, k.refuter = back(k.orig, n), back(k.until, n), back(k.refuter, n)
	}
	for x := range 2 {
		m.snd[x].finRec = back(m.snd[x].finRec, n)
		m.snd[x].synRec = back(m.snd[x].synRec, n)
	}
	for i := range m.losses {
		m.losses[i].subject = back(m.losses[i].subject, n)
		m.losses[i].copyRec = back(m.losses[i].copyRec, n)
	}
	m.dropped += n
}

func back(i int32, n int) int32 { return max(i-int32(n), -1) }

func (e *end) shift(n int32) {
	for i := range e.steps {
		e.steps[i].rec = back(e.steps[i].rec, int(n))
	}
	e.synRec = back(e.synRec, int(n))
	for i := range e.restarts {
		e.restarts[i] = back(e.restarts[i], int(n))
	}
	due := e.due[:0]
	for _, i := range e.due {
		if i >= n {
			due = append(due, i-n)
		}
	}
	e.due = due
}

// acks reports whether segment i acknowledges all below end.
func (m *machine) acks(i int32, end uint32) bool {
	r := &m.recs[i]
	return r.flags&FlagACK != 0 && seqnum.LessEq(end, r.ack)
}
