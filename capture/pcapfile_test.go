package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// record is one packet of a hand-made file.
type record struct {
	sec, frac, captured, wire uint32
	data                      []byte
}

type pcapSpec struct {
	magic        uint32
	order        binary.AppendByteOrder
	major, minor uint16
	snap, link   uint32
	extra        int // bytes more in each record header
	records      []record
}

func (s pcapSpec) bytes() []byte {
	o := s.order
	if o == nil {
		o = binary.LittleEndian
	}
	b := o.AppendUint32(nil, s.magic)
	b = o.AppendUint16(b, s.major)
	b = o.AppendUint16(b, s.minor)
	b = o.AppendUint64(b, 0)
	b = o.AppendUint32(b, s.snap)
	b = o.AppendUint32(b, s.link)
	for _, r := range s.records {
		for _, v := range []uint32{r.sec, r.frac, r.captured, r.wire} {
			b = o.AppendUint32(b, v)
		}
		b = append(b, make([]byte, s.extra)...)
		b = append(b, r.data...)
	}
	return b
}

// got is what was read of a frame, with the bytes copied.
type got struct {
	time   int64
	link   uint32
	iface  uint32
	wire   uint32
	fcs    uint8
	data   string
	file   int
	number uint64
}

// readAll reads a capture from memory, as from a pipe.
func readAll(t *testing.T, b []byte) ([]got, *Reader, error) {
	t.Helper()
	r, err := Open([]string{"-"}, Options{Stdin: bytes.NewReader(b)})
	if err != nil {
		return nil, nil, err
	}
	frames, err := drain(r)
	return frames, r, err
}

func drain(r *Reader) (frames []got, err error) {
	defer r.Close()
	var f Frame
	for {
		if err := r.Next(&f); err != nil {
			if again := r.Next(&f); again != err {
				return frames, errors.New("Next gave another error the second time")
			}
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return frames, err
		}
		frames = append(frames, got{time: f.Time, link: f.LinkType, iface: f.Interface, wire: f.WireLen, fcs: f.FCS,
			data: string(f.Data), file: f.Packet.File(), number: f.Packet.Number()})
	}
}

func TestPcapDialects(t *testing.T) {
	one := []byte("abcdefgh")
	long := bytes.Repeat([]byte("x"), 300)
	tests := []struct {
		name string
		spec pcapSpec
		want []got
	}{
		{"microseconds", pcapSpec{magic: magicMicro, major: 2, minor: 4, snap: 65535, link: 1,
			records: []record{{1, 2, 8, 100, one}, {3, 999999, 8, 8, one}}},
			[]got{{time: 1e9 + 2000, link: 1, wire: 100, data: "abcdefgh", number: 1}, {time: 3999999000, link: 1, wire: 8, data: "abcdefgh", number: 2}}},
		{"nanoseconds", pcapSpec{magic: magicNano, major: 2, minor: 4, link: 1, records: []record{{1, 2, 8, 8, one}}},
			[]got{{time: 1e9 + 2, link: 1, wire: 8, data: "abcdefgh", number: 1}}},
		{"big-endian", pcapSpec{magic: magicMicro, order: binary.BigEndian, major: 2, minor: 4, link: 101, records: []record{{1, 2, 8, 9, one}}},
			[]got{{time: 1e9 + 2000, link: 101, wire: 9, data: "abcdefgh", number: 1}}},
		{"modified", pcapSpec{magic: magicModified, major: 2, minor: 4, link: 1, extra: 8, records: []record{{1, 2, 8, 9, one}, {2, 0, 8, 9, one}}},
			[]got{{time: 1e9 + 2000, link: 1, wire: 9, data: "abcdefgh", number: 1}, {time: 2e9, link: 1, wire: 9, data: "abcdefgh", number: 2}}},
		{"modified under the standard magic", pcapSpec{magic: magicMicro, major: 2, minor: 4, link: 1, extra: 8,
			records: []record{{1000, 2, 8, 9, one}, {1001, 0, 8, 9, one}, {1002, 0, 8, 9, one}}},
			[]got{{time: 1000e9 + 2000, link: 1, wire: 9, data: "abcdefgh", number: 1}, {time: 1001e9, link: 1, wire: 9, data: "abcdefgh", number: 2}, {time: 1002e9, link: 1, wire: 9, data: "abcdefgh", number: 3}}},
		{"snaplen 0, record longer than it", pcapSpec{magic: magicMicro, major: 2, minor: 4, link: 1, records: []record{{1, 0, 300, 300, long}}},
			[]got{{time: 1e9, link: 1, wire: 300, data: string(long), number: 1}}},
		{"record longer than the snaplen", pcapSpec{magic: magicMicro, major: 2, minor: 4, snap: 96, link: 1, records: []record{{1, 0, 300, 1500, long}}},
			[]got{{time: 1e9, link: 1, wire: 1500, data: string(long), number: 1}}},
		{"version 2.2 has the lengths swapped", pcapSpec{magic: magicMicro, major: 2, minor: 2, link: 1, records: []record{{1, 0, 100, 8, one}}},
			[]got{{time: 1e9, link: 1, wire: 100, data: "abcdefgh", number: 1}}},
		{"version 2.3 has them either way", pcapSpec{magic: magicMicro, major: 2, minor: 3, link: 1, records: []record{{1, 0, 100, 8, one}, {1, 0, 8, 100, one}}},
			[]got{{time: 1e9, link: 1, wire: 100, data: "abcdefgh", number: 1}, {time: 1e9, link: 1, wire: 100, data: "abcdefgh", number: 2}}},
		{"version 543.0 of DG/UX", pcapSpec{magic: magicMicro, major: 543, link: 1, records: []record{{1, 0, 100, 8, one}}},
			[]got{{time: 1e9, link: 1, wire: 100, data: "abcdefgh", number: 1}}},
		{"AIX", pcapSpec{magic: magicMicro, major: 2, minor: 2, link: 6, records: []record{{1, 7, 8, 8, one}}},
			[]got{{time: 1e9 + 7, link: 1, wire: 8, data: "abcdefgh", number: 1}}},
		{"FCS bits", pcapSpec{magic: magicMicro, major: 2, minor: 4, link: 0x24000001, records: []record{{1, 0, 8, 8, one}}},
			[]got{{time: 1e9, link: 1, wire: 8, fcs: 4, data: "abcdefgh", number: 1}}},
		{"link type above 255", pcapSpec{magic: magicMicro, major: 2, minor: 4, link: LinkSLL2, records: []record{{1, 0, 8, 8, one}}},
			[]got{{time: 1e9, link: 276, wire: 8, data: "abcdefgh", number: 1}}},
		{"time after 2038", pcapSpec{magic: magicMicro, major: 2, minor: 4, link: 1, records: []record{{0xffffffff, 0, 8, 8, one}}},
			[]got{{time: 4294967295e9, link: 1, wire: 8, data: "abcdefgh", number: 1}}},
		{"captured more than the original length", pcapSpec{magic: magicMicro, major: 2, minor: 4, link: 1, records: []record{{1, 0, 8, 3, one}}},
			[]got{{time: 1e9, link: 1, wire: 3, data: "abcdefgh", number: 1}}},
		{"no packets", pcapSpec{magic: magicMicro, major: 2, minor: 4, link: 1}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			frames, r, err := readAll(t, tt.spec.bytes())
			if err != nil {
				t.Fatal(err)
			}
			compareFrames(t, frames, tt.want)
			if n := r.Files()[0].Packets; n != uint64(len(tt.want)) {
				t.Errorf("the file says %d packets", n)
			}
		})
	}
}

func compareFrames(t *testing.T, frames, want []got) {
	t.Helper()
	if len(frames) != len(want) {
		t.Fatalf("%d frames, want %d", len(frames), len(want))
	}
	for i := range want {
		if frames[i] != want[i] {
			t.Errorf("frame %d\n got %+v\nwant %+v", i+1, frames[i], want[i])
		}
	}
}

// TestPcapCutEverywhere cuts a file after each of its bytes: what is whole must
// be read, and the cut told unless it lies between two records.
func TestPcapCutEverywhere(t *testing.T) {
	file := pcapSpec{magic: magicMicro, major: 2, minor: 4, link: 1,
		records: []record{{1, 0, 3, 3, []byte("abc")}, {2, 0, 0, 60, nil}, {3, 0, 5, 5, []byte("defgh")}}}.bytes()
	ends := map[int]int{24: 0, 24 + 19: 1, 24 + 19 + 16: 2, 24 + 19 + 16 + 21: 3}
	whole := 0
	for n := range len(file) + 1 {
		frames, _, err := readAll(t, file[:n])
		switch count, clean := ends[n]; {
		case n == 0:
			if !errors.Is(err, ErrEmpty) {
				t.Errorf("empty: %v", err)
			}
		case n < 24:
			if err == nil {
				t.Errorf("%d bytes: no error", n)
			}
		case clean:
			whole = count
			if err != nil || len(frames) != count {
				t.Errorf("%d bytes: %d frames, %v; want %d, clean", n, len(frames), err, count)
			}
		default:
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, ErrTruncated) || len(frames) != whole || e.Packet != uint64(whole) {
				t.Errorf("%d bytes: %d frames, %v; want %d and a truncation", n, len(frames), err, whole)
			}
		}
	}
}

func TestPcapAbsurdLength(t *testing.T) {
	for _, n := range []uint32{maxRecord + 1, 0x7fffffff, 0x80000000, 0xffffffff} {
		file := pcapSpec{magic: magicMicro, major: 2, minor: 4, link: 1,
			records: []record{{1, 0, 3, 3, []byte("abc")}, {2, 0, n, n, []byte("abc")}}}.bytes()
		frames, _, err := readAll(t, file)
		if len(frames) != 1 || !errors.Is(err, ErrCorrupt) {
			t.Errorf("length %#x: %d frames, %v", n, len(frames), err)
		}
	}
}

// TestOpenErrors looks at what a person is told of a path that is no capture.
func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	empty := filepath.Join(dir, "empty directory")
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	erf := binary.LittleEndian.AppendUint64(nil, 1600000000<<32)
	erf = append(erf, 2, 4, 0, 60, 0, 0, 0, 42)
	erf = append(erf, make([]byte, 44)...)
	tests := []struct {
		path   string
		is     error
		detail string
	}{
		{filepath.Join(dir, "missing.pcap"), os.ErrNotExist, ""},
		{write("empty.pcap", ""), ErrEmpty, ""},
		{empty, ErrNoCaptures, "the directory holds no captures (of 0 files)"},
		{write("text.pcap", "this is a text file\nof two lines\n"), ErrNotCapture, "it is a text file"},
		{write("short.pcap", "\xd4"), ErrNotCapture, "it has only 1 bytes"},
		{write("noise.pcap", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11"), ErrNotCapture, "its first bytes are of no known format"},
		{write("netmon.cap", "GMBU\x00\x02 and so on"), ErrUnsupported, "this is a Microsoft Network Monitor 2 capture"},
		{write("x.erf", string(erf)), ErrUnsupported, "this is an Endace ERF capture"},
		{write("x.zip", "PK\x03\x04......"), ErrUnsupported, "zip compression"},
		{write("version.pcap", string(pcapSpec{magic: magicMicro, major: 1, minor: 4, link: 1}.bytes())), ErrUnsupported, "pcap version 1.4"},
		{write("cut.gz", "\x1f\x8b\x08\x00"), ErrTruncated, "the gzip stream is incomplete"},
	}
	for _, tt := range tests {
		_, err := Open([]string{tt.path}, Options{})
		var e *Error
		if !errors.As(err, &e) || !errors.Is(err, tt.is) || e.Detail != tt.detail || e.File != tt.path {
			t.Errorf("%s: %v", filepath.Base(tt.path), err)
			continue
		}
		if bytes.ContainsAny([]byte(err.Error()), "\n\r") || e.Hint == "" {
			t.Errorf("%s: not one line that says what to do: %q", filepath.Base(tt.path), err)
		}
	}
}
