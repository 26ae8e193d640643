// Package seqnum is the arithmetic of TCP sequence numbers: comparison and
// distance modulo 2^32 (RFC 9293 section 3.4). Nothing else in the program
// compares sequence numbers with < or subtracts them by hand.
//
// A sequence number is a plain uint32, so that a Segment needs no conversion.
// The numbers form a circle; "before" means the shorter way round. That is well
// defined as long as the two are less than 2^31 apart, which a window of at most
// 2^30 bytes (RFC 7323 section 2.3) guarantees for numbers of one direction of
// one incarnation. Exactly 2^31 apart, each of the two is before the other:
// callers that may meet foreign numbers test a distance, not an order.
//
// Ranges are half open, [lo, hi): a segment takes [SEQ, SEQ+Span).
package seqnum

// Less reports whether a comes before b.
func Less(a, b uint32) bool { return int32(a-b) < 0 }

// LessEq reports whether a comes before b or is b.
func LessEq(a, b uint32) bool { return a == b || Less(a, b) }

// Diff is the way from b to a, a - b: positive if a comes after b.
func Diff(a, b uint32) int32 { return int32(a - b) }

// Max is the later of the two.
func Max(a, b uint32) uint32 {
	if Less(a, b) {
		return b
	}
	return a
}

// Min is the earlier of the two.
func Min(a, b uint32) uint32 {
	if Less(b, a) {
		return b
	}
	return a
}

// InRange reports whether v lies in [lo, hi). The range may be of any size
// below 2^32; it is empty where lo is hi.
func InRange(v, lo, hi uint32) bool { return v-lo < hi-lo }

// InRangeClosed reports whether v lies in [lo, hi], as an acceptable
// acknowledgement does: SND.UNA =< SEG.ACK =< SND.NXT (RFC 9293 section 3.4).
func InRangeClosed(v, lo, hi uint32) bool { return v-lo <= hi-lo }

// InWindow reports whether v is one of the size numbers that begin with first.
func InWindow(v, first, size uint32) bool { return v-first < size }

// Size is the number of sequence numbers in [lo, hi).
func Size(lo, hi uint32) uint32 { return hi - lo }

// Overlap reports whether [aLo, aHi) and [bLo, bHi) have a number in common. An
// empty range overlaps nothing.
func Overlap(aLo, aHi, bLo, bHi uint32) bool {
	if aLo == aHi || bLo == bHi {
		return false
	}
	return InRange(aLo, bLo, bHi) || InRange(bLo, aLo, aHi)
}

// Covers reports whether [aLo, aHi) holds all of [bLo, bHi). An empty range is
// covered where its place lies in [aLo, aHi].
func Covers(aLo, aHi, bLo, bHi uint32) bool {
	return bLo-aLo <= aHi-aLo && bHi-aLo <= aHi-aLo && bLo-aLo <= bHi-aLo
}

// Acceptable is the test of an incoming segment against the receive window, the
// four cases of RFC 9293 section 3.10.7.4 table 6: span is the sequence space
// that the segment takes, window the one that the receiver offers from next.
func Acceptable(seq, span, next, window uint32) bool {
	switch {
	case span == 0 && window == 0:
		return seq == next
	case window == 0:
		return false
	case span == 0:
		return InWindow(seq, next, window)
	}
	return InWindow(seq, next, window) || InWindow(seq+span-1, next, window)
}
