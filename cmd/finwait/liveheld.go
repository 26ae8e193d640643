package main

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/finwait/finwait/reassembly"
)

// This file is --write-only findings: the packets of connections that have no
// finding so far wait in memory for one.

// flowOf is a tuple without direction.
type flowOf struct{ low, high [18]byte } // address and port of each end

func flowOfPair(a, b netip.AddrPort) flowOf {
	low, high := endOf(a), endOf(b)
	if bytes.Compare(high[:], low[:]) < 0 {
		low, high = high, low
	}
	return flowOf{low, high}
}

func endOf(a netip.AddrPort) (end [18]byte) {
	ip := a.Addr().As16()
	copy(end[:], ip[:])
	binary.BigEndian.PutUint16(end[16:], a.Port())
	return end
}

func flowOfSegment(s *reassembly.Segment) flowOf {
	return flowOfPair(netip.AddrPortFrom(addr(s.Src), s.SrcPort), netip.AddrPortFrom(addr(s.Dst), s.DstPort))
}

// heldPackets keeps the packets of connections without a finding until there is
// one, within two bounds: of one connection the last packets stay, and of all
// those of the connection that was begun first go first. What a finding then
// comes too late for is counted.
//
// A server has tens of thousands of connections that come and go. Their places are
// used again and hold the list of those with packets, so that only the map by
// hashes, whose room varies with chance, is Go's.
type heldPackets struct {
	byHash map[uint64]uint32 // the first flow of a hash
	hash   func(flowOf) uint64
	flows  []heldFlow // 0 is none
	free   uint32     // the first place that is free
	known  int
	oldest uint32 // of those that hold packets, by when they began
	newest uint32
	bytes  int
	late   uint64
	swept  int64 // trace time of the last sweep
	idle   int64 // ns of silence after which the tracker holds no connection
}

type heldFlow struct {
	flow   flowOf
	used   bool
	wanted bool   // there was a finding: it holds nothing any more
	listed bool   // it holds packets, and is between older and newer
	same   uint32 // the next of the same hash, or the next free place
	older  uint32
	newer  uint32
	blocks []byte // of pcapng, one after another
	gone   uint64 // packets that were let go
	last   int64  // time of the last packet
}

const (
	heldBytes = 64 << 20
	heldOne   = 1 << 20 // of one connection
	heldCost  = 160     // what a flow costs beside its packets
	heldSweep = int64(time.Hour)
)

func newHeldPackets(idle time.Duration) *heldPackets {
	seed := maphash.MakeSeed() // nobody can aim tuples at one hash
	return &heldPackets{byHash: map[uint64]uint32{}, hash: func(f flowOf) uint64 { return maphash.Comparable(seed, f) },
		flows: make([]heldFlow, 1), idle: int64(idle)}
}

// find gives the place of a flow, 0 if it is not known.
func (h *heldPackets) find(flow flowOf) uint32 {
	i := h.byHash[h.hash(flow)]
	for i != 0 && h.flows[i].flow != flow {
		i = h.flows[i].same
	}
	return i
}

// know makes a place for a flow that is not known. It may move the others.
func (h *heldPackets) know(flow flowOf) uint32 {
	i := h.free
	if i != 0 {
		h.free = h.flows[i].same
	} else {
		i = uint32(len(h.flows))
		h.flows = append(h.flows, heldFlow{})
	}
	hash := h.hash(flow)
	h.flows[i] = heldFlow{flow: flow, used: true, same: h.byHash[hash]}
	h.byHash[hash] = i
	h.known++
	h.bytes += heldCost
	return i
}

// list puts a flow behind all others that hold packets.
func (h *heldPackets) list(i uint32) {
	k := &h.flows[i]
	k.listed, k.older, k.newer = true, h.newest, 0
	if h.newest != 0 {
		h.flows[h.newest].newer = i
	} else {
		h.oldest = i
	}
	h.newest = i
}

func (h *heldPackets) unlist(i uint32) {
	k := &h.flows[i]
	if !k.listed {
		return
	}
	k.listed = false
	if k.older != 0 {
		h.flows[k.older].newer = k.newer
	} else {
		h.oldest = k.newer
	}
	if k.newer != 0 {
		h.flows[k.newer].older = k.older
	} else {
		h.newest = k.older
	}
}

// hold keeps a packet; false: it is to be written.
func (h *heldPackets) hold(s *reassembly.Segment, block []byte) bool {
	flow := flowOfSegment(s)
	i := h.find(flow)
	if i == 0 {
		if s.Quoted() {
			return true // an error about no connection that is known; nobody will ask for it
		}
		i = h.know(flow)
	}
	k := &h.flows[i]
	k.last = s.Time
	if k.wanted {
		return false
	}
	if !k.listed {
		h.list(i)
	}
	if len(k.blocks)+len(block) > heldOne {
		h.cut(k, heldOne/2)
	}
	before := cap(k.blocks)
	k.blocks = append(k.blocks, block...)
	h.bytes += cap(k.blocks) - before
	for h.bytes > heldBytes && h.oldest != 0 {
		h.cut(&h.flows[h.oldest], 0)
		h.unlist(h.oldest)
	}
	if s.Time-h.swept > heldSweep {
		h.sweep(s.Time)
	}
	return true
}

// cut lets go of a flow's oldest packets but for so many bytes.
func (h *heldPackets) cut(k *heldFlow, left int) {
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
	i := h.find(flow)
	if i == 0 {
		i = h.know(flow)
		h.flows[i].last = h.swept
	}
	h.unlist(i)
	k := &h.flows[i]
	blocks = k.blocks
	h.bytes -= cap(blocks)
	h.late += k.gone
	k.blocks, k.gone, k.wanted = nil, 0, true
	return blocks
}

func (h *heldPackets) forget(flow flowOf) {
	if i := h.find(flow); i != 0 {
		h.drop(i)
	}
}

// drop gives the place of a flow back.
func (h *heldPackets) drop(i uint32) {
	h.unlist(i)
	k := &h.flows[i]
	h.bytes -= cap(k.blocks) + heldCost
	h.known--
	hash := h.hash(k.flow)
	if first := h.byHash[hash]; first != i {
		for h.flows[first].same != i {
			first = h.flows[first].same
		}
		h.flows[first].same = k.same
	} else if k.same != 0 {
		h.byHash[hash] = k.same
	} else {
		delete(h.byHash, hash)
	}
	*k = heldFlow{same: h.free}
	h.free = i
}

// sweep forgets what no connection will ask for: late packets of a tuple whose
// newest connection had gone before them.
func (h *heldPackets) sweep(now int64) {
	h.swept = now
	for i := range h.flows {
		if k := &h.flows[i]; k.used && now-k.last > h.idle {
			h.drop(uint32(i))
		}
	}
}
