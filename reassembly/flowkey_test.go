package reassembly

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"testing"
)

// The lower endpoint is the one of the lower address, byte by byte, and of equal
// addresses that of the lower port; both directions have the same key.
func TestKeyOfOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	edge := []byte{0, 1, 0x7f, 0x80, 0xff}
	address := func(v6 bool) (ip IP) {
		from := 12
		if v6 {
			from = 0
		} else {
			ip[10], ip[11] = 0xff, 0xff
		}
		for i := from; i < len(ip); i++ {
			ip[i] = edge[r.IntN(len(edge))]
		}
		return ip
	}
	ports := []uint16{0, 1, 0x00ff, 0xff00, 0xffff}
	for range 20000 {
		s := Segment{V6: r.IntN(2) == 0, SrcPort: ports[r.IntN(len(ports))], DstPort: ports[r.IntN(len(ports))]}
		s.Src, s.Dst = address(s.V6), address(s.V6)
		for i := range s.Dst { // mostly alike, so that every byte decides once
			if r.IntN(12) != 0 {
				s.Dst[i] = s.Src[i]
			}
		}
		want := cmp.Or(bytes.Compare(s.Src[:], s.Dst[:]), cmp.Compare(s.SrcPort, s.DstPort)) > 0
		k, swapped := KeyOf(&s, &Options{})
		if swapped != want {
			t.Fatalf("%v:%d to %v:%d: swapped is %v", s.Src, s.SrcPort, s.Dst, s.DstPort, swapped)
		}
		key := FlowKey{A: s.Src, B: s.Dst, APort: s.SrcPort, BPort: s.DstPort, V6: s.V6}
		if swapped {
			key.A, key.B, key.APort, key.BPort = s.Dst, s.Src, s.DstPort, s.SrcPort
		}
		if k != key {
			t.Fatalf("%+v gives %+v", s, k)
		}
		s.Src, s.Dst, s.SrcPort, s.DstPort = s.Dst, s.Src, s.DstPort, s.SrcPort
		if back, _ := KeyOf(&s, &Options{}); back != k {
			t.Fatalf("the other direction of %+v has another key", s)
		}
	}
}
