package main

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/report/pcapng"
)

// One capture in whatever form gives the same connections: the container, the
// compression, the way in, the file's name and where it was cut do not matter.
func TestSameConnectionsInEveryForm(t *testing.T) {
	frames := kernelFrames(t)
	whole := classic(frames)
	dir := t.TempDir()
	put := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	want := connectionsOf(t, nil, put("a.pcap", whole))
	if len(want) < 50 {
		t.Fatalf("only %d connections: this proves little", len(want))
	}
	for name, got := range map[string][]any{
		"pcapng":          connectionsOf(t, nil, put("a.pcapng", modern(t, frames))),
		"gzip":            connectionsOf(t, nil, put("a.pcap.gz", pack(t, whole, func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }))),
		"zstd":            connectionsOf(t, nil, put("a.zst", pack(t, whole, func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) }))),
		"standard input":  connectionsOf(t, whole, "-"),
		"without a name":  connectionsOf(t, nil, put("capture", whole)),
		"wrongly named":   connectionsOf(t, nil, put("a.jpg", modern(t, frames))),
		"gzip in no name": connectionsOf(t, pack(t, modern(t, frames), func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil }), "-"),
	} {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: other connections: %s", name, firstDifference(got, want))
		}
	}
	// Seven pieces in a directory, with names that say nothing of their order,
	// beside a file that is no capture. Numbers of packets begin anew in each.
	names := []string{"dump", "x.txt", "b.pcapng", "00.gz", "later", "ring.pcap3", "a b"}
	for i, name := range names {
		piece := frames[len(frames)*i/len(names) : len(frames)*(i+1)/len(names)]
		b := classic(piece)
		if i%3 == 1 {
			b = modern(t, piece)
		}
		put("ring/"+name, b)
	}
	put("ring/README", []byte("not a capture\n"))
	got := connectionsOf(t, nil, filepath.Join(dir, "ring"))
	if w, g := withoutNumbers(want), withoutNumbers(any(got)); !reflect.DeepEqual(g, w) {
		t.Errorf("seven files: other connections: %s", firstDifference(g.([]any), w.([]any)))
	}
	var out, errs bytes.Buffer
	if code := run([]string{filepath.Join(dir, "ring")}, streams{in: strings.NewReader(""), out: &out, err: &errs}); code != statusOK ||
		!strings.Contains(errs.String(), "README is no capture: left out") {
		t.Errorf("exit status %d: %s", code, errs.String())
	}
}

// kernelFrames are the frames of all kernel captures, in the order of time.
func kernelFrames(t *testing.T) (frames []capture.Frame) {
	t.Helper()
	in, err := capture.Open([]string{kernelFixtures}, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeQuietly(in)
	for {
		var f capture.Frame
		if err := in.Next(&f); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if len(frames) == 0 || f.LinkType == frames[0].LinkType {
			f.Data = bytes.Clone(f.Data)
			frames = append(frames, f)
		}
	}
	slices.SortStableFunc(frames, func(a, b capture.Frame) int { return cmp.Compare(a.Time, b.Time) })
	return frames
}

// classic writes a pcap file with nanoseconds.
func classic(frames []capture.Frame) []byte {
	var b []byte
	word := func(v ...uint32) {
		for _, v := range v {
			b = binary.BigEndian.AppendUint32(b, v)
		}
	}
	word(0xa1b23c4d, 2<<16|4, 0, 0, 262144, frames[0].LinkType)
	for _, f := range frames {
		word(uint32(f.Time/1e9), uint32(f.Time%1e9), uint32(len(f.Data)), f.WireLen)
		b = append(b, f.Data...)
	}
	return b
}

// modern writes a pcapng file.
func modern(t *testing.T, frames []capture.Frame) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := pcapng.NewWriter(&out, "a test")
	if err != nil {
		t.Fatal(err)
	}
	i, err := w.AddInterface(pcapng.Interface{LinkType: uint16(frames[0].LinkType)})
	for _, f := range frames {
		if err == nil {
			err = w.Write(&pcapng.Packet{Interface: i, Time: f.Time, WireLen: f.WireLen, Data: f.Data})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func pack(t *testing.T, b []byte, open func(io.Writer) (io.WriteCloser, error)) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := open(&out)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func connectionsOf(t *testing.T, stdin []byte, path string) []any {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run([]string{"read", "--format", "json", path}, streams{in: bytes.NewReader(stdin), out: &out, err: &errs}); code != statusOK {
		t.Fatalf("%s: exit status %d: %s", path, code, errs.String())
	}
	var report struct{ Connections []any }
	if err := json.Unmarshal(out.Bytes(), &report); err != nil {
		t.Fatal(err)
	}
	return report.Connections
}

// withoutNumbers takes out what names packets: in several files they have other
// numbers.
func withoutNumbers(v any) any {
	switch v := v.(type) {
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = withoutNumbers(v[i])
		}
		return list
	case map[string]any:
		m := map[string]any{}
		for key, value := range v {
			switch key {
			case "packet", "file", "files", "first_packet", "first_file", "last_packet", "last_file", "confirmed_by", "confirmed_by_files",
				"inferred_from", "inferred_from_file", "refuted_by", "refuted_by_files", "detail", "reason":
				continue
			case "packets":
				if list, ok := value.([]any); ok { // those of a finding; elsewhere it is how many
					value = float64(len(list))
				}
			}
			m[key] = withoutNumbers(value)
		}
		return m
	}
	return v
}

func firstDifference(got, want []any) string {
	for i := range min(len(got), len(want)) {
		if !reflect.DeepEqual(got[i], want[i]) {
			a, _ := json.Marshal(got[i])
			b, _ := json.Marshal(want[i])
			return fmt.Sprintf("connection %d:\n%s\nwant\n%s", i+1, a, b)
		}
	}
	return fmt.Sprintf("%d, want %d", len(got), len(want))
}
