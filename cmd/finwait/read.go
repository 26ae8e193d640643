package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
)

// This file is the command read: captures in, report out. analysis.go is the
// loop over the packets.

func readInto(c *cobra.Command, s streams) {
	f := new(flags)
	f.register(c)
	f.registerSummary(c)
	f.registerBPF(c)
	f.taps.register(c)
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(cmd *cobra.Command, args []string) error {
		paths := slices.Concat(f.read, args)
		if len(paths) == 0 && !f.taps.given() {
			return usagef("which capture? finwait read FILE, or a directory, or - for standard input (see 'finwait --help')")
		}
		if n := countStdin(paths); n > 1 {
			return usagef("standard input (-) can be read only once")
		}
		return (&reading{flags: f, streams: s}).run(cmd, paths, len(args) > 0 && len(f.read) > 0)
	}
}

func countStdin(paths []string) (n int) {
	for _, p := range paths {
		if p == "-" {
			n++
		}
	}
	return n
}

// reading is one run of the command read.
type reading struct {
	*flags
	streams
	stop *interrupts
}

func (r *reading) run(cmd *cobra.Command, paths []string, wordsAfterRead bool) error {
	// All that can be wrong with the command line is said before a capture is opened.
	core, err := r.tracker()
	if err != nil {
		return err
	}
	form, err := r.flags.report()
	if err != nil {
		return err
	}
	choice, err := r.choice(paths, r.in)
	if err != nil {
		return err
	}
	if r.taps.given() {
		return r.crossings(cmd, paths, core, form, choice)
	}
	switch form.Format {
	case formatParquet:
		return r.columns(cmd, paths, wordsAfterRead, core, form, choice)
	case formatSegments:
		return r.ship(cmd, paths, wordsAfterRead, form, choice)
	}
	r.stop = listen()
	defer r.stop.close()
	in, err := r.open(cmd, paths, wordsAfterRead, choice)
	if err != nil {
		return err
	}
	defer closeQuietly(in)
	out, err := openOutput(r.output, r.streams.out)
	if err != nil {
		return err
	}
	defer out.abort()
	r.terminal(&form, out)
	form.Capture = r.describe(in.Files(), &core, choice)
	w, err := r.writer(out, form, &core)
	if err != nil {
		return err
	}
	defer w.Abort()
	a := &analysis{in: in, choice: choice, most: r.count, stop: r.stop, workers: r.workers}
	if countStdin(paths) > 0 {
		// Whoever reads our lines while tcpdump writes wants them at once.
		a.retired = out.Flush
	}
	stopProgress := r.showProgress(in, &form, out)
	err = a.run(core, w)
	stopProgress()
	if err != nil {
		return err
	}
	trace := a.trace()
	if err := closeReport(w, trace, out); err != nil {
		return err
	}
	return r.verdict(in.Ignored(), &trace.Quality)
}

// open opens the captures, unless -o would destroy one or the choice of packets
// cannot be applied to them.
func (r *reading) open(cmd *cobra.Command, paths []string, wordsAfterRead bool, choice *filter) (*capture.Reader, error) {
	in, err := capture.Open(paths, r.stop.options(r.in))
	if err != nil {
		return nil, r.openError(cmd, err, paths, wordsAfterRead)
	}
	if err := errors.Join(r.refuseOverwriting(in.Inputs()), choice.refuse(in)); err != nil {
		closeQuietly(in)
		return nil, err
	}
	return in, nil
}

// closeReport writes the rest of a report.
func closeReport(w reportWriter, trace report.Trace, out *output) error {
	err := w.Close(trace)
	if err == nil {
		err = out.close()
	}
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// openError adds what the person probably meant.
func (r *reading) openError(cmd *cobra.Command, err error, paths []string, wordsAfterRead bool) error {
	if s := r.stop.signal(); s != nil {
		return &statusError{128 + signalNumber(s), fmt.Sprintf("%v: nothing had been read", s)}
	}
	code, text := status(err)
	if code != statusInput || !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var commands []string
	for _, c := range cmd.Root().Commands() {
		commands = append(commands, c.Name())
	}
	switch {
	case cmd == cmd.Root() && len(paths) > 0 && !strings.ContainsAny(paths[0], "./"):
		text += report.DidYouMean(paths[0], commands)
	case wordsAfterRead:
		text += "; words after -r FILE are captures too, --host, --port and --net choose packets"
	}
	return &statusError{code, text}
}

// refuseOverwriting keeps -o from destroying a capture.
func (r *reading) refuseOverwriting(inputs []string) error {
	if r.output == "" {
		return nil
	}
	out, err := os.Stat(r.output)
	if err != nil {
		return nil // it does not exist yet, or openOutput will say what is wrong
	}
	for _, path := range inputs {
		if in, err := os.Stat(path); err == nil && os.SameFile(in, out) {
			return usagef("-o %s would overwrite the capture that is read", r.output)
		}
	}
	return nil
}

// terminal fits the text report to the terminal that it goes to, if any.
func (r *reading) terminal(o *report.Options, out *output) {
	width, ok := isTerminal(out.target())
	if ok {
		o.Text.Width = width
	}
	o.Text.Color = wantColor(ok, r.noColor)
}

// describe is what the report says of its input.
func (r *reading) describe(files []capture.FileInfo, core *reassembly.Options, choice *filter) report.Capture {
	c := report.Capture{MSL: report.Seconds(core.MSL)}
	for i, f := range files {
		c.Files = append(c.Files, report.CaptureFile{File: i + 1, Name: f.Path})
	}
	for ip, msl := range core.HostMSL {
		c.HostMSL = append(c.HostMSL, report.HostMSL{IP: addr(ip), MSL: report.Seconds(msl)})
	}
	slices.SortFunc(c.HostMSL, func(a, b report.HostMSL) int { return a.IP.Compare(b.IP) })
	words := choice.words
	if r.count > 0 {
		words = append(slices.Clone(words), fmt.Sprintf("first %d packets", r.count))
	}
	c.Filter = strings.Join(words, ", ")
	return c
}

// verdict says on standard error what was wrong with the input, and gives the
// exit status.
func (r *reading) verdict(ignored []string, q *report.Quality) error {
	if !r.quiet {
		for _, name := range ignored {
			fmt.Fprintf(r.err, "finwait: %s is no capture: left out\n", oneLine(name))
		}
	}
	for _, p := range q.Damage {
		fmt.Fprintf(r.err, "finwait: %s; the report tells what could be read\n", oneLine(p.Text))
	}
	switch signal := r.stop.signal(); {
	case signal != nil:
		return &statusError{128 + signalNumber(signal), fmt.Sprintf("%v: the report tells what had been read", signal)}
	case len(q.Damage) > 0:
		return &statusError{status: statusInput}
	}
	return nil
}

func closeQuietly(c io.Closer) {
	_ = c.Close() // only read from: nothing can be lost
}
