package pair

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/finwait/finwait/reassembly"
)

// cutOff is a capture that a damage ends.
type cutOff struct{ list }

func (c *cutOff) Next(s *reassembly.Segment) (uint32, bool, error) {
	sum, ok, err := c.list.Next(s)
	if err == io.EOF {
		err = ErrCut
	}
	return sum, ok, err
}

// What is missing at the edge of a capture, or altogether, is lost only if that
// was running: it is told so, and with a reason to doubt it not at all.
func TestAssumed(t *testing.T) {
	other := func(s *scene, from int, at int64, port, service uint16, flags uint8, seq, ackNo uint32, seen ...int) {
		g := s.seg(from, flags, seq, ackNo, 0)
		if from == cli {
			g.SrcPort, g.DstPort = port, service
		} else {
			g.SrcPort, g.DstPort = service, port
		}
		s.pass(from, at, g, seen...)
	}
	for _, c := range []struct {
		name string
		do   func(s *scene)
		cut  bool
		want string // what is not delivered
		note string
	}{
		{"behind the last packet", func(s *scene) {
			s.opening()
			s.send(cli, 200, rst|ack, 1101, 9201, 0, 0)
		}, false, "c40000>80 1101 lost?", "taken to have been running"},
		{"behind the last packet of a damaged file", func(s *scene) {
			s.opening()
			s.send(cli, 200, rst|ack, 1101, 9201, 0, 0)
		}, true, "c40000>80 1101 unknown", "cut off"},
		{"on its way when the capture ended", func(s *scene) {
			s.opening()
			s.send(cli, 86, rst|ack, 1101, 9201, 0, 0)
		}, false, "c40000>80 1101 lost?", "taken to have been running"},
		{"well before the last packet", func(s *scene) {
			s.opening()
			s.send(cli, 200, ack, 1101, 9201, 1, 0)
			s.closing()
		}, false, "c40000>80 1101 lost", ""},
		{"before the first packet", func(s *scene) {
			s.send(cli, -3000, syn, 1000, 0, 0, 0)
			s.opening()
		}, false, "c40000>80 1000 lost?", "taken to have been running"},
		{"an empty capture", func(s *scene) {
			s.send(cli, 0, syn, 1000, 0, 0, 0)
			s.send(cli, 1000, syn, 1000, 0, 0, 0)
		}, false, "c40000>80 1000 lost?, c40000>80 1000 lost?", "so that nothing reached its host"},
		{"an empty capture of a host that sent", func(s *scene) {
			s.send(cli, 0, syn, 1000, 0, 0, 0)
			s.send(srv, 20, rst|ack, 0, 1001, 0, 0)
		}, false, "c40000>80 1000 unknown", "not running, or not there"},
		{"an empty capture that is damaged", func(s *scene) {
			s.send(cli, 0, syn, 1000, 0, 0, 0)
		}, true, "c40000>80 1000 unknown", "holds no TCP segment"},
		{"a connection of which the server saw nothing", func(s *scene) {
			s.opening()
			other(s, cli, 1000, 40001, 80, syn, 7000, 0, 0)
			s.closing()
		}, false, "c40001>80 7000 lost?", ""},
		{"a connection refused on the path", func(s *scene) {
			s.opening()
			other(s, cli, 1000, 40001, 80, syn, 7000, 0, 0)
			other(s, srv, 1020, 40001, 80, rst|ack, 0, 7001, 0)
			s.closing()
		}, false, "c40001>80 7000 lost?, s80>40001 0 forged", ""},
		{"a port that the capture may have left out", func(s *scene) {
			s.opening()
			other(s, cli, 1000, 40001, 81, syn, 7000, 0, 0)
			s.closing()
		}, false, "c40001>81 7000 unknown", ""},
		{"a connection that was answered and that the capture left out", func(s *scene) {
			s.opening()
			other(s, cli, 1000, 40001, 80, syn, 7000, 0, 0)
			other(s, srv, 1020, 40001, 80, syn|ack, 5, 7001, 0)
			s.closing()
		}, false, "c40001>80 7000 unknown, s80>40001 5 unknown", ""},
		{"a connection before the server's capture began", func(s *scene) {
			other(s, cli, -9000, 40001, 80, syn, 7000, 0, 0)
			s.opening()
		}, false, "c40001>80 7000 unknown", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(2)
			c.do(s)
			taps := s.points()
			if c.cut {
				taps[1].Open = func() (Source, error) { return &cutOff{list{segs: s.taps[1]}}, nil }
			}
			plan, err := Survey(taps, Options{})
			if err != nil {
				t.Fatal(err)
			}
			out := &sink{}
			if _, err := plan.Merge(out, func() error { return nil }); err != nil {
				t.Fatal(err)
			}
			var words []string
			for _, g := range out.got {
				fate := fates[g.c.Fate]
				if g.c.Assumed {
					fate += "?"
				}
				who := "c"
				if g.seg.Src == server {
					who = "s"
				}
				if g.c.Fate != reassembly.FateDelivered {
					words = append(words, fmt.Sprintf("%s%d>%d %d %s", who, g.seg.SrcPort, g.seg.DstPort, g.seg.Seq, fate))
				}
			}
			if got := strings.Join(words, ", "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			notes := strings.Join(slices.Concat(plan.Taps[0].Notes, plan.Taps[1].Notes), "; ")
			if c.note == "" && notes != "" || !strings.Contains(notes, c.note) {
				t.Errorf("notes: %q, wanted %q", notes, c.note)
			}
		})
	}
}
