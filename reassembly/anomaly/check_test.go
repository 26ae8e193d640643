package anomaly

import (
	"testing"
	"time"

	"github.com/finwait/finwait/reassembly"
)

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:            "0 µs",
		0:                       "0 µs",
		999 * time.Microsecond:  "999 µs",
		1500 * time.Microsecond: "1.5 ms",
		208 * time.Millisecond:  "208 ms",
		1530 * time.Millisecond: "1.53 s",
		60 * time.Second:        "60.0 s",
		125 * time.Second:       "2 min 5 s",
		90 * time.Minute:        "90 min 0 s",
		25 * time.Hour:          "25.0 h",
	} {
		if got := span(int64(d)); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestPacketsInWords(t *testing.T) {
	second := reassembly.MakePacket(1, 7)
	for want, list := range map[string][]packet{
		"no packet":                 nil,
		"packet 3":                  {3},
		"packets 3 and 5":           {3, 5},
		"packets 3, 5 and 7":        {3, 5, 7},
		"packets 1, 2, … 6":         {1, 2, 3, 4, 5, 6},
		"packet 7 of file 2":        {second},
		"packets 3 and 7 of file 2": {3, second},
	} {
		if got := nums(list); got != want {
			t.Errorf("nums(%v) = %q, want %q", list, got, want)
		}
	}
	long := make([]packet, 40)
	for i := range long {
		long[i] = packet(i + 1)
	}
	if got := cite(long...); len(got) != maxPackets || got[0] != 1 || got[maxPackets-1] != 40 || long[15] != 16 {
		t.Errorf("cite keeps %v", got)
	}
}

func TestNumbersInWords(t *testing.T) {
	for _, c := range []struct {
		got, want uint32
		words     string
	}{{100, 99, "1 byte above"}, {99, 199, "100 bytes below"}, {10, 0xfffffff0, "26 bytes above"}} {
		if got := offset(c.got, c.want); got != c.words {
			t.Errorf("offset(%d, %d) = %q, want %q", c.got, c.want, got, c.words)
		}
	}
	if times(1) != "once" || times(2) != "twice" || times(3) != "3 times" {
		t.Error("times")
	}
	for ttl, want := range map[uint8]int{64: 0, 60: 4, 128: 0, 120: 8, 255: 0, 250: 5} {
		if got := hops(ttl); got != want {
			t.Errorf("hops(%d) = %d, want %d", ttl, got, want)
		}
	}
}
