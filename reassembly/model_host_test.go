package reassembly_test

import (
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/seqnum"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file: an endpoint of the model, RFC 9293 with the habits of Linux: what
// it sends and when. model_resend_test.go has what it sends again,
// model_receive_test.go what it does with what arrives.

// script is what the application of an endpoint does; times count from
// ESTABLISHED, a time below 0 means never.
type script struct {
	Writes   []write
	Reply    uint32 // bytes written at the first data received
	How      ending
	At       int64
	OnFIN    ending // what it does once the peer has closed
	OnFINIn  int64
	OnFINSay uint32 // bytes written before that
	Unread   bool   // it never reads: close sends RST if anything came
}

type write struct {
	At int64
	N  uint32
}

type ending uint8

const (
	never ending = iota
	closes
	shutsDown
	aborts
)

// truth is a step that the endpoint really made.
type truth struct {
	state tcpstate.State
	at    int64
	by    *packet // the segment that was received, nil if none
	own   uint8   // flags of the endpoint's own segment that shows it, 0 if none
}

// segment in flight.
type inFlight struct {
	seq, end uint32
	fin      bool
	first    int64
	last     int64
	tsval    uint32
	copies   int
	sacked   bool
	lost     bool
}

type span struct{ lo, hi uint32 }

type host struct {
	s     *sim
	me    int
	state tcpstate.State
	path  []truth

	orphan, mini bool // no program holds it; Linux keeps only a minimal socket
	started      bool

	iss, una, nxt, written uint32
	closing, finSent       bool
	flight                 []*inFlight
	srtt, rto              int64
	cwnd                   int // segments: RFC 5681, slow start only
	retries                int
	probed                 bool // a tail loss probe is out
	dupAcks                int
	timer                  int // generation of the retransmission timer

	irs, rcvNxt, rcvWup uint32
	ooo                 []span
	peerFIN             uint32
	hasPeerFIN          bool
	got                 uint32 // bytes received
	tsRecent            uint32
	dsack               span
	hasDSACK            bool
	ackDue              int
	ackTimer            int
	quick               int
	replied             bool
	lastLimited         int64
	lastHeard           int64
	probes              int

	id uint16
}

const (
	rtoLeast  = 200 * ms
	rtoSYN    = 1000 * ms
	delayACK  = 40 * ms
	rateLimit = 500 * ms
	window    = uint32(1 << 20)
)

func newHost(s *sim, me int) *host {
	h := &host{s: s, me: me, iss: s.p.ISS[me], quick: s.p.Quick[me], cwnd: s.p.Cwnd[me], id: uint16(s.rng.Uint32()), rto: rtoSYN, lastLimited: -1 << 60}
	h.una, h.nxt, h.written = h.iss, h.iss, h.iss+1
	h.state = tcpstate.Closed
	if me == 1 && !s.p.Refused && !s.p.Both {
		h.state = tcpstate.Listen
	}
	return h
}

func (h *host) at(d int64, do func()) { h.s.at(epoch+d, do) }

// become records a step.
func (h *host) become(st tcpstate.State, by *packet, own uint8) {
	h.state = st
	h.path = append(h.path, truth{st, h.s.now, by, own})
	switch st {
	case tcpstate.Established:
		h.start()
	case tcpstate.TimeWait:
		h.timer++
		h.mini = true
		h.arm60(h.s.p.TwoMSL)
	case tcpstate.Closed:
		h.timer++
		h.ackTimer++
		h.flight = nil
	}
}

// arm60 starts the clock of TIME-WAIT or of an orphan's FIN-WAIT-2.
func (h *host) arm60(d int64) {
	h.timer++
	gen, st := h.timer, h.state
	h.s.after(d, func() {
		if gen == h.timer && h.state == st {
			h.become(tcpstate.Closed, nil, 0)
		}
	})
}

// start lets the program run.
func (h *host) start() {
	if h.started {
		return
	}
	h.started = true
	h.lastHeard = h.s.now
	a := &h.s.p.App[h.me]
	for _, w := range a.Writes {
		h.s.after(w.At, func() { h.write(w.N) })
	}
	if a.At >= 0 {
		h.s.after(a.At, func() { h.finish(a.How) })
	}
	if h.s.p.KeepAlive > 0 {
		h.s.after(h.s.p.KeepAlive, h.keepAlive)
	}
}

func (h *host) open() bool {
	return h.state == tcpstate.Established || h.state == tcpstate.CloseWait
}

func (h *host) write(n uint32) {
	if h.open() && !h.closing {
		h.written += n
		h.push()
	}
}

// finish ends the connection the way the program wants it.
func (h *host) finish(how ending) {
	if how == never || h.orphan || h.state == tcpstate.Closed {
		return
	}
	if how == closes || how == aborts {
		h.orphan = true
	}
	unread := h.s.p.App[h.me].Unread && h.got > 0 && how == closes
	switch {
	case h.state == tcpstate.TimeWait:
		return
	case how == aborts || unread:
		h.abort()
		return
	case h.state == tcpstate.FinWait2 && h.orphan && !h.mini:
		h.mini = true
		h.arm60(h.s.p.FinWait2)
		return
	case h.closing || !h.open():
		return
	}
	h.closing = true
	if h.state == tcpstate.Established {
		h.become(tcpstate.FinWait1, nil, reassembly.FlagFIN)
	} else {
		h.become(tcpstate.LastAck, nil, reassembly.FlagFIN)
	}
	h.push()
}

// abort leaves without a close: the RST carries an ACK and SEQ = SND.NXT.
func (h *host) abort() {
	h.become(tcpstate.Closed, nil, reassembly.FlagRST)
	h.emit(h.nxt, 0, reassembly.FlagRST|reassembly.FlagACK)
}

func (h *host) connect() {
	if h.state != tcpstate.Closed || len(h.path) > 0 {
		return // the peer's SYN came first and found nobody
	}
	h.become(tcpstate.SynSent, nil, reassembly.FlagSYN)
	h.nxt = h.iss + 1
	h.sendSYN()
}

func (h *host) sendSYN() {
	f := uint8(reassembly.FlagSYN)
	if h.state == tcpstate.SynReceived {
		f |= reassembly.FlagACK
	}
	h.emit(h.iss, 0, f)
	h.arm(h.rto)
}

func (h *host) tsNow() uint32 { return h.s.p.TSBase[h.me] + uint32((h.s.now-epoch)/ms) }

// emit sends one segment; n is its payload.
func (h *host) emit(seq, n uint32, flags uint8) *packet {
	p := h.s.p
	seg := h.blank()
	seg.Seq, seg.Length, seg.Flags, seg.Window = seq, n, flags, uint16(window>>7)
	if flags&reassembly.FlagACK != 0 {
		seg.Ack = h.rcvNxt
		h.rcvWup = h.rcvNxt
		h.ackDue = 0
		h.ackTimer++
	}
	if flags&reassembly.FlagSYN != 0 {
		seg.MSS, seg.HasScale, seg.WindowScale = uint16(p.MSS), true, 7
		seg.SACKPermitted, seg.Window = p.SACK, 65535
	}
	if p.TS {
		seg.HasTimestamps, seg.TSVal = true, h.tsNow()
		if flags&reassembly.FlagACK != 0 {
			seg.TSEcr = h.tsRecent
		}
	}
	if p.SACK && flags&(reassembly.FlagACK|reassembly.FlagSYN|reassembly.FlagRST) == reassembly.FlagACK && !h.mini {
		h.addSACK(&seg)
	}
	request := h.state == tcpstate.SynReceived && !p.Both // a request socket
	if !p.V6 && p.ID[h.me] && !h.mini && !request {
		h.id++
		if h.id == 0 {
			h.id = 1
		}
		seg.IPID = h.id
	}
	return h.s.send(h.me, seg)
}

// blank is a segment with its addresses.
func (h *host) blank() reassembly.Segment {
	p := h.s.p
	seg := reassembly.Segment{V6: p.V6, TTL: 64 - uint8(3*h.me), Wire: 80}
	ip := [2]reassembly.IP{{10: 255, 11: 255, 12: 10, 15: 1}, {10: 255, 11: 255, 12: 10, 15: 2}}
	if p.V6 {
		ip = [2]reassembly.IP{{0: 0xfd, 15: 1}, {0: 0xfd, 15: 2}}
	}
	port := [2]uint16{uint16(32768 + p.Seed%28000), 80}
	seg.Src, seg.Dst, seg.SrcPort, seg.DstPort = ip[h.me], ip[1-h.me], port[h.me], port[1-h.me]
	return seg
}

// addSACK reports a duplicate first (RFC 2883), then what lies beyond a hole.
func (h *host) addSACK(seg *reassembly.Segment) {
	most := uint8(4)
	if h.s.p.TS {
		most = 3
	}
	add := func(b span) {
		if seg.SACKCount < most {
			seg.SACK[seg.SACKCount] = reassembly.SACKBlock{Left: b.lo, Right: b.hi}
			seg.SACKCount++
		}
	}
	if h.hasDSACK {
		add(h.dsack)
		h.hasDSACK = false
	}
	for _, b := range h.ooo {
		add(b)
	}
}

// ackNow sends a pure ACK.
func (h *host) ackNow() { h.emit(h.nxt, 0, reassembly.FlagACK) }

// ackLimited answers what is not acceptable, at most every 500 ms unless it
// brought data (tcp_invalid_ratelimit).
func (h *host) ackLimited(seg *reassembly.Segment) {
	data := seg.Span() > 0 && seg.Flags&reassembly.FlagSYN == 0
	if !data {
		if h.s.now-h.lastLimited < rateLimit {
			return
		}
		h.lastLimited = h.s.now
	}
	h.ackNow()
}

func (h *host) ackSoon() {
	h.ackDue++
	if h.quick > 0 || h.ackDue >= 2 || len(h.ooo) > 0 {
		h.quick--
		h.ackNow()
		return
	}
	h.ackTimer++
	gen := h.ackTimer
	h.s.after(delayACK, func() {
		if gen == h.ackTimer && h.ackDue > 0 && h.state != tcpstate.Closed {
			h.ackNow()
		}
	})
}

// reject sends the RST of a host that has no socket for a segment.
func (h *host) reject(seg *reassembly.Segment) {
	r := h.blank()
	r.Flags = reassembly.FlagRST
	if seg.Flags&reassembly.FlagACK != 0 {
		r.Seq = seg.Ack
	} else {
		r.Flags |= reassembly.FlagACK
		r.Ack = seg.Seq + seg.Span()
	}
	h.s.send(h.me, r)
}

// joinSpans adds [lo, hi) to what lies beyond next, and takes off what has
// become contiguous.
func joinSpans(next uint32, all []span, lo, hi uint32) (uint32, []span) {
	all = append(all, span{lo, hi})
	for again := true; again; {
		again = false
		for i, b := range all {
			if !seqnum.Less(next, b.lo) {
				next = seqnum.Max(next, b.hi)
				all = append(all[:i:i], all[i+1:]...)
				again = true
				break
			}
		}
	}
	for i := 0; i < len(all); i++ { // merge what touches
		for j := i + 1; j < len(all); j++ {
			if !seqnum.Less(all[i].hi, all[j].lo) && !seqnum.Less(all[j].hi, all[i].lo) {
				all[i].hi = seqnum.Max(all[i].hi, all[j].hi)
				if seqnum.Less(all[j].lo, all[i].lo) {
					all[i].lo = all[j].lo
				}
				all = append(all[:j:j], all[j+1:]...)
				i, j = -1, len(all)
			}
		}
	}
	return next, all
}
