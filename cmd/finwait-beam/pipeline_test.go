package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/fixtures"
	"github.com/finwait/finwait/fixtures/load"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
)

// This file runs the pipeline on Prism and holds its results against those of
// the program finwait on the same files.

// program is the finwait that is compared with.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	beam.Init()
	slog.SetLogLoggerLevel(slog.LevelError)
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	dir, err := os.MkdirTemp("", "finwait-beam-*")
	if err == nil {
		program = filepath.Join(dir, "finwait")
		cmd := exec.Command("go", "build", "-tags", "nolibpcap", "-o", program, "./cmd/finwait")
		cmd.Dir = filepath.Join("..", "..")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		var out []byte
		if out, err = cmd.CombinedOutput(); err != nil {
			err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// frames reads captures as one timeline; all must be of one link type.
func frames(t *testing.T, paths ...string) (list []capture.Frame) {
	t.Helper()
	in, err := capture.Open(paths, capture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for {
		var f capture.Frame
		if err := in.Next(&f); err == io.EOF {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		f.Data = bytes.Clone(f.Data)
		list = append(list, f)
	}
}

// pcap writes frames as a capture with nanoseconds.
func pcap(t *testing.T, path string, list []capture.Frame) {
	t.Helper()
	be := binary.BigEndian
	b := be.AppendUint32(nil, 0xa1b23c4d)
	for _, v := range []uint32{2<<16 | 4, 0, 0, 262144, list[0].LinkType} {
		b = be.AppendUint32(b, v)
	}
	for _, f := range list {
		if f.LinkType != list[0].LinkType {
			continue
		}
		for _, v := range []uint32{uint32(f.Time / 1e9), uint32(f.Time % 1e9), uint32(len(f.Data)), f.WireLen} {
			b = be.AppendUint32(b, v)
		}
		b = append(b, f.Data...)
	}
	write(t, path, b)
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// rotated cuts frames into n files one after another.
func rotated(t *testing.T, dir, name string, list []capture.Frame, n int) {
	t.Helper()
	for i := range n {
		if piece := list[len(list)*i/n : len(list)*(i+1)/n]; len(piece) > 0 {
			pcap(t, filepath.Join(dir, fmt.Sprintf("%s%03d.pcap", name, i)), piece)
		}
	}
}

// sensors divides frames by direction between two sensors, each of which rotates
// its files at its own times.
func sensors(t *testing.T, dir string, list []capture.Frame, n int) {
	t.Helper()
	var side [2][]capture.Frame
	d := capture.NewDecoder(capture.DecoderOptions{})
	for _, f := range list {
		var s reassembly.Segment
		x := 0
		if d.Decode(&f, &s) == capture.NotSkipped {
			if _, swapped := reassembly.KeyOf(&s, &reassembly.Options{}); swapped {
				x = 1
			}
		}
		side[x] = append(side[x], f)
	}
	rotated(t, dir, "east", side[0], n)
	rotated(t, dir, "west", side[1], n+3)
}

// kernels are the frames of the kernel fixtures.
func kernels(t *testing.T) []capture.Frame {
	list := frames(t, filepath.Join("..", "..", "fixtures", "kernel"))
	return slices.DeleteFunc(list, func(f capture.Frame) bool { return f.LinkType != list[0].LinkType })
}

// mix is a synthetic load.
func mix(t *testing.T, conns int) []capture.Frame {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mix.pcap")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := load.Write(f, load.Spec{Kind: load.Mix, Conns: conns, Snap: 96}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return frames(t, path)
}

// soak is a capture of a real kernel under loss, where it is at hand.
func soak(t *testing.T) []capture.Frame {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "truth", "soak", "soak_1500_loss2.pcap")
	if _, err := os.Stat(path); err != nil {
		t.Skip("the soak is not beside this repository (../shared)")
	}
	return frames(t, path)
}

// pipeline runs over a directory and gives the lines of the report.
func pipeline(t *testing.T, dir string, shards int) (out string, lines []map[string]any, code int, words string) {
	t.Helper()
	out = t.TempDir()
	s := Settings{}
	s.register(flag.NewFlagSet("", flag.ContinueOnError))
	s.Input, s.Output, s.Shards = []string{filepath.Join(dir, "*")}, out, shards
	s.ReadMemory = 1 << 20 // small, so that batches end within files
	var said bytes.Buffer
	code = run(context.Background(), &s, &said)
	if code != 0 && code != statusInput {
		t.Fatalf("exit status %d: %s", code, said.String())
	}
	return out, results(t, out), code, said.String()
}

// results reads the report that the files of an output directory make together.
func results(t *testing.T, out string) (lines []map[string]any) {
	t.Helper()
	names := []string{filepath.Join(out, captureName)}
	list, err := filepath.Glob(filepath.Join(out, "connections-*.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Concat(names, list, []string{filepath.Join(out, summaryName)}) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, parse(t, b)...)
	}
	return lines
}

func parse(t *testing.T, ndjson []byte) (lines []map[string]any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(ndjson))
	d.UseNumber() // ids have 63 bits
	for {
		var m map[string]any
		if err := d.Decode(&m); err == io.EOF {
			return lines
		} else if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, m)
	}
}

// plain runs finwait read on the same files in the same order.
func plain(t *testing.T, dir string) []map[string]any {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	capture.SortPaths(paths)
	paths = slices.DeleteFunc(paths, func(p string) bool { return strings.Contains(p, "no capture") })
	out, err := exec.Command(program, slices.Concat([]string{"read", "-q", "--format", "ndjson"}, paths)...).Output()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return parse(t, out)
}

// named puts what a connection is in place of the numbers that name it: the
// documented difference. It also checks that the numbers are consistent.
func named(t *testing.T, lines []map[string]any) (connections map[string]string) {
	t.Helper()
	names, connections := map[any]string{}, map[string]string{}
	name := func(m map[string]any) string {
		return fmt.Sprint(m["client"], m["server"], m["tunnel"], m["start"], m["first_file"], m["first_packet"])
	}
	for _, m := range lines {
		if m["type"] == "connection" {
			if other, ok := names[m["id"]]; ok {
				t.Errorf("id %v is of %s and of %s", m["id"], other, name(m))
			}
			names[m["id"]] = name(m)
		}
	}
	streams := map[any][]string{}
	for _, m := range lines {
		if m["type"] != "connection" {
			continue
		}
		for _, key := range []string{"id", "reuses", "reused_by"} {
			if m[key] != nil {
				if names[m[key]] == "" {
					t.Errorf("%s %v of %s is nobody's", key, m[key], name(m))
				}
				m[key] = names[m[key]]
			}
		}
		w := m["wireshark"].(map[string]any)
		streams[w["stream"]] = append(streams[w["stream"]], name(m))
		w["stream"] = 0
		b, _ := json.Marshal(m)
		connections[name(m)] = string(b)
	}
	for _, list := range streams { // which connections are of one stream
		slices.Sort(list)
		connections["stream of "+list[0]] = strings.Join(list, " and ")
	}
	return connections
}

// compare demands the same connections, with their findings, and the same
// summary but for how many frames look like copies: that is counted by file.
func compare(t *testing.T, got, want []map[string]any) {
	t.Helper()
	g, w := named(t, got), named(t, want)
	if len(w) == 0 {
		t.Fatal("there is nothing to compare")
	}
	shown := 0
	for _, name := range slices.Sorted(maps.Keys(w)) {
		if g[name] != w[name] && shown < 3 {
			shown++
			t.Errorf("%s:\ngot  %s\nwant %s", name, g[name], w[name])
		}
	}
	for name := range g {
		if _, ok := w[name]; !ok {
			t.Errorf("%s is in no report of finwait", name)
		}
	}
	findings := 0
	for _, m := range got {
		if m["type"] == "connection" {
			findings += len(m["findings"].([]any))
		}
	}
	for i := range 2 { // the capture and the summary
		a, b := got[(len(got)-1)*i], want[(len(want)-1)*i]
		for _, m := range []map[string]any{a, b} {
			if q, ok := m["quality"].(map[string]any); ok {
				q["marks"] = slices.DeleteFunc(q["marks"].([]any), func(v any) bool { return v.(map[string]any)["kind"] == "duplicate" })
			}
		}
		if !reflect.DeepEqual(a, b) {
			x, _ := json.MarshalIndent(a, "", " ")
			y, _ := json.MarshalIndent(b, "", " ")
			t.Errorf("got %s\nwant %s", x, y)
		}
	}
	t.Logf("%d connections and %d findings agree", len(got)-2, findings)
}

func TestSameAnswers(t *testing.T) {
	for name, put := range map[string]func(t *testing.T, dir string){
		"kernels, rotated":     func(t *testing.T, dir string) { rotated(t, dir, "cap", kernels(t), 23) },
		"kernels, two sensors": func(t *testing.T, dir string) { sensors(t, dir, kernels(t), 9) },
		"soak, rotated":        func(t *testing.T, dir string) { rotated(t, dir, "cap", soak(t), 40) },
		"soak, two sensors":    func(t *testing.T, dir string) { sensors(t, dir, soak(t), 20) },
		"mix, rotated":         func(t *testing.T, dir string) { rotated(t, dir, "cap", mix(t, 3000), 12) },
		"mix, two sensors":     func(t *testing.T, dir string) { sensors(t, dir, mix(t, 3000), 5) },
		"scripts":              scripts,
		"segments":             segments,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			put(t, dir)
			_, got, _, _ := pipeline(t, dir, 7)
			compare(t, got, plain(t, dir))
		})
	}
}

// scripts are the captures of all scripts: files of the same minutes, in which
// the same tuples come again and again.
func scripts(t *testing.T, dir string) {
	for _, name := range fixtures.Scripts() {
		s, err := fixtures.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.Pcap()
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name+".pcap"), b)
	}
}

// segments are files of segments beside captures: one of three captures, one of
// another file of segments.
func segments(t *testing.T, dir string) {
	rotated(t, dir, "cap", kernels(t), 9)
	ship := func(to string, from ...string) {
		args := []string{"read", "-q", "--format", "segments", "-o", filepath.Join(dir, to)}
		for _, name := range from {
			args = append(args, filepath.Join(dir, name))
		}
		if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, name := range from {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	ship("cap002.fws", "cap002.pcap", "cap003.pcap", "cap004.pcap")
	ship("once.fws", "cap007.pcap")
	ship("cap007.fws", "once.fws")
}

// TestBadFiles: what cannot be read among many files is told, and the rest is
// analysed as if it were alone.
func TestBadFiles(t *testing.T) {
	dir := t.TempDir()
	rotated(t, dir, "cap", kernels(t), 1000)
	cut := filepath.Join(dir, "cap631.pcap")
	b, err := os.ReadFile(cut)
	if err != nil {
		t.Fatal(err)
	}
	write(t, cut, b[:len(b)-5])
	write(t, filepath.Join(dir, "x no capture"), []byte("not a capture\n"))
	if err := os.Mkdir(filepath.Join(dir, "y no capture"), 0o755); err != nil {
		t.Fatal(err)
	}
	out, got, code, words := pipeline(t, dir, 4)
	for _, want := range []string{"x no capture: not a capture file", "cap631.pcap: the file ends inside a record", "y no capture: "} {
		if code != statusInput || !strings.Contains(words, want) {
			t.Errorf("exit status %d, %q does not stand in %s", code, want, words)
		}
	}
	told, err := os.ReadFile(filepath.Join(out, filesName))
	if err != nil {
		t.Fatal(err)
	}
	damaged := 0
	list := parse(t, told)
	for _, f := range list {
		if f["damage"] != nil {
			damaged++
		}
	}
	if len(list) != 1002 || damaged != 3 {
		t.Errorf("%d files are told of, %d as damaged", len(list), damaged)
	}
	want := plain(t, dir)
	g, w := named(t, got), named(t, want)
	if !maps.Equal(g, w) {
		t.Errorf("%d connections, want %d", len(g), len(w))
	}
}

// TestStable: what the results are does not depend on how the work was divided,
// nor on what the files are called, and a second run changes no byte.
func TestStable(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	list := kernels(t)
	rotated(t, dir, "cap", list, 5)
	for i := range 5 { // the same files in another order
		pcap(t, filepath.Join(other, fmt.Sprintf("cap%d.pcap", 9-i)), list[len(list)*i/5:len(list)*(i+1)/5])
	}
	out, first, _, _ := pipeline(t, dir, 3)
	_, second, _, _ := pipeline(t, other, 8)
	if a, b := ids(first), ids(second); len(a) < 50 || !slices.Equal(a, b) {
		t.Errorf("ids %v and %v", a, b)
	}
	read := func() (all []string) {
		entries, err := os.ReadDir(out)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			b, err := os.ReadFile(filepath.Join(out, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, e.Name()+"\n"+string(b))
		}
		return all
	}
	before := read()
	s := Settings{}
	s.register(flag.NewFlagSet("", flag.ContinueOnError))
	s.Input, s.Output, s.Shards = []string{filepath.Join(dir, "*")}, out, 3
	if code := run(t.Context(), &s, io.Discard); code != 0 {
		t.Fatalf("exit status %d", code)
	}
	if after := read(); !slices.Equal(before, after) || len(after) != 6 {
		t.Errorf("%d files, %d after the second run, or other bytes", len(before), len(after))
	}
}

func ids(lines []map[string]any) (list []string) {
	for _, m := range lines {
		if m["type"] == "connection" {
			list = append(list, fmt.Sprint(m["id"], m["start"], m["client"], m["reuses"], m["reused_by"]))
		}
	}
	slices.Sort(list)
	return list
}

// TestBundleAgain: a bundle that the engine gives up and does again is counted
// once.
func TestBundleAgain(t *testing.T) {
	f := &flowFn{Settings: Settings{Shards: 1, FlowMemory: 1 << 20}}
	if err := f.Setup(); err != nil {
		t.Fatal(err)
	}
	f.world = &world{Captures: 1, End: 1_800_000_000_000_000_000}
	for range 3 { // twice given up
		f.StartBundle(t.Context(), nil, nil, nil)
		f.emit = func(int, []byte) { t.Error("a block was sent before the bundle's end") }
		if err := f.judge([]byte("flow"), elephant(3000)); err != nil {
			t.Fatal(err)
		}
	}
	var blocks, parts [][]byte
	keep := func(_ int, b []byte) { blocks = append(blocks, b) }
	if err := f.FinishBundle(t.Context(), nil, keep, func(b []byte) { parts = append(parts, b) }); err != nil {
		t.Fatal(err)
	}
	if len(blocks) != 1 || len(parts) != 1 {
		t.Fatalf("%d blocks and %d parts", len(blocks), len(parts))
	}
	sum := (&totalsFn{}).AddInput((&totalsFn{}).CreateAccumulator(), parts[0]).sum.Summary(report.Trace{}, 0)
	if sum.Connections != 1 || sum.Packets != 3000 {
		t.Errorf("%d connections of %d packets", sum.Connections, sum.Packets)
	}
}
