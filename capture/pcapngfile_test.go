package capture

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
)

// ng builds pcapng files by hand.
type ng struct {
	o binary.AppendByteOrder
	b []byte
}

func newNG(o binary.AppendByteOrder) *ng { return (&ng{o: o}).section(o) }

func (n *ng) section(o binary.AppendByteOrder) *ng {
	n.o = o
	body := o.AppendUint32(nil, byteOrderMagic)
	body = o.AppendUint16(body, 1)
	body = o.AppendUint16(body, 0)
	body = o.AppendUint64(body, math.MaxUint64)
	return n.block(blockSection, body)
}

func (n *ng) block(kind uint32, body []byte) *ng {
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	n.b = n.o.AppendUint32(n.b, kind)
	n.b = n.o.AppendUint32(n.b, uint32(len(body)+12))
	n.b = append(n.b, body...)
	n.b = n.o.AppendUint32(n.b, uint32(len(body)+12))
	return n
}

func (n *ng) opt(code uint16, value []byte) []byte {
	b := n.o.AppendUint16(nil, code)
	b = n.o.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func (n *ng) iface(link uint16, snap uint32, options ...[]byte) *ng {
	body := n.o.AppendUint16(nil, link)
	body = n.o.AppendUint16(body, 0)
	body = n.o.AppendUint32(body, snap)
	for _, o := range options {
		body = append(body, o...)
	}
	return n.block(blockInterface, body)
}

func (n *ng) packet(iface uint32, ts uint64, wire uint32, data string, options ...[]byte) *ng {
	body := n.o.AppendUint32(nil, iface)
	body = n.o.AppendUint32(body, uint32(ts>>32))
	body = n.o.AppendUint32(body, uint32(ts))
	body = n.o.AppendUint32(body, uint32(len(data)))
	body = n.o.AppendUint32(body, wire)
	body = append(body, data...)
	for len(body)%4 != 0 {
		body = append(body, 0)
	}
	for _, o := range options {
		body = append(body, o...)
	}
	return n.block(blockPacket, body)
}

func (n *ng) u64(v uint64) []byte { return n.o.AppendUint64(nil, v) }
func (n *ng) u32(v uint32) []byte { return n.o.AppendUint32(nil, v) }

func TestPcapngBlocks(t *testing.T) {
	for _, o := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		n := newNG(o)
		n.block(0x40000bad, []byte("a custom block"))
		n.iface(LinkEthernet, 96, n.opt(2, []byte("eth0")), n.opt(9, []byte{9}), n.opt(14, n.u64(10)))
		n.iface(LinkSLL2, 0, n.opt(13, []byte{4}))
		n.packet(0, 5, 60, "abc")
		n.block(blockNames, []byte("names..."))
		n.packet(1, 7, 4, "defg", n.opt(1, []byte("a comment")), n.opt(1, []byte("another")), n.opt(4, n.u64(3)), n.opt(0, nil))
		n.packet(1, 8, 4, "hijk", n.opt(2, n.u32(6<<5)))
		old := o.AppendUint16(nil, 1)
		old = o.AppendUint16(old, 2) // drops
		for _, v := range []uint32{0, 9, 2, 90} {
			old = o.AppendUint32(old, v)
		}
		n.block(blockOldPacket, append(old, "lm"...))
		n.block(blockSimple, append(n.u32(500), "nopq"...))
		stats := append(n.u32(0), n.u64(0)...)
		stats = append(stats, n.opt(4, n.u64(1000))...)
		stats = append(stats, n.opt(5, n.u64(7))...)
		stats = append(stats, n.opt(7, n.u64(1))...)
		n.block(blockStatistics, stats)
		n.block(blockJournal, []byte("MESSAGE=x"))
		frames, r, err := readAll(t, n.b)
		if err != nil {
			t.Fatal(err)
		}
		compareFrames(t, frames, []got{
			{time: 10e9 + 5, link: LinkEthernet, wire: 60, data: "abc", number: 1},
			{time: 7000, link: LinkSLL2, iface: 1, wire: 4, fcs: 4, data: "defg", number: 2},
			{time: 8000, link: LinkSLL2, iface: 1, wire: 4, fcs: 6, data: "hijk", number: 3},
			{time: 9000, link: LinkSLL2, iface: 1, wire: 90, fcs: 4, data: "lm", number: 4},
			{time: 9000, link: LinkEthernet, wire: 500, data: "nopq", number: 5},
			{time: 9000, link: LinkNone, wire: 12, data: "MESSAGE=x\x00\x00\x00", number: 6},
		})
		info := r.Files()[0]
		if i := info.Interfaces[0]; i.Name != "eth0" || i.Resolution != 1e9 || i.Offset != 10 || i.Received != 1000 || i.Dropped != 8 || i.Packets != 2 {
			t.Errorf("interface 0: %+v", i)
		}
		if i := info.Interfaces[1]; i.Dropped != 5 || i.Packets != 3 || !i.HasDropped || i.HasReceived {
			t.Errorf("interface 1: %+v", i)
		}
		if info.Dropped != 13 || info.SnapLen != 0 || len(info.LinkTypes) != 2 || len(info.Warnings) != 1 {
			t.Errorf("file: %+v", info)
		}
	}
}

func TestPcapngSections(t *testing.T) {
	n := newNG(binary.LittleEndian).iface(LinkEthernet, 0).packet(0, 1, 3, "abc")
	n.section(binary.BigEndian).iface(LinkRaw, 0).packet(0, 2, 3, "def")
	frames, r, err := readAll(t, n.b)
	if err != nil {
		t.Fatal(err)
	}
	compareFrames(t, frames, []got{
		{time: 1000, link: LinkEthernet, wire: 3, data: "abc", number: 1},
		{time: 2000, link: LinkRaw, wire: 3, data: "def", number: 2},
	})
	if info := r.Files()[0]; info.Sections != 2 || len(info.Interfaces) != 2 || info.Interfaces[1].Section != 1 || info.ByteOrder != "little-endian" {
		t.Errorf("%+v", info)
	}
}

func TestTimeScale(t *testing.T) {
	tests := []struct {
		resol  uint8
		offset int64
		ts     uint64
		want   int64
	}{
		{6, 0, 1, 1000},
		{9, 0, 1, 1},
		{0, 0, 3, 3e9},
		{3, 0, 3, 3e6},
		{12, 0, 1999, 1},
		{12, 0, 1e12 + 5000, 1e9 + 5},
		{0x80, 0, 7, 7e9},
		{0x80 | 10, 0, 1024 + 512, 15e8},
		{0x80 | 32, 0, 1<<33 | 1<<31, 25e8},
		{0x80 | 63, 0, 1 << 62, 5e8},
		{0xff, 0, 1 << 62, 5e8}, // 2^-127 is as good as 2^-63: nobody lives to see the difference
		{19, 0, 1e19, 1e9},
		{6, 5, 1, 5e9 + 1000},
		{6, -5, 6e6, 1e9},
		{6, 0, math.MaxUint64, math.MaxInt64},
		{0, 0, 1 << 40, math.MaxInt64},
		{6, math.MaxInt64, 1, 1000},   // an offset beyond all time is not believed
		{6, 9e9, 1e15, math.MaxInt64}, // the sum is beyond 2262
		{6, -9e9, 0, -9e18},           // before 1970 is a time
	}
	for _, tt := range tests {
		scale, _ := newTimeScale(tt.resol, tt.offset)
		if got := scale.ns(tt.ts); got != tt.want {
			t.Errorf("resolution %#x, offset %d: %d gives %d ns, want %d", tt.resol, tt.offset, tt.ts, got, tt.want)
		}
	}
}

// TestPcapngCutEverywhere cuts a file after each of its bytes.
func TestPcapngCutEverywhere(t *testing.T) {
	n := newNG(binary.LittleEndian).iface(LinkEthernet, 0)
	ends := map[int]int{28: 0, len(n.b): 0}
	for i, s := range []string{"abc", "", "defgh"} {
		n.packet(0, uint64(i), 9, s)
		ends[len(n.b)] = i + 1
	}
	whole := 0
	for k := 1; k <= len(n.b); k++ {
		frames, _, err := readAll(t, n.b[:k])
		if k < 28 {
			if err == nil {
				t.Errorf("%d bytes: no error", k)
			}
			continue
		}
		if count, clean := ends[k]; clean {
			whole = count
			if err != nil || len(frames) != count {
				t.Errorf("%d bytes: %d frames, %v; want %d, clean", k, len(frames), err, count)
			}
		} else if len(frames) != whole || !errors.Is(err, ErrTruncated) {
			t.Errorf("%d bytes: %d frames, %v; want %d and a truncation", k, len(frames), err, whole)
		}
	}
}

func TestPcapngDamage(t *testing.T) {
	start := func() *ng { return newNG(binary.LittleEndian).iface(LinkEthernet, 0).packet(0, 0, 3, "abc") }
	raw := func(n *ng, words ...uint32) []byte {
		for _, w := range words {
			n.b = n.o.AppendUint32(n.b, w)
		}
		return n.b
	}
	tests := []struct {
		name, detail string
		is           error
		file         []byte
	}{
		{"length 0", "a block of type 0x6 claims 0 bytes", ErrCorrupt, raw(start(), blockPacket, 0)},
		{"length 4 GB", "a block of type 0x6 claims 4294967292 bytes", ErrCorrupt, raw(start(), blockPacket, 0xfffffffc)},
		{"interface block of 2 GB", "a block of type 0x1 claims 2147483648 bytes", ErrCorrupt, raw(start(), blockInterface, 0x80000000)},
		{"unknown block of 4 GB", "the end of a block is missing", ErrTruncated, raw(start(), 0x77, 0xfffffffc, 1, 2)},
		{"trailing length", "the two lengths of a block differ, 16 and 20", ErrCorrupt, raw(start(), blockSimple, 16, 0, 20)},
		{"no such interface", "a packet of interface 1, which the file does not describe", ErrCorrupt, start().packet(1, 0, 3, "abc").b},
		{"captured length beyond the block", "a packet claims 5000 bytes in a block of 0", ErrCorrupt,
			start().block(blockPacket, newNG(binary.LittleEndian).words(0, 0, 0, 5000, 5000)).b},
		{"short packet block", "a packet block is too short", ErrCorrupt, start().block(blockPacket, []byte("abcd")).b},
		{"section without magic", "a section header has no byte-order magic", ErrCorrupt, raw(start(), blockSection, 28, 1, 2, 3, 4, 28)},
		{"section of version 2", "a section of pcapng version 2.0", ErrUnsupported, raw(start(), blockSection, 28, byteOrderMagic, 2, 0, 0, 28)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			frames, _, err := readAll(t, tt.file)
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, tt.is) || e.Detail != tt.detail || len(frames) != 1 || e.Packet != 1 {
				t.Errorf("%d frames, %v", len(frames), err)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

// TestPcapngForeignSection: what follows a section of an unknown version is read.
func TestPcapngForeignSection(t *testing.T) {
	n := newNG(binary.LittleEndian).iface(LinkEthernet, 0).packet(0, 1, 3, "abc")
	n.block(blockSection, n.words(byteOrderMagic, 2, 0xffffffff, 0xffffffff)).block(blockPacket, []byte("of another layout"))
	n.section(binary.LittleEndian).iface(LinkEthernet, 0).packet(0, 2, 3, "def")
	frames, _, err := readAll(t, n.b)
	if len(frames) != 2 || frames[1].data != "def" || frames[1].number != 2 || !errors.Is(err, ErrUnsupported) {
		t.Errorf("%+v, %v", frames, err)
	}
}

func (n *ng) words(v ...uint32) []byte {
	var b []byte
	for _, w := range v {
		b = n.o.AppendUint32(b, w)
	}
	return b
}

func TestOptionText(t *testing.T) {
	for in, want := range map[string]string{
		"eth0":             "eth0",
		"eth0\x00\x00":     "eth0",
		"a\x1b[31mb\nc":    "a [31mb c",
		"\xff\xfe":         "\ufffd",
		"w\u00f6rld\u009b": "w\u00f6rld ",
	} {
		if got := text([]byte(in)); got != want {
			t.Errorf("%q gives %q, want %q", in, got, want)
		}
	}
}

// Comments on sections and interfaces are kept, those on packets counted; what
// would move a terminal's cursor is taken out.
func TestPcapngComments(t *testing.T) {
	n := newNG(binary.BigEndian)
	header := n.words(byteOrderMagic, 1<<16, math.MaxUint32, math.MaxUint32)
	n.block(blockSection, append(append(header, n.opt(1, []byte("taken at\x1b[2J the gateway"))...), n.opt(0, nil)...))
	n.iface(LinkEthernet, 0, n.opt(1, []byte("uplink")), n.opt(2, []byte("eth0")))
	n.packet(0, 5, 3, "abc", n.opt(1, []byte("one")), n.opt(1, []byte("two")))
	n.packet(0, 6, 3, "abc")
	for range maxComments {
		n.iface(LinkEthernet, 0, n.opt(1, []byte("again")))
	}
	_, r, err := readAll(t, n.b)
	if err != nil {
		t.Fatal(err)
	}
	f := r.Files()[0]
	if len(f.Comments) != maxComments || f.Comments[0] != "taken at [2J the gateway" || f.Comments[1] != "uplink" || f.Commented != 2 {
		t.Errorf("%q, %d on packets", f.Comments, f.Commented)
	}
}
