package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/finwait/finwait/reassembly/anomaly"
	"github.com/finwait/finwait/report"
)

// This file is the end of the command live: the report, and what was lost.

// finish ends the capture and writes the report.
func (r *liveRun) finish(out *output) error {
	_ = r.in.Close() // it never fails
	r.takeSample(time.Now(), true)
	r.sample.Finished = true
	if r.screen != nil {
		r.screen.Stop()
		r.screen = nil
	}
	if r.lines != nil {
		r.lines.wait()
	}
	if r.ended == nil {
		r.advance()
	}
	r.tracker.Changed(0, r.changed)
	r.tracker.Close()
	if r.packets != nil {
		if r.keeping = r.packets.close(cmp.Or(r.drain, pipePatience)); r.keeping == nil {
			r.keeping = r.packets.queue.failure()
		}
	}
	if r.server != nil {
		r.server.Close()
	}
	err := r.writeReport(out)
	r.account()
	switch {
	case err != nil:
		return fmt.Errorf("writing the report: %w", err)
	case r.ended != nil:
		return &statusError{statusInput, r.ended.Error()}
	case r.keeping != nil:
		return &statusError{status: statusInternal} // account has told it
	}
	return nil
}

// writeReport writes what comes after the lines.
func (r *liveRun) writeReport(out *output) error {
	text := r.form == report.Text
	if text && r.lines != nil {
		r.lines.close() // the report follows the lines, not the other way round
		if r.watch.Counts.Above > 0 && r.output == "" {
			fmt.Fprintln(out)
		}
	}
	err := r.failed
	if err == nil {
		err = r.writer.Close(r.trace())
	}
	if !text && r.lines != nil {
		r.lines.close()
		if e := r.lines.failure(); e != nil && err == nil {
			err = e
		}
	}
	if e := out.close(); err == nil {
		err = e
	}
	return err
}

// trace is what the report says of the capture.
func (r *liveRun) trace() report.Trace {
	t := r.analysis.trace()
	s := r.in.Stats()
	dropped := s.Dropped + s.InterfaceDropped
	t.Quality.Dropped = &dropped
	warn := func(n uint64, format string) {
		if n > 0 {
			t.Quality.Warnings = append(t.Quality.Warnings, report.Problem{File: r.live.iface, Text: fmt.Sprintf(format, n)})
		}
	}
	warn(s.Dropped, "%d packets were lost because the kernel's buffer was full; a larger --ring or a filter helps")
	warn(s.InterfaceDropped, "%d packets were lost by the interface or its driver")
	warn(r.writer.Unlisted(), "%d connections are counted but not listed; --format ndjson lists each when it ends")
	if r.lines != nil {
		warn(r.lines.lost(), "%d lines of output were left out because nobody took them in time")
	}
	if r.packets != nil {
		if n := r.packets.lost(); n > 0 {
			t.Quality.Warnings = append(t.Quality.Warnings, report.Problem{File: r.live.write, Text: fmt.Sprintf("%d packets were not kept: %s", n, r.whyNotKept())})
		}
		warn(r.packets.late(), "%d packets of connections with findings were not kept: they had to make room before the finding came")
	}
	if r.ended != nil {
		t.Quality.Damage = append(t.Quality.Damage, report.Problem{File: r.live.iface, Text: r.ended.Error()})
	}
	return t
}

// account says on standard error what was lost on the way out, and by whom.
func (r *liveRun) account() {
	s := r.in.Stats()
	if !r.quiet {
		fmt.Fprintf(r.streams.err, "finwait: %d packets captured, %d lost by the kernel, %d lost by the interface\n",
			r.counted, s.Dropped, s.InterfaceDropped)
	}
	if r.lines != nil && r.lines.lost() > 0 {
		err := r.lines.failure()
		switch {
		case err == nil:
			err = errors.New("nobody took them in time")
		case errors.Is(err, syscall.EPIPE):
			err = errors.New("their reader went away")
		}
		fmt.Fprintf(r.streams.err, "finwait: %d lines of output were left out: %v\n", r.lines.lost(), err)
	}
	if r.packets != nil && (r.packets.lost() > 0 || r.keeping != nil) {
		fmt.Fprintf(r.streams.err, "finwait: %s: %d packets were not kept: %s\n", r.live.write, r.packets.lost(), r.whyNotKept())
	}
	if r.packets != nil && r.packets.late() > 0 {
		fmt.Fprintf(r.streams.err, "finwait: %s: %d packets of connections with findings had to make room before the finding came\n",
			r.live.write, r.packets.late())
	}
}

// whyNotKept says why --write left packets out.
func (r *liveRun) whyNotKept() string {
	if r.keeping != nil {
		return r.keeping.Error()
	}
	return "the disk did not take them in time"
}

// outputTo is a report that goes to a file as it grows.
func outputTo(f *os.File) *output {
	return &output{Writer: bufio.NewWriterSize(f, outputBuffer), to: f, file: f}
}

// explainLine is the title of a finding's rule.
func explainLine(id string) string {
	rule, _ := anomaly.Lookup(id)
	return rule.Title
}
