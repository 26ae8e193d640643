package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	files "github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/fixtures"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
)

// told is a connection of a fixture with the segments of its ladder.
type told struct {
	life     *reassembly.Lifecycle
	segments []reassembly.CaseSegment
}

// fixture reads the capture of a script.
func fixture(t *testing.T, name string) []told {
	t.Helper()
	script, err := fixtures.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := script.Pcap()
	if err != nil {
		t.Fatal(err)
	}
	return track(t, data)
}

func track(t *testing.T, data []byte) []told {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.pcap")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	in, err := files.Open([]string{path}, files.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	var list []told
	var segments []reassembly.CaseSegment
	tracker := reassembly.NewTracker(reassembly.Options{
		MSL:   30 * time.Second,
		Check: func(c *reassembly.Case) { anomaly.Check(c); segments = slices.Clone(c.Segments()) },
		Emit:  func(l *reassembly.Lifecycle) { list = append(list, told{l, segments}) },
	})
	decoder := files.NewDecoder(files.DecoderOptions{})
	var f files.Frame
	var s reassembly.Segment
	for {
		err := in.Next(&f)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if decoder.Decode(&f, &s) == files.NotSkipped {
			tracker.Add(&s)
		} else {
			tracker.Advance(f.Time)
		}
	}
	tracker.Close()
	return list
}

func ladderOf(t *testing.T, name string) *Ladder {
	t.Helper()
	list := fixture(t, name)
	return BuildLadder(list[0].life, list[0].segments)
}

func drawn(t *testing.T, d *Ladder, o LadderOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := d.WriteText(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestLadderGolden(t *testing.T) {
	for _, c := range []struct {
		script, as string
		o          LadderOptions
	}{
		{"final-ack-lost-after-tap", "80", LadderOptions{Width: 80}},
		{"final-ack-lost-after-tap", "140", LadderOptions{Width: 140, Info: true}},
		{"final-ack-lost-after-tap", "color", LadderOptions{Width: 80, Color: true}},
		{"data-ack-lost-before-tap", "80", LadderOptions{Width: 80}},
		{"close-2msl-passed", "80", LadderOptions{Width: 80}},
		{"close-simultaneous-ack-lost", "80", LadderOptions{Width: 80}},
		{"rst-forged-exact", "80", LadderOptions{Width: 80}},
		{"duplicate-frame", "ascii", LadderOptions{Width: 80, ASCII: true}},
		{"syn-refused-icmp", "ascii", LadderOptions{Width: 80, ASCII: true}},
		{"tuple-reused-old-duplicate", "100", LadderOptions{}},
		{"midstream-fin", "140", LadderOptions{Width: 140}},
		{"zero-window-stall", "least", LadderOptions{Width: 40}},
	} {
		t.Run(c.script+"-"+c.as, func(t *testing.T) {
			golden(t, "ladder/"+c.script+"-"+c.as+".txt", []byte(drawn(t, ladderOf(t, c.script), c.o)))
		})
	}
}

func TestLadderSVGGolden(t *testing.T) {
	for _, name := range []string{"final-ack-lost-after-tap", "data-ack-lost-before-tap", "close-2msl-passed"} {
		var b bytes.Buffer
		if err := ladderOf(t, name).WriteSVG(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, "ladder/"+name+".svg", b.Bytes())
	}
}

// Every script's ladder keeps within its columns, in each of the drawings, and is
// well-formed as SVG that fetches nothing.
func TestLadderOfEveryScript(t *testing.T) {
	for _, name := range fixtures.Scripts() {
		for _, c := range fixture(t, name) {
			d := BuildLadder(c.life, c.segments)
			for _, width := range []int{leastLadderWidth, 80, 100, 140, 200} {
				for line := range strings.Lines(drawn(t, d, LadderOptions{Width: width, Info: true})) {
					if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > width {
						t.Errorf("%s: %d columns of %d: %s", name, n, width, line)
					}
				}
			}
			for _, r := range drawn(t, d, LadderOptions{ASCII: true}) {
				if r > unicode.MaxASCII {
					t.Errorf("%s: %q in the ASCII drawing", name, r)
				}
			}
			var b bytes.Buffer
			if err := d.WriteSVG(&b); err != nil {
				t.Fatal(err)
			}
			checkSVG(t, name, b.Bytes())
			if _, err := json.Marshal(d); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func checkSVG(t *testing.T, name string, svg []byte) {
	t.Helper()
	for dec := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := dec.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch element.Name.Local {
		case "svg", "title", "desc", "style", "rect", "line", "path", "text", "g":
		default:
			t.Errorf("%s: an element %s", name, element.Name.Local)
		}
		for _, a := range element.Attr {
			if a.Name.Local == "href" || strings.HasPrefix(a.Name.Local, "on") {
				t.Errorf("%s: an attribute %s", name, a.Name.Local)
			}
		}
	}
	if bytes.Contains(svg, []byte("url(")) || bytes.Contains(svg, []byte("@import")) {
		t.Errorf("%s fetches something", name)
	}
}

// Each packet of the connection has a row, in order; each step and each finding
// stands somewhere, once.
func TestLadderLeavesNothingOut(t *testing.T) {
	for _, name := range fixtures.Scripts() {
		for _, c := range fixture(t, name) {
			d := BuildLadder(c.life, c.segments)
			var packets, steps, findings int
			last := Number(0)
			for _, r := range d.Rows {
				steps += len(r.Client) + len(r.Server)
				findings += len(r.Findings)
				if r.Kind == RowSegment {
					packets++
					if r.Packet <= last {
						t.Errorf("%s: packet %d after %d", name, r.Packet, last)
					}
					last = r.Packet
				}
			}
			want := 0
			for i := range c.life.Endpoints {
				want += len(c.life.Endpoints[i].History) + len(c.life.Endpoints[i].Withdrawn)
			}
			if packets != len(c.segments) || steps != want || findings != len(c.life.Findings) || d.Dropped != 0 {
				t.Errorf("%s #%d: %d of %d packets, %d of %d steps, %d of %d findings", name, c.life.ID, packets, len(c.segments), steps, want, findings, len(c.life.Findings))
			}
		}
	}
}

func TestLadderRelativeNumbersDoNotWrap(t *testing.T) {
	d := ladderOf(t, "seq-wrap-data")
	for _, r := range d.Rows {
		if s := r.Segment; s != nil && (s.Seq < 0 || s.Seq > 10_000 || s.Ack != nil && (*s.Ack < 0 || *s.Ack > 10_000)) {
			t.Errorf("packet %d: seq %d", r.Packet, s.Seq)
		}
	}
}

// What a report could hold in the worst case does not reach the terminal, nor
// does it become markup.
func TestLadderHostileText(t *testing.T) {
	list := fixture(t, "final-ack-lost-after-tap")
	l := list[0].life
	const evil = "\x1b[2J\x07<script>alert(1)</script>\u202e\u009b"
	l.Evicted = evil
	for i := range l.Findings {
		l.Findings[i].Detail = evil
	}
	for i := range l.Endpoints[1].Withdrawn {
		l.Endpoints[1].Withdrawn[i].Reason = evil
	}
	for i := range l.Endpoints[0].History {
		l.Endpoints[0].History[i].Event = evil
	}
	for i := range list[0].segments {
		list[0].segments[i].Why = evil
	}
	d := BuildLadder(l, list[0].segments)
	text := drawn(t, d, LadderOptions{Width: 140, Info: true})
	d.Comments(func(_ PacketAt, lines []string) { text += strings.Join(lines, "\n") })
	if strings.ContainsAny(text, "\x1b\x07\u202e\u009b") {
		t.Errorf("%q", text)
	}
	var b bytes.Buffer
	if err := d.WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "<script") {
		t.Error("markup in the SVG")
	}
	checkSVG(t, "hostile", b.Bytes())
}

// long is a connection of many packets with a loss in its middle.
func long(t *testing.T) *Ladder {
	t.Helper()
	var b strings.Builder
	b.WriteString("# long\n0 c>s S\n+rtt s>c S.\n+rtt c>s .\n")
	for i := range 100 {
		if i == 50 {
			b.WriteString("+0.01 c>s P. (100) lost after tap\n+0.3 c>s P. 5001:5101(100)\n+rtt s>c .\n")
			continue
		}
		b.WriteString("+0.01 c>s P. (100)\n+rtt s>c .\n")
	}
	b.WriteString("+0.01 c>s F.\n+rtt s>c F.\n+rtt c>s .\n")
	s, err := fixtures.Parse("long.fin", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	data, err := s.Pcap()
	if err != nil {
		t.Fatal(err)
	}
	list := track(t, data)
	return BuildLadder(list[0].life, list[0].segments)
}

func TestLadderLimit(t *testing.T) {
	d := long(t)
	all := len(d.Rows)
	d.Limit(0)
	if len(d.Rows) != all {
		t.Fatal("0 is no limit")
	}
	d.Limit(30)
	shown, omitted, lost := 0, 0, false
	for _, r := range d.Rows {
		omitted += r.Omitted
		if r.Kind == RowSegment {
			shown++
			lost = lost || r.Segment.Lost != "" || r.Segment.Kind == SegmentRetransmission
		}
	}
	if len(d.Rows) > 60 || shown+omitted != int(d.Connection.Packets) || !lost {
		t.Errorf("%d rows, %d shown, %d left out, lost %v", len(d.Rows), shown, omitted, lost)
	}
	golden(t, "ladder/long-30-rows.txt", []byte(drawn(t, d, LadderOptions{Width: 80})))
}

func TestLadderBetween(t *testing.T) {
	d := long(t)
	d.Between(PacketAt{0, 10}, PacketAt{1, 12})
	var packets []Number
	for _, r := range d.Rows {
		if r.Kind == RowSegment {
			packets = append(packets, r.Packet)
		}
	}
	if len(packets) != 3 || packets[0] != 10 || packets[2] != 12 {
		t.Errorf("%v", packets)
	}
	if first := d.Rows[0]; first.Kind != RowOmitted || first.Omitted != 9 || first.Client[0].State != "ESTABLISHED" {
		t.Errorf("%+v", first)
	}
}

func TestParsePacketAt(t *testing.T) {
	for text, want := range map[string]PacketAt{"7": {0, 7}, "2:7": {2, 7}} {
		if got, err := ParsePacketAt(text); err != nil || got != want {
			t.Errorf("%s: %v %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "0:7", "x", "1:2:3", "-1", ":", "7:"} {
		if got, err := ParsePacketAt(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestParseConn(t *testing.T) {
	l := fixture(t, "close-client-first")[0].life // 10.0.0.1:41000 -> 10.0.0.2:80
	for text, want := range map[string]bool{
		"1": true, "#1": true, "2": false, "stream 0": true, "tcp.stream==0": true, "tcp.stream eq 1": false, "tcp.stream == 0": true,
		"10.0.0.1:41000-10.0.0.2:80": true, "10.0.0.2:80 > 10.0.0.1:41000": true, "10.0.0.1:41000 10.0.0.2:80": true,
		"10.0.0.1:41000->10.0.0.2:80": true, "[::ffff:10.0.0.1]:41000 <-> 10.0.0.2:80": true, "10.0.0.1:41001-10.0.0.2:80": false,
		"10.0.0.2:80": true, "10.0.0.3:80": false, "10.0.0.1:41000-10.0.0.1:41000": false,
	} {
		c, err := ParseConn(text)
		if err != nil || c.Match(l) != want {
			t.Errorf("%q: %v %v", text, c.Match(l), err)
		}
	}
	for _, text := range []string{"", "0", "foo", "10.0.0.1", "10.0.0.1:1-10.0.0.2:2-10.0.0.3:3", "stream", "99999999999999999999"} {
		if c, err := ParseConn(text); err == nil {
			t.Errorf("%q: %v", text, c)
		}
	}
	var s Selection
	if err := s.Conn("tcp.stream==0"); err != nil || s.Empty() || !s.Match(l) || s.String() != "conn=tcp.stream eq 0" {
		t.Errorf("%v %v", err, s.String())
	}
}
