package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/finwait/finwait/fixtures/fuzzlimit"
	"github.com/finwait/finwait/reassembly"
)

// What must hold of any input whatever: no panic, an error that is a clean end
// or an *Error, packets numbered without gaps, no more bytes given than there
// were, and a decoder whose counts add up.
func checkAnyFile(t *testing.T, b []byte, most int) {
	t.Helper()
	r, err := Open([]string{"-"}, Options{Stdin: bytes.NewReader(b)})
	var e *Error
	if err != nil {
		if !errors.As(err, &e) || err.Error() == "" {
			t.Fatalf("%T: %v", err, err)
		}
		return
	}
	defer r.Close()
	d := NewDecoder(DecoderOptions{VerifyChecksums: true})
	var f Frame
	var seg reassembly.Segment
	total, given := 0, uint64(0)
	for n := uint64(1); ; n++ {
		if err = r.Next(&f); err != nil {
			break
		}
		if f.Recorded {
			return // of no packets: FuzzSegments
		}
		if f.Packet.Number() != n || f.Packet.File() != 0 {
			t.Fatalf("packet %d of file %d, want %d", f.Packet.Number(), f.Packet.File(), n)
		}
		if total += len(f.Data); total > most {
			t.Fatalf("%d bytes of packets in %d bytes", total, most)
		}
		if strings.ContainsFunc(string(f.Comment), func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }) {
			t.Fatalf("the comment %q", f.Comment)
		}
		for ok := d.Decode(&f, &seg) == NotSkipped; ok; ok = d.More(&seg) {
			given++
		}
	}
	if !errors.Is(err, io.EOF) && !errors.As(err, &e) {
		t.Fatalf("%T: %v", err, err)
	}
	if q := d.Quality(); q.Frames != q.Segments+q.TotalSkipped() || given != q.Segments+q.Further || q.Recovered != 0 {
		t.Fatalf("%+v", q)
	}
	for i := range r.Files() {
		if in := r.Files()[i]; in.Packets != d.Quality().Frames {
			t.Fatalf("%d packets, %d frames", in.Packets, d.Quality().Frames)
		}
	}
}

func FuzzPcap(f *testing.F) {
	for _, s := range []pcapSpec{
		{magic: magicMicro, major: 2, minor: 4, link: 1},
		{magic: magicNano, order: binary.BigEndian, major: 2, minor: 4, link: 0x24000001},
		{magic: magicModified, major: 2, minor: 4, link: LinkSLL2, extra: 8},
		{magic: magicMicro, major: 2, minor: 2, link: 6},
		{magic: magicIXIAHard, major: 2, minor: 3, link: LinkRaw},
	} {
		data := ether(0x800, ipv4(6, tcp(nil, 9)))
		s.records = []record{{1, 2, uint32(len(data)), uint32(len(data)), data}, {2, 3, 20, 90, data[:20]}}
		f.Add(s.bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		defer fuzzlimit.Watch(t, len(b))()
		if kind := detect(b); kind == formatPcap {
			checkAnyFile(t, b, len(b))
		}
	})
}

func FuzzPcapng(f *testing.F) {
	for _, o := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		n := newNG(o)
		n.iface(1, 96, n.opt(2, []byte("eth0")), n.opt(9, []byte{0x8a}), n.opt(14, n.u64(10)))
		n.packet(0, 5, 60, string(ether(0x800, ipv4(6, tcp(nil, 9)))), n.opt(4, n.u64(3)), n.opt(2, n.u32(6<<5)))
		n.block(blockNames, cat(n.opt(1, []byte("\x0a\x00\x00\x01name\x00other\x00")), n.opt(2, []byte("2001:db8::1 --- six\x00")), n.opt(0, nil)))
		n.packet(0, 6, 60, "xyz", n.opt(1, []byte("comment")), n.opt(1, []byte("another")))
		n.block(blockSimple, append(n.u32(500), "nopq"...))
		n.block(blockStatistics, append(append(n.u32(0), n.u64(0)...), n.opt(5, n.u64(7))...))
		n.block(blockOldPacket, append(n.words(0, 0, 9, 2, 90), "lm"...))
		n.section(o).iface(LinkRaw, 0)
		f.Add(n.b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		defer fuzzlimit.Watch(t, len(b))()
		if len(b) >= 4 && detect(b) != formatPcapng {
			b = append([]byte{0x0a, 0x0d, 0x0d, 0x0a}, b[4:]...)
		}
		checkAnyFile(t, b, len(b))
	})
}

func FuzzSnoop(f *testing.F) {
	b := append([]byte(snoopMagic), 0, 0, 0, 2, 0, 0, 0, 4)
	for _, v := range []uint32{60, 4, 28, 0, 9, 5} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	f.Add(append(b, "abcd"...))
	f.Fuzz(func(t *testing.T, b []byte) {
		defer fuzzlimit.Watch(t, len(b))()
		checkAnyFile(t, append([]byte(snoopMagic+"\x00\x00\x00\x02\x00\x00\x00"), b...), len(b)+16)
	})
}

// FuzzCompressed: what comes out may be far more than went in, but is a stream.
func FuzzCompressed(f *testing.F) {
	for _, b := range compressed(f, at(1, 2, 3)) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		defer fuzzlimit.Watch(t, len(b))()
		switch detect(b) {
		case formatGzip, formatZstd, formatLZ4, formatXZ:
			checkAnyFile(t, b, math.MaxInt)
		}
	})
}

func FuzzAnyFile(f *testing.F) {
	f.Add([]byte("GMBU"))
	f.Add([]byte("plain text\n"))
	f.Add([]byte{0, 0, 0, 0, 0xff, 0xff, 0xff, 0x70, 2, 0, 0, 16, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		defer fuzzlimit.Watch(t, len(b))()
		checkAnyFile(t, b, math.MaxInt)
	})
}

// FuzzDecode gives the decoder any bytes under any link type, twice, so that
// fragments meet.
func FuzzDecode(f *testing.F) {
	seg4, seg6 := ipv4(6, tcp(unhex("020405b4 0402 0101"), 9)), ipv6(6, tcp(nil, 9))
	add := func(link uint32, b []byte) { f.Add(link, b, uint32(len(b)), uint8(0)) }
	add(LinkEthernet, ether(0x800, seg4))
	add(LinkEthernet, ether(0x86dd, seg6))
	add(LinkSLL, cat(unhex("0004 0001 0006 000000000000 0000 0800"), seg4))
	add(LinkSLL2, cat(unhex("86dd 0000 00000003 0001 04 06 0000000000000000"), seg6))
	add(LinkEthernet, ether(0x8100, cat(be16(5), be16(0x800), ipv4(47, cat(unhex("b000 6558 00000000 00000007 00000001"), ether(0x800, seg4))))))
	add(LinkEthernet, ether(0x8847, cat(unhex("00020140 00000000"), ether(0x800, seg4))))
	add(LinkEthernet, ether(0x8864, cat(unhex("1100 0007 0033 0021"), seg4)))
	for _, port := range []int{4789, 4790, 6081, 2152, 3544, 5247, 6635, 1701, 5072, 4341, 4754} {
		add(LinkRaw, ipv4(17, udp(port, cat(unhex("08000000 00123400"), ether(0x800, seg4)))))
	}
	add(LinkRaw, ipv4(1, cat(unhex("0303 0000 00000000"), seg4)))
	add(LinkRaw, ipv6(0, cat(unhex("2c00 010400000000 0600 0001 00000009"), tcp(nil, 9))))
	for _, b := range fragments4(tcp(nil, 100), 40, 80) {
		add(LinkRaw, b)
	}
	add(LinkRaw, ipv4(108, cat(unhex("0600 0002"), bytes.Repeat([]byte{0x4b, 0x04, 0}, 8))))
	snap := cat(unhex("aaaa03000000 0800"), seg4)
	add(Link80211, aggregate(snap, snap[:9], snap))
	for link := range rareLinks {
		add(link, cat(unhex("0000 0900 02000000 00"), seg4))
	}
	f.Fuzz(func(t *testing.T, link uint32, b []byte, wire uint32, fcs uint8) {
		defer fuzzlimit.Watch(t, len(b))()
		d := NewDecoder(DecoderOptions{VerifyChecksums: true})
		fr := Frame{Time: 1, LinkType: link, Data: b, WireLen: wire, FCS: fcs}
		var seg, again reassembly.Segment
		first := d.Decode(&fr, &seg)
		if first != SkipFragment {
			if second := d.Decode(&fr, &again); second != first || first == NotSkipped && seg != again {
				t.Fatalf("%q then %q: %+v %+v", first, second, seg, again)
			}
		}
		more := uint64(0)
		for d.More(&again) {
			more++
			if again.Packet != seg.Packet || again.Time != seg.Time {
				t.Fatalf("%+v", again)
			}
		}
		comparePlain(t, 0, &fr, false)
		q := d.Quality()
		if q.Frames != q.Segments+q.TotalSkipped() || q.Recovered != 0 || first == NotSkipped && q.Further != 2*more {
			t.Fatalf("%+v", q)
		}
		if first == NotSkipped && int(seg.SACKCount) > len(seg.SACK) {
			t.Fatal("more SACK blocks than there is room for")
		}
	})
}

func FuzzOptions(f *testing.F) {
	f.Add(unhex("020405b4 0402 080a 00000001 00000000 01 030307"), false)
	f.Add(unhex("0101 0522 00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008"), true)
	f.Add(unhex("fe0c f989 0102030405060708 1e0c 00 81 0000000000000000"), false)
	f.Fuzz(func(t *testing.T, b []byte, cut bool) {
		defer fuzzlimit.Watch(t, len(b))()
		var whole, part reassembly.Segment
		tcpOptions(b, cut, &whole)
		// Cutting the list never makes options appear.
		tcpOptions(b[:len(b)/2], true, &part)
		if part.MPTCPSubtypes&^whole.MPTCPSubtypes != 0 || part.SACKCount > whole.SACKCount {
			t.Fatalf("%+v of %+v", part, whole)
		}
	})
}

// FuzzFragments plays any order of any pieces, and watches the bounds.
func FuzzFragments(f *testing.F) {
	f.Add([]byte{0, 0, 5, 1, 5, 5, 1, 10, 3, 0})
	f.Add([]byte{10, 3, 0, 5, 5, 1, 0, 5, 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		defer fuzzlimit.Watch(t, len(b))()
		d := NewDecoder(DecoderOptions{})
		payload := tcp(nil, 400)
		for i := 0; i+3 <= len(b); i += 3 {
			at := min(int(b[i])*8, len(payload)-1)
			n := min(int(b[i+1])*8+int(b[i+2]>>4), len(payload)-at)
			field := at / 8
			if b[i+2]&1 != 0 {
				field |= 0x2000
			}
			p := ipv4With(6, field, 20+n, nil, payload[at:at+n])
			p[5] = b[i+2] >> 1 & 3
			fr := frameOf(LinkRaw, p)
			fr.Time = int64(i) * 1e9
			var seg reassembly.Segment
			// All pieces are of one payload: whatever is put together has its header.
			if d.Decode(&fr, &seg) == NotSkipped && (seg.SrcPort != 1000 || seg.Seq != 100) {
				t.Fatalf("%+v", seg)
			}
		}
		q := d.Quality()
		if q.Frames != q.Segments+q.TotalSkipped() || q.Recovered != 0 || len(d.frags.open) > maxDatagrams || len(d.frags.open) != len(d.frags.order) {
			t.Fatalf("%+v", q)
		}
	})
}

func FuzzBytecode(f *testing.F) {
	f.Add(port80, ether(0x800, ipv4(6, tcp(nil, 0))))
	f.Add("4\n48 0 0 9\n21 0 1 6\n6 0 0 1\n6 0 0 0", []byte("abc"))
	f.Fuzz(func(t *testing.T, text string, b []byte) {
		defer fuzzlimit.Watch(t, len(text)+len(b))()
		if p, err := ParseBytecode(text); err == nil {
			p.match(LinkEthernet, b, uint32(len(b)))
		}
	})
}
