package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/finwait/finwait/fixtures/load"
)

// This file runs one program once and measures it.

// Sample is one run of one program.
type Sample struct {
	Wall   time.Duration `json:"wall_ns"`
	User   time.Duration `json:"user_ns"`
	System time.Duration `json:"system_ns"`
	MaxRSS int64         `json:"max_rss_bytes"`       // resident at most, mapped files included
	Anon   int64         `json:"peak_rss_anon_bytes"` // anonymous memory at most, looked at every watchEvery; 0: unknown
}

// watchEvery is short against the growth of a flood, and long enough that
// looking costs the machine less than one part in a hundred.
const watchEvery = 4 * time.Millisecond

// once runs a program, Repeat times for what is over too soon to be measured
// well: the quickest of them counts.
func (s *series) once(w *work) error {
	var best Sample
	for i := range max(1, s.Repeat) {
		got, err := s.sample(w)
		if err != nil {
			return fmt.Errorf("%s: %w", strings.Join(s.Args, " "), err)
		}
		if i == 0 || got.Wall < best.Wall {
			best = got
		}
	}
	s.Samples = append(s.Samples, best)
	return nil
}

func (s *series) sample(w *work) (Sample, error) {
	cmd := exec.Command(s.Args[0], s.Args[1:]...)
	cmd.Env = environment(s.Env)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	var feed io.WriteCloser
	if w.Stream {
		var err error
		if feed, err = cmd.StdinPipe(); err != nil {
			return Sample{}, err
		}
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return Sample{}, err
	}
	fed := make(chan error, 1)
	if feed != nil {
		go func() {
			size, err := load.Write(feed, w.Spec)
			w.Size = size
			fed <- errors.Join(err, feed.Close())
		}()
	} else {
		fed <- nil
	}
	done, peak := make(chan struct{}), make(chan int64)
	go watch(cmd.Process.Pid, done, peak)
	err := cmd.Wait()
	wall := time.Since(begin)
	close(done)
	anon := <-peak
	if err != nil {
		return Sample{}, fmt.Errorf("%w: %s", err, strings.TrimSpace(errs.String()))
	}
	if err := <-fed; err != nil {
		return Sample{}, err
	}
	p := cmd.ProcessState
	return Sample{Wall: wall, User: p.UserTime(), System: p.SystemTime(), MaxRSS: maxRSS(p), Anon: anon}, nil
}

// environment is ours without what would change finwait's memory, and with more.
func environment(more []string) []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if name != "GOGC" && name != "GOMEMLIMIT" && name != "GOMAXPROCS" && name != "GODEBUG" {
			env = append(env, v)
		}
	}
	return append(env, more...)
}

// watch finds the most anonymous memory that a process holds until done closes.
func watch(pid int, done <-chan struct{}, peak chan<- int64) {
	most := rssAnon(pid)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-done:
			peak <- most
			return
		case <-tick.C:
			most = max(most, rssAnon(pid))
		}
	}
}

// rssAnon is a process's anonymous memory as Linux tells it, bytes; 0: unknown.
func rssAnon(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "\nRssAnon:")
	rest, _, _ = strings.Cut(rest, "kB")
	n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// idle is what finwait holds while it waits for the first packet of a stream.
func idle(finwait string) (int64, error) {
	cmd := exec.Command(finwait, "read", "--progress", "off", "-")
	cmd.Env = environment(nil)
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	if _, err := in.Write(emptyCapture()); err != nil {
		return 0, err
	}
	time.Sleep(300 * time.Millisecond)
	n := rssAnon(cmd.Process.Pid)
	if err := in.Close(); err != nil {
		return 0, err
	}
	return n, cmd.Wait()
}

// emptyCapture is a pcap file without packets.
func emptyCapture() []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xa1b2c3d4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0)
	return binary.LittleEndian.AppendUint32(b, 1)
}

func output(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).CombinedOutput()
	return string(out), err
}
