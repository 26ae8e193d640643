package main

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/finwait/finwait/reassembly"
)

// heldBlock is a block of pcapng of n bytes, filled with its number.
func heldBlock(number byte, n int) []byte {
	b := bytes.Repeat([]byte{number}, n)
	binary.LittleEndian.PutUint32(b[4:], uint32(n))
	return b
}

// heldSegment is a segment of one of many connections.
func heldSegment(n int, at int64) *reassembly.Segment {
	s := &reassembly.Segment{Time: at, SrcPort: 1000, DstPort: 80}
	s.Src, s.Dst = reassembly.IP{10: 0xff, 11: 0xff, 12: 10, 13: byte(n >> 16), 14: byte(n >> 8), 15: byte(n)}, reassembly.IP{10: 0xff, 11: 0xff, 12: 11}
	return s
}

// TestHeldPacketsOfOneConnection: the newest stay, and what a finding comes too
// late for is counted.
func TestHeldPacketsOfOneConnection(t *testing.T) {
	h := newHeldPackets(time.Hour)
	s := heldSegment(1, 1)
	const size, packets = 1000, 3000
	for n := range packets {
		if !h.hold(s, heldBlock(byte(n%100), size)) {
			t.Fatal("it is not held")
		}
	}
	blocks := h.release(flowOfSegment(s))
	n := 0
	var last byte
	for rest := blocks; len(rest) > 0; rest = rest[blockLength(rest):] {
		last = rest[size-1]
		n++
	}
	if n < heldOne/2/size || len(blocks) > heldOne || last != (packets-1)%100 {
		t.Errorf("%d packets of %d bytes, the last is %d", n, len(blocks), last)
	}
	if h.late != uint64(packets-n) {
		t.Errorf("%d packets came back of %d, and %d are said to be gone", n, packets, h.late)
	}
	if h.hold(s, heldBlock(1, size)) {
		t.Error("packets after the finding are held")
	}
	if h.forget(flowOfSegment(s)); h.bytes != 0 || h.known != 0 {
		t.Errorf("%d bytes and %d flows are left", h.bytes, h.known)
	}
}

// TestHeldPacketsAreBounded: of many connections those begun first make room,
// and quoted or late packets of connections that are gone do not pile up.
func TestHeldPacketsAreBounded(t *testing.T) {
	h := newHeldPackets(time.Hour)
	const size, flows = 4000, 40_000
	for n := range flows {
		h.hold(heldSegment(n, int64(n)), heldBlock(1, size))
		if h.bytes > heldBytes {
			t.Fatalf("%d bytes are held", h.bytes)
		}
	}
	if got := h.release(flowOfSegment(heldSegment(0, 0))); got != nil || h.late != 1 {
		t.Errorf("the first connection still has %d bytes, %d packets are said to be gone", len(got), h.late)
	}
	if got := h.release(flowOfSegment(heldSegment(flows-1, 0))); len(got) != size {
		t.Errorf("the last connection has %d bytes", len(got))
	}
	quote := heldSegment(flows+1, flows)
	quote.Quote.Type = 3
	if known := h.known; !h.hold(quote, heldBlock(1, size)) || h.known != known {
		t.Error("an error about an unknown connection is remembered")
	}
	h.hold(heldSegment(flows+2, int64(3*time.Hour)), heldBlock(1, size))
	if h.known != 1 {
		t.Errorf("%d connections are remembered after hours of silence", h.known)
	}
}

// TestHeldPacketsPass: connections come and go, each is forgotten a minute later.
// Nothing of them piles up.
func TestHeldPacketsPass(t *testing.T) {
	h := newHeldPackets(time.Hour)
	const rate, open = 300, 300 * 60
	for n := range rate * 900 {
		s := heldSegment(n, int64(n)*int64(time.Second)/rate)
		h.hold(s, heldBlock(1, 100))
		if n >= open {
			h.forget(flowOfSegment(heldSegment(n-open, 0)))
		}
	}
	if h.known > open || len(h.byHash) > open || len(h.flows) > open+2 {
		t.Errorf("%d flows by %d hashes in %d places", h.known, len(h.byHash), len(h.flows))
	}
}

// TestHeldPacketsLikeAMap: whatever is held, released and forgotten in any order,
// each flow has its own packets, although several have the same hash, and the
// bytes that are counted are those that are there.
func TestHeldPacketsLikeAMap(t *testing.T) {
	h := newHeldPackets(time.Hour)
	h.hash = func(f flowOf) uint64 { return uint64(f.low[15]^f.high[15]) % 5 }
	r := rand.New(rand.NewPCG(1, 2))
	held, wanted := map[int]int{}, map[int]bool{}
	for turn := range 20_000 {
		n := r.IntN(40)
		flow := flowOfSegment(heldSegment(n, 0))
		switch r.IntN(8) {
		case 0:
			h.forget(flow)
			delete(held, n)
			delete(wanted, n)
		case 1:
			if blocks := h.release(flow); len(blocks) != 100*held[n] || len(blocks) > 0 && (blocks[50] != byte(n) || blocks[len(blocks)-1] != byte(n)) {
				t.Fatalf("turn %d: flow %d has %d bytes instead of %d packets", turn, n, len(blocks), held[n])
			}
			held[n], wanted[n] = 0, true
		default:
			if h.hold(heldSegment(n, int64(turn)), heldBlock(byte(n), 100)) == wanted[n] {
				t.Fatalf("turn %d: flow %d is wanted %v", turn, n, wanted[n])
			}
			if !wanted[n] {
				held[n]++
			}
		}
		sum, listed := 0, 0
		for i := range h.flows {
			if k := &h.flows[i]; k.used {
				sum += heldCost + cap(k.blocks)
			}
		}
		for i := h.oldest; i != 0; i = h.flows[i].newer {
			listed++
			if len(h.flows[i].blocks) == 0 || h.flows[i].newer == 0 && i != h.newest {
				t.Fatalf("turn %d: the list of those with packets is wrong", turn)
			}
		}
		full := 0
		for _, packets := range held {
			full += min(packets, 1)
		}
		if sum != h.bytes || listed != full {
			t.Fatalf("turn %d: %d bytes are counted of %d, %d flows listed of %d", turn, h.bytes, sum, listed, full)
		}
	}
}
