package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
)

// This file is what show, annotate and extract share: they read their captures
// twice, first to learn what there is and then to tell of it or to copy it.

type twice struct {
	reading
	cmd   *cobra.Command
	paths []string
	rest  bool // words after -r FILE

	damage []string           // of the last pass
	unfit  string             // why the filter of the last pass is no good
	files  []capture.FileInfo // they grow while a pass goes on
	copied uint64             // packets written
}

// coreFlags are those of the flags of read that say what a connection is.
var coreFlags = []string{"msl", "key", "half-open-timeout", "idle-timeout", "half-closed-timeout", "max-connections", "read", "progress", "quiet"}

// borrow gives a command some of the flags of read.
func (f *flags) borrow(c *cobra.Command, names ...string) {
	all := &cobra.Command{}
	f.register(all)
	f.registerBPF(all)
	c.Flags().SortFlags = false
	for _, name := range names {
		c.Flags().AddFlag(all.Flags().Lookup(name))
	}
}

// start looks at the command line, before a capture is opened.
func (t *twice) start(cmd *cobra.Command, args []string) error {
	t.cmd, t.paths, t.rest = cmd, slices.Concat(t.read, args), len(args) > 0 && len(t.read) > 0
	pipe := slices.IndexFunc(t.paths, readOnce)
	switch {
	case len(t.paths) == 0:
		return usagef("which capture? finwait %s FILE (see 'finwait %s --help')", cmd.Name(), cmd.Name())
	case countStdin(t.paths) > 0:
		return usagef("%s reads a capture twice, and standard input can be read only once: write it to a file first", cmd.Name())
	case pipe >= 0:
		return usagef("%s reads a capture twice, and %s can be read only once: write it to a file first", cmd.Name(), t.paths[pipe])
	}
	return nil
}

// readOnce reports whether a path is a pipe or the like.
func readOnce(path string) bool {
	st, err := os.Stat(path)
	return err == nil && !st.Mode().IsRegular() && !st.IsDir()
}

// pass reads the captures once. each gets every frame with its number in the
// timeline, and those of its segments that the filter lets through. Damage ends
// the pass and is no error: what stands before it is told.
func (t *twice) pass(choice *filter, each func(n uint64, f *capture.Frame, segments []reassembly.Segment) error) error {
	in, err := t.open(t.cmd, t.paths, t.rest, choice)
	if err != nil {
		return err
	}
	defer closeQuietly(in)
	t.files = in.Files()
	defer t.showProgress(in, &report.Options{Format: report.JSON}, &output{to: t.out})()
	decoder := choice.decoder()
	var f capture.Frame
	var seg reassembly.Segment
	var found []reassembly.Segment
	t.damage = nil
	defer func() { t.unfit = choice.problem() }()
	for n := uint64(1); ; n++ {
		err := in.Next(&f)
		var damage *capture.Error
		switch {
		case t.stop.stopped():
			return &statusError{128 + signalNumber(t.stop.signal()), fmt.Sprintf("%v: nothing was written", t.stop.signal())}
		case err == io.EOF:
			return nil
		case errors.As(err, &damage):
			t.damage = append(t.damage, damage.Error())
			return nil
		case err != nil:
			return err
		}
		found = found[:0]
		choice.begin(f.Time)
		for ok := decoder.Decode(&f, &seg) == capture.NotSkipped; ok; ok = decoder.More(&seg) {
			found = append(found, seg)
		}
		if err := each(n, &f, found); err != nil {
			return err
		}
	}
}

// track is a pass that gives the segments to a tracker.
func (t *twice) track(o reassembly.Options, choice *filter, wanted func(n uint64, f *capture.Frame, s *reassembly.Segment) bool) error {
	tracker := reassembly.NewTracker(o)
	err := t.pass(choice, func(n uint64, f *capture.Frame, segments []reassembly.Segment) error {
		tracker.Advance(f.Time)
		for i := range segments {
			if s := &segments[i]; wanted == nil || wanted(n, f, s) {
				tracker.Add(s)
			}
		}
		return nil
	})
	if err == nil {
		tracker.Close()
	}
	return err
}

// told ends a command: the exit status says if a capture was damaged.
func (t *twice) told() error {
	if t.unfit != "" && !t.quiet {
		fmt.Fprintf(t.err, "finwait: %s\n", oneLine(t.unfit))
	}
	for _, text := range t.damage {
		fmt.Fprintf(t.err, "finwait: %s; what could be read was used\n", oneLine(text))
	}
	if len(t.damage) > 0 {
		return &statusError{status: statusInput}
	}
	return nil
}

// packetCommands are the commands that read twice.
func packetCommands(s streams) []*cobra.Command {
	return []*cobra.Command{newShow(s), newAnnotate(s), newExtract(s)}
}
