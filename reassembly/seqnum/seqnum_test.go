package seqnum

import (
	"fmt"
	"testing"

	"github.com/finwait/finwait/fixtures/fuzzlimit"
)

// edges are the numbers at which arithmetic modulo 2^32 goes wrong: both sides
// of the wrap and both sides of the antipode.
var edges = []uint32{0, 1, 2, 1000, 1<<31 - 2, 1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<32 - 1000, 1<<32 - 2, 1<<32 - 1}

// distances are all ways forward for which an order is defined.
var distances = []uint32{1, 2, 3, 255, 1460, 65535, 1 << 20, 1 << 30, 1<<31 - 1}

func TestOrder(t *testing.T) {
	for _, a := range edges {
		if Less(a, a) || !LessEq(a, a) || Diff(a, a) != 0 || Max(a, a) != a || Min(a, a) != a {
			t.Errorf("%d against itself", a)
		}
		for _, d := range distances {
			b := a + d // wraps
			if !Less(a, b) || Less(b, a) || !LessEq(a, b) || LessEq(b, a) {
				t.Errorf("order of %d and %d", a, b)
			}
			if Diff(b, a) != int32(d) || Diff(a, b) != -int32(d) {
				t.Errorf("Diff of %d and %d: %d, %d; want %d", b, a, Diff(b, a), Diff(a, b), d)
			}
			if Max(a, b) != b || Max(b, a) != b || Min(a, b) != a || Min(b, a) != a {
				t.Errorf("Max or Min of %d and %d", a, b)
			}
			if Size(a, b) != d {
				t.Errorf("Size(%d, %d) = %d, want %d", a, b, Size(a, b), d)
			}
		}
	}
}

func TestAntipode(t *testing.T) {
	for _, a := range edges {
		b := a + 1<<31
		if !Less(a, b) || !Less(b, a) {
			t.Errorf("%d and %d are half the circle apart: each is before the other", a, b)
		}
	}
}

// TestWalkAcrossTheWrap steps through every number near the wrap.
func TestWalkAcrossTheWrap(t *testing.T) {
	const span = 300
	start := uint32(1<<32 - span/2)
	for i := uint32(0); i < span; i++ {
		for j := uint32(0); j < span; j++ {
			a, b := start+i, start+j
			if Less(a, b) != (i < j) || LessEq(a, b) != (i <= j) || Diff(a, b) != int32(i)-int32(j) {
				t.Fatalf("%d against %d", a, b)
			}
		}
	}
}

// ring maps the circle onto a model that needs no modulo: the set of offsets
// that a range takes from a base.
func ring(lo, size uint32) map[uint32]bool {
	m := make(map[uint32]bool, size)
	for i := uint32(0); i < size; i++ {
		m[lo+i] = true
	}
	return m
}

func TestRangesAgainstSets(t *testing.T) {
	const span = 9
	for _, base := range []uint32{0, 5, 1<<31 - 4, 1<<32 - 4} {
		for ai := uint32(0); ai < span; ai++ {
			for an := uint32(0); an < span; an++ {
				lo, hi := base+ai, base+ai+an
				set := ring(lo, an)
				for v := base; v != base+2*span; v++ {
					if InRange(v, lo, hi) != set[v] || InWindow(v, lo, an) != set[v] {
						t.Fatalf("InRange or InWindow(%d, %d, %d)", v, lo, hi)
					}
					if InRangeClosed(v, lo, hi) != (set[v] || v == hi) {
						t.Fatalf("InRangeClosed(%d, %d, %d)", v, lo, hi)
					}
				}
				checkPairs(t, base, lo, hi, set)
			}
		}
	}
}

func checkPairs(t *testing.T, base, lo, hi uint32, set map[uint32]bool) {
	t.Helper()
	const span = 9
	for bi := uint32(0); bi < span; bi++ {
		for bn := uint32(0); bn < span; bn++ {
			bLo, bHi := base+bi, base+bi+bn
			overlap, covers := false, true
			for v := range ring(bLo, bn) {
				overlap = overlap || set[v]
				covers = covers && set[v]
			}
			if bn == 0 {
				covers = InRangeClosed(bLo, lo, hi)
			}
			if got := Overlap(lo, hi, bLo, bHi); got != overlap {
				t.Fatalf("Overlap([%d,%d), [%d,%d)) = %v", lo, hi, bLo, bHi, got)
			}
			if got := Covers(lo, hi, bLo, bHi); got != covers {
				t.Fatalf("Covers([%d,%d), [%d,%d)) = %v", lo, hi, bLo, bHi, got)
			}
		}
	}
}

// TestAcceptable goes through the four cases of table 6. By its letter only the segment's first and last numbers are tested, so
// one that holds the whole window and more is not acceptable by them alone.
func TestAcceptable(t *testing.T) {
	for _, next := range []uint32{0, 100, 1<<32 - 3} {
		tests := []struct {
			offset       int32
			span, window uint32
			want         bool
		}{
			{0, 0, 0, true}, {1, 0, 0, false}, {-1, 0, 0, false},
			{0, 1, 0, false},
			{0, 0, 5, true}, {4, 0, 5, true}, {5, 0, 5, false}, {-1, 0, 5, false},
			{0, 3, 5, true}, {4, 3, 5, true}, {5, 3, 5, false},
			{-2, 2, 5, false}, {-2, 3, 5, true}, {-10, 12, 5, true},
			{-2, 20, 5, false},
		}
		for _, tt := range tests {
			seq := next + uint32(tt.offset)
			if got := Acceptable(seq, tt.span, next, tt.window); got != tt.want {
				t.Errorf("Acceptable(next%+d, span %d, next %d, window %d) = %v", tt.offset, tt.span, next, tt.window, got)
			}
		}
	}
}

func FuzzOrder(f *testing.F) {
	for _, a := range edges {
		f.Add(a, a+1, uint32(10))
	}
	f.Fuzz(func(t *testing.T, a, b, shift uint32) {
		defer fuzzlimit.Watch(t, 12)()
		if Less(a, b) != Less(a+shift, b+shift) {
			t.Errorf("the order of %d and %d changes when both move on by %d", a, b, shift)
		}
		if a != b && b-a != 1<<31 && Less(a, b) == Less(b, a) {
			t.Errorf("%d and %d have no order", a, b)
		}
		if InRange(a, b, b+shift) != (Overlap(a, a+1, b, b+shift)) {
			t.Errorf("InRange and Overlap differ on %d in [%d, +%d)", a, b, shift)
		}
	})
}

func ExampleLess() {
	last := uint32(1<<32 - 1)
	fmt.Println(Less(last, last+10), Diff(last+10, last))
	// Output: true 10
}
