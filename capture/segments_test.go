package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"testing"

	"github.com/finwait/finwait/fixtures/fuzzlimit"
	"github.com/finwait/finwait/reassembly"
)

// segmentsBytes is a small file of segments of two captures.
func segmentsBytes(t testing.TB) []byte {
	t.Helper()
	damage := &Error{Op: "read", File: "b.pcap", Packet: 9, Offset: 77, Err: ErrTruncated, Hint: "copy it again"}
	files := []FileInfo{{Path: "a.pcap"}, {Path: "b.pcap", Container: "pcap", Packets: 9, Damage: damage}}
	var out bytes.Buffer
	w, err := NewSegmentWriter(&out, files)
	if err != nil {
		t.Fatal(err)
	}
	add := func(file int, number uint64, at int64) {
		s := reassembly.Segment{Time: at, Packet: reassembly.MakePacket(file, number), Seq: uint32(number), Flags: reassembly.FlagACK, SrcPort: 1, DstPort: 2}
		if err := w.Add(&s); err != nil {
			t.Fatal(err)
		}
	}
	_ = w.Skip(5)
	add(0, 2, 10)
	add(1, 1, 11)
	_ = w.Skip(30)
	add(1, 3, 12)
	add(0, 4, 40)
	_ = w.Skip(39)
	_ = w.Skip(50)
	q := Quality{Frames: 8, Segments: 4, Duplicates: 1, Cut: 3}
	q.Skipped[SkipNotIP] = 4
	if err := w.Close(files, q); err != nil {
		t.Fatal(err)
	}
	if w.Written() != int64(out.Len()) {
		t.Errorf("it says %d bytes, and wrote %d", w.Written(), out.Len())
	}
	return out.Bytes()
}

func TestSegmentFile(t *testing.T) {
	in, err := OpenStream("x.fws", bytes.NewReader(segmentsBytes(t)))
	if err != nil {
		t.Fatal(err)
	}
	d := NewDecoder(DecoderOptions{})
	var f Frame
	var seg reassembly.Segment
	var times []int64
	var packets []reassembly.Packet
	for {
		if err = in.Next(&f); err != nil {
			break
		}
		if !f.Recorded || f.Data != nil {
			t.Errorf("a frame with packets: %+v", f)
		}
		times = append(times, f.Time)
		if d.Decode(&f, &seg) == NotSkipped {
			packets = append(packets, seg.Packet)
		}
	}
	// 5 began the captures, 30 moved the clock on before a segment of 12, 50 ended them.
	if want := []int64{5, 10, 11, 30, 12, 40, 50}; !equal(times, want) {
		t.Errorf("times %v, want %v", times, want)
	}
	if want := []reassembly.Packet{2, 1<<40 + 1, 1<<40 + 3, 4}; !equal(packets, want) {
		t.Errorf("packets %v, want %v", packets, want)
	}
	// The damage is that of the capture, told again.
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrTruncated) || e.File != "b.pcap" || e.Offset != 77 {
		t.Errorf("it ends with %v", err)
	}
	files := in.Files()
	if len(files) != 2 || files[0].Path != "a.pcap" || files[1].Packets != 9 || files[1].Damage == nil {
		t.Errorf("files %+v", files)
	}
	if in.Inputs()[0] != "x.fws" || !in.Recorded() {
		t.Errorf("inputs %v", in.Inputs())
	}
	q, told := d.Quality(), in.Skipped()
	q.Add(&told)
	if q.Frames != 8 || q.Segments != 4 || q.Skips(SkipNotIP) != 4 || q.Cut != 3 || q.Frames != q.Segments+q.TotalSkipped() {
		t.Errorf("quality %+v", q)
	}
}

func equal[T comparable](a, b []T) bool {
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

// TestSegmentFileCut: cut anywhere, it is an error at once or after what can be read.
func TestSegmentFileCut(t *testing.T) {
	b := segmentsBytes(t)
	for n := len(segmentsMagic); n < len(b); n++ {
		in, err := OpenStream("x.fws", bytes.NewReader(b[:n]))
		var f Frame
		for err == nil {
			err = in.Next(&f)
		}
		if !errors.Is(err, ErrTruncated) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
}

// chunkOf makes one chunk with a good checksum.
func chunkOf(kind byte, content []byte) []byte {
	b := append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(content))), content...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func TestSegmentFileContradictions(t *testing.T) {
	head := segmentsMagic + string(chunkOf(chunkHeader, []byte(`{"files":["a"]}`)))
	for name, b := range map[string]string{
		"no header":          segmentsMagic + string(chunkOf(chunkBlock, nil)),
		"header of no file":  segmentsMagic + string(chunkOf(chunkHeader, []byte(`{}`))),
		"unknown kind":       head + string(chunkOf('?', nil)),
		"bad block":          head + string(chunkOf(chunkBlock, []byte{1, 0xff})),
		"other version":      head + string(chunkOf(chunkBlock, []byte{9})),
		"trailer of two":     head + string(chunkOf(chunkTrailer, []byte(`{"files":[{},{}],"quality":{}}`))),
		"unknown reason":     head + string(chunkOf(chunkTrailer, []byte(`{"files":[{}],"quality":{"Frames":1,"Skipped":{"strange":1}}}`))),
		"counts do not add":  head + string(chunkOf(chunkTrailer, []byte(`{"files":[{}],"quality":{"Frames":3}}`))),
		"length of gigabyte": head + "B\xff\xff\xff\xff",
		"segment of file 3":  head + string(chunkOf(chunkBlock, []byte{1, 0xa2, 0x80, 0x08, 2, 0, 1, 1, 1, 1, 2, 2, 2, 2, 0, 1, 0, 2, 5, 2})),
	} {
		in, err := OpenStream("x.fws", bytes.NewReader([]byte(b)))
		var f Frame
		for err == nil {
			err = in.Next(&f)
		}
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzSegments(f *testing.F) {
	b := segmentsBytes(f)
	f.Add(b[len(segmentsMagic):])
	f.Fuzz(func(t *testing.T, b []byte) {
		defer fuzzlimit.Watch(t, len(b))()
		// Bytes that the fuzzer changes have wrong checksums: they are made good.
		file := []byte(segmentsMagic)
		for len(b) >= chunkHead {
			n := min(int(binary.BigEndian.Uint32(b[1:])), len(b)-chunkHead)
			if n < 0 {
				n = len(b) - chunkHead
			}
			file = append(file, chunkOf(b[0], b[chunkHead:chunkHead+n])...)
			b = b[min(len(b), chunkHead+n+chunkSum):]
		}
		in, err := OpenStream("x.fws", bytes.NewReader(file))
		d := NewDecoder(DecoderOptions{})
		var fr Frame
		var seg reassembly.Segment
		for err == nil {
			if err = in.Next(&fr); err == nil {
				d.Decode(&fr, &seg)
			}
		}
		var e *Error
		if err != io.EOF && !errors.As(err, &e) {
			t.Fatalf("%T: %v", err, err)
		}
		if in == nil {
			return
		}
		q, told := d.Quality(), in.Skipped()
		q.Add(&told)
		if q.Frames != q.Segments+q.TotalSkipped() {
			t.Fatalf("%+v", q)
		}
		in.Files()
	})
}
