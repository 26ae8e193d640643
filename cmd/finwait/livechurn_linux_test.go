package main

import (
	"container/heap"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// churnRate is how many connections a second TestChurn begins, about 9 packets
// each, every one from a host that was not seen before.
const (
	churnRate    = 300
	churnLasting = 200 // of them go on for ever
)

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
	samples := l.watchMemory(r, duration)
	close(stop)
	sent := <-done
	r.patience = 5 * time.Minute // the report lists many connections
	if code := r.stop(); code != 0 {
		t.Errorf("status %d: %.2000s", code, r.said())
	}
	t.Logf("%d frames injected; %s", sent, regexp.MustCompile(`finwait: \d+ packets captured.*`).FindString(r.said()))
	judgeMemory(t, samples, duration)
}

// memory is one sample of what the process holds, in MB but for the numbers.
type memory struct {
	at             time.Duration
	anon           float64 // all anonymous pages
	pages          float64 // of them Go's heap, with what the collector has yet to sweep or to give back
	mapped         float64 // the others: tables and logs outside the heap, what the runtime itself needs
	heap           float64 // what the last collection left
	threads, files int
}

// memoryParts are what a line each is fitted to. The two parts of the first are not
// judged by themselves: they say where to look.
var memoryParts = []struct {
	name   string
	judged bool
	value  func(memory) float64
}{
	{"RssAnon", true, func(s memory) float64 { return s.anon }}, {"pages of Go's heap", false, func(s memory) float64 { return s.pages }},
	{"mapped outside it", false, func(s memory) float64 { return s.mapped }}, {"live heap", true, func(s memory) float64 { return s.heap }},
}

func (l *lab) watchMemory(r *running, duration time.Duration) (samples []memory) {
	t := l.t
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
		s.pages = l.heapPages(r)
		s.mapped = s.anon - s.pages
		if m := regexp.MustCompile(`->(\d+) MB, \d+ MB goal`).FindAllStringSubmatch(r.said(), -1); m != nil {
			if s.heap, err = strconv.ParseFloat(m[len(m)-1][1], 64); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%5.0f s  RssAnon %7.1f MB: heap pages %7.1f, mapped %6.1f  live heap %4.0f MB  %d threads  %d files",
			s.at.Seconds(), s.anon, s.pages, s.mapped, s.heap, s.threads, s.files)
		samples = append(samples, s)
	}
	return samples
}

// heapPages is how many MB Go's heap has of the system, by the metrics that the
// process serves; 0 if it serves none.
func (l *lab) heapPages(r *running) (mb float64) {
	l.t.Helper()
	address := regexp.MustCompile(`metrics at http://([0-9.:]+)/`).FindStringSubmatch(r.said())
	if address == nil {
		return 0
	}
	l.in(l.server, func() {
		// No http.Client: it would dial from another thread, which is not in the namespace.
		c, err := net.Dial("tcp", address[1])
		if err != nil {
			l.t.Error(err)
			return
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /metrics HTTP/1.0\r\n\r\n")
		text, err := io.ReadAll(c)
		if err != nil {
			l.t.Error(err)
			return
		}
		for _, part := range []struct {
			name string
			sign float64
		}{{"sys", 1}, {"released", -1}} {
			m := regexp.MustCompile(`(?m)^go_memstats_heap_` + part.name + `_bytes (\S+)$`).FindSubmatch(text)
			if m == nil {
				l.t.Errorf("no metric of the heap: %.300s", text)
				return
			}
			n, err := strconv.ParseFloat(string(m[1]), 64)
			if err != nil {
				l.t.Error(err)
			}
			mb += part.sign * n / (1 << 20)
		}
	})
	return mb
}

// judgeMemory fits a line to what came after the first ten minutes, in which
// half-open connections, the tables of hosts and what is kept of connections
// without a finding fill up. Neither all memory nor the live heap may grow in an hour by more
// than 1 % of all of it, unless that lies within the doubt of the fit; and its last
// third must not be above the first by 5 % of all, however large the doubt.
func judgeMemory(t *testing.T, samples []memory, duration time.Duration) {
	t.Helper()
	settled := samples[:0:0]
	for _, s := range samples {
		if s.at >= min(10*time.Minute, duration/2) {
			settled = append(settled, s)
		}
	}
	if len(settled) < 3*memoryStretch {
		t.Fatalf("only %d samples", len(settled))
	}
	whole := mean(settled, memoryParts[0].value)
	for _, what := range memoryParts {
		if verdict, ok := judgePart(settled, whole, what.value); ok || !what.judged {
			t.Logf("%s: %s", what.name, verdict)
		} else {
			t.Errorf("%s grows: %s", what.name, verdict)
		}
	}
	if a, b := settled[0], settled[len(settled)-1]; b.files > a.files+2 || b.threads > a.threads+4 {
		t.Errorf("files %d to %d, threads %d to %d", a.files, b.files, a.threads, b.threads)
	}
}

// memoryStretch is how many samples are taken as one: those that follow each other
// say nearly the same, and would make a fit look surer than it is.
const memoryStretch = 6

func judgePart(samples []memory, whole float64, value func(memory) float64) (verdict string, ok bool) {
	third := len(samples) / 3
	first, last := mean(samples[:third], value), mean(samples[len(samples)-third:], value)
	var hours, level []float64
	for part := range slices.Chunk(samples, memoryStretch) {
		hours = append(hours, mean(part, func(s memory) float64 { return s.at.Hours() }))
		level = append(level, mean(part, value))
	}
	slope, err := fit(hours, level)
	verdict = fmt.Sprintf("first third %.1f MB, last third %.1f MB, slope %+.1f ± %.1f MB an hour (%+.1f %% of all)", first, last, slope, 2*err, 100*slope/whole)
	return verdict, last <= first+0.05*whole && slope <= max(0.01*whole, 2*err)
}

func mean(samples []memory, value func(memory) float64) (sum float64) {
	for _, s := range samples {
		sum += value(s)
	}
	return sum / float64(len(samples))
}

// fit is the slope of the least squares and its standard error.
func fit(x, y []float64) (slope, err float64) {
	n := float64(len(x))
	var mx, my, xx, xy float64
	for i := range x {
		mx, my = mx+x[i]/n, my+y[i]/n
	}
	for i := range x {
		xx += (x[i] - mx) * (x[i] - mx)
		xy += (x[i] - mx) * (y[i] - my)
	}
	slope = xy / xx
	var rest float64
	for i := range x {
		d := y[i] - my - slope*(x[i]-mx)
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
			heap.Push(&h, newChurning(begun, churnLasting, now))
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

// TestChurnLeavesNothing: of connections of every kind that come and go, those in
// the table, and what is kept for them, are no more after twelve minutes than
// after the five minutes for which half-open ones stay. FINWAIT_CHURN_MINUTES and
// FINWAIT_CHURN_PROFILE=DIR run it for longer, at the rate of TestChurn, and write
// heap profiles.
func TestChurnLeavesNothing(t *testing.T) {
	source := &churnSource{begin: time.Now().UnixNano(), end: 12 * time.Minute, rate: 15, lasting: 2}
	profiles := os.Getenv("FINWAIT_CHURN_PROFILE")
	if profiles != "" {
		runtime.MemProfileRate = 16 << 10
	}
	if minutes, err := strconv.Atoi(os.Getenv("FINWAIT_CHURN_MINUTES")); err == nil {
		source.end, source.rate, source.lasting = time.Duration(minutes)*time.Minute, churnRate, churnLasting
	}
	r := liveOf(t, source, "--min-severity", "info", "--max-connections", "100000",
		"--write", filepath.Join(t.TempDir(), "kept.pcapng"), "--write-only", "findings", "--rotate", "20M", "--keep", "2")
	var first, last [2]int
	source.look = func(at time.Duration) {
		now := [2]int{r.tracker.Open(), r.packets.held.known}
		switch {
		case at >= 7*time.Minute && first == [2]int{}:
			first = now
		case at > source.end-time.Minute:
			last = now
		}
		if profiles == "" {
			return
		}
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		t.Logf("%3.0f minutes: %d connections, %d with packets, live heap %.1f MB", at.Minutes(), now[0], now[1], float64(m.HeapAlloc)/1e6)
		out, err := os.Create(filepath.Join(profiles, fmt.Sprintf("heap%03.0f.pprof", at.Minutes())))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(pprof.WriteHeapProfile(out), out.Close()); err != nil {
			t.Error(err)
		}
	}
	if err := r.run(); err != nil {
		t.Fatal(err)
	}
	for i, what := range []string{"connections in the table", "connections whose packets are kept"} {
		if last[i] == 0 || float64(last[i]) > 1.05*float64(first[i]) {
			t.Errorf("%s: %d after 7 minutes, %d at the end", what, first[i], last[i])
		}
	}
	if h := r.packets.held; h.known != 0 || h.bytes != 0 || h.oldest != 0 {
		t.Errorf("when all is over %d connections and %d bytes are still kept", h.known, h.bytes)
	}
}

// TestJudgeMemory: the judgement passes noise and what swings, and finds what grows
// slowly or by a step.
func TestJudgeMemory(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for name, c := range map[string]struct {
		level func(minute float64) float64
		want  bool
	}{
		"flat":    {func(float64) float64 { return 200 }, true},
		"swings":  {func(m float64) float64 { return 200 + 6*math.Sin(m*2*math.Pi/4) }, true},
		"falls":   {func(m float64) float64 { return 220 - m }, true},
		"grows":   {func(m float64) float64 { return 200 + m/4 }, false},
		"a step":  {func(m float64) float64 { return 200 + 8*math.Floor(m/20) }, false},
		"doubles": {func(m float64) float64 { return 100 + 10*m }, false},
	} {
		var samples []memory
		for at := 10 * time.Minute; at < 30*time.Minute; at += 10 * time.Second {
			samples = append(samples, memory{at: at, anon: c.level(at.Minutes()) + 2*r.NormFloat64()})
		}
		anon := memoryParts[0].value
		if verdict, ok := judgePart(samples, mean(samples, anon), anon); ok != c.want {
			t.Errorf("%s: %v: %s", name, ok, verdict)
		}
	}
}
