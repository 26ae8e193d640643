package pair

import (
	"fmt"
	"testing"

	"github.com/finwait/finwait/fixtures/fuzzlimit"
	"github.com/finwait/finwait/reassembly"
)

// seeing is a Sink that hands on to a Tracker and keeps what it was given.
type seeing struct {
	sink
	t *reassembly.Tracker
}

func (s *seeing) AddCrossing(g *reassembly.Segment, c reassembly.Crossing) {
	s.sink.AddCrossing(g, c)
	s.t.AddCrossing(g, c)
}

// FuzzPair: whatever two or three captures hold, each packet of each comes out
// once, as itself, as an arrival or as the middle of a way, never twice, and a
// second run tells the same. Eight bytes are a packet: the flow, its sender and
// the captures that have it; flags; number; acknowledgment; length; time since the
// one before; how long it takes; IP-ID.
func FuzzPair(f *testing.F) {
	f.Add([]byte("\x00\x0e\x02\x00\x00\x00\x05\x02\x01\x0f\x12\x00\x01\x00\x05\x02\x02\x0e\x10\x01\x01\x00\x01\x02\x03"))
	f.Add([]byte("\x81\x06\x18\x05\x05\x20\x01\x09\x03\x02\x18\x05\x05\x20\x40\x09\x04\x06\x11\x25\x05\x00\x01\x09\x05\x07\x10\x05\x26\x00\x01\x09\x06"))
	f.Add([]byte("\x42\x0e\x02\x00\x00\x00\x05\x02\x01\x0c\x04\x00\x01\x00\x05\x02\x02\x0a\x10\x00\x01\x40\x01\x02\x03\x04\x10\x00\x01\x20\x01\x02\x03\x04\x10\x20\x01\x20\x01\x02\x03"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) == 0 {
			return
		}
		defer fuzzlimit.Watch(t, len(data))()
		s := newScene(2 + int(data[0]&1))
		translated, cut := data[0]&2 != 0, data[0]&4 != 0
		s.shift = int64(int8(data[0])) * 1e8
		last, all := len(s.taps)-1, 0
		at := start
		for data = data[1:]; len(data) >= 8; data = data[8:] {
			b := data[:8]
			g := s.seg(int(b[0]&1), b[1], 1000+uint32(b[2]), 5000+uint32(b[3]), uint32(b[4]))
			g.IPID = uint16(b[7])
			if b[0]&16 != 0 {
				g.HasTimestamps, g.TSVal, g.TSEcr = true, uint32(b[7]), uint32(b[2])
			}
			g.SrcPort += uint16(b[0] >> 5 & 1)
			at += (int64(b[5]) - 8) * ms
			for k := range s.taps {
				if b[0]>>(1+k)&1 == 0 {
					continue
				}
				hops := k
				if b[0]&1 == srv {
					hops = last - k
				}
				c := g
				c.Time = at + int64(hops)*int64(b[6])*ms
				if k == last {
					c.Time += s.shift
					if translated {
						c.Seq += 77
						c.DstPort += 1000
					}
				}
				s.taps[k] = append(s.taps[k], c)
				all++
			}
		}
		first := ""
		for range 2 {
			taps := s.points()
			if cut {
				taps[last].Open = func() (Source, error) { return &cutOff{list{segs: s.taps[last]}}, nil }
			}
			plan, err := Survey(taps, Options{Samples: 1000, Flows: 3, Packets: 8})
			if err == ErrSamePoint || err == ErrUnrelated {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			told := 0
			out := &seeing{t: reassembly.NewTracker(reassembly.Options{Emit: func(l *reassembly.Lifecycle) {
				told++
				if l.Path != nil {
					for _, from := range l.Path.From {
						if from.Assumed > from.Lost || from.Reordered > from.Delay.Samples {
							t.Errorf("%+v", from)
						}
					}
				}
			}, Check: func(c *reassembly.Case) { c.Segments(); c.Losses() }})}
			stats, err := plan.Merge(out, func() error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			out.t.Close()
			seen := map[reassembly.Packet]bool{}
			for i := range out.got {
				p := out.got[i].seg.Packet
				if n := p.Number(); seen[p] || p.File() > last || n == 0 || n > uint64(len(s.taps[p.File()])) {
					t.Errorf("packet %d of capture %d comes out twice, or never was", n, p.File())
				}
				seen[p] = true
			}
			if len(out.got) > all || all > 0 && told == 0 || uint64(len(out.got)) > stats.Packets {
				t.Errorf("%d packets went in, %d came out, %d were counted, %d connections are told", all, len(out.got), stats.Packets, told)
			}
			if text := fmt.Sprintln(plan.Taps, stats, out.got); first != "" && text != first {
				t.Errorf("the second run differs:\n%s\n%s", first, text)
			} else {
				first = text
			}
		}
	})
}
