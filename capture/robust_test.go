package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"

	"github.com/finwait/finwait/reassembly"
)

// conversation makes a capture's packets: segments of several kinds, on several
// link types' worth of Ethernet.
func conversation(n int) []record {
	var out []record
	for i := range n {
		var data []byte
		switch i % 5 {
		case 0:
			data = ether(0x800, ipv4(6, tcp(unhex("020405b4 0402 0101"), i%100)))
		case 1:
			data = ether(0x86dd, ipv6(6, tcp(nil, i%100)))
		case 2:
			data = ether(0x8100, cat(be16(5), be16(0x800), ipv4(6, tcp(nil, 9))))
		case 3:
			data = ether(0x800, ipv4(17, udp(4789, cat(unhex("08000000 00123400"), ether(0x800, ipv4(6, tcp(nil, i%7)))))))
		default:
			data = ether(0x806, make([]byte, 46))
		}
		binary.BigEndian.PutUint32(data[len(data)-4:], uint32(i))
		out = append(out, record{uint32(1000 + i/3), uint32(i % 3), uint32(len(data)), uint32(len(data)), data})
	}
	return out
}

func decodeAll(t *testing.T, r *Reader, err error) (segs []reassembly.Segment, q Quality) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	d := NewDecoder(DecoderOptions{})
	var f Frame
	var seg reassembly.Segment
	for {
		if err := r.Next(&f); err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			return segs, d.Quality()
		}
		if d.Decode(&f, &seg) == NotSkipped {
			seg.Packet = 0
			segs = append(segs, seg)
		}
	}
}

// TestSameSegments: one capture in every form gives the same segments.
func TestSameSegments(t *testing.T) {
	records := conversation(700)
	spec := pcapSpec{magic: magicMicro, major: 2, minor: 4, link: LinkEthernet, records: records}
	plain := spec.bytes()
	open := func(b []byte) (*Reader, error) { return Open([]string{"-"}, Options{Stdin: bytes.NewReader(b)}) }
	r, err := open(plain)
	want, wantQuality := decodeAll(t, r, err)
	if len(want) != 560 {
		t.Fatalf("%d segments", len(want))
	}
	forms := compressed(t, plain)
	big := spec
	big.order = binary.BigEndian
	forms["big-endian"] = big.bytes()
	n := newNG(binary.LittleEndian).iface(LinkEthernet, 0)
	for _, r := range records {
		n.packet(0, uint64(r.sec)*1e6+uint64(r.frac), r.wire, string(r.data))
	}
	forms["pcapng"] = n.b
	forms["pcapng, gzip"] = compressed(t, n.b)["gzip"]
	check := func(name string, r *Reader, err error) {
		segs, q := decodeAll(t, r, err)
		if len(segs) != len(want) || q.TotalSkipped() != wantQuality.TotalSkipped() || q.Duplicates != wantQuality.Duplicates {
			t.Errorf("%s: %d segments", name, len(segs))
			return
		}
		for i := range want {
			if segs[i] != want[i] {
				t.Errorf("%s: segment %d\n got %+v\nwant %+v", name, i, segs[i], want[i])
				return
			}
		}
	}
	for name, b := range forms {
		r, err := open(b)
		check(name, r, err)
	}
	dir := t.TempDir()
	for i := range 7 { // rotated
		part := spec
		part.records = records[i*100 : (i+1)*100]
		save(t, dir, "part"+strconv.Itoa(7-i), part.bytes())
	}
	r, err = Open([]string{dir}, Options{})
	check("rotated", r, err)
	r, err = Open([]string{save(t, t.TempDir(), "whole", plain)}, Options{})
	check("file", r, err)
}

// TestMutations damages good files at random (always the same way) and looks for
// panics, lost counts and packets out of nothing.
func TestMutations(t *testing.T) {
	spec := pcapSpec{magic: magicMicro, major: 2, minor: 4, link: LinkEthernet, records: conversation(20)}
	n := newNG(binary.BigEndian).iface(LinkEthernet, 0)
	for _, r := range spec.records {
		n.packet(0, uint64(r.sec), r.wire, string(r.data), n.opt(1, []byte("comment")))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		for _, file := range [][]byte{spec.bytes(), n.b} {
			b := bytes.Clone(file)
			for range 1 + random.IntN(4) {
				b[random.IntN(len(b))] = byte(random.Uint32())
			}
			if at := random.IntN(len(b) - 4); random.IntN(3) == 0 {
				binary.BigEndian.PutUint32(b[at:], 0xffffffff<<random.IntN(32))
			}
			b = b[:len(b)-random.IntN(2)*random.IntN(len(b))]
			checkAnyFile(t, b, len(b))
		}
	}
}

// TestMemoryClaims: small files that claim to be large must not cost memory.
func TestMemoryClaims(t *testing.T) {
	claim := func(n uint32) pcapSpec {
		return pcapSpec{magic: magicMicro, major: 2, minor: 4, link: 1, snap: 0xffffffff, records: []record{{1, 0, n, n, []byte("abc")}}}
	}
	n := newNG(binary.LittleEndian).iface(1, 0xffffffff)
	files := map[string][]byte{
		"pcap, a record of 128 MiB":   claim(maxDeclaredRecord).bytes(),
		"pcap, a record of 4 GiB":     claim(0xffffffff).bytes(),
		"pcapng, a packet of 128 MiB": cat(n.b, n.words(blockPacket, maxDeclaredRecord, 0, 0, 0, maxDeclaredRecord-64)),
		"pcapng, an interface":        cat(n.b, n.words(blockInterface, maxMetaBlock)),
		"pcapng, an unknown block":    cat(n.b, n.words(0x99, 0xfffffffc)),
	}
	for name, b := range files {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		checkAnyFile(t, b, len(b))
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
			t.Errorf("%s: %d bytes allocated for a file of %d", name, grown, len(b))
		}
	}
}

// TestBomb: a file that expands enormously is read as a stream.
func TestBomb(t *testing.T) {
	spec := pcapSpec{magic: magicMicro, major: 2, minor: 4, link: 1}
	zeros := make([]byte, 60000)
	for i := range 1000 {
		spec.records = append(spec.records, record{uint32(i), 0, uint32(len(zeros)), uint32(len(zeros)), zeros})
	}
	for name, b := range compressed(t, spec.bytes()) {
		path := save(t, t.TempDir(), "bomb", b)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		packets, _, err := count(t, path)
		runtime.ReadMemStats(&after)
		if packets != 1000 || err != nil {
			t.Errorf("%s: %d packets, %v", name, packets, err)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 40<<20 {
			t.Errorf("%s: %d bytes allocated for a file of %d", name, grown, len(b))
		}
	}
}

// TestNoAllocations: the short way, the long way and the readers allocate nothing
// for a packet.
func TestNoAllocations(t *testing.T) {
	d := NewDecoder(DecoderOptions{VerifyChecksums: true, Select: &Selection{Ports: []PortRange{{80, 80}}}})
	var seg reassembly.Segment
	for _, b := range [][]byte{
		ether(0x800, ipv4(6, tcp(unhex("020405b4 0402 0101"), 9))),
		ether(0x88a8, cat(be16(5), be16(0x8100), be16(6), be16(0x86dd), ipv6(6, tcp(nil, 9)))),
		ether(0x800, ipv4(17, udp(4789, cat(unhex("08000000 00123400"), ether(0x800, ipv4(6, tcp(nil, 9))))))),
	} {
		f := frameOf(LinkEthernet, b)
		if n := testing.AllocsPerRun(100, func() { d.Decode(&f, &seg) }); n != 0 {
			t.Errorf("%v allocations to decode a frame", n)
		}
	}
	spec := pcapSpec{magic: magicMicro, major: 2, minor: 4, link: LinkEthernet, records: conversation(2000)}
	path := save(t, t.TempDir(), "x", spec.bytes())
	n := testing.AllocsPerRun(5, func() {
		if packets, _, err := count(t, path); packets != 2000 || err != nil {
			t.Error(packets, err)
		}
	})
	if n > 200 {
		t.Errorf("%v allocations to read 2000 packets", n)
	}
}

func TestLinkTypeTable(t *testing.T) {
	supported := 0
	for _, l := range LinkTypes() {
		f := frameOf(l.Number, make([]byte, 64))
		_, skip, _ := decodeOne(t, f)
		if (skip == SkipLinkType) == l.Supported {
			t.Errorf("%d, %s: supported %v, but %q", l.Number, l.Name, l.Supported, skip)
		}
		if l.Supported {
			supported++
		}
	}
	if supported < len(rareLinks)+10 {
		t.Errorf("%d of %d supported link types have a name", supported, len(rareLinks)+10)
	}
	if name := LinkTypeName(12345); name != "link type 12345" {
		t.Error(name)
	}
}
