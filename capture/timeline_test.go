package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

func save(t *testing.T, dir, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// at makes a capture with one packet at each of the given seconds.
func at(seconds ...uint32) []byte {
	spec := pcapSpec{magic: magicMicro, major: 2, minor: 4, link: LinkEthernet}
	for _, s := range seconds {
		data := []byte(strconv.Itoa(int(s)))
		spec.records = append(spec.records, record{s, 0, uint32(len(data)), uint32(len(data)), data})
	}
	return spec.bytes()
}

func TestTimeline(t *testing.T) {
	type seen struct {
		sec, file int
		number    uint64
	}
	tests := []struct {
		name  string
		files [][]byte
		want  []seen
	}{
		{"rotated, named backwards", [][]byte{at(5, 6), at(3, 4), at(1, 2)},
			[]seen{{1, 2, 1}, {2, 2, 2}, {3, 1, 1}, {4, 1, 2}, {5, 0, 1}, {6, 0, 2}}},
		{"overlapping", [][]byte{at(1, 4, 7), at(2, 3, 9)},
			[]seen{{1, 0, 1}, {2, 1, 1}, {3, 1, 2}, {4, 0, 2}, {7, 0, 3}, {9, 1, 3}}},
		{"equal times: the file that begins first, then the order given", [][]byte{at(2, 5), at(1, 5), at(2, 5)},
			[]seen{{1, 1, 1}, {2, 0, 1}, {2, 2, 1}, {5, 1, 2}, {5, 0, 2}, {5, 2, 2}}},
		{"a file without packets", [][]byte{at(), at(1)}, []seen{{1, 1, 1}}},
		{"time going backwards inside a file stays", [][]byte{at(5, 3, 6), at(4)},
			[]seen{{4, 1, 1}, {5, 0, 1}, {3, 0, 2}, {6, 0, 3}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			var paths []string
			for i, b := range tt.files {
				paths = append(paths, save(t, dir, strconv.Itoa(i), b))
			}
			r, err := Open(paths, Options{})
			if err != nil {
				t.Fatal(err)
			}
			frames, err := drain(r)
			if err != nil {
				t.Fatal(err)
			}
			var order []seen
			for _, f := range frames {
				if f.data != strconv.Itoa(int(f.time/1e9)) {
					t.Errorf("the frame at %d has the bytes %q", f.time, f.data)
				}
				order = append(order, seen{int(f.time / 1e9), f.file, f.number})
			}
			if !slices.Equal(order, tt.want) {
				t.Errorf("got  %v\nwant %v", order, tt.want)
			}
			if read, total := r.Bytes(); read != total {
				t.Errorf("read %d of %d bytes", read, total)
			}
		})
	}
}

// TestTimelineDamage: a damaged file must not hide the others.
func TestTimelineDamage(t *testing.T) {
	dir := t.TempDir()
	cut := at(1, 2)
	paths := []string{save(t, dir, "a", cut[:len(cut)-1]), save(t, dir, "b", at(3))}
	r, err := Open(paths, Options{})
	if err != nil {
		t.Fatal(err)
	}
	frames, err := drain(r)
	var e *Error
	if len(frames) != 2 || !errors.As(err, &e) || e.File != paths[0] || !errors.Is(err, ErrTruncated) {
		t.Errorf("%d frames, %v", len(frames), err)
	}
	if files := r.Files(); files[0].Damage == nil || files[1].Damage != nil || files[1].Packets != 1 {
		t.Errorf("%+v", files)
	}
}

func TestDirectory(t *testing.T) {
	dir := t.TempDir()
	save(t, dir, "cap10.pcap", at(1))
	save(t, dir, "cap9", at(1)) // by content, not by name
	save(t, dir, "notes.pcap", []byte("a text file"))
	save(t, dir, ".hidden.pcap", at(1))
	save(t, dir, "packed.pcap.gz", compressed(t, []byte("a text file"))["gzip"]) // looked into
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	r, err := Open([]string{dir}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	frames, err := drain(r)
	if err != nil || len(frames) != 2 {
		t.Errorf("%d frames, %v", len(frames), err)
	}
	if files := r.Files(); filepath.Base(files[0].Path) != "cap9" || filepath.Base(files[1].Path) != "cap10.pcap" {
		t.Errorf("order %s, %s", files[0].Path, files[1].Path)
	}
	var ignored []string
	for _, p := range r.Ignored() {
		ignored = append(ignored, filepath.Base(p))
	}
	if !slices.Equal(ignored, []string{".hidden.pcap", "notes.pcap", "packed.pcap.gz"}) {
		t.Errorf("ignored %v", ignored)
	}
}

func TestNaturalOrder(t *testing.T) {
	names := []string{"cap10", "cap9", "cap", "cap09", "b", "cap9a", "cap010"}
	slices.SortFunc(names, naturalCompare)
	if want := []string{"b", "cap", "cap09", "cap9", "cap9a", "cap010", "cap10"}; !slices.Equal(names, want) {
		t.Errorf("%v", names)
	}
}

// compressed wraps b by each method.
func compressed(t testing.TB, b []byte) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	pack := func(name string, open func(io.Writer) (io.WriteCloser, error)) {
		var out bytes.Buffer
		w, err := open(&out)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		all[name] = out.Bytes()
	}
	pack("gzip", func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil })
	pack("zstd", func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) })
	pack("lz4", func(w io.Writer) (io.WriteCloser, error) { return lz4.NewWriter(w), nil })
	pack("xz", func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) })
	return all
}

func TestCompressed(t *testing.T) {
	var seconds []uint32
	for i := range uint32(2000) {
		seconds = append(seconds, i)
	}
	plain := at(seconds...)
	want, _, err := readAll(t, plain)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range compressed(t, plain) {
		t.Run(name, func(t *testing.T) {
			frames, r, err := readAll(t, b)
			if err != nil {
				t.Fatal(err)
			}
			compareFrames(t, frames, want)
			if got := r.Files()[0].Compression; got != name {
				t.Errorf("compression %q", got)
			}
			// Cut anywhere: never clean, never more than there was, no panic.
			for n := 1; n < len(b); n += max(1, len(b)/97) {
				frames, _, err := readAll(t, b[:n])
				if err == nil || len(frames) > len(want) {
					t.Fatalf("cut at %d of %d: %d frames, %v", n, len(b), len(frames), err)
				}
			}
		})
	}
	twice := append(slices.Clone(compressed(t, plain[:len(plain)/2])["gzip"]), compressed(t, plain[len(plain)/2:])["gzip"]...)
	frames, _, err := readAll(t, twice)
	if err != nil {
		t.Fatal(err)
	}
	compareFrames(t, frames, want)
}

// TestXZDictionary: the header must not make the reader claim gigabytes.
func TestXZDictionary(t *testing.T) {
	b := compressed(t, at(1))["xz"]
	if n := xzDictionary(b); n != 8<<20 {
		t.Fatalf("dictionary %d", n)
	}
	big := slices.Clone(b)
	i := bytes.Index(big[12:], []byte{0x21, 1})
	big[12+i+2] = 40
	if n := xzDictionary(big); n != 1<<32 {
		t.Errorf("dictionary %d", n)
	}
	if _, _, err := readAll(t, big); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%v", err)
	}
}

func TestSnoop(t *testing.T) {
	o := binary.BigEndian
	b := append([]byte(snoopMagic), 0, 0, 0, 2, 0, 0, 0, 4)
	for i, data := range []string{"abcd", "efgh"} {
		for _, v := range []uint32{60, 4, 28, uint32(i), 9, 5} {
			b = o.AppendUint32(b, v)
		}
		b = append(b, data...)
	}
	frames, r, err := readAll(t, b)
	if err != nil {
		t.Fatal(err)
	}
	compareFrames(t, frames, []got{
		{time: 9e9 + 5000, link: LinkEthernet, wire: 60, data: "abcd", number: 1},
		{time: 9e9 + 5000, link: LinkEthernet, wire: 60, data: "efgh", number: 2},
	})
	if f := r.Files()[0]; f.Dropped != 1 || !f.HasDropped || f.Container != "snoop" {
		t.Errorf("%+v", f)
	}
	if frames, _, err := readAll(t, b[:len(b)-1]); len(frames) != 1 || !errors.Is(err, ErrTruncated) {
		t.Errorf("cut: %d frames, %v", len(frames), err)
	}
	o.PutUint32(b[16+4:], 0x7fffffff)
	if frames, _, err := readAll(t, b); len(frames) != 0 || !errors.Is(err, ErrCorrupt) {
		t.Errorf("absurd: %d frames, %v", len(frames), err)
	}
}

// TestStdin: standard input is one file of a timeline, and only once.
func TestStdin(t *testing.T) {
	if _, err := Open([]string{"-", "-"}, Options{Stdin: bytes.NewReader(at(1))}); err == nil {
		t.Error("standard input was taken twice")
	}
	path := save(t, t.TempDir(), "a", at(2))
	r, err := Open([]string{path, "-"}, Options{Stdin: bytes.NewReader(at(1, 3))})
	if err != nil {
		t.Fatal(err)
	}
	if frames, err := drain(r); err != nil || len(frames) != 3 || frames[1].data != "2" {
		t.Errorf("%v %v", frames, err)
	}
	if _, total := r.Bytes(); total != -1 {
		t.Errorf("total %d of a pipe", total)
	}
}
