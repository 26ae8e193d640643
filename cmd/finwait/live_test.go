package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// liveRunOf runs the program in this process.
func liveRunOf(args ...string) (code int, out, said string) {
	var o, e bytes.Buffer
	code = run(append([]string{"live"}, args...), streams{in: strings.NewReader(""), out: &o, err: &e})
	return code, o.String(), e.String()
}

func TestLiveFlagsThatCannotBe(t *testing.T) {
	for _, args := range [][]string{
		{}, {"-i", "lo", "-r", "x"}, {"-i", "lo", "--rotate", "1M"}, {"-i", "lo", "--filter", "tcp", "udp"}, {"-i", "lo", "--direction", "up"},
		{"-i", "lo", "-w", "x", "--rotate", "soon"}, {"-i", "lo", "-w", "x", "--keep", "3"}, {"-i", "lo", "--ring", "7"}, {"-i", "lo", "-w", "-"},
		{"-i", "lo", "--write-only", "findings"}, {"-i", "lo", "-w", "x", "--write-only", "all"}, {"-i", "lo", "--screen", "--format", "json"},
		{"-i", "lo", "--duration", "-1s"}, {"-i", "lo", "--workers", "2"}, {"-i", "lo", "--progress", "on"}, {"-i", "lo", "--ring", "4G"},
		{"-i", "lo", "--steps", "--format", "json"}, {"-i", "lo", "--interval", "1s", "--quiet"}, {"-i", "lo", "--interval", "1s", "--screen"},
		{"-i", "lo", "--steps", "--format", "ndjson", "--sort", "id"},
	} {
		if code, _, said := liveRunOf(args...); code != statusUsage || strings.Count(said, "\n") != 1 {
			t.Errorf("live %q: status %d, %q", args, code, said)
		}
	}
}

func TestLiveUnknownInterface(t *testing.T) {
	code, _, said := liveRunOf("-i", "nosuch0")
	if code != statusInput || !strings.Contains(said, "there is no such interface") || strings.Count(said, "\n") != 1 {
		t.Errorf("status %d, %q", code, said)
	}
}

// TestLiveNothingIsOutgoing: what would be silent for ever says so.
func TestLiveNothingIsOutgoing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("of Linux, which shows each loopback packet twice")
	}
	code, _, said := liveRunOf("-i", "lo", "--direction", "out", "--duration", "1s")
	if code != statusInput || !strings.Contains(said, "no packet would be captured in this direction") || strings.Count(said, "\n") != 1 {
		t.Errorf("status %d, %q", code, said)
	}
}

func TestInterfacesCommand(t *testing.T) {
	var o, e bytes.Buffer
	if code := run([]string{"interfaces"}, streams{in: strings.NewReader(""), out: &o, err: &e}); code != 0 || !strings.Contains(o.String(), "lo") {
		t.Errorf("status %d, %q %q", code, o.String(), e.String())
	}
}

func TestLivePrintsItsDashboard(t *testing.T) {
	if code, out, _ := liveRunOf("--print-dashboard"); code != 0 || !strings.HasPrefix(out, "{") {
		t.Errorf("status %d, %.80q", code, out)
	}
}

// TestLiveLeavesNothingBehind: no goroutine outlives it, metrics and all.
func TestLiveLeavesNothingBehind(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("capturing needs root")
	}
	before := goleak.IgnoreCurrent()
	file := filepath.Join(t.TempDir(), "x.pcapng")
	code, out, said := liveRunOf("-i", "lo", "--duration", "300ms", "--format", "ndjson", "--interval", "100ms", "--metrics", "127.0.0.1:0", "-w", file)
	if code != 0 || !strings.Contains(out, `"event":"interval"`) || !strings.Contains(out, `"type":"summary"`) {
		t.Errorf("status %d, %q, %q", code, out, said)
	}
	goleak.VerifyNone(t, before)
}

// TestQueueNeverWaits: whoever does not take output in time does not get it all.
func TestQueueNeverWaits(t *testing.T) {
	stuck := make(chan struct{})
	var taken uint64
	q := newQueue(2*queueChunk, func(p parcel) error {
		<-stuck
		taken += p.items
		return nil
	})
	line := bytes.Repeat([]byte("x"), 999)
	line = append(line, '\n')
	const lines = 50_000
	begin := time.Now()
	for range lines {
		q.add(line)
	}
	if d := time.Since(begin); d > 10*time.Second {
		t.Errorf("it took %s", d)
	}
	if q.lost() == 0 {
		t.Error("nothing was left out of 50 MB that nobody took")
	}
	if held := q.waiting.Load() + int64(len(q.now.data)); held > 2*queueChunk+2*queuePending {
		t.Errorf("%d bytes wait", held)
	}
	close(stuck)
	q.close()
	if taken+q.lost() != lines {
		t.Errorf("%d lines taken and %d left out of %d", taken, q.lost(), lines)
	}
}

func TestQueueCountsWhatCouldNotBeWritten(t *testing.T) {
	full := errors.New("disk full")
	q := newQueue(2*queueChunk, func(parcel) error { return full })
	q.add([]byte("one\n"))
	q.flush()
	q.add([]byte("two\n"))
	q.close()
	if q.lost() != 2 || q.failure() != full {
		t.Errorf("%d lost, %v", q.lost(), q.failure())
	}
}

func TestPacketFilesRotate(t *testing.T) {
	dir := t.TempDir()
	w := &packetFiles{path: filepath.Join(dir, "x.pcapng"), header: []byte("head"), size: 100, keep: 2}
	if err := w.open(); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		block := heldBlock('p', 30)
		if err := w.write(parcel{data: bytes.Repeat(block, 3), items: 3}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.f.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "x_*.pcapng"))
	if err != nil || len(names) != 2 {
		t.Fatalf("%q %v", names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil || !bytes.HasPrefix(text, []byte("head")) || len(text) > 124 || (len(text)-4)%30 != 0 {
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		}
	}
}

// TestFullDisk: a file that takes no more does not become unreadable.
func TestFullDisk(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no /dev/full: %v", err)
	}
	w := &packetFiles{f: f}
	defer w.f.Close()
	if err := w.write(parcel{data: []byte("block"), items: 1}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full disk says %v", err)
	}
	if w.written != 0 {
		t.Errorf("%d bytes are said to be written", w.written)
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{"7": 7, "64K": 64 << 10, "100M": 100 << 20, "2GiB": 2 << 30, "1mb": 1 << 20, "x": -1, "-3": -1, "": -1, "9999999999T": -1} {
		got, ok := parseSize(text)
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
}
