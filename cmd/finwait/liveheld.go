package main

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/finwait/finwait/reassembly"
)

// This file is --write-only findings: the packets of connections that have no
// finding so far wait in memory for one.

// flowOf is a tuple without direction.
type flowOf struct{ a, b netip.AddrPort }

func flowOfPair(a, b netip.AddrPort) flowOf {
	a, b = netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), netip.AddrPortFrom(b.Addr().Unmap(), b.Port())
	if b.Compare(a) < 0 {
		a, b = b, a
	}
	return flowOf{a, b}
}

func flowOfSegment(s *reassembly.Segment) flowOf {
	return flowOfPair(netip.AddrPortFrom(addr(s.Src), s.SrcPort), netip.AddrPortFrom(addr(s.Dst), s.DstPort))
}

// heldPackets keeps the packets of connections without a finding until there is
// one, within two bounds: of one connection the last packets stay, and of all
// those of the connection that was begun first go first. What a finding then
// comes too late for is counted.
type heldPackets struct {
	flows map[flowOf]*heldFlow
	order []flowOf // those that hold packets, and names of some that do no more
	bytes int
	late  uint64
	swept int64 // trace time of the last sweep
	idle  int64 // ns of silence after which the tracker holds no connection
}

type heldFlow struct {
	blocks []byte // of pcapng, one after another
	gone   uint64 // packets that were let go
	last   int64  // time of the last packet
	listed bool   // it is in order
	wanted bool   // there was a finding: it holds nothing any more
}

const (
	heldBytes = 64 << 20
	heldOne   = 1 << 20 // of one connection
	heldCost  = 200     // what a flow costs beside its packets
	heldSweep = int64(time.Hour)
)

func newHeldPackets(idle time.Duration) *heldPackets {
	return &heldPackets{flows: map[flowOf]*heldFlow{}, idle: int64(idle)}
}

// hold keeps a packet; false: it is to be written.
func (h *heldPackets) hold(s *reassembly.Segment, block []byte) bool {
	flow := flowOfSegment(s)
	k := h.flows[flow]
	if k == nil {
		if s.Quoted() {
			return true // an error about no connection that is known; nobody will ask for it
		}
		k = &heldFlow{}
		h.flows[flow] = k
		h.bytes += heldCost
	}
	k.last = s.Time
	if k.wanted {
		return false
	}
	if !k.listed {
		k.listed = true
		h.order = append(h.order, flow)
	}
	if len(k.blocks)+len(block) > heldOne {
		k.cut(heldOne/2, h)
	}
	before := cap(k.blocks)
	k.blocks = append(k.blocks, block...)
	h.bytes += cap(k.blocks) - before
	for h.bytes > heldBytes && len(h.order) > 0 {
		if old := h.flows[h.order[0]]; old != nil && old.listed {
			old.cut(0, h)
			old.listed = false
		}
		h.order = h.order[1:]
	}
	if s.Time-h.swept > heldSweep {
		h.sweep(s.Time)
	}
	return true
}

// cut lets go of the oldest packets but for so many bytes.
func (k *heldFlow) cut(left int, h *heldPackets) {
	rest := k.blocks
	for len(rest) > left {
		rest = rest[blockLength(rest):]
		k.gone++
	}
	if left == 0 {
		h.bytes -= cap(k.blocks)
		k.blocks = nil
		return
	}
	k.blocks = k.blocks[:copy(k.blocks, rest)]
}

// blockLength is the length of the first of some blocks of pcapng.
func blockLength(blocks []byte) int { return int(binary.LittleEndian.Uint32(blocks[4:])) }

// release gives the packets of a connection that has a finding now.
func (h *heldPackets) release(flow flowOf) (blocks []byte) {
	k := h.flows[flow]
	if k == nil {
		h.flows[flow] = &heldFlow{wanted: true, last: h.swept}
		h.bytes += heldCost
		return nil
	}
	blocks = k.blocks
	h.bytes -= cap(blocks)
	h.late += k.gone
	*k = heldFlow{wanted: true, last: k.last}
	return blocks
}

func (h *heldPackets) forget(flow flowOf) {
	if k := h.flows[flow]; k != nil {
		h.bytes -= cap(k.blocks) + heldCost
		delete(h.flows, flow)
	}
	// Names of flows that are gone must not pile up either.
	if len(h.order) > 1024 && len(h.order) > 2*len(h.flows) {
		kept := h.order[:0]
		for _, f := range h.order {
			if k := h.flows[f]; k != nil && k.listed {
				kept = append(kept, f)
			}
		}
		h.order = kept
	}
}

// sweep forgets what no connection will ask for: late packets of a tuple whose
// newest connection had gone before them.
func (h *heldPackets) sweep(now int64) {
	h.swept = now
	for flow, k := range h.flows {
		if now-k.last > h.idle {
			h.forget(flow)
		}
	}
}
