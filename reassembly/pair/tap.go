package pair

import (
	"errors"

	"github.com/finwait/finwait/reassembly"
)

// Source gives the segments of one capture in their order.
type Source interface {
	// Next fills s with the next segment. ok is false for a frame that holds
	// none; then only s.Time is valid. sum is a hash of the payload's first
	// bytes, 0 if it is not known. The error is io.EOF at the end, or ErrCut.
	Next(s *reassembly.Segment) (sum uint32, ok bool, err error)
	Close() error
}

// Tap is one point of the path at which packets were captured. Taps are given in
// the order of the path from the clients to the servers.
type Tap struct {
	Name string
	// Own says whose host the capture was taken on: Client, Server, or None for
	// a point between. Only the first tap can be the client's and only the last
	// the server's; a connection opened the other way round is recognized.
	Own reassembly.Side
	// Open begins the capture anew; it is read twice.
	Open func() (Source, error)
}

// Options bound the memory. The zero value of a field means its default.
type Options struct {
	Samples int // packets of each capture that the survey compares; default 500,000
	Flows   int // flows of each capture that it knows; default 1,000,000
	Packets int // packets under way in the merge; default 1,000,000
}

func (o Options) withDefaults() Options {
	if o.Samples <= 0 {
		o.Samples = 500_000
	}
	if o.Flows <= 0 {
		o.Flows = 1_000_000
	}
	if o.Packets <= 0 {
		o.Packets = 1_000_000
	}
	return o
}

// ErrCut ends a Source like io.EOF, and says that more had been captured: the
// file is damaged or was cut off.
var ErrCut = errors.New("the capture is cut off")

// MaxTaps is the largest number of captures.
const MaxTaps = 8

// tuple is a flow's addresses and ports without direction; a is the lower end.
type tuple struct {
	a, b         reassembly.IP
	aPort, bPort uint16
}

// tupleOf names the flow of a segment; fromB says that b sent it.
func tupleOf(s *reassembly.Segment) (t tuple, fromB bool) {
	if c := compareIP(&s.Src, &s.Dst); c > 0 || c == 0 && s.SrcPort > s.DstPort {
		return tuple{s.Dst, s.Src, s.DstPort, s.SrcPort}, true
	}
	return tuple{s.Src, s.Dst, s.SrcPort, s.DstPort}, false
}

func compareIP(a, b *reassembly.IP) int {
	for i := range a {
		if a[i] != b[i] {
			return int(a[i]) - int(b[i])
		}
	}
	return 0
}

// mix is one round of a 64-bit hash (the finalizer of MurmurHash3).
func mix(h, v uint64) uint64 {
	h ^= v
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
