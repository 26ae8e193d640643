package pair

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/finwait/finwait/reassembly"
)

// list is a capture made of segments.
type list struct {
	segs []reassembly.Segment
	n    int
}

func (l *list) Next(s *reassembly.Segment) (uint32, bool, error) {
	if l.n == len(l.segs) {
		return 0, false, io.EOF
	}
	*s = l.segs[l.n]
	l.n++
	return 0, true, nil
}

func (*list) Close() error { return nil }

// scene is a path with captures: packets are put in at one end and seen by the
// captures that the test names.
type scene struct {
	taps  [][]reassembly.Segment
	id    [2]uint16
	delay int64 // from one capture to the next
	shift int64 // clock of the last capture
}

const (
	cli = 0
	srv = 1
	ms  = int64(1e6)
)

var (
	start  = int64(1_700_000_000e9)
	client = reassembly.IP{10: 0xff, 11: 0xff, 12: 10, 15: 1}
	server = reassembly.IP{10: 0xff, 11: 0xff, 12: 10, 15: 2}
)

func newScene(taps int) *scene {
	return &scene{taps: make([][]reassembly.Segment, taps), delay: 10 * ms, id: [2]uint16{100, 5000}}
}

// seg makes a packet of one end; its IP-ID is the next.
func (s *scene) seg(from int, flags uint8, seq, ack, n uint32) reassembly.Segment {
	g := reassembly.Segment{Src: client, Dst: server, SrcPort: 40000, DstPort: 80, Seq: seq, Ack: ack, Flags: flags, Length: n, Window: 1000, TTL: 64}
	if from == srv {
		g.Src, g.Dst, g.SrcPort, g.DstPort = g.Dst, g.Src, g.DstPort, g.SrcPort
	}
	s.id[from]++
	g.IPID = s.id[from]
	return g
}

// pass lets a packet pass the captures from its end on, sent at so many ms; only
// those in seen have it.
func (s *scene) pass(from int, at int64, g reassembly.Segment, seen ...int) {
	for _, k := range seen {
		hops := k
		if from == srv {
			hops = len(s.taps) - 1 - k
		}
		c := g
		c.Time = start + at*ms + int64(hops)*s.delay
		if k == len(s.taps)-1 && k > 0 {
			c.Time += s.shift
		}
		s.taps[k] = append(s.taps[k], c)
	}
}

// send is pass of a packet made for it.
func (s *scene) send(from int, at int64, flags uint8, seq, ack, n uint32, seen ...int) {
	s.pass(from, at, s.seg(from, flags, seq, ack, n), seen...)
}

// crossed is what the sink got.
type crossed struct {
	seg reassembly.Segment
	c   reassembly.Crossing
}

type sink struct{ got []crossed }

func (s *sink) AddCrossing(g *reassembly.Segment, c reassembly.Crossing) {
	s.got = append(s.got, crossed{*g, c})
}
func (*sink) Advance(int64) {}

func (s *scene) points() []Tap {
	names := []string{"client", "server"}
	if len(s.taps) > 2 {
		names = []string{"client", "middle", "server"}
	}
	var taps []Tap
	for k := range s.taps {
		slices.SortStableFunc(s.taps[k], func(a, b reassembly.Segment) int { return int(a.Time - b.Time) })
		for i := range s.taps[k] {
			s.taps[k][i].Packet = reassembly.MakePacket(k, uint64(i+1))
		}
		own := reassembly.None
		switch k {
		case 0:
			own = reassembly.Client
		case len(s.taps) - 1:
			own = reassembly.Server
		}
		taps = append(taps, Tap{Name: names[k], Own: own, Open: func() (Source, error) { return &list{segs: s.taps[k]}, nil }})
	}
	return taps
}

func (s *scene) run(t *testing.T) (*Plan, []crossed) {
	t.Helper()
	plan, err := Survey(s.points(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	out := &sink{}
	if _, err := plan.Merge(out, func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	return plan, out.got
}

const (
	syn = reassembly.FlagSYN
	ack = reassembly.FlagACK
	fin = reassembly.FlagFIN
	rst = reassembly.FlagRST
)

// opening is a handshake and a request and answer that every capture has.
func (s *scene) opening() {
	all := make([]int, len(s.taps))
	for k := range all {
		all[k] = k
	}
	s.send(cli, 0, syn, 1000, 0, 0, all...)
	s.send(srv, 21, syn|ack, 9000, 1001, 0, all...)
	s.send(cli, 42, ack, 1001, 9001, 0, all...)
	s.send(cli, 43, ack, 1001, 9001, 100, all...)
	s.send(srv, 64, ack, 9001, 1101, 200, all...)
	s.send(cli, 85, ack, 1101, 9201, 0, all...)
}

// closing comes later, so that no capture ends before what is tested.
func (s *scene) closing() {
	all := make([]int, len(s.taps))
	for k := range all {
		all[k] = k
	}
	s.send(cli, 5000, fin|ack, 1201, 9201, 0, all...)
	s.send(srv, 5021, fin|ack, 9201, 1202, 0, all...)
	s.send(cli, 5042, ack, 1202, 9202, 0, all...)
}

var fates = map[reassembly.Fate]string{reassembly.FateUnknown: "unknown", reassembly.FateDelivered: "delivered",
	reassembly.FateLost: "lost", reassembly.FateCopy: "copy", reassembly.FateForged: "forged"}

// told is the middle of what came out: without opening and closing.
func told(got []crossed, drop int) string {
	var words []string
	for _, g := range got[drop : len(got)-3] {
		who := "c"
		if g.seg.Src == server {
			who = "s"
		}
		w := fmt.Sprintf("%s%d+%d %s", who, g.seg.Seq, g.seg.Length, fates[g.c.Fate])
		if g.c.Fate == reassembly.FateLost {
			w += fmt.Sprintf(" %d-%d", g.c.From, g.c.To)
		}
		if g.c.SentMissed {
			w += " sent-missed"
		}
		words = append(words, w)
	}
	return strings.Join(words, ", ")
}

func TestFates(t *testing.T) {
	for _, c := range []struct {
		name string
		taps int
		do   func(s *scene)
		want string
	}{
		{"lost and sent again", 2, func(s *scene) {
			s.send(cli, 200, ack, 1101, 9201, 100, 0)
			s.send(cli, 500, ack, 1101, 9201, 100, 0, 1)
			s.send(srv, 521, ack, 9201, 1201, 0, 0, 1)
		}, "c1101+100 lost 0-1, c1101+100 delivered, s9201+0 delivered"},
		{"an ACK lost the other way", 2, func(s *scene) {
			s.send(cli, 200, ack, 1101, 9201, 100, 0, 1)
			s.send(srv, 221, ack, 9201, 1201, 0, 1)
			s.send(cli, 500, ack, 1101, 9201, 100, 0, 1)
			s.send(srv, 521, ack, 9201, 1201, 0, 0, 1)
		}, "c1101+100 delivered, s9201+0 lost 1-0, c1101+100 delivered, s9201+0 delivered"},
		{"doubled on the way", 2, func(s *scene) {
			g := s.seg(cli, ack, 1101, 9201, 100)
			s.pass(cli, 200, g, 0, 1)
			s.pass(cli, 230, g, 1)
			s.send(srv, 251, ack, 9201, 1201, 0, 0, 1)
		}, "c1101+100 delivered, c1101+100 copy, s9201+0 delivered"},
		{"overtaken", 2, func(s *scene) {
			a, b := s.seg(cli, ack, 1101, 9201, 50), s.seg(cli, ack, 1151, 9201, 50)
			s.pass(cli, 200, a, 0)
			s.pass(cli, 201, b, 0, 1)
			s.pass(cli, 260, a, 1)
			s.send(srv, 280, ack, 9201, 1201, 0, 0, 1)
		}, "c1101+50 delivered, c1151+50 delivered, s9201+0 delivered"},
		{"a reset put in on the way", 2, func(s *scene) {
			s.send(cli, 200, ack, 1101, 9201, 100, 0, 1)
			s.send(srv, 221, ack, 9201, 1201, 0, 0, 1)
			s.pass(cli, 300, s.seg(cli, rst, 1201, 0, 0), 1)
		}, "c1101+100 delivered, s9201+0 delivered, c1201+0 forged"},
		{"a super-segment cut by the host", 2, func(s *scene) {
			whole := s.seg(cli, ack, 1101, 9201, 100)
			s.pass(cli, 200, whole, 0)
			for i := range uint32(4) {
				piece := whole
				piece.Seq, piece.Length = 1101+25*i, 25
				piece.IPID += uint16(i)
				s.pass(cli, 200, piece, 1)
			}
			s.send(srv, 221, ack, 9201, 1201, 0, 0, 1)
		}, "c1101+100 delivered, s9201+0 delivered"},
		{"segments joined by the receiving host", 2, func(s *scene) {
			for i := range uint32(4) {
				s.pass(cli, 200, s.seg(cli, ack, 1101+25*i, 9201, 25), 0)
			}
			s.pass(cli, 201, s.seg(cli, ack, 1101, 9201, 100), 1)
			s.send(srv, 221, ack, 9201, 1201, 0, 0, 1)
		}, "c1101+25 delivered, c1126+25 delivered, c1151+25 delivered, c1176+25 delivered, s9201+0 delivered"},
		{"of two captures missed by the sender's", 2, func(s *scene) {
			s.send(cli, 200, ack, 1101, 9201, 100, 1)
			s.send(srv, 221, ack, 9201, 1201, 0, 0, 1)
		}, "c1101+100 delivered sent-missed, s9201+0 delivered"},
		{"missed by the sender's before what it has", 2, func(s *scene) {
			s.send(srv, 200, ack, 9201, 1101, 20, 0)
			s.send(srv, 201, rst|ack, 9221, 1101, 0, 0, 1)
		}, "s9201+20 delivered sent-missed, s9221+0 delivered"},
		{"RSTs all alike, one of them lost", 2, func(s *scene) {
			g := s.seg(srv, rst, 9201, 0, 0)
			g.IPID = 0
			s.pass(srv, 200, g, 0, 1)
			s.pass(srv, 201, g, 1)
			s.pass(srv, 202, g, 0, 1)
		}, "s9201+0 delivered, s9201+0 lost 1-0, s9201+0 delivered"},
		{"lost behind the middle", 3, func(s *scene) {
			s.send(cli, 200, ack, 1101, 9201, 100, 0, 1)
			s.send(cli, 500, ack, 1101, 9201, 100, 0, 1, 2)
			s.send(srv, 521, ack, 9201, 1201, 0, 0, 1, 2)
		}, "c1101+100 lost 1-2, c1101+100 delivered, s9201+0 delivered"},
		{"lost before the middle", 3, func(s *scene) {
			s.send(cli, 200, ack, 1101, 9201, 100, 0)
			s.send(cli, 500, ack, 1101, 9201, 100, 0, 1, 2)
			s.send(srv, 521, ack, 9201, 1201, 0, 0, 1, 2)
		}, "c1101+100 lost 0-1, c1101+100 delivered, s9201+0 delivered"},
		{"missed by the middle", 3, func(s *scene) {
			s.send(cli, 200, ack, 1101, 9201, 100, 0, 2)
			s.send(srv, 221, ack, 9201, 1201, 0, 0, 1, 2)
		}, "c1101+100 delivered, s9201+0 delivered"},
	} {
		for _, shift := range []int64{0, 3e9, -7200e9} {
			t.Run(fmt.Sprintf("%s, clock %d s off", c.name, shift/1e9), func(t *testing.T) {
				s := newScene(c.taps)
				s.shift = shift
				s.opening()
				c.do(s)
				s.closing()
				plan, got := s.run(t)
				if text := told(got, 6); text != c.want {
					t.Errorf("got  %s\nwant %s", text, c.want)
				}
				if off := plan.Taps[c.taps-1].Clock.Offset - shift; off > 20*ms || off < -20*ms {
					t.Errorf("the clock is told as %d ns off, it is %d", plan.Taps[c.taps-1].Clock.Offset, shift)
				}
				for i := 1; i < len(got); i++ {
					if d := got[i].seg.Time - got[i-1].seg.Time; d < -60*ms {
						t.Errorf("packet %d leaves %d ns before the one it follows", i, -d)
					}
				}
			})
		}
	}
}

// Everything is found again although addresses, ports and both initial sequence
// numbers differ.
func TestTranslation(t *testing.T) {
	s := newScene(2)
	s.opening()
	s.send(cli, 200, ack, 1101, 9201, 100, 0)
	s.send(cli, 500, ack, 1101, 9201, 100, 0, 1)
	s.send(srv, 521, ack, 9201, 1201, 0, 0, 1)
	s.closing()
	outside := reassembly.IP{10: 0xff, 11: 0xff, 12: 192, 15: 7}
	inside := reassembly.IP{10: 0xff, 11: 0xff, 12: 9, 15: 9} // below outside: the other end of the tuple
	for i := range s.taps[1] {
		g := &s.taps[1][i]
		if g.Src == client {
			g.Src, g.SrcPort, g.Dst, g.DstPort = outside, 61234, inside, 8080
			g.Seq += 0xfffff000
			if g.Flags&ack != 0 {
				g.Ack += 12345
			}
		} else {
			g.Src, g.SrcPort, g.Dst, g.DstPort = inside, 8080, outside, 61234
			g.Seq += 12345
			g.Ack += 0xfffff000
		}
	}
	plan, got := s.run(t)
	if text, want := told(got, 6), "c1101+100 lost 0-1, c1101+100 delivered, s9201+0 delivered"; text != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
	if plan.Taps[1].Translated != 1 || !strings.Contains(strings.Join(plan.Taps[1].Notes, "\n"), "other addresses") {
		t.Errorf("the translation is not told: %+v", plan.Taps[1])
	}
	for _, g := range got {
		if g.seg.Src != client && g.seg.Src != server {
			t.Errorf("a packet is told by its translated address: %v", g.seg.Src)
		}
	}
}

// What the captures are not good for is told, and nothing more is made of it.
func TestDisturbed(t *testing.T) {
	full := func() *scene {
		s := newScene(2)
		s.opening()
		for i := range uint32(40) {
			s.send(cli, 100+100*int64(i), ack, 1101, 9201, 0, 0, 1)
			s.send(srv, 150+100*int64(i), ack, 9201, 1101, 0, 0, 1)
		}
		s.closing()
		return s
	}
	lost := func(got []crossed) (n int) {
		for _, g := range got {
			if g.c.Fate == reassembly.FateLost && !g.c.Assumed {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		name, note string
		do         func(s *scene)
	}{
		{"nothing", "", func(*scene) {}},
		{"cut in half", "it ends", func(s *scene) { s.taps[1] = s.taps[1][:len(s.taps[1])/2] }},
		{"begins late", "it begins", func(s *scene) { s.taps[1] = s.taps[1][len(s.taps[1])/2:] }},
		{"every seventh missed", "it missed", func(s *scene) {
			n := 0
			s.taps[1] = slices.DeleteFunc(s.taps[1], func(reassembly.Segment) bool { n++; return n%7 == 6 })
		}},
		{"empty", "holds no TCP segment", func(s *scene) { s.taps[1] = nil }},
		{"another path", "shares no packet", func(s *scene) {
			for i := range s.taps[1] {
				g := &s.taps[1][i]
				g.SrcPort, g.DstPort, g.Seq, g.Ack, g.IPID = g.SrcPort+1, g.DstPort+1, g.Seq*7, g.Ack*3, g.IPID+7777
			}
		}},
		{"the other way round", "look swapped", func(s *scene) { s.taps[0], s.taps[1] = s.taps[1], s.taps[0] }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := full()
			c.do(s)
			plan, got := s.run(t)
			notes := strings.Join(slices.Concat(plan.Taps[0].Notes, plan.Taps[1].Notes), "\n")
			if c.note == "" && notes != "" || !strings.Contains(notes, c.note) {
				t.Errorf("notes: %q, wanted %q", notes, c.note)
			}
			if n := lost(got); n > 0 {
				t.Errorf("%d packets are told as lost, and none was", n)
			}
			if c.name != "another path" && len(got) != 89 {
				t.Errorf("%d packets came out, 89 were sent", len(got))
			}
		})
	}
}

func TestSamePoint(t *testing.T) {
	s := newScene(2)
	s.opening()
	s.closing()
	s.taps[1] = slices.Clone(s.taps[0])
	for i := range s.taps[1] {
		s.taps[1][i].Time += 5e9
	}
	if _, err := Survey(s.points(), Options{}); !errors.Is(err, ErrSamePoint) {
		t.Errorf("one capture given twice: %v", err)
	}
}

// Captures of one address and port that share nothing are of other connections.
func TestUnrelated(t *testing.T) {
	s := newScene(2)
	s.opening()
	s.closing()
	for i := range s.taps[1] {
		g := &s.taps[1][i]
		g.Seq, g.Ack, g.IPID = g.Seq*7+99, g.Ack*3+5, g.IPID*31+7
	}
	if _, err := Survey(s.points(), Options{}); !errors.Is(err, ErrUnrelated) {
		t.Errorf("other connections of the same ports: %v", err)
	}
}

// Too little memory loses pairs, never packets.
func TestBounded(t *testing.T) {
	s := newScene(2)
	s.opening()
	for i := range uint32(2000) {
		s.send(cli, 100+int64(i), ack, 1101+i, 9201, 1, 0, 1)
	}
	s.closing()
	taps := s.points()
	plan, err := Survey(taps, Options{Samples: 100, Flows: 1, Packets: 5})
	if err != nil {
		t.Fatal(err)
	}
	out := &sink{}
	stats, err := plan.Merge(out, func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if stats.Dropped == 0 {
		t.Error("nothing was dropped")
	}
	seen := map[reassembly.Packet]bool{}
	for _, g := range out.got {
		seen[g.seg.Packet] = true
		seen[g.c.ArrivedAs] = true
	}
	delete(seen, 0)
	if want := len(s.taps[0]) + len(s.taps[1]); len(seen) != want {
		t.Errorf("%d of %d packets came out", len(seen), want)
	}
}
