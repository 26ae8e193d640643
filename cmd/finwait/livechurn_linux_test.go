package main

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// churnRate is how many connections a second TestChurn begins, about 9 packets
// each, every one from a host that was not seen before.
const churnRate = 300

// TestChurn measures, and is run by hand (FINWAIT_CHURN=30m go test -timeout 0
// -run Churn -v ./cmd/finwait): connections of every kind come and go, and the
// memory must not grow. FINWAIT_CHURN_ARGS takes the place of the flags of live.
func TestChurn(t *testing.T) {
	given := os.Getenv("FINWAIT_CHURN")
	if given == "" {
		t.Skip("a measurement of half an hour; FINWAIT_CHURN=30m runs it")
	}
	duration, err := time.ParseDuration(given)
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	l.serve()
	dir := t.TempDir()
	args := []string{"--metrics", "127.0.0.1:0", "--interval", "10s", "--min-severity", "info",
		"--write", filepath.Join(dir, "kept.pcapng"), "--write-only", "findings", "--rotate", "20M", "--keep", "2"}
	if words := os.Getenv("FINWAIT_CHURN_ARGS"); words != "" {
		args = strings.Fields(words)
	}
	t.Setenv("GODEBUG", "gctrace=1") // on standard error, for the live heap
	r := l.live(args...)
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		l.in(l.client, func() { done <- churn(t, stop) })
	}()
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(100 * time.Millisecond):
				l.in(l.client, func() { churnSockets() })
			}
		}
	}()
	samples := watchMemory(t, r, duration)
	close(stop)
	sent := <-done
	r.patience = 5 * time.Minute // the report lists many connections
	if code := r.stop(); code != 0 {
		t.Errorf("status %d: %.2000s", code, r.said())
	}
	t.Logf("%d frames injected; %s", sent, regexp.MustCompile(`finwait: \d+ packets captured.*`).FindString(r.said()))
	judgeMemory(t, samples, duration)
}

// memory is one sample of what the process holds.
type memory struct {
	at             time.Duration
	anon, heap     float64 // MB: anonymous pages; what the last collection left
	threads, files int
}

func watchMemory(t *testing.T, r *running, duration time.Duration) (samples []memory) {
	t.Helper()
	begin := time.Now()
	for time.Since(begin) < duration {
		time.Sleep(10 * time.Second)
		proc := fmt.Sprintf("/proc/%d", r.cmd.Process.Pid)
		status, err := os.ReadFile(proc + "/status")
		if err != nil {
			t.Fatalf("it ended: %v: %.2000s", err, r.said())
		}
		files, err := os.ReadDir(proc + "/fd")
		if err != nil {
			t.Fatal(err)
		}
		s := memory{at: time.Since(begin), files: len(files), anon: float64(number(t, string(status), `RssAnon:\s+(\d+) kB`)) / 1024,
			threads: int(number(t, string(status), `Threads:\s+(\d+)`))}
		if m := regexp.MustCompile(`->(\d+) MB, \d+ MB goal`).FindAllStringSubmatch(r.said(), -1); m != nil {
			if s.heap, err = strconv.ParseFloat(m[len(m)-1][1], 64); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%5.0f s  RssAnon %7.1f MB  live heap %4.0f MB  %d threads  %d files", s.at.Seconds(), s.anon, s.heap, s.threads, s.files)
		samples = append(samples, s)
	}
	return samples
}

// judgeMemory fits a line to what came after the first ten minutes, in which
// half-open connections, the tables of hosts and what is kept of connections
// without a finding fill up, and holds the last third of that against the first.
func judgeMemory(t *testing.T, samples []memory, duration time.Duration) {
	t.Helper()
	settled := samples[:0:0]
	for _, s := range samples {
		if s.at >= min(10*time.Minute, duration/2) {
			settled = append(settled, s)
		}
	}
	if len(settled) < 6 {
		t.Fatalf("only %d samples", len(settled))
	}
	for _, what := range []struct {
		name  string
		value func(memory) float64
	}{{"RssAnon", func(s memory) float64 { return s.anon }}, {"live heap", func(s memory) float64 { return s.heap }}} {
		third := len(settled) / 3
		first, last := mean(settled[:third], what.value), mean(settled[len(settled)-third:], what.value)
		slope, err := fit(settled, what.value)
		t.Logf("%s: first third %.1f MB, last third %.1f MB, slope %.2f ± %.2f MB an hour", what.name, first, last, slope, 2*err)
		if last > first*1.05 {
			t.Errorf("%s grew from %.1f to %.1f MB", what.name, first, last)
		}
	}
	if a, b := settled[0], settled[len(settled)-1]; b.files > a.files+2 || b.threads > a.threads+4 {
		t.Errorf("files %d to %d, threads %d to %d", a.files, b.files, a.threads, b.threads)
	}
}

func mean(samples []memory, value func(memory) float64) (sum float64) {
	for _, s := range samples {
		sum += value(s)
	}
	return sum / float64(len(samples))
}

// fit is the slope of the least squares, MB an hour, and its standard error.
func fit(samples []memory, value func(memory) float64) (slope, err float64) {
	n, hours := float64(len(samples)), func(s memory) float64 { return s.at.Hours() }
	mx, my := mean(samples, hours), mean(samples, value)
	var xx, xy float64
	for _, s := range samples {
		xx += (hours(s) - mx) * (hours(s) - mx)
		xy += (hours(s) - mx) * (value(s) - my)
	}
	slope = xy / xx
	var rest float64
	for _, s := range samples {
		d := value(s) - my - slope*(hours(s)-mx)
		rest += d * d
	}
	return slope, math.Sqrt(rest / (n - 2) / xx)
}

// churnSockets has three connections of real sockets.
func churnSockets() {
	for _, kind := range []byte{cleanClose, abort, serverClose} {
		if c, err := talk(kind, 0); err == nil {
			finish(c, kind)
		}
	}
}

// A churnStep is one segment of an injected connection.
type churnStep struct {
	after    int  // ms after the one before
	server   bool // sent by it
	flags    byte
	seq, ack uint32 // relative: 0 is the SYN
	length   int
}

const (
	fFIN, fSYN, fRST, fACK = 1, 2, 4, 16
	fSYNACK, fFINACK       = fSYN | fACK, fFIN | fACK
)

// handshake, an exchange of data, and the ways to go on.
var (
	churnOpen = []churnStep{{0, false, fSYN, 0, 0, 0}, {1, true, fSYNACK, 0, 1, 0}, {1, false, fACK, 1, 1, 0},
		{5, false, fACK, 1, 1, 100}, {2, true, fACK, 1, 101, 0}, {5, true, fACK, 1, 101, 600}, {1, false, fACK, 101, 601, 0}}
	churnClose = []churnStep{{900, false, fFINACK, 101, 601, 0}, {2, true, fACK, 601, 102, 0}, {20, true, fFINACK, 601, 102, 0}, {1, false, fACK, 102, 602, 0}}
	churnKinds = [][]churnStep{
		append(churnOpen[:7:7], churnClose...),
		append(churnOpen[:7:7], churnStep{900, true, fFINACK, 601, 101, 0}, churnStep{2, false, fFINACK, 101, 602, 0}, churnStep{2, true, fACK, 602, 102, 0}),
		append(churnOpen[:7:7], churnStep{500, true, fRST, 601, 0, 0}),
		{{0, false, fSYN, 0, 0, 0}, {1000, false, fSYN, 0, 0, 0}, {2000, false, fSYN, 0, 0, 0}},
		{{0, false, fSYN, 0, 0, 0}, {1, true, fRST | fACK, 0, 1, 0}},
		// the last ACK is lost behind the tap
		append(append(churnOpen[:7:7], churnClose...), churnStep{210, true, fFINACK, 601, 102, 0}, churnStep{1, false, fACK, 102, 602, 0}),
		// data is lost behind the tap
		append(append(churnOpen[:7:7], churnStep{10, false, fACK, 101, 601, 500}, churnStep{250, false, fACK, 101, 601, 500},
			churnStep{2, true, fACK, 601, 601, 0}), churnStep{100, false, fRST | fACK, 601, 601, 0}),
		// the client closes its half; the server takes 20 s
		append(churnOpen[:7:7], churnStep{100, false, fFINACK, 101, 601, 0}, churnStep{2, true, fACK, 601, 102, 0}, churnStep{20_000, true, fFINACK, 601, 102, 0},
			churnStep{1, false, fACK, 102, 602, 0}),
		{{0, false, fSYN, 0, 0, 0}, {1, true, fSYNACK, 0, 1, 0}, {1000, true, fSYNACK, 0, 1, 0}},
	}
)

// churning is a connection on its way.
type churning struct {
	at     time.Duration
	steps  []churnStep
	client [4]byte
	server [4]byte
	port   uint16
	iss    uint32
	lasts  bool // for ever: its data goes on four times a second
	again  bool // the tuple is used once more when it has closed
	sent   int
	moved  uint32 // bytes of its data before those of its steps
	turns  uint32
}

type churnHeap []*churning

func (h churnHeap) Len() int           { return len(h) }
func (h churnHeap) Less(i, j int) bool { return h[i].at < h[j].at }
func (h churnHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *churnHeap) Push(x any)        { *h = append(*h, x.(*churning)) }
func (h *churnHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// churn injects connections until it is stopped.
func churn(t *testing.T, stop <-chan struct{}) (sent int) {
	in := newInjector(t)
	if in == nil {
		return 0
	}
	defer in.close()
	var h churnHeap
	begun, begin := 0, time.Now()
	for {
		select {
		case <-stop:
			return sent
		case <-time.After(5 * time.Millisecond):
		}
		now := time.Since(begin)
		for ; begun < int(now.Seconds()*churnRate); begun++ {
			heap.Push(&h, newChurning(begun, now))
		}
		for len(h) > 0 && h[0].at <= now {
			c := heap.Pop(&h).(*churning)
			// What does not fit into the queue of the device is as good as lost.
			_ = unix.Sendto(in.fd, c.next(), 0, &in.to)
			sent++
			if c.sent < len(c.steps) {
				heap.Push(&h, c)
			}
		}
	}
}

func newChurning(n int, now time.Duration) *churning {
	c := &churning{at: now, steps: churnKinds[n%len(churnKinds)], client: [4]byte{10, byte(128 + n>>16), byte(n >> 8), byte(n)},
		server: [4]byte{10, 97, 0, byte(n % 50)}, port: uint16(1024 + n%60000), iss: uint32(n) * 77777}
	c.lasts = n%len(churnKinds) == 0 && n < 200*len(churnKinds)
	if c.lasts {
		c.steps = churnOpen
	}
	c.again = n%90 == 0 && !c.lasts
	return c
}

// next is the frame that is due, and sets when the one after it is.
func (c *churning) next() []byte {
	s := c.steps[c.sent]
	c.sent++
	seq, ack := s.seq, s.ack
	if s.server {
		seq, ack = seq+c.iss+500, ack+c.iss+c.moved
	} else {
		seq, ack = seq+c.iss+c.moved, ack+c.iss+500
	}
	if s.flags&fACK == 0 {
		ack = 0
	}
	src, dst, sport, dport := c.client, c.server, c.port, uint16(80)
	if s.server {
		src, dst, sport, dport = dst, src, dport, sport
	}
	b := tcpFrame(src, dst, sport, dport, seq, ack, s.flags)
	b = append(b, make([]byte, s.length)...)
	binary.BigEndian.PutUint16(b[16:], uint16(40+s.length))
	switch {
	case c.sent < len(c.steps):
		c.at += time.Duration(c.steps[c.sent].after) * time.Millisecond
	case c.lasts:
		// Each time some data, now and then sent twice because it was lost: what is
		// kept of such a connection is full in five minutes.
		const size = 1000
		c.moved = 100 + size*c.turns // the handshake's steps have sent 100 bytes
		c.turns++
		data, ack := churnStep{250, false, fACK, 1, 601, size}, churnStep{2, true, fACK, 601, 1 + size, 0}
		c.steps, c.sent = []churnStep{data, ack}, 0
		if c.turns%4 == 0 {
			c.steps = []churnStep{data, data, ack}
		}
		c.at += 250 * time.Millisecond
	case c.again:
		c.again, c.sent, c.iss = false, 0, c.iss+1<<20
		c.at += 2 * time.Second
	}
	return b
}
