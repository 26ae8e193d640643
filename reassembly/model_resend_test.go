package reassembly_test

import (
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file: an endpoint's sending and sending again, RFC 6298 and RFC 8985 with
// the values of Linux.

// push sends what the congestion window allows.
func (h *host) push() {
	switch h.state {
	case tcpstate.Established, tcpstate.CloseWait, tcpstate.FinWait1, tcpstate.LastAck, tcpstate.Closing:
	default:
		return
	}
	p := h.s.p
	for !h.finSent {
		n := min(h.written-h.nxt, p.MSS)
		last := h.closing && h.nxt+n == h.written && (n == 0 || p.Coalesce)
		if n == 0 && !last {
			return
		}
		if h.out() >= h.cwnd && (n > 0 || p.StrictFIN) {
			return
		}
		f := &inFlight{seq: h.nxt, end: h.nxt + n, fin: last}
		if last {
			f.end++
			h.finSent = true
		}
		h.nxt = f.end
		h.flight = append(h.flight, f)
		h.transmit(f)
		if len(h.flight) == 1 || !h.probed {
			h.rearm()
		}
	}
}

// out counts what is under way.
func (h *host) out() int {
	n := 0
	for _, f := range h.flight {
		if !f.sacked && !f.lost {
			n++
		}
	}
	return n
}

func (h *host) transmit(f *inFlight) {
	flags := uint8(reassembly.FlagACK)
	if f.fin {
		flags |= reassembly.FlagFIN
	}
	f.lost = false
	f.last = h.s.now
	if f.first == 0 {
		f.first = h.s.now
	} else {
		f.copies++
	}
	k := h.emit(f.seq, f.end-f.seq-b2u(f.fin), flags)
	f.tsval = k.seg.TSVal
}

func b2u(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// arm starts the retransmission timer.
func (h *host) arm(d int64) {
	h.timer++
	gen := h.timer
	h.s.after(d, func() {
		if gen == h.timer {
			h.timeout()
		}
	})
}

// rearm starts the timer that fits: a tail loss probe first, where the host has
// it (RFC 8985 section 7), else the retransmission time-out.
func (h *host) rearm() {
	if len(h.flight) == 0 {
		h.timer++
		return
	}
	p := h.s.p
	d := h.rto
	if p.TLP && p.SACK && !h.probed && h.retries == 0 && h.srtt > 0 && h.dupAcks == 0 {
		probe := 2*h.srtt + 8*ms
		if len(h.flight) == 1 {
			probe = 2*h.srtt + rtoLeast
		}
		if probe < d {
			h.timer++
			gen := h.timer
			h.s.after(probe, func() {
				if gen == h.timer && len(h.flight) > 0 {
					h.probed = true
					h.transmit(h.flight[len(h.flight)-1])
					h.arm(h.rto)
				}
			})
			return
		}
	}
	h.arm(d)
}

// timeout: the retransmission timer ran out.
func (h *host) timeout() {
	p := h.s.p
	h.retries++
	syn := h.state == tcpstate.SynSent || h.state == tcpstate.SynReceived
	most := p.Retries[h.me]
	if syn {
		most = p.SynRetries
	}
	if h.retries > most {
		h.become(tcpstate.Closed, nil, 0) // given up, in silence
		return
	}
	h.rto *= 2
	if syn {
		h.sendSYN()
		return
	}
	if len(h.flight) == 0 {
		return
	}
	for _, f := range h.flight {
		f.lost = !f.sacked
	}
	h.cwnd = 1
	h.resendHead()
	h.arm(h.rto)
}

// resendHead sends the first unacknowledged bytes again, merged with what
// follows where the host does that.
func (h *host) resendHead() {
	if h.s.p.Merge && len(h.flight) > 1 {
		a, b := h.flight[0], h.flight[1]
		if a.end-a.seq+b.end-b.seq-b2u(b.fin) <= h.s.p.MSS && !a.sacked && !b.sacked && !a.fin {
			a.end, a.fin = b.end, b.fin
			h.flight = append(h.flight[:1], h.flight[2:]...)
		}
	}
	for _, f := range h.flight {
		if !f.sacked {
			h.transmit(f)
			return
		}
	}
}

// keepAlive probes an idle peer; after three without an answer it aborts.
func (h *host) keepAlive() {
	switch h.state {
	case tcpstate.Established, tcpstate.CloseWait, tcpstate.FinWait2:
	default:
		return
	}
	if h.mini {
		return
	}
	p := h.s.p
	if wait := h.lastHeard + p.KeepAlive - h.s.now; wait > 0 && h.probes == 0 {
		h.s.after(wait, h.keepAlive)
		return
	}
	if len(h.flight) > 0 {
		h.s.after(p.KeepAlive, h.keepAlive)
		return
	}
	if h.probes >= 3 {
		h.orphan = true
		h.abort()
		return
	}
	h.probes++
	h.emit(h.nxt-1, 0, reassembly.FlagACK)
	h.s.after(p.KeepAlive/2, h.keepAlive)
}
