package reassembly_test

import (
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/seqnum"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file: what an endpoint of the model does with a segment that arrives
// (RFC 9293 section 3.10.7, in the order in which Linux checks).

const (
	fin = reassembly.FlagFIN
	syn = reassembly.FlagSYN
	rst = reassembly.FlagRST
	ack = reassembly.FlagACK
)

func (h *host) receive(k *packet) {
	seg := &k.seg
	switch {
	case h.state == tcpstate.Closed:
		if seg.Flags&rst == 0 {
			h.reject(seg)
		}
	case h.state == tcpstate.Listen:
		h.listen(k)
	case h.state == tcpstate.SynSent:
		h.synSent(k)
	case h.mini:
		h.minimal(k)
	default:
		h.lastHeard, h.probes = h.s.now, 0
		h.full(k)
	}
}

func (h *host) listen(k *packet) {
	seg := &k.seg
	switch {
	case seg.Flags&rst != 0:
	case seg.Flags&ack != 0:
		h.reject(seg)
	case seg.Flags&syn != 0:
		h.irs, h.rcvNxt, h.rcvWup = seg.Seq, seg.Seq+1, seg.Seq+1
		h.tsRecent = seg.TSVal
		h.nxt = h.iss + 1
		h.become(tcpstate.SynReceived, k, syn|ack)
		h.sendSYN()
	}
}

func (h *host) synSent(k *packet) {
	seg := &k.seg
	if seg.Flags&ack != 0 && seg.Ack != h.iss+1 {
		if seg.Flags&rst == 0 {
			h.reject(seg)
		}
		return
	}
	switch {
	case seg.Flags&rst != 0:
		if seg.Flags&ack != 0 {
			h.become(tcpstate.Closed, k, 0)
		}
	case seg.Flags&syn == 0:
	case seg.Flags&ack != 0:
		h.irs, h.rcvNxt, h.tsRecent = seg.Seq, seg.Seq+1, seg.TSVal
		h.synAcked(h.retries == 0)
		h.ackNow()
		h.become(tcpstate.Established, k, 0)
		h.push()
	default: // both open
		h.irs, h.rcvNxt, h.tsRecent = seg.Seq, seg.Seq+1, seg.TSVal
		h.become(tcpstate.SynReceived, k, syn|ack)
		h.emit(h.iss, 0, syn|ack)
	}
}

// synAcked: the SYN was acknowledged. Where it was sent once, that is the first
// sample of the round trip.
func (h *host) synAcked(once bool) {
	h.una = h.iss + 1
	h.timer++
	h.retries, h.rto = 0, 5*rtoLeast
	if once && len(h.path) > 0 {
		h.sample(h.s.now - h.path[0].at)
	}
}

func (h *host) sample(d int64) {
	if h.srtt == 0 {
		h.srtt = d
	} else {
		h.srtt += (d - h.srtt) / 8
	}
	h.rto = h.srtt + rtoLeast
}

// minimal is TIME-WAIT, or FIN-WAIT-2 without a program.
func (h *host) minimal(k *packet) {
	seg := &k.seg
	end := seg.Seq + seg.Span()
	old := h.s.p.TS && seg.HasTimestamps && seqnum.Less(seg.TSVal, h.tsRecent)
	inside := !seqnum.Less(end, h.rcvNxt) && seqnum.Less(seg.Seq, h.rcvNxt+window)
	if h.state == tcpstate.FinWait2 {
		switch {
		case old && seg.Flags&rst == 0 || !inside:
			if seg.Flags&rst == 0 {
				h.ackLimited(seg)
			}
		case seg.Flags&rst != 0:
			h.become(tcpstate.Closed, k, 0)
		case seg.Flags&ack == 0 || seg.Span() == 0 || end == h.rcvNxt:
		case seg.Flags&fin == 0 || end != h.rcvNxt+1:
			h.reject(seg)
			h.become(tcpstate.Closed, k, rst)
		default:
			h.rcvNxt = end
			h.finDone(seg)
			h.become(tcpstate.TimeWait, k, 0)
			h.ackNow()
		}
		return
	}
	if !old && seg.Seq == h.rcvNxt && (seg.Span() == 0 || seg.Flags&rst != 0) {
		if seg.Flags&rst != 0 {
			h.become(tcpstate.Closed, k, 0)
			return
		}
		if seg.HasTimestamps {
			h.tsRecent = seg.TSVal
		}
		h.arm60(h.s.p.TwoMSL)
		return
	}
	if seg.Flags&rst == 0 {
		if old || seg.Flags&ack != 0 {
			h.arm60(h.s.p.TwoMSL)
		}
		h.ackLimited(seg)
	}
}

func (h *host) finDone(seg *reassembly.Segment) {
	if seg.HasTimestamps {
		h.tsRecent = seg.TSVal
	}
	h.hasPeerFIN, h.peerFIN = true, h.rcvNxt-1
}

// full is every state with a socket of its own.
func (h *host) full(k *packet) {
	seg := &k.seg
	if h.state == tcpstate.SynReceived && seg.Flags&(syn|ack) == syn && seg.Seq == h.irs {
		h.emit(h.iss, 0, syn|ack)
		return
	}
	if !h.acceptable(k) {
		return
	}
	if h.state == tcpstate.SynReceived {
		if seg.Ack != h.iss+1 && !(h.s.p.Both && seqnum.LessEq(seg.Ack, h.nxt) && seqnum.Less(h.iss, seg.Ack)) {
			h.reject(seg)
			return
		}
		h.synAcked(h.retries == 0)
		if seg.Flags&syn != 0 {
			h.ackNow()
		}
		h.become(tcpstate.Established, k, 0)
	} else if !h.takeACK(seg) {
		return
	}
	if !seqnum.Less(h.rcvWup, seg.Seq) && seg.HasTimestamps && !seqnum.Less(seg.TSVal, h.tsRecent) {
		h.tsRecent = seg.TSVal
	}
	if h.stepsByACK(k) {
		h.takeData(k)
	}
	h.push()
}

// acceptable is the checks that come before the ACK is looked at.
func (h *host) acceptable(k *packet) bool {
	seg := &k.seg
	end := seg.Seq + seg.Span()
	if seg.Flags&rst == 0 && h.s.p.TS && seg.HasTimestamps && seqnum.Less(seg.TSVal, h.tsRecent) {
		h.noteDuplicate(seg.Seq, end)
		h.ackLimited(seg)
		return false
	}
	if seqnum.Less(end, h.rcvWup) || seqnum.Less(h.rcvNxt+window, seg.Seq) {
		after := h.hasPeerFIN && !seqnum.Less(h.peerFIN, seg.Seq) && seg.Seq+1 == h.rcvNxt
		switch {
		case seg.Flags&rst == 0:
			h.noteDuplicate(seg.Seq, end)
			h.ackLimited(seg)
		case after:
			h.become(tcpstate.Closed, k, 0)
		}
		return false
	}
	if seg.Flags&rst != 0 {
		exact := seg.Seq == h.rcvNxt
		for _, b := range h.ooo {
			exact = exact || seg.Seq == b.hi
		}
		switch {
		case exact:
			h.become(tcpstate.Closed, k, 0)
		case h.state != tcpstate.SynReceived:
			h.ackLimited(seg)
		}
		return false
	}
	if seg.Flags&syn != 0 && !(h.state == tcpstate.SynReceived && seg.Flags&ack != 0) {
		h.ackLimited(seg)
		return false
	}
	return seg.Flags&ack != 0
}

// noteDuplicate prepares a D-SACK.
func (h *host) noteDuplicate(lo, hi uint32) {
	if lo != hi && seqnum.Less(lo, h.rcvNxt) {
		h.dsack, h.hasDSACK = span{lo, seqnum.Min(hi, h.rcvNxt)}, true
	}
}

// takeACK is the sender's side of a segment; it reports whether the rest of
// the segment counts.
func (h *host) takeACK(seg *reassembly.Segment) bool {
	if seqnum.Less(h.nxt, seg.Ack) {
		h.ackLimited(seg)
		return false
	}
	sacked := h.takeSACK(seg)
	if !seqnum.Less(h.una, seg.Ack) {
		if len(h.flight) > 0 && seg.Ack == h.una && seg.Span() == 0 {
			h.dupAcks++
			h.loseBehind(sacked)
		}
		return true
	}
	h.una, h.dupAcks, h.retries, h.probed = seg.Ack, 0, 0, false
	left := h.flight[:0]
	spurious := false
	for _, f := range h.flight {
		if !seqnum.Less(seg.Ack, f.end) {
			if f.copies == 0 {
				h.sample(h.s.now - f.first)
			} else if seg.HasTimestamps && seqnum.Less(seg.TSEcr, f.tsval) {
				spurious = true
			}
			h.cwnd = min(h.cwnd+1, 40)
			continue
		}
		if seqnum.Less(f.seq, seg.Ack) {
			f.seq = seg.Ack
		}
		left = append(left, f)
	}
	h.flight = left
	if h.srtt > 0 {
		h.rto = h.srtt + rtoLeast
	}
	if spurious {
		for _, f := range h.flight {
			f.lost = false
		}
	}
	h.loseBehind(sacked)
	sent := 0
	for _, f := range h.flight {
		if f.lost && !f.sacked && sent < 2 {
			h.transmit(f)
			sent++
		}
	}
	h.rearm()
	return true
}

// takeSACK marks what the peer has beyond a hole; it returns when the latest of
// it was sent.
func (h *host) takeSACK(seg *reassembly.Segment) int64 {
	latest := int64(0)
	for _, b := range seg.SACK[:seg.SACKCount] {
		for _, f := range h.flight {
			if seqnum.LessEq(b.Left, f.seq) && seqnum.LessEq(f.end, b.Right) && seqnum.Less(seg.Ack, b.Right) {
				f.sacked = true
				latest = max(latest, f.last)
			}
		}
	}
	return latest
}

// loseBehind sends again what was overtaken: by three duplicate ACKs, or by
// time (RFC 8985) where the host does that.
func (h *host) loseBehind(latest int64) {
	p := h.s.p
	if h.dupAcks == 3 && len(h.flight) > 0 && h.flight[0].copies == 0 {
		h.resendHead()
		return
	}
	if !p.RACK || !p.SACK || latest == 0 {
		return
	}
	for _, f := range h.flight {
		if !f.sacked && f.last+h.srtt/4 < latest {
			h.transmit(f)
		}
	}
}

// stepsByACK: what the ACK of our FIN does. It reports whether the data of the
// segment is still wanted.
func (h *host) stepsByACK(k *packet) bool {
	seg := &k.seg
	acked := h.finSent && h.una == h.nxt && len(h.flight) == 0
	beyond := seg.Length > 0 && seqnum.Less(h.rcvNxt, seg.Seq+seg.Length)
	switch {
	case h.state == tcpstate.FinWait1 && acked:
		h.become(tcpstate.FinWait2, k, 0)
		h.timer++
		if h.orphan && beyond {
			break
		}
		if h.orphan && seg.Flags&fin == 0 {
			h.mini = true
			h.ackTimer++
			h.arm60(h.s.p.FinWait2)
			return false
		}
	case h.state == tcpstate.Closing && acked:
		h.become(tcpstate.TimeWait, k, 0)
		return false
	case h.state == tcpstate.LastAck && acked:
		h.become(tcpstate.Closed, k, 0)
		return false
	}
	if h.orphan && beyond && (h.state == tcpstate.FinWait1 || h.state == tcpstate.FinWait2) {
		h.reject(seg)
		h.become(tcpstate.Closed, k, rst)
		return false
	}
	return true
}

// takeData: bytes and FIN.
func (h *host) takeData(k *packet) {
	seg := &k.seg
	end := seg.Seq + seg.Span()
	if seg.Span() == 0 || seg.Flags&syn != 0 {
		if seqnum.Less(seg.Seq, h.rcvNxt) && seg.Flags&syn == 0 {
			h.ackLimited(seg) // a keep-alive
		}
		return
	}
	if seg.Flags&fin != 0 {
		h.peerFIN, h.hasPeerFIN = end-1, true
	}
	if !seqnum.Less(h.rcvNxt, end) {
		h.noteDuplicate(seg.Seq, end)
		h.ackNow()
		return
	}
	before := h.rcvNxt
	if seqnum.Less(seg.Seq, h.rcvNxt) {
		h.noteDuplicate(seg.Seq, h.rcvNxt)
	}
	h.rcvNxt, h.ooo = joinSpans(h.rcvNxt, h.ooo, seg.Seq, end)
	h.got += h.rcvNxt - before
	if h.rcvNxt == before || len(h.ooo) > 0 || h.hasDSACK {
		h.ackNow()
		if h.rcvNxt == before {
			return
		}
	} else if !h.hasPeerFIN || seqnum.LessEq(h.rcvNxt, h.peerFIN) {
		h.ackSoon()
	}
	a := &h.s.p.App[h.me]
	if a.Reply > 0 && !h.replied && !a.Unread {
		h.replied = true
		h.s.after(h.s.rng.Int64N(2*ms), func() { h.write(a.Reply) })
	}
	if h.hasPeerFIN && seqnum.Less(h.peerFIN, h.rcvNxt) {
		h.peerCloses(k)
	}
}

// peerCloses: the peer's FIN has come, and all before it.
func (h *host) peerCloses(k *packet) {
	a := &h.s.p.App[h.me]
	switch h.state {
	case tcpstate.Established:
		h.become(tcpstate.CloseWait, k, 0)
		h.ackSoon()
		if a.OnFIN != never {
			h.s.after(a.OnFINIn, func() {
				if a.OnFINSay > 0 {
					h.write(a.OnFINSay)
				}
				h.finish(a.OnFIN)
			})
		}
	case tcpstate.FinWait1:
		h.become(tcpstate.Closing, k, 0)
		h.ackNow()
	case tcpstate.FinWait2:
		h.ackNow()
		h.become(tcpstate.TimeWait, k, 0)
	}
}
