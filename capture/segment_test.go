package capture

import (
	"encoding/binary"
	"testing"

	"github.com/finwait/finwait/reassembly"
)

func TestQuotedSegments(t *testing.T) {
	quote4 := func(kind, code byte, inner []byte) []byte {
		return ether(0x800, ipv4(1, cat([]byte{kind, code, 0, 0, 0, 0, 0, 0}, inner)))
	}
	quote6 := func(kind byte, inner []byte) []byte {
		return ether(0x86dd, ipv6(58, cat([]byte{kind, 4, 0, 0, 0, 0, 0, 0}, inner)))
	}
	// What is quoted went the other way.
	sent4 := cat([]byte{0x45, 0}, be16(20+20+1000), be16(9), be16(0), []byte{61, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, tcp(nil, 1000))
	sent6 := ipv6(6, tcp(nil, 1000))
	tests := []struct {
		name       string
		b          []byte
		kind, code uint8
		v6         bool
		length     uint32
		unknown    bool
		flags      uint8
	}{
		{"port unreachable, 8 bytes", quote4(3, 3, sent4[:28]), 3, 3, false, 0, true, 0},
		{"fragmentation needed, 14 bytes", quote4(3, 4, sent4[:34]), 3, 4, false, 1000, false, 0x18},
		{"time exceeded, more", quote4(11, 0, sent4[:60]), 11, 0, false, 1000, false, 0x18},
		{"source quench", quote4(4, 0, sent4[:28]), 4, 0, false, 0, true, 0},
		{"packet too big", quote6(2, sent6), 2, 4, true, 1000, false, 0x18},
		{"unreachable behind an extension header", quote6(1, ipv6(60, cat(unhex("0600 010400000000"), tcp(nil, 1000)))), 1, 4, true, 1000, false, 0x18},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			seg, skip, d := decodeOne(t, frameOf(LinkEthernet, tt.b))
			if skip != NotSkipped {
				t.Fatalf("skipped: %s", skip)
			}
			from, src := mapped([4]byte(v4a)), mapped([4]byte{10, 0, 0, 1})
			if tt.v6 {
				from, src = reassembly.IP(v6a), reassembly.IP(v6a)
			}
			want := reassembly.ICMPQuote{Type: tt.kind, Code: tt.code, V6: tt.v6, From: from}
			if seg.Quote != want || !seg.Quoted() || seg.Src != src || seg.SrcPort != 1000 || seg.DstPort != 80 || seg.Seq != 100 {
				t.Errorf("%+v", seg)
			}
			if seg.Length != tt.length || seg.LengthUnknown != tt.unknown || seg.Flags != tt.flags {
				t.Errorf("length %d, unknown %v, flags %#x", seg.Length, seg.LengthUnknown, seg.Flags)
			}
			if d.Quality().Quoted != 1 {
				t.Error("not counted as quoted")
			}
		})
	}
	notTCP := [][]byte{
		quote4(3, 3, ipv4(17, udp(53, make([]byte, 8)))),
		quote4(3, 3, sent4[:27]),                           // 7 bytes of TCP
		quote4(8, 0, sent4),                                // an echo request quotes nothing
		quote4(3, 3, ipv4With(6, 9, 48, nil, tcp(nil, 8))), // a fragment without its head
		quote6(128, sent6),
		quote6(1, nil),
	}
	for i, b := range notTCP {
		if _, skip, _ := decodeOne(t, frameOf(LinkEthernet, b)); skip != SkipNotTCP {
			t.Errorf("%d: %q", i, skip)
		}
	}
}

// fragments cuts an IP payload into fragments at the given offsets.
func fragments4(payload []byte, cuts ...int) [][]byte {
	var out [][]byte
	cuts = append(cuts, len(payload))
	at := 0
	for _, c := range cuts {
		field := at / 8
		if c < len(payload) {
			field |= 0x2000
		}
		out = append(out, ipv4With(6, field, 20+c-at, nil, payload[at:c]))
		at = c
	}
	return out
}

func TestFragments(t *testing.T) {
	payload := tcp(unhex("020405b4 0101 0402 0101080a 00000001 00000002"), 1001)
	v6frags := func(cuts ...int) (out [][]byte) {
		at := 0
		for _, c := range append(cuts, len(payload)) {
			field := at
			if c < len(payload) {
				field |= 1
			}
			out = append(out, ipv6(44, cat([]byte{6, 0}, be16(field), be32(99), payload[at:c])))
			at = c
		}
		return out
	}
	order := func(all [][]byte, index ...int) (out [][]byte) {
		for _, i := range index {
			out = append(out, all[i])
		}
		return out
	}
	three := fragments4(payload, 400, 800)
	overlap := append(fragments4(payload, 400, 800), ipv4With(6, 0x2000|10, 20+400, nil, make([]byte, 400)))
	tests := []struct {
		name   string
		frames [][]byte
		v6     bool
	}{
		{"in order", three, false},
		{"out of order", order(three, 2, 0, 1), false},
		{"backwards", order(three, 2, 1, 0), false},
		{"repeated", order(three, 0, 0, 1, 1, 2), false},
		{"header split over two", fragments4(payload, 8, 24, 400), false},
		{"last fragment of 1 byte", fragments4(payload, len(payload)/8*8), false},
		{"overlapping: the first bytes that came count", order(overlap, 0, 3, 1, 2), false},
		{"IPv6", v6frags(400, 800), true},
		{"IPv6, header split", order(v6frags(16, 32), 1, 2, 0), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDecoder(DecoderOptions{})
			var seg reassembly.Segment
			for i, b := range tt.frames {
				f := frameOf(LinkRaw, b)
				skip := d.Decode(&f, &seg)
				if last := i == len(tt.frames)-1; last != (skip == NotSkipped) || !last && skip != SkipFragment {
					t.Fatalf("fragment %d: %q", i, skip)
				}
			}
			if seg.SrcPort != 1000 || seg.Seq != 100 || seg.Length != 1001 || seg.LengthUnknown || seg.MSS != 1460 || seg.TSEcr != 2 || seg.BadOptions || seg.V6 != tt.v6 {
				t.Errorf("%+v", seg)
			}
			q := d.Quality()
			if q.Reassembled != 1 || q.Skips(SkipFragment) != uint64(len(tt.frames)-1) || q.Segments != 1 {
				t.Errorf("%+v", q)
			}
		})
	}
}

// TestFragmentsBounded: what is never completed goes, is counted for what it is,
// and costs no more memory than the bound.
func TestFragmentsBounded(t *testing.T) {
	d := NewDecoder(DecoderOptions{})
	var seg reassembly.Segment
	give := func(time int64, id int, field int) {
		b := ipv4With(6, field, 20+40, nil, tcp(nil, 20))
		binary.BigEndian.PutUint16(b[4:], uint16(id))
		f := frameOf(LinkRaw, b)
		f.Time = time
		d.Decode(&f, &seg)
	}
	for id := range 3 * maxDatagrams {
		give(int64(id), id, 0x2000)
	}
	if n := len(d.frags.open); n != maxDatagrams || len(d.frags.order) != n {
		t.Errorf("%d datagrams open", n)
	}
	give(fragmentTimeout+int64(4*maxDatagrams), 1, 0x2000|5)
	if n := len(d.frags.open); n != 1 {
		t.Errorf("%d datagrams open after the time-out", n)
	}
	q := d.Quality()
	if q.Skips(SkipFragmentRest) != 3*maxDatagrams || q.Skips(SkipFragmentHead) != 1 || q.Skips(SkipFragment) != 0 || q.Frames != q.TotalSkipped() {
		t.Errorf("%v", q.Skipped)
	}
	if again := d.Quality(); again.TotalSkipped() != q.TotalSkipped() || again.Skips(SkipFragmentHead) != 1 {
		t.Error("asking for the counts changed them")
	}
}

func TestTunnelAndTag(t *testing.T) {
	seg4 := ipv4(6, tcp(nil, 9))
	decode := func(iface uint32, b []byte) reassembly.Segment {
		f := frameOf(LinkEthernet, b)
		f.Interface = iface
		seg, skip, _ := decodeOne(t, f)
		if skip != NotSkipped {
			t.Fatalf("skipped: %s", skip)
		}
		return seg
	}
	vxlan := func(vni string) []byte {
		return ether(0x800, ipv4(17, udp(4789, cat(unhex("08000000"+vni+"00"), ether(0x800, seg4)))))
	}
	vlan := func(id int) []byte { return ether(0x8100, cat(be16(id), be16(0x800), seg4)) }
	gtp := func(teid string) []byte {
		return ether(0x800, ipv4(17, udp(2152, cat(unhex("30ff 0031"+teid), seg4))))
	}
	plain := decode(0, ether(0x800, seg4))
	if plain.Tunnel != 0 || plain.Tag != 0 || plain.VLAN != 0 {
		t.Errorf("plain: %+v", plain)
	}
	a, b := decode(0, vxlan("000001")), decode(0, vxlan("000002"))
	if a.Tunnel == 0 || a.Tunnel == b.Tunnel || a.Tunnel != decode(3, vxlan("000001")).Tunnel {
		t.Error("a VXLAN network id must tell connections apart, an interface must not")
	}
	const stable = 0xb3c3fc40c17d8567
	if a.Tunnel != stable {
		t.Errorf("the hash of a tunnel changed: %#x", a.Tunnel)
	}
	if one, two := decode(0, gtp("00000001")), decode(0, gtp("00000002")); one.Tunnel != 0 || two.Tunnel != 0 || one.Tag == two.Tag {
		t.Error("the two directions of a GTP tunnel have different ids and are one connection")
	}
	if decode(0, vlan(5)).Tag == decode(0, vlan(6)).Tag || decode(0, vlan(5)).Tag == plain.Tag || decode(1, vlan(5)).Tag == decode(2, vlan(5)).Tag {
		t.Error("tags must differ")
	}
	if v := decode(0, vlan(0x2005)).VLAN; v != 5 {
		t.Errorf("VLAN %d", v)
	}
	two := decode(0, ether(0x88a8, cat(be16(7), be16(0x8100), be16(6), be16(0x800), seg4)))
	if two.VLAN != 7 {
		t.Errorf("outermost VLAN %d", two.VLAN)
	}
}

// TestPlainAndLayered: the short way and the long way must agree wherever the
// short way gives an answer.
func TestPlainAndLayered(t *testing.T) {
	frames := [][]byte{
		ether(0x800, ipv4(6, tcp(nil, 9))),
		ether(0x800, ipv4(6, tcp(unhex("0101080a 00000005 00000006"), 0))),
		ether(0x86dd, ipv6(6, tcp(unhex("020405b4 0402 0101"), 9))),
		ether(0x8100, cat(be16(5), be16(0x800), ipv4(6, tcp(nil, 9)))),
		ether(0x8100, cat(be16(5), be16(0x86dd), ipv6(6, tcp(nil, 9)))),
		cat(ether(0x800, ipv4(6, tcp(nil, 0))), make([]byte, 6)),
		ether(0x800, ipv4(6, tcp(nil, 9)))[:14+20+15],
	}
	for i, b := range frames {
		f := frameOf(LinkEthernet, b)
		f.WireLen, f.Interface, f.Time = 80, 3, 5
		comparePlain(t, i, &f, true)
	}
	for i, f := range []Frame{
		frameOf(LinkRaw, ipv4(6, tcp(nil, 9))),
		frameOf(LinkRaw, ipv6(6, tcp(nil, 9))),
		frameOf(LinkSLL, cat(unhex("0004 0001 0006 000000000000 0000 0800"), ipv4(6, tcp(nil, 9)))),
		frameOf(LinkSLL2, cat(unhex("86dd 0000 00000003 0001 04 06 0000000000000000"), ipv6(6, tcp(nil, 9)))),
	} {
		comparePlain(t, 100+i, &f, true)
	}
}

func comparePlain(t *testing.T, i int, f *Frame, must bool) {
	t.Helper()
	d := NewDecoder(DecoderOptions{})
	var short, long reassembly.Segment
	ok := d.plain(f, &short)
	if must && !ok {
		t.Fatalf("%d: the short way gives no answer", i)
	}
	if ok {
		if skip := d.layered(f, &long); skip != NotSkipped || short != long {
			t.Errorf("%d: %q\nshort %+v\nlong  %+v", i, skip, short, long)
		}
	}
}

func TestChecksum(t *testing.T) {
	sum := func(b []byte, at int, v uint16) { binary.BigEndian.PutUint16(b[at:], v) }
	for _, tt := range []struct {
		name string
		b    []byte
		at   int
	}{
		{"IPv4, odd length", ipv4(6, tcp(nil, 9)), 20 + 16},
		{"IPv6", ipv6(6, tcp(nil, 8)), 40 + 16},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := NewDecoder(DecoderOptions{VerifyChecksums: true})
			verdicts := map[reassembly.Checksum]int{}
			for v := range 1 << 16 { // exactly one value, or the two forms of zero, is right
				sum(tt.b, tt.at, uint16(v))
				f := frameOf(LinkRaw, tt.b)
				var seg reassembly.Segment
				if d.Decode(&f, &seg) != NotSkipped {
					t.Fatal("skipped")
				}
				verdicts[seg.Checksum]++
			}
			if n := verdicts[reassembly.ChecksumGood]; n < 1 || n > 2 || verdicts[reassembly.ChecksumUnknown] != 0 {
				t.Errorf("%v", verdicts)
			}
		})
	}
	f := frameOf(LinkRaw, ipv4(6, tcp(nil, 9)))
	if seg, _, _ := decodeOne(t, f); seg.Checksum != reassembly.ChecksumUnknown {
		t.Error("checked without being asked")
	}
	f.Data = f.Data[:45]
	d := NewDecoder(DecoderOptions{VerifyChecksums: true})
	var seg reassembly.Segment
	d.Decode(&f, &seg)
	if seg.Checksum != reassembly.ChecksumUnknown {
		t.Error("a cut segment was checked")
	}
}

func TestDuplicatesAndTime(t *testing.T) {
	d := NewDecoder(DecoderOptions{})
	var seg reassembly.Segment
	give := func(time int64, id uint16, payload int) {
		f := frameOf(LinkEthernet, ethernetTCP(id, 1, payload))
		f.Time = time
		d.Decode(&f, &seg)
	}
	give(1e9, 5, 0)
	give(1e9+20_000, 5, 0) // 20 us later: a copy
	give(1e9+900_000, 6, 0)
	give(1e9+5_000_000, 5, 0) // 5 ms: no copy of the first
	if q := d.Quality(); q.Duplicates != 1 || q.TimeBackwards != 0 {
		t.Errorf("%d duplicates, %d backwards", q.Duplicates, q.TimeBackwards)
	}
	give(1e9, 9, 0)
	if q := d.Quality(); q.TimeBackwards != 1 || q.LargestSetback != 5_000_000 {
		t.Errorf("%d backwards, %d", q.TimeBackwards, q.LargestSetback)
	}
	give(2e9, 0, 0)
	give(2e9+1, 0, 0) // no IP id: equal pure ACKs are ordinary
	if q := d.Quality(); q.Duplicates != 1 {
		t.Errorf("%d duplicates", q.Duplicates)
	}
}
