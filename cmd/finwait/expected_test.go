package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/finwait/finwait/report/expect"
)

const (
	kernelFixtures = "../../fixtures/kernel"
	scriptFixtures = "../../fixtures/scripts"
)

// Our own fixtures are as expected: the kernels' captures by expect.yaml beside
// them, the scripts by their own lines. -update writes expect.yaml anew: read the
// difference.
func TestOurFixturesAreAsExpected(t *testing.T) {
	expectations := filepath.Join(kernelFixtures, "expect.yaml")
	if *update {
		if err := os.WriteFile(expectations, finwait(t, "check", "--write-expect", kernelFixtures), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	code := run([]string{"check", "--expect", expectations, kernelFixtures}, streams{in: strings.NewReader(""), out: &out, err: &errs})
	if code != statusOK || errs.Len() > 0 {
		t.Errorf("exit status %d; 'go test ./cmd/finwait -run %s -update' writes %s anew\n%s%s", code, t.Name(), expectations, errs.String(), failures(out.String()))
	}
	out.Reset()
	if code := run([]string{"check", scriptFixtures}, streams{in: strings.NewReader(""), out: &out, err: &errs}); code != statusOK {
		t.Errorf("exit status %d\n%s%s", code, errs.String(), failures(out.String()))
	}
}

// failures leaves out the captures that are as expected.
func failures(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "ok ") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// Every kernel capture stands in expect.yaml once: none is passed over.
func TestEveryFixtureIsExpected(t *testing.T) {
	f, err := expect.Load(filepath.Join(kernelFixtures, "expect.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, c := range f.Captures {
		times[c.File]++
	}
	captures, err := filepath.Glob(filepath.Join(kernelFixtures, "*.pcap"))
	if err != nil || len(captures) < 80 {
		t.Fatalf("%d captures, %v", len(captures), err)
	}
	for _, path := range captures {
		if n := times[filepath.Base(path)]; n != 1 {
			t.Errorf("%s stands in expect.yaml %d times", filepath.Base(path), n)
		}
	}
}

// The example of the documentation is one that works.
func TestExampleOfTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../report/expect/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("no example")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "expect.yaml")
	if err := os.WriteFile(path, []byte(example), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code := run([]string{"check", "-q", "--expect", path, filepath.Join(kernelFixtures, "07a_last_ack_lost_after.pcap")},
		streams{in: strings.NewReader(""), out: &out, err: &errs})
	if code != statusOK {
		t.Errorf("exit status %d\n%s%s", code, errs.String(), out.String())
	}
}
