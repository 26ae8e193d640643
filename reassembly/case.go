package reassembly

import (
	"time"

	"github.com/finwait/finwait/reassembly/seqnum"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file: what the rules of package anomaly see of a retired connection.
// Sides are Client and Server here, not the machine's 0 and 1.

// Case is what the rules of package anomaly judge: a retired connection with
// the evidence behind its Lifecycle. It is valid during Options.Check only.
type Case struct {
	Life  *Lifecycle
	Now   int64     // the trace clock, ns since the epoch
	Ended bool      // the trace ends here
	Prev  *Previous // the incarnation before it, if it was still remembered

	m        *machine
	c        *conn
	client   int // the machine's side of the client
	segments []CaseSegment
	losses   []Loss
	seen     Seen
	looked   bool // seen is valid
}

// CopyKind is what a segment is to earlier ones of its sender.
type CopyKind uint8

// Kinds of copies; only a Retransmission was sent again by its sender.
const (
	Fresh            CopyKind = iota
	Retransmission            // bytes sent again
	DuplicateFrame            // one packet that the capture saw twice
	NetworkDuplicate          // one packet that the network delivered twice
	LateOriginal              // overtaken by later ones on the way
	KeepAlive                 // a probe below SND.NXT
)

// CaseSegment is one segment of the log. A long connection's log holds its
// handshake no more: see Case.Dropped.
type CaseSegment struct {
	Packet       Packet
	At           int64 // ns since the epoch
	Side         Side  // its sender
	Flags        uint8
	Seq, Ack     uint32
	Len          uint32 // payload bytes
	Window       uint16 // not scaled
	IPID         uint16
	TTL          uint8
	HasTS        bool
	TSVal, TSEcr uint32
	SACK         [2]SACKBlock // {0,0}: none
	Kind         CopyKind
	Original     int    // index of the segment it copies, -1 if none is in the log
	Received     bool   // nothing refutes that it reached its receiver
	Why          string // why it was not received, or not sent by its alleged sender
	Unsent       bool   // a forged RST
	PrevEnd      uint32 // the sender's highest end before it; valid if HadEnd
	HadEnd       bool
	PrevAck      uint32 // the sender's highest ACK before it; valid if HadAck
	HadAck       bool
	PeerAck      uint32 // the receiver's highest ACK before it; valid if HasPeerAck
	HasPeerAck   bool
	PeerEnd      uint32 // the receiver's highest end before it
	IDStep       int    // IP-ID minus the sender's last one, 0 if not known
	Next         bool   // of the next incarnation, cited here
	Old          bool   // of the incarnation before, cited here
	Quoted       bool   // quoted by an ICMP error, not captured itself
	Refusal      bool   // that error says that the destination is unreachable
	ICMPCode     uint8  // its code; the type is that of ICMPv6 if V6
	V6           bool
	Crossed      CaseCrossing
}

// CaseCrossing is what captures at several points tell of a segment; zero with
// one tap.
type CaseCrossing struct {
	ArrivedAs Packet  // in the receiver's own capture; 0: that lacks it
	ArrivedAt int64   // when it arrived there, ns by the clock of CaseSegment.At; valid if ArrivedAs is not 0
	Lost      bool    // it is known not to have arrived
	Between   Between // valid if Lost
	Assumed   bool    // Lost: if the capture behind was running then
	Delayed   bool    // it arrived, and was held up on the way
	Via       []Passing
}

// End is the sequence number after the segment.
func (s *CaseSegment) End() uint32 {
	n := s.Seq + s.Len
	if s.Flags&FlagSYN != 0 {
		n++
	}
	if s.Flags&FlagFIN != 0 {
		n++
	}
	return n
}

// Has reports whether all the given flags are set.
func (s *CaseSegment) Has(flags uint8) bool { return s.Flags&flags == flags }

// Name is the segment by its flags, as RFC 9293 writes them: SYN, SYN-ACK, FIN,
// RST, data or ACK.
func (s *CaseSegment) Name() string {
	switch {
	case s.Has(FlagRST):
		return "RST"
	case s.Has(FlagSYN | FlagACK):
		return "SYN-ACK"
	case s.Has(FlagSYN):
		return "SYN"
	case s.Has(FlagFIN):
		return "FIN"
	case s.Len > 0:
		return "data"
	}
	return "ACK"
}

// PureACK reports a segment that only acknowledges.
func (s *CaseSegment) PureACK() bool {
	return s.Len == 0 && s.Flags&(FlagSYN|FlagFIN|FlagRST|FlagACK) == FlagACK
}

// DSACK reports whether its first SACK block tells of bytes received twice
// (RFC 2883 section 4).
func (s *CaseSegment) DSACK() bool {
	r := rec{flags: s.Flags, ack: s.Ack, sack: s.SACK}
	_, ok := r.dsack()
	return ok
}

// HasPeerEndBeyond reports whether the receiver had sent more than this
// segment acknowledges.
func (s *CaseSegment) HasPeerEndBeyond() bool { return seqnum.Less(s.Ack, s.PeerEnd) }

// Own reports a segment that its sender sent in this incarnation, seen once.
func (s *CaseSegment) Own() bool {
	return !s.Next && !s.Old && !s.Quoted && s.Kind != DuplicateFrame
}

// LossKind is what a Loss says.
type LossKind uint8

// Kinds of losses.
const (
	LostACK       LossKind = iota // an ACK passed the tap and did not arrive
	LostSegment                   // bytes were sent again of which no ACK was seen
	LostUnseenACK                 // the receiver had it, its ACK never passed the tap
	LateACK                       // a copy crossed the ACK, or was sent too early: nothing was lost
	DelayedACK                    // the receiver had it, and its ACK was only late
)

// Loss is a judgement on a lost or late segment.
type Loss struct {
	Kind       LossKind
	Side       Side // the side that sent again
	At         int64
	After      int64    // how long after the first Carrier the copy passed, ns
	Carriers   []Packet // what was lost, oldest first
	Copy       Packet   // the copy that shows it
	Flags      uint8    // FlagSYN, FlagFIN and so on of what was sent again
	LastACK    bool     // Side was in LAST-ACK
	Unseen     bool     // the capture lacks the copy: Copy is the segment before which it is missing
	ByIDs      bool     // only missing IP-IDs show what was lost
	Where      Where
	Between    Between // Where is OnPath
	Confidence Confidence
}

// Sender is what one side's own segments say.
type Sender struct {
	HasISN, HasFIN, HasEnd, HasAck bool
	ISN                            uint32
	End                            uint32 // highest sequence number sent, plus one
	Ack                            uint32 // highest ACK sent
	FIN                            uint32 // sequence number of the FIN
	FINAt                          int64
	FINCopies                      int
	Contiguous                     uint32 // end of what was seen without a hole
	Turn, Slack                    int64  // usual time tap to this side and back, and what it may vary, ns
	RTO                            int64  // a cautious guess of its retransmission time-out, ns
	FirstAt, LastAt                int64
	SentData                       bool
}

// TimeWaitClock is the clock of a TIME-WAIT: rule 21 of the evidence.
type TimeWaitClock struct {
	Begin       int64    // ns since the epoch
	Least, Most int64    // when it runs out at the earliest and the latest
	TwoMSL      int64    // ns
	Restarts    []Packet // segments that began it anew
	Unanswered  bool     // the answer to one of them was not seen
}

// Previous is what is remembered of the incarnation before, as it stood when
// the new SYN came. Sides are those of the new connection.
type Previous struct {
	ID            uint64
	Last          Packet
	LastAt        int64
	Holder        Side // of TIME-WAIT; None if nobody held it
	TimeWait      TimeWaitClock
	State         [2]tcpstate.State
	HasEnd, HasTS [2]bool
	End           [2]uint32 // SND.NXT as far as seen
	TSVal         [2]uint32 // highest TSval sent
}

// side translates the machine's side.
func (c *Case) side(x int) Side {
	if x == c.client {
		return Client
	}
	return Server
}

func (c *Case) index(s Side) int {
	if s == Client {
		return c.client
	}
	return 1 - c.client
}

// Segments is the log, in capture order.
func (c *Case) Segments() []CaseSegment {
	if len(c.segments) == len(c.m.recs) {
		return c.segments
	}
	c.segments = c.segments[:0]
	for i := range c.m.recs {
		r, k := &c.m.recs[i], &c.m.marks[i]
		c.segments = append(c.segments, CaseSegment{
			Packet: r.pkt, At: r.at, Side: c.side(r.side()), Flags: r.flags, Seq: r.seq, Ack: r.ack, Len: r.len,
			Window: r.win, IPID: r.ipid, TTL: r.ttl, HasTS: r.bits&recTS != 0, TSVal: r.tsval, TSEcr: r.tsecr, SACK: r.sack,
			Kind: CopyKind(k.kind), Original: int(k.orig), Received: k.recv != notReceived, Why: k.reason.String(), Unsent: k.unsent,
			PrevEnd: k.prevEnd, HadEnd: k.hadEnd, PrevAck: k.prevAck, HadAck: k.hadAck, PeerAck: k.peerAck, HasPeerAck: k.hasPeer, PeerEnd: k.peerEnd,
			IDStep: int(k.idStep), Next: r.bits&recNext != 0, Old: r.bits&recOld != 0, Quoted: r.bits&recICMP != 0,
			Refusal: r.refusal(), ICMPCode: r.tag & 15, V6: r.bits&recV6 != 0, Crossed: c.m.crossed(int32(i)),
		})
	}
	return c.segments
}

// Dropped is how many segments were folded away before the first of Segments.
func (c *Case) Dropped() int { return c.m.dropped }

// Losses lists the judgements on lost and late segments, in the order of the copies.
func (c *Case) Losses() []Loss {
	if len(c.losses) == len(c.m.losses) {
		return c.losses
	}
	c.losses = c.losses[:0]
	for i := range c.m.losses {
		l := &c.m.losses[i]
		c.losses = append(c.losses, Loss{Kind: LossKind(l.kind), Side: c.side(l.side), At: l.at, After: l.after, Carriers: l.carriers,
			Copy: l.copy, Flags: l.flags, LastACK: l.lastACK, Unseen: l.unseen, ByIDs: l.byIDs, Where: l.where, Between: l.between, Confidence: l.conf})
	}
	return c.losses
}

// Sender tells what side s's own segments say.
func (c *Case) Sender(s Side) Sender {
	x := c.index(s)
	d := &c.m.snd[x]
	return Sender{HasISN: d.hasISS, HasFIN: d.hasFIN, HasEnd: d.hasEnd, HasAck: d.hasAck, ISN: d.iss, End: d.end, Ack: d.ack,
		FIN: d.fin, FINAt: d.finAt, FINCopies: int(d.finCopies), Contiguous: d.contig, Turn: d.rtt.turn(), Slack: c.m.slack(x),
		RTO: c.m.rto(x), FirstAt: d.firstAt, LastAt: d.lastAt, SentData: d.dataSent}
}

// Step is the newest step of a side that entered a state, or nil.
func (c *Case) Step(s Side, st tcpstate.State) *Step { return c.Life.Step(s, st) }

// Step is the newest step of a side that entered a state, or nil.
func (l *Lifecycle) Step(s Side, st tcpstate.State) *Step {
	h := l.Endpoints[s].History
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].State == st {
			return &h[i]
		}
	}
	return nil
}

// TimeWait is the clock of side s's TIME-WAIT; ok is false if it never was in it.
func (c *Case) TimeWait(s Side) (clock TimeWaitClock, ok bool) {
	x := c.index(s)
	if c.m.e[x].find(tcpstate.TimeWait) == nil {
		return clock, false
	}
	return c.m.tellClock(x, c.c.twoMSL(c.m.o, x)), true
}

func (m *machine) tellClock(x int, twoMSL int64) TimeWaitClock {
	t := m.clockTimeWait(x, twoMSL)
	clock := TimeWaitClock{Begin: t.begin, Least: t.least, Most: t.most, TwoMSL: twoMSL, Unanswered: t.unanswered}
	for _, i := range t.restarts {
		clock.Restarts = append(clock.Restarts, m.recs[i].pkt)
	}
	return clock
}

// RSTVerdict is how RFC 5961 section 3.2 judges a reset at its receiver.
type RSTVerdict uint8

// Verdicts on resets.
const (
	RSTOutside    RSTVerdict = iota // outside the window, or the window is not known
	RSTInWindow                     // in the window but not exact: a challenge ACK is due
	RSTExact                        // at RCV.NXT, as far as the tap can know it
	RSTBadSynSent                   // in SYN-SENT, and it does not acknowledge the SYN
)

// JudgeRST judges segment i of Segments, a reset, as of when it passed.
func (c *Case) JudgeRST(i int) RSTVerdict { return RSTVerdict(c.m.marks[i].rst) }

// NewerEcho is the segment by which the receiver of segment i, before that passed,
// was seen to have got a newer TSval, so that it discards i (RFC 7323 section 5.3);
// -1 if none was.
func (c *Case) NewerEcho(i int) int { return int(c.m.newerEcho(int32(i))) }

// remember sums up a connection for the incarnation that follows it.
func (t *Tracker) remember(i uint32, fromB bool) *Previous {
	c, m := t.conn(i), &t.teller.m
	if g := t.longOf(c); g != nil {
		t.settle(c, g)
		m = &g.m
	} else {
		t.teller.gather(c, t.logs.view())
		t.teller.feed(m, c)
		if m.crossing != nil {
			m.settle()
		}
	}
	p := &Previous{ID: uint64(c.id), Last: c.lastPkt, LastAt: c.last, Holder: None}
	for x := range 2 {
		y := Side(x) // the new connection's client sends this SYN
		if c.sideOf(fromB) != 0 {
			y = y.Other()
		}
		s := &m.snd[x]
		p.State[y] = m.e[x].state
		p.HasEnd[y], p.End[y], p.HasTS[y], p.TSVal[y] = s.hasEnd, s.end, s.hasTS, s.tsMax
		if m.e[x].state != tcpstate.TimeWait {
			continue
		}
		clock := m.tellClock(x, c.twoMSL(m.o, x))
		if t.now >= clock.Most {
			continue
		}
		// Where both hold it, the side that will be asked to give way tells more.
		if p.Holder == None || clock.Most > p.TimeWait.Most {
			p.TimeWait = clock
		}
		if p.Holder == None {
			p.Holder = y
		} else {
			p.Holder = Both
		}
	}
	return p
}

// Before reports whether sequence number a comes before b (RFC 9293 section 3.4).
func Before(a, b uint32) bool { return seqnum.Less(a, b) }

// AtOrBefore is Before or equal.
func AtOrBefore(a, b uint32) bool { return seqnum.LessEq(a, b) }

// Seconds turns ns into seconds.
func Seconds(ns int64) float64 { return time.Duration(ns).Seconds() }

// Seen sums up what the log holds at all. Most connections hold nothing odd: a
// rule that asks here first need not go through their segments. Only segments
// that are Own count, but for Next, Old and Quoted.
type Seen struct {
	Next, Old, Quoted bool
	RST               bool
	Retransmission    bool
	DuplicateFrame    bool
	NetworkDuplicate  bool
	LateOriginal      bool
	Filler            bool      // bytes never seen before, below the highest end of their sender
	SYNData           bool      // data on a SYN or SYN-ACK
	OtherSYN          bool      // a SYN or SYN-ACK of another number than its sender's first
	OtherAck          bool      // a SYN-ACK that acknowledges another number than the peer's SYN
	Probe             bool      // a segment that begins one below its sender's end: keep-alive, window probe
	AfterFIN          bool      // data of a side that had acknowledged the peer's FIN
	BeyondFIN         bool      // data or a FIN above the sender's own FIN
	OldTS             bool      // bytes sent first with a TSval below one that their sender sent before
	First             [2]uint8  // by Side: flags of its first segment that is no RST; 0 if none
	MaxLen            [2]uint32 // by Side: most payload bytes in one segment
}

// Seen sums up the log.
func (c *Case) Seen() *Seen {
	if c.looked {
		return &c.seen
	}
	c.looked, c.seen = true, Seen{}
	v := &c.seen
	var ts [2]uint32
	var hasTS [2]bool
	for i := range c.m.recs {
		r, k := &c.m.recs[i], &c.m.marks[i]
		switch {
		case r.bits&recNext != 0:
			v.Next = true
			continue
		case r.bits&recOld != 0:
			v.Old = true
			continue
		case r.bits&recICMP != 0:
			v.Quoted = true
			continue
		case k.kind == duplicateFrame:
			v.DuplicateFrame = true
			continue
		case r.flags&FlagRST != 0:
			v.RST = true
			continue
		}
		x := r.side()
		v.note(r, k, c.side(x), &c.m.snd[x], &c.m.snd[1-x])
		if r.bits&recTS == 0 {
			continue
		}
		if (k.kind == fresh || k.kind == lateOriginal) && r.span() > 0 && hasTS[x] && seqnum.Less(r.tsval, ts[x]) {
			v.OldTS = true
		}
		if !hasTS[x] || seqnum.Less(ts[x], r.tsval) {
			ts[x], hasTS[x] = r.tsval, true
		}
	}
	return v
}

func (v *Seen) note(r *rec, k *mark, side Side, s, p *sender) {
	if v.First[side] == 0 {
		v.First[side] = r.flags
	}
	v.MaxLen[side] = max(v.MaxLen[side], r.len)
	switch k.kind {
	case retransmission:
		v.Retransmission = true
	case networkDuplicate:
		v.NetworkDuplicate = true
	case lateOriginal:
		v.LateOriginal = true
	case fresh:
		if r.span() > 0 && k.hadEnd && seqnum.Less(r.seq, k.prevEnd) {
			v.Filler = true
		}
	}
	if k.hadEnd && r.len <= 1 && r.seq == k.prevEnd-1 && r.flags&(FlagSYN|FlagFIN) == 0 {
		v.Probe = true
	}
	if r.flags&FlagSYN != 0 {
		v.SYNData = v.SYNData || r.len > 0
		v.OtherSYN = v.OtherSYN || s.hasISS && r.seq != s.iss
		v.OtherAck = v.OtherAck || r.flags&FlagACK != 0 && p.hasISS && r.ack != p.iss+1
	}
	if r.len > 0 && p.hasFIN && r.flags&FlagACK != 0 && seqnum.LessEq(p.fin+1, r.ack) {
		v.AfterFIN = true
	}
	if s.hasFIN && r.span() > 0 && r.flags&FlagSYN == 0 && (seqnum.Less(s.fin+1, r.end()) || r.flags&FlagFIN != 0 && r.end() != s.fin+1) {
		v.BeyondFIN = true
	}
}
