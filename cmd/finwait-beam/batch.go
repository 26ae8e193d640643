package main

import (
	"cmp"
	"encoding/binary"
	"errors"

	"github.com/finwait/finwait/reassembly"
)

// A batch is consecutive segments of one flow out of one file: where they stand
// in the trace, and a block of package record.

// place is where a record stands among all of the trace: `finwait read` takes
// records in this order (see doc.go).
type place struct {
	clock   int64  // greatest time of the file up to it, ns
	first   int64  // time of the file's first frame: of equal clocks the file that began first is taken
	file    int    // number of the input, from 0
	ordinal uint64 // of the segment in its file; in an open batch that of the batch's first
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.clock, o.clock), cmp.Compare(p.first, o.first), cmp.Compare(p.file, o.file), cmp.Compare(p.ordinal, o.ordinal))
}

// appendBatch makes a batch of a block whose first segment stands at p.
func appendBatch(b []byte, p place, block []byte) []byte {
	b = binary.AppendVarint(b, p.clock)
	b = binary.AppendVarint(b, p.clock-p.first)
	b = binary.AppendUvarint(b, uint64(p.file))
	b = binary.AppendUvarint(b, p.ordinal)
	return append(b, block...)
}

var errBatch = errors.New("a batch of segments is damaged")

// cutBatch takes a batch apart.
func cutBatch(b []byte) (p place, block []byte, err error) {
	var v [4]int64
	for i := range v {
		var n int
		if i < 2 {
			v[i], n = binary.Varint(b)
		} else {
			var u uint64
			u, n = binary.Uvarint(b)
			v[i] = int64(u)
		}
		if n <= 0 {
			return p, nil, errBatch
		}
		b = b[n:]
	}
	return place{v[0], v[0] - v[1], int(v[2]), uint64(v[3])}, b, nil
}

// appendFlow is a FlowKey as the key of a group.
func appendFlow(b []byte, k *reassembly.FlowKey) []byte {
	from := 12 // IPv4 is held IPv4-mapped
	if k.V6 {
		from = 0
	}
	b = append(append(b, k.A[from:]...), k.B[from:]...)
	b = binary.BigEndian.AppendUint16(b, k.APort)
	b = binary.BigEndian.AppendUint16(b, k.BPort)
	if k.Scope != 0 {
		b = binary.BigEndian.AppendUint64(b, k.Scope)
	}
	return b
}
