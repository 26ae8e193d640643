package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// called runs the program on captures.
func called(t *testing.T, stdin []byte, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(args, streams{in: bytes.NewReader(stdin), out: &o, err: &e})
	return code, o.String(), e.String()
}

// segmentsOf writes the segments of captures into a file.
func segmentsOf(t *testing.T, stdin []byte, captures ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sensor.fws")
	if code, _, errs := called(t, stdin, slices.Concat([]string{"read", "--format", "segments", "-o", path}, captures)...); code != statusOK && code != statusInput {
		t.Fatalf("%v: exit status %d: %s", captures, code, errs)
	}
	return path
}

// sameReport demands one report, byte for byte, of captures and of their segments.
func sameReport(t *testing.T, stdin []byte, segments string, captures ...string) {
	t.Helper()
	for _, form := range [][]string{{"--format", "text", "--all", "--min-severity", "info"}, {"--format", "json"}, {"--format", "ndjson"}} {
		head := slices.Concat([]string{"read", "-q"}, form)
		code, want, errs := called(t, stdin, slices.Concat(head, captures)...)
		code2, got, errs2 := called(t, nil, slices.Concat(head, []string{segments})...)
		if got != want {
			a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
			for i := range min(len(a), len(b)) {
				if a[i] != b[i] {
					t.Fatalf("%v: line %d of the %s report on the segments:\n%s\nwant\n%s", captures, i+1, form[1], a[i], b[i])
				}
			}
			t.Fatalf("%v: %d lines, want %d", captures, len(a), len(b))
		}
		if code2 != code || errs2 != errs {
			t.Errorf("%v: exit status %d and %q, want %d and %q", captures, code2, errs2, code, errs)
		}
	}
}

// The report on a file of segments is the report on the captures that it was
// made from.
func TestSegmentsGiveTheSameReport(t *testing.T) {
	for _, path := range captures(t) {
		sameReport(t, nil, segmentsOf(t, nil, path), path)
	}
}

// Several captures become one file of segments, and files of segments and
// captures stand beside each other in one timeline.
func TestSegmentsOfManyFiles(t *testing.T) {
	sameReport(t, nil, segmentsOf(t, nil, kernelFixtures), kernelFixtures)

	frames := kernelFrames(t)
	dir := t.TempDir()
	var captures, mixed []string
	for i := range 5 {
		path := filepath.Join(dir, string(rune('a'+i))+".pcap")
		piece := frames[len(frames)*i/5 : len(frames)*(i+1)/5]
		if err := os.WriteFile(path, classic(piece), 0o644); err != nil {
			t.Fatal(err)
		}
		captures = append(captures, path)
	}
	// The second and third become one file, the fourth one by itself, twice over.
	mixed = append(mixed, captures[0], segmentsOf(t, nil, captures[1:3]...), segmentsOf(t, nil, segmentsOf(t, nil, captures[3])), captures[4])
	_, want, _ := called(t, nil, slices.Concat([]string{"read", "--format", "json"}, captures)...)
	code, got, errs := called(t, nil, slices.Concat([]string{"read", "--format", "json"}, mixed)...)
	if got != want || code != statusOK || errs != "" {
		t.Errorf("the reports differ; exit status %d: %s", code, errs)
	}
}

// What was wrong with a capture, and frames that are no TCP, are told again.
func TestSegmentsTellOfTheirCaptures(t *testing.T) {
	frames := kernelFrames(t)[:300]
	arp := frames[0]
	arp.Data, arp.WireLen = make([]byte, 60), 60
	arp.Data[12], arp.Data[13] = 8, 6
	first, middle, last := arp, arp, arp
	first.Time -= 5e9
	middle.Time = frames[150].Time + 3600e9 // the clock runs ahead: what is half open expires
	last.Time = frames[299].Time + 4000e9
	all := slices.Concat(append(frames[:0:0], first), frames[:150], append(frames[:0:0], middle), frames[150:], append(frames[:0:0], last))
	whole := classic(all)
	dir := t.TempDir()
	for name, b := range map[string][]byte{
		"whole": whole, "cut off": whole[:len(whole)*2/3], "only ARP": classic(append(frames[:0:0], first)), "empty": whole[:24],
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		sameReport(t, nil, segmentsOf(t, nil, path), path)
	}
	sameReport(t, whole, segmentsOf(t, whole, "-"), "-")
}

// A file of segments that is cut off or damaged gives what stands before.
func TestSegmentsDamaged(t *testing.T) {
	path := segmentsOf(t, nil, kernelFixtures)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-8] ^= 1
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"cut.fws":     {whole[:len(whole)-1], "cut.fws: the file ends inside a record"},
		"flipped.fws": {flipped, "flipped.fws: the file is damaged: a chunk does not have its checksum"},
	} {
		bad := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(bad, c.b, 0o644); err != nil {
			t.Fatal(err)
		}
		code, out, errs := called(t, nil, "read", bad)
		if code != statusInput || !strings.Contains(errs, c.want) || !strings.Contains(out, "TCP connections") {
			t.Errorf("%s: exit status %d: %s", name, code, errs)
		}
	}
}
