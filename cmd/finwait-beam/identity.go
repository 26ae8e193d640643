package main

import (
	"encoding/binary"
	"hash/fnv"

	"github.com/finwait/finwait/reassembly"
)

// This file gives connections names that do not depend on how the work was
// divided, nor on the order of the files: a hash of the flow and of when the
// connection began. `finwait read` numbers connections as it meets them, which
// takes one machine that meets all.
//
// An id has 63 bits, so that it fits the integers of databases. Of a thousand
// million connections two have the same with a probability of 1 in 18.

// naming names the connections of one flow as its Tracker tells them. A
// connection waits until its neighbours on the same tuple have their names.
type naming struct {
	flow    []byte
	streams uint64 // number of the flow's first stream; the Tracker counts on
	begun   bool
	ids     map[uint64]uint64 // by the Tracker's number
	starts  map[int64]int     // connections by their first packet's time
	waiting []*reassembly.Lifecycle
	tell    func(*reassembly.Lifecycle)
}

// begin takes the next flow.
func (n *naming) begin(flow []byte) {
	n.flow, n.begun = flow, false
	if n.ids == nil {
		n.ids, n.starts = map[uint64]uint64{}, map[int64]int{}
	}
	clear(n.ids)
	clear(n.starts)
}

// hash is a number of 63 bits, never 0.
func (n *naming) hash(values ...uint64) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(n.flow) // a hash takes everything
	var b [8]byte
	for _, v := range values {
		_, _ = h.Write(binary.BigEndian.AppendUint64(b[:0], v))
	}
	x := h.Sum64()
	// FNV's high bits are weak on short inputs.
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	x = (x ^ x>>32) * 0xd6e8feb86659fd93
	return max((x^x>>32)>>1, 1)
}

// add takes the next connection of the Tracker.
func (n *naming) add(l *reassembly.Lifecycle) {
	again := n.starts[l.Start]
	n.starts[l.Start]++
	n.ids[l.ID] = n.hash(uint64(l.Start), uint64(again))
	if !n.begun {
		n.begun, n.streams = true, l.Stream
	}
	n.waiting = append(n.waiting, l)
	kept := n.waiting[:0]
	for _, l := range n.waiting {
		if !n.name(l, false) {
			kept = append(kept, l)
		}
	}
	n.waiting = kept
}

// end tells what still waits.
func (n *naming) end() {
	for _, l := range n.waiting {
		n.name(l, true)
	}
	n.waiting = n.waiting[:0]
}

// name gives a connection its names and tells it, if they are known or must do.
func (n *naming) name(l *reassembly.Lifecycle, last bool) bool {
	for _, neighbour := range [2]uint64{l.Reuses, l.ReusedBy} {
		if _, known := n.ids[neighbour]; neighbour != 0 && !known && !last {
			return false
		}
	}
	l.ID, l.Reuses, l.ReusedBy = n.ids[l.ID], n.ids[l.Reuses], n.ids[l.ReusedBy]
	// What Wireshark would count, could it open all files at once. Connections
	// of one stream have the same number.
	l.Stream = n.hash(^uint64(0), l.Stream-n.streams)
	n.tell(l)
	return true
}
