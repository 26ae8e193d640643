package main

import (
	"bytes"
	"encoding/binary"
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
	if h.forget(flowOfSegment(s)); h.bytes != 0 || len(h.flows) != 0 {
		t.Errorf("%d bytes and %d flows are left", h.bytes, len(h.flows))
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
	if known := len(h.flows); !h.hold(quote, heldBlock(1, size)) || len(h.flows) != known {
		t.Error("an error about an unknown connection is remembered")
	}
	h.hold(heldSegment(flows+2, int64(3*time.Hour)), heldBlock(1, size))
	if len(h.flows) != 1 {
		t.Errorf("%d connections are remembered after hours of silence", len(h.flows))
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
	if len(h.flows) > open || len(h.order) > 2*open+1024 || cap(h.order) > 4*open {
		t.Errorf("%d flows, %d names of flows in room for %d", len(h.flows), len(h.order), cap(h.order))
	}
}
