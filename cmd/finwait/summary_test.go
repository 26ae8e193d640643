package main

import (
	"bytes"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var listedCount = regexp.MustCompile(`"listed":\d+`)

// TestSummaryOfTheWhole: --summary counts what the whole report lists, though it
// has no words made for findings.
func TestSummaryOfTheWhole(t *testing.T) {
	captures, err := filepath.Glob("../../fixtures/*/*.pcap")
	if err != nil || len(captures) == 0 {
		t.Fatal("no captures")
	}
	last := func(args ...string) string {
		var out, errs bytes.Buffer
		run(append([]string{"read", "--format", "ndjson"}, args...), streams{in: &bytes.Buffer{}, out: &out, err: &errs})
		lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
		return listedCount.ReplaceAllString(string(lines[len(lines)-1]), `"listed":0`)
	}
	for _, capture := range captures {
		want := last(capture)
		if !bytes.Contains([]byte(want), []byte(`"type":"summary"`)) {
			t.Fatalf("%s: no summary: %s", capture, want)
		}
		if diff := cmp.Diff(want, last("--summary", capture)); diff != "" {
			t.Errorf("%s: want -, got +:\n%s", capture, diff)
		}
	}
}
