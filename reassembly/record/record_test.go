package record

import (
	"errors"
	"io"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/finwait/finwait/fixtures/fuzzlimit"
	"github.com/finwait/finwait/reassembly"
)

// read gives all records of a block; a tick is a Segment with only a time.
func read(t *testing.T, block []byte) (list []reassembly.Segment, ticks []bool, clocks []int64) {
	t.Helper()
	var d Decoder
	d.Reset(block)
	for {
		var s reassembly.Segment
		tick, err := d.Next(&s)
		if err == io.EOF {
			return list, ticks, clocks
		}
		if err != nil {
			t.Fatalf("record %d: %v", len(list)+1, err)
		}
		list, ticks, clocks = append(list, s), append(ticks, tick), append(clocks, d.Clock())
	}
}

func ip4(last byte) reassembly.IP {
	return reassembly.IP{10: 0xff, 11: 0xff, 12: 10, 15: last}
}

// every holds a segment for each field that a record may have.
func every() []reassembly.Segment {
	base := reassembly.Segment{Time: 1_700_000_000_000_000_000, Packet: reassembly.MakePacket(0, 1), Src: ip4(1), Dst: ip4(2),
		SrcPort: 41000, DstPort: 80, Seq: 1 << 31, Flags: reassembly.FlagSYN, Window: 64240, TTL: 64, Wire: 74, IPID: 7,
		MSS: 1460, HasScale: true, WindowScale: 7, SACKPermitted: true, HasTimestamps: true, TSVal: 5}
	list := []reassembly.Segment{base}
	with := func(change func(s *reassembly.Segment)) {
		s := base
		s.MSS, s.HasScale, s.WindowScale, s.SACKPermitted = 0, false, 0, false
		s.Time += int64(len(list)) * 1000
		s.Packet = reassembly.MakePacket(0, uint64(len(list)+1))
		change(&s)
		list = append(list, s)
	}
	with(func(s *reassembly.Segment) { s.Src, s.Dst, s.SrcPort, s.DstPort = s.Dst, s.Src, 80, 41000 })
	with(func(s *reassembly.Segment) { s.Length, s.Wire, s.Flags = 1448, 1514, reassembly.FlagACK })
	with(func(s *reassembly.Segment) { s.Length, s.LengthUnknown = 1<<32-1, true })
	with(func(s *reassembly.Segment) {
		s.SACKCount, s.Ack = 4, 100
		s.SACK = [4]reassembly.SACKBlock{{Left: 90, Right: 95}, {Left: 200, Right: 300}, {Left: 1<<32 - 1, Right: 4}, {}}
	})
	with(func(s *reassembly.Segment) { s.FastOpen, s.FastOpenLen = true, 8 })
	with(func(s *reassembly.Segment) { s.MPTCP, s.MPTCPSubtypes = true, 0x8001 })
	with(func(s *reassembly.Segment) { s.BadOptions, s.Urgent = true, 65535 })
	with(func(s *reassembly.Segment) { s.HasScale = true })
	with(func(s *reassembly.Segment) { s.Checksum = reassembly.ChecksumBad })
	with(func(s *reassembly.Segment) {
		s.Quote = reassembly.ICMPQuote{Type: 1, Code: 4, V6: true, From: reassembly.IP{0x20, 1, 15: 9}}
	})
	with(func(s *reassembly.Segment) { s.Tag, s.VLAN, s.TSEcr = 0xdeadbeef, 4094, 9 })
	with(func(s *reassembly.Segment) { s.Tunnel = 1<<64 - 1 })
	with(func(s *reassembly.Segment) { s.V6 = true }) // IPv4-mapped, but IPv6 on the wire
	with(func(s *reassembly.Segment) {
		s.V6, s.Src, s.Dst = true, reassembly.IP{0x20, 1, 15: 1}, reassembly.IP{0x20, 1, 15: 2}
	})
	with(func(s *reassembly.Segment) { s.Time -= 10_000_000_000 })
	with(func(s *reassembly.Segment) { s.Packet = reassembly.MakePacket(3, 7) })
	with(func(s *reassembly.Segment) { s.Packet = reassembly.MakePacket(0, 1<<40-1) })
	with(func(s *reassembly.Segment) { s.Packet = reassembly.MakePacket(1<<24-1, 2) })
	with(func(s *reassembly.Segment) { *s = reassembly.Segment{} })
	with(func(s *reassembly.Segment) { s.Time, s.HasTimestamps, s.TSVal, s.IPID = -5, false, 0, 0 })
	return list
}

func TestEveryField(t *testing.T) {
	want := every()
	var e Encoder
	for range 2 { // a block after Reset owes nothing to the one before
		e.Reset()
		for i := range want {
			e.Segment(&want[i], want[i].Time)
		}
		if got, _, _ := read(t, e.Bytes()); !reflect.DeepEqual(got, want) {
			for i := range want {
				if i >= len(got) || got[i] != want[i] {
					t.Fatalf("segment %d: got %+v\nwant %+v", i, got[i], want[i])
				}
			}
		}
	}
	// A field that is added to Segment must be added to every, and to the format.
	v := reflect.ValueOf(reassembly.Segment{})
	for i := range v.NumField() {
		set := false
		for k := range want {
			set = set || !reflect.ValueOf(want[k]).Field(i).IsZero()
		}
		if !set {
			t.Errorf("no segment of this test has a %s", v.Type().Field(i).Name)
		}
	}
}

// TestClock: the clock at each segment is what the encoder was told, whatever
// the segments' own times.
func TestClock(t *testing.T) {
	s := reassembly.Segment{Src: ip4(1), Dst: ip4(2)}
	var e Encoder
	want := []int64{50, 50, 70, 70, 90}
	for i, at := range []int64{50, 10, 20, 70, 90} {
		s.Time = at
		e.Segment(&s, want[i])
	}
	e.Tick(100)
	list, ticks, clocks := read(t, e.Bytes())
	var got []int64
	for i := range list {
		if !ticks[i] {
			got = append(got, clocks[i])
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("clocks %v, want %v", got, want)
	}
	if len(list) != 7 || !ticks[6] || clocks[6] != 100 { // five segments, 70 told before 20, and the last
		t.Errorf("%d records, ticks %v, clocks %v", len(list), ticks, clocks)
	}
	if e.Clock() != 100 || e.Records() != 7 {
		t.Errorf("the encoder says clock %d after %d records", e.Clock(), e.Records())
	}
}

func TestSize(t *testing.T) {
	var e Encoder
	s := reassembly.Segment{Time: 1e18, Src: ip4(1), Dst: ip4(2), SrcPort: 40000, DstPort: 443, Flags: reassembly.FlagACK,
		Window: 500, TTL: 64, Wire: 1514, Length: 1448, HasTimestamps: true, IPID: 1}
	const n = 1000
	for i := range n {
		s.Packet = reassembly.MakePacket(0, uint64(2*i+1))
		s.Time += 12_000
		s.Seq += s.Length
		s.IPID++
		s.TSVal += uint32(i & 1)
		e.Segment(&s, s.Time)
	}
	if per := float64(e.Len()) / n; per > 12 {
		t.Errorf("%.1f bytes a segment of a plain transfer", per)
	}
}

func TestDamage(t *testing.T) {
	var e Encoder
	for _, s := range every() {
		e.Segment(&s, s.Time)
	}
	block := e.Bytes()
	drain := func(b []byte) (n int, err error) {
		var d Decoder
		var s reassembly.Segment
		d.Reset(b)
		for {
			if _, err = d.Next(&s); err != nil {
				_, again := d.Next(&s)
				if again != err {
					t.Errorf("%v, and then %v", err, again)
				}
				return n, err
			}
			n++
		}
	}
	whole, _ := drain(block)
	for cut := range block {
		n, err := drain(block[:cut])
		if err != io.EOF && !errors.Is(err, ErrCorrupt) || n >= whole {
			t.Errorf("cut at %d: %d records, %v", cut, n, err)
		}
	}
	if _, err := drain([]byte{Version + 1, 0}); !errors.Is(err, ErrVersion) {
		t.Errorf("another version: %v", err)
	}
	for name, b := range map[string][]byte{
		"unknown bit":       {Version, 0x80, 0x80, 0x80, 0x01, 0},
		"tick with a field": {Version, 0x84, 0x80, 0x04, 0},
		"flow never met":    {Version, 0, 0, 9},
		"no flow before":    {Version, bitSameFlow, 0},
		"varint too long":   {Version, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	} {
		if n, err := drain(b); n != 0 || !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %d records, %v", name, n, err)
		}
	}
}

// TestRandom mixes flows, directions and files.
func TestRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	list := every()
	for range 200 {
		var e Encoder
		var want []reassembly.Segment
		for range 1 + r.IntN(60) {
			s := list[r.IntN(len(list))]
			s.SrcPort, s.DstPort = uint16(r.IntN(4)), uint16(r.IntN(4))
			s.Seq, s.Ack = r.Uint32(), r.Uint32()
			s.Time += r.Int64N(1e9)
			e.Segment(&s, s.Time)
			want = append(want, s)
		}
		if got, _, _ := read(t, e.Bytes()); !reflect.DeepEqual(got, want) {
			t.Fatal("segments came back changed")
		}
	}
}

// FuzzDecode: any bytes end with io.EOF or an error; what was read, written
// again, reads the same.
func FuzzDecode(f *testing.F) {
	var e Encoder
	list := every()
	for i := range list {
		e.Segment(&list[i], list[i].Time)
		if i%5 == 4 {
			f.Add(append([]byte(nil), e.Bytes()...))
			e.Reset()
		}
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		defer fuzzlimit.Watch(t, len(block))()
		var d, again Decoder
		var e Encoder
		var s, s2 reassembly.Segment
		var list []reassembly.Segment
		d.Reset(block)
		for {
			tick, err := d.Next(&s)
			if err != nil {
				break
			}
			if tick {
				e.Tick(s.Time)
				continue
			}
			e.Segment(&s, d.Clock())
			list = append(list, s)
		}
		if len(list) > len(block) {
			t.Fatalf("%d segments out of %d bytes", len(list), len(block))
		}
		again.Reset(e.Bytes())
		for i := range list {
			tick, err := again.Next(&s2)
			for tick && err == nil {
				tick, err = again.Next(&s2)
			}
			if err != nil || s2 != list[i] {
				t.Fatalf("segment %d: %v\n%+v\n%+v", i, err, s2, list[i])
			}
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	var e Encoder
	var d Decoder
	s := reassembly.Segment{Time: 1e18, Src: ip4(1), Dst: ip4(2), SrcPort: 40000, DstPort: 443, Flags: reassembly.FlagACK, Window: 500, TTL: 64,
		Wire: 1514, Length: 1448, HasTimestamps: true, IPID: 1}
	const n = 1000
	fill := func() {
		e.Reset()
		for i := range uint64(n) {
			s.Packet = reassembly.MakePacket(0, i+1)
			s.Time += 12_000
			s.Seq += s.Length
			s.IPID++
			s.SrcPort = uint16(i % 7)
			e.Segment(&s, s.Time)
		}
	}
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			fill()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/segment")
	})
	fill()
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			d.Reset(e.Bytes())
			for {
				if _, err := d.Next(&s); err != nil {
					break
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/segment")
	})
}
