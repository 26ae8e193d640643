package main

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestLossBesideTcpdump measures, and is run by hand (FINWAIT_LOSS=1): at the
// highest rate of packets that tcpdump takes without a loss, with a buffer of the
// same size at the same moment, live must lose nothing either.
func TestLossBesideTcpdump(t *testing.T) {
	if os.Getenv("FINWAIT_LOSS") == "" {
		t.Skip("a measurement of a minute; FINWAIT_LOSS=1 runs it")
	}
	if _, err := exec.LookPath("tcpdump"); err != nil {
		t.Skip("tcpdump is not installed")
	}
	for _, backend := range []string{"libpcap", "afpacket"} {
		for _, rate := range []int{100_000, 200_000, 400_000, 0} {
			t.Run(backend+" "+strconv.Itoa(rate), func(t *testing.T) { lossAt(t, backend, rate) })
		}
	}
}

func lossAt(t *testing.T, backend string, rate int) {
	l := newLab(t)
	said, ended := startTcpdump(t, l)
	r := l.live("--backend", backend, "--ring", "16M", "--format", "ndjson", "-o", "/dev/null", "tcp")
	begin := time.Now()
	sent := 0
	l.in(l.client, func() { sent = inject(t, max(rate, 300_000)*2/3, rate) })
	took := time.Since(begin)
	time.Sleep(time.Second)
	if code := r.stop(); code != 0 {
		t.Fatalf("status %d: %s", code, r.said())
	}
	theirs, ours := ended(), number(t, r.said(), `(\d+) lost by the kernel`)
	t.Logf("%d packets at %.0f a second: tcpdump lost %d, finwait %d", sent, float64(sent)/took.Seconds(), theirs, ours)
	if theirs == 0 && ours > 0 {
		t.Errorf("finwait lost %d packets where tcpdump lost none: %s", ours, said)
	}
}

// startTcpdump starts it with the buffer of live's default; ended stops it and
// gives what it lost.
func startTcpdump(t *testing.T, l *lab) (said *bytes.Buffer, ended func() uint64) {
	t.Helper()
	said = new(bytes.Buffer)
	cmd := exec.Command("ip", "netns", "exec", l.server, "tcpdump", "-i", serverDev, "-s", "192", "-B", "16384", "-w", "/dev/null", "tcp")
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	time.Sleep(time.Second)
	return said, func() uint64 {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait() // what it says is all that counts
		return number(t, said.String(), `(\d+) packets? dropped by kernel`)
	}
}

func number(t *testing.T, text, pattern string) uint64 {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("no %s in %q", pattern, strings.TrimSpace(text))
	}
	n, err := strconv.ParseUint(m[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
