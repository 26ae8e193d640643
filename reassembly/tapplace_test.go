package reassembly

import "testing"

func TestHops(t *testing.T) {
	for ttl, want := range map[uint8]int{0: -1, 64: 0, 63: 1, 57: 7, 128: 0, 117: 11, 255: 0, 250: 5} {
		if got := Hops(ttl); got != want {
			t.Errorf("TTL %d: %d hops, want %d", ttl, got, want)
		}
	}
}

func TestPlaceOfTap(t *testing.T) {
	const us, ms = int64(1e3), int64(1e6)
	for name, c := range map[string]struct {
		e    TapEvidence
		want TapPlace
	}{
		"nothing known":              {TapEvidence{Hops: [2]int8{-1, -1}}, TapUnknown},
		"on the client":              {TapEvidence{Hops: [2]int8{0, 9}, RTT: [2]int64{40 * us, 20 * ms}}, TapAtClient},
		"on the server":              {TapEvidence{Hops: [2]int8{9, 0}, RTT: [2]int64{20 * ms, 40 * us}}, TapAtServer},
		"halfway":                    {TapEvidence{Hops: [2]int8{4, 5}, RTT: [2]int64{9 * ms, 11 * ms}}, TapInMiddle},
		"near, but behind a router":  {TapEvidence{Hops: [2]int8{1, 9}, RTT: [2]int64{40 * us, 20 * ms}}, TapInMiddle},
		"super-segments":             {TapEvidence{Hops: [2]int8{0, 0}, RTT: [2]int64{ms, ms}, Offloads: [2]bool{true, false}}, TapAtClient},
		"super-segments of both":     {TapEvidence{Offloads: [2]bool{true, true}, RTT: [2]int64{ms, ms}}, TapUnknown},
		"one half was never sampled": {TapEvidence{Hops: [2]int8{0, 0}, RTT: [2]int64{ms, 0}}, TapUnknown},
	} {
		if got := c.e.Place(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestTapEvidenceMerges(t *testing.T) {
	a := TapEvidence{Hops: [2]int8{-1, 9}, RTT: [2]int64{0, 5}}
	a.Merge(TapEvidence{Hops: [2]int8{3, 8}, RTT: [2]int64{7, 9}, Offloads: [2]bool{false, true}})
	if want := (TapEvidence{Hops: [2]int8{3, 8}, RTT: [2]int64{7, 5}, Offloads: [2]bool{false, true}}); a != want {
		t.Errorf("%+v, want %+v", a, want)
	}
}
