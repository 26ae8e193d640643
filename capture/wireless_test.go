package capture

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/finwait/finwait/reassembly"
)

// aggregate is an A-MSDU of 802.11 with these LLC frames.
func aggregate(parts ...[]byte) []byte {
	b := cat(unhex("8801 0000"), make([]byte, 20), unhex("8000"))
	for i, p := range parts {
		b = cat(b, make([]byte, 12), be16(len(p)), p)
		if i < len(parts)-1 {
			b = append(b, make([]byte, -(14+len(p))&3)...)
		}
	}
	return b
}

// TestAggregate: every packet of an A-MSDU gives its segment, and the counts add up.
func TestAggregate(t *testing.T) {
	snap, arp := unhex("aaaa03000000 0800"), unhex("aaaa03000000 0806 0001 0800")
	packet := func(payload int) []byte { return cat(snap, ipv4(6, tcp(nil, payload))) }
	broken := cat(snap, ipv4(6, unhex("0001")))
	within := cat(snap, ipv4(47, cat(unhex("0000 8200"), aggregate(packet(5), arp, packet(6))))) // Aruba's GRE
	cases := []struct {
		name  string
		link  uint32
		frame []byte
		opts  DecoderOptions
		want  string // payload lengths
		skip  Skip
		aggregates,
		further uint64
	}{
		{name: "one part", frame: aggregate(packet(1)), want: "1"},
		{name: "two", frame: aggregate(packet(1), packet(2)), want: "1 2", aggregates: 1, further: 1},
		{name: "three", frame: aggregate(packet(3), packet(2), packet(1)), want: "3 2 1", aggregates: 1, further: 2},
		{name: "the first is none", frame: aggregate(arp, packet(2), broken, packet(4)), want: "2 4", aggregates: 1, further: 1},
		{name: "none", frame: aggregate(arp, broken), skip: SkipNotIP, aggregates: 1},
		{name: "none, the other way", frame: aggregate(broken, arp), skip: SkipTCPHeader, aggregates: 1},
		{name: "cut in the second", frame: aggregate(packet(1), packet(90))[:26+64+10], want: "1", aggregates: 0},
		{name: "cut in the second's payload", frame: aggregate(packet(1), packet(90))[:26+64+14+8+45], want: "1 90", aggregates: 1, further: 1},
		{name: "a length beyond the frame", frame: cat(aggregate(packet(1)), make([]byte, 1), make([]byte, 12), be16(0xffff), packet(2)), want: "1 2", aggregates: 1, further: 1},
		{name: "padding behind", frame: cat(aggregate(packet(1)), make([]byte, 3)), want: "1"},
		{name: "one within another", link: Link80211, frame: aggregate(packet(1), within, packet(7)), want: "1 5 6 7", aggregates: 2, further: 3},
		{name: "selected", frame: aggregate(packet(1), packet(2), packet(3)), opts: DecoderOptions{Select: &Selection{Ports: []PortRange{{80, 80}}}}, want: "1 2 3", aggregates: 1, further: 2},
		{name: "not selected", frame: aggregate(packet(1), packet(2)), opts: DecoderOptions{Select: &Selection{Ports: []PortRange{{81, 81}}}}, skip: SkipFiltered, aggregates: 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := NewDecoder(c.opts)
			f := frameOf(Link80211, c.frame)
			if strings.Contains(c.name, "cut in the second's payload") {
				f.WireLen = uint32(26 + 64 + 14 + 8 + 130)
			}
			for range 2 { // the second time nothing is left over from the first
				var seg reassembly.Segment
				var got []string
				skip := d.Decode(&f, &seg)
				for ok := skip == NotSkipped; ok; ok = d.More(&seg) {
					got = append(got, strconv.Itoa(int(seg.Length)))
					if seg.SrcPort != 1000 || seg.Packet != f.Packet || seg.Time != f.Time || seg.LengthUnknown {
						t.Errorf("%+v", seg)
					}
				}
				if s := strings.Join(got, " "); s != c.want || skip != c.skip {
					t.Errorf("payloads %q, %q; want %q, %q", s, skip, c.want, c.skip)
				}
			}
			q := d.Quality()
			if q.Frames != 2 || q.Frames != q.Segments+q.TotalSkipped() || q.Aggregates != 2*c.aggregates || q.Further != 2*c.further || q.Recovered != 0 {
				t.Errorf("%+v", q)
			}
			f = frameOf(LinkRaw, ipv4(6, tcp(nil, 1)))
			var seg reassembly.Segment
			if d.Decode(&f, &seg) == NotSkipped && d.More(&seg) {
				t.Error("an ordinary frame has more than one segment")
			}
		})
	}
}

// TestAggregateFilter: --filter-inner looks at each packet of an A-MSDU.
func TestAggregateFilter(t *testing.T) {
	snap := unhex("aaaa03000000 0800")
	var parts [][]byte
	for _, n := range []int{1, 20, 2, 30} {
		parts = append(parts, cat(snap, ipv4(6, tcp(nil, n))))
	}
	filter, err := ParseBytecode("4\n128 0 0 0\n37 0 1 55\n6 0 0 1\n6 0 0 0") // longer than 55 bytes
	if err != nil {
		t.Fatal(err)
	}
	d := NewDecoder(DecoderOptions{Filter: filter, FilterInner: true})
	f := frameOf(Link80211, aggregate(parts...))
	var seg reassembly.Segment
	var got []uint32
	for ok := d.Decode(&f, &seg) == NotSkipped; ok; ok = d.More(&seg) {
		got = append(got, seg.Length)
	}
	if !slices.Equal(got, []uint32{20, 30}) {
		t.Error(got)
	}
}

// TestAggregateRecorded: a file of segments gives the same segments and counts,
// whole or selected from.
func TestAggregateRecorded(t *testing.T) {
	snap := unhex("aaaa03000000 0800")
	part := func(port uint16, n int) []byte {
		b := tcp(nil, n)
		b[0], b[1] = byte(port>>8), byte(port)
		return cat(snap, ipv4(6, b))
	}
	spec := pcapSpec{magic: magicMicro, major: 2, minor: 4, link: Link80211}
	for i, f := range [][]byte{
		aggregate(part(7, 1), part(8, 2)), aggregate(part(8, 3)), aggregate(part(8, 4), part(7, 5), part(7, 6)),
		aggregate(snap, snap), aggregate(part(8, 7), part(8, 8)),
	} {
		spec.records = append(spec.records, record{uint32(i), 0, uint32(len(f)), uint32(len(f)), f})
	}
	files := []FileInfo{{Path: "a"}}
	var out bytes.Buffer
	w, err := NewSegmentWriter(&out, files)
	if err != nil {
		t.Fatal(err)
	}
	read := func(b []byte, s *Selection, each func(*reassembly.Segment)) string {
		r, err := Open([]string{"-"}, Options{Stdin: bytes.NewReader(b)})
		if err != nil {
			t.Fatal(err)
		}
		d := NewDecoder(DecoderOptions{Select: s})
		var f Frame
		var seg reassembly.Segment
		told := ""
		for r.Next(&f) == nil {
			for ok := d.Decode(&f, &seg) == NotSkipped; ok; ok = d.More(&seg) {
				told += fmt.Sprintf("%d:%d ", seg.Packet, seg.Length)
				if each != nil {
					each(&seg)
				}
			}
		}
		q, rest := d.Quality(), r.Skipped()
		q.Add(&rest)
		if s == nil && each != nil {
			if err := w.Close(files, q); err != nil {
				t.Fatal(err)
			}
		}
		return fmt.Sprint(told, q.Frames, " = ", q.Segments, " + ", q.TotalSkipped(), "; ", q.Skips(SkipFiltered), " filtered, ", q.Aggregates, " of several, ", q.Further, " further")
	}
	whole := read(spec.bytes(), nil, func(seg *reassembly.Segment) {
		if err := w.Add(seg); err != nil {
			t.Fatal(err)
		}
	})
	if want := "1:1 1:2 2:3 3:4 3:5 3:6 5:7 5:8 5 = 4 + 1; 0 filtered, 4 of several, 4 further"; whole != want {
		t.Errorf("%s, want %s", whole, want)
	}
	if got := read(out.Bytes(), nil, nil); got != whole {
		t.Errorf("recorded %s, want %s", got, whole)
	}
	for _, port := range []uint16{7, 8, 9} {
		s := &Selection{Ports: []PortRange{{port, port}}}
		want := read(spec.bytes(), s, nil)
		if got := read(out.Bytes(), s, nil); got != want {
			t.Errorf("port %d, recorded: %s, want %s", port, got, want)
		}
	}
}
