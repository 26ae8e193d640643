package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/fixtures"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
	"github.com/finwait/finwait/report/expect"
	"github.com/finwait/finwait/report/verdict"
)

// This file judges one capture or script.

const (
	scriptEnding = ".fin"
	expectEnding = ".expect.yaml"
)

// one judges one capture. An error is a fault of an expectation file or script,
// or of ours; a capture that cannot be read is told in the verdict.
func (k *checking) one(path string) (verdict.Capture, error) {
	if strings.HasSuffix(path, scriptEnding) {
		return k.script(path)
	}
	f, err := k.expectationsOf(path)
	if err != nil {
		return verdict.Capture{}, err
	}
	return k.judge(path, f, k.fail, func(emit func(*report.Connection)) (verdict.Capture, error) { return k.analyse(path, emit) })
}

func (k *checking) judge(path string, f *expect.File, fail expect.FailOn,
	analyse func(func(*report.Connection)) (verdict.Capture, error)) (verdict.Capture, error) {
	c := expect.NewChecker(path, f, expect.Options{FailOn: fail, Look: func(id uint64) string {
		if stem, ok := strings.CutSuffix(path, scriptEnding); ok {
			return fmt.Sprintf("finwait synth %s -o %s && finwait show %s --conn %d", shellWord(path), shellWord(stem+".pcap"), shellWord(stem+".pcap"), id)
		}
		return fmt.Sprintf("finwait show %s --conn %d", shellWord(path), id)
	}})
	v, err := analyse(c.Add)
	if err != nil {
		return v, err
	}
	v.Cases, v.Problems = c.Close(v.Packets)
	if f != nil && f.Name != path {
		v.Expectation = f.Name
	}
	return v, nil
}

// expectationsOf finds what is expected of a capture: --expect, or the file
// beside it.
func (k *checking) expectationsOf(path string) (*expect.File, error) {
	if k.expected != nil {
		speaks := func(c expect.Capture) bool { return c.Speaks(k.expected.Name, path) }
		if !k.quiet && !slices.ContainsFunc(k.expected.Captures, speaks) {
			fmt.Fprintf(k.err, "finwait: %s: %s does not speak of it: only its defaults and --fail-on count\n", oneLine(path), k.expected.Name)
		}
		return k.expected, nil
	}
	stem, _, _ := strings.Cut(path[strings.LastIndexByte(path, '/')+1:], ".")
	for _, beside := range []string{path + expectEnding, path[:strings.LastIndexByte(path, '/')+1] + stem + expectEnding} {
		if _, err := os.Stat(beside); err == nil {
			if !k.quiet {
				fmt.Fprintf(k.err, "finwait: %s: expectations of %s\n", oneLine(path), oneLine(beside))
			}
			return loadExpect(beside)
		}
	}
	return nil, nil
}

// analyse runs a capture and gives its connections to emit, which may keep them.
func (k *checking) analyse(path string, emit func(*report.Connection)) (verdict.Capture, error) {
	in, err := capture.Open([]string{path}, k.stop.options(k.in))
	var fault *capture.Error
	if errors.As(err, &fault) {
		return verdict.Capture{File: path, Damage: fault.Error()}, nil
	}
	if err != nil {
		return verdict.Capture{}, err
	}
	defer closeQuietly(in)
	v, err := k.collect(in, emit)
	v.File = path
	return v, err
}

// collect runs an open capture through the tracker.
func (k *checking) collect(in *capture.Reader, emit func(*report.Connection)) (v verdict.Capture, err error) {
	o, err := k.tracker()
	if err != nil {
		return v, err
	}
	choice, err := k.filter()
	if err != nil {
		return v, err
	}
	o.Emit = func(l *reassembly.Lifecycle) {
		v.Connections++
		emit(new(report.Builder).Build(l)) // a Builder of its own: emit may keep it
	}
	if err := choice.refuse(in); err != nil {
		return v, err
	}
	a := &analysis{in: in, choice: choice, stop: k.stop, decoder: capture.NewDecoder(capture.DecoderOptions{})}
	if err := a.batches(reassembly.NewTracker(o), func() error { return nil }); err != nil {
		return v, err
	}
	if text := choice.problem(); text != "" && !k.quiet {
		fmt.Fprintf(k.err, "finwait: %s\n", oneLine(text))
	}
	trace := a.trace()
	v.Packets = trace.Quality.Frames
	if v.Packets > 0 {
		v.Start = report.Time(trace.Start).String()
	}
	for _, p := range trace.Quality.Damage {
		v.Damage = p.Text
	}
	return v, nil
}

// script plays a script and holds it against its own expectations. --fail-on
// counts only if it is given: a script of a fault is full of findings.
func (k *checking) script(path string) (verdict.Capture, error) {
	s, err := loadScript(path)
	if err != nil {
		return verdict.Capture{}, err
	}
	f, err := expectationsOfScript(path, s)
	if err != nil {
		return verdict.Capture{}, err
	}
	var fail expect.FailOn
	if k.failOnGiven {
		fail = k.fail
	}
	return k.judge(path, f, fail, func(emit func(*report.Connection)) (verdict.Capture, error) {
		v, err := k.play(s, emit)
		v.File = path
		return v, err
	})
}

// play runs the capture of a script through the tracker.
func (k *checking) play(s *fixtures.Script, emit func(*report.Connection)) (verdict.Capture, error) {
	frames, err := s.Pcap()
	if err != nil {
		return verdict.Capture{}, usagef("%v", err)
	}
	in, err := capture.Open([]string{"-"}, capture.Options{Stdin: bytes.NewReader(frames)})
	if err != nil {
		return verdict.Capture{}, err
	}
	defer closeQuietly(in)
	return k.collect(in, emit)
}

// loadScript reads a script; its faults are usage errors with line and column.
func loadScript(path string) (*fixtures.Script, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, &capture.Error{Op: "open", File: path, Err: unwrapPath(err), Hint: "check the path"}
	}
	s, err := fixtures.Parse(path, src)
	if err != nil {
		return nil, usagef("%v", err)
	}
	return s, nil
}

// unwrapPath drops what the message says already.
func unwrapPath(err error) error {
	var e *os.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// shellWord quotes a path for a command that can be pasted.
func shellWord(path string) string {
	if strings.ContainsAny(path, " \t'\"$&|;<>()*?[]#~`\\!{}") {
		return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	}
	return path
}
