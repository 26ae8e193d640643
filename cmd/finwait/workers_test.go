package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

// TestWorkers: the report is the same bytes for any number of workers, and no
// goroutine is left behind.
func TestWorkers(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	captures, err := filepath.Glob("../../fixtures/kernel/*.pcap")
	if err != nil || len(captures) == 0 {
		t.Fatal("no captures")
	}
	damaged := filepath.Join(t.TempDir(), "damaged.pcap")
	b, err := os.ReadFile(captures[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(damaged, b[:len(b)-7], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, files := range [][]string{captures, {damaged}} {
		for _, more := range [][]string{
			{"--format", "ndjson"}, {"--format", "json"}, {"--all"}, {"--format", "csv"}, {"-c", "700"},
			{"--max-connections", "3", "--format", "ndjson"}, // evicted all the time
		} {
			var want []byte
			for _, workers := range []string{"1", "2", "5"} {
				var out, errs bytes.Buffer
				run(slices.Concat([]string{"read", "--workers", workers}, more, files), streams{in: &bytes.Buffer{}, out: &out, err: &errs})
				if workers == "1" {
					want = out.Bytes()
					if len(want) == 0 {
						t.Fatalf("%v: no report: %s", more, errs.Bytes())
					}
				} else if !bytes.Equal(out.Bytes(), want) {
					t.Errorf("%v: another report with %s workers", more, workers)
				}
			}
		}
	}
}

// TestWorkersStopEarly: a report that cannot be written ends all goroutines.
func TestWorkersStopEarly(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	captures, err := filepath.Glob("../../fixtures/kernel/*.pcap")
	if err != nil {
		t.Fatal(err)
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	defer full.Close()
	var errs bytes.Buffer
	if code := run(slices.Concat([]string{"read", "--workers", "3", "--format", "ndjson"}, captures), streams{in: &bytes.Buffer{}, out: full, err: &errs}); code == 0 {
		t.Error("no error")
	}
}
