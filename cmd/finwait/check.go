package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly/anomaly"
	"github.com/finwait/finwait/report"
	"github.com/finwait/finwait/report/expect"
	"github.com/finwait/finwait/report/verdict"
)

// This file is the command check: captures in, a verdict out, which is also the
// exit status. checkone.go judges one capture.

const statusFound = 1 // check found something, or diff --exit-code a difference

const checkAbout = `Hold captures against what is expected of them; the exit status is the verdict.

Each FILE is judged on its own; a DIR stands for the captures and scripts (.fin)
in it. A finding at or above --fail-on fails the check, unless an expectation
allows it, and so does an expectation that does not hold. Expectations come from
--expect, or else from FILE.expect.yaml beside a capture. A script states its own.`

const checkExamples = `  finwait check captures/
  finwait check --fail-on note,2msl --format junit -o report.xml captures/
  finwait check --write-expect -o close.pcap.expect.yaml close.pcap
  finwait check --expect expect.yaml --format github captures/*.pcap`

const checkExit = `
Exit status:
  0    all is as expected
  1    a finding that fails the check, or an expectation that does not hold
  2    the command line or an expectation file is wrong
  3    a capture is unreadable or damaged; what could be read was checked
  4    the verdict could not be written, or an internal fault
`

// addCI adds the commands that serve fixtures and CI.
func addCI(root *cobra.Command, usage string, s streams) {
	for _, c := range []struct {
		command *cobra.Command
		exit    string
	}{{newCheck(s), checkExit}, {newDiff(s), diffExit}, {newSynth(s), synthExit}, {newScript(s), scriptExit}} {
		c.command.SetUsageTemplate(usage + c.exit)
		root.AddCommand(c.command)
	}
}

// checking is one run of the command check, or of another that judges captures.
type checking struct {
	*flags
	streams
	expectFile, failOn string
	failOnGiven, write bool

	fail     expect.FailOn
	expected *expect.File
	stop     *interrupts
}

func newCheck(s streams) *cobra.Command {
	k := &checking{flags: new(flags), streams: s}
	c := &cobra.Command{
		Use: "check [flags] FILE|DIR...", Short: "Hold captures against expectations; for CI: the exit status is the verdict",
		Long: checkAbout, Example: checkExamples, Args: cobra.ArbitraryArgs,
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&k.expectFile, "expect", "", "`FILE` with expectations (YAML)")
	f.StringVar(&k.failOn, "fail-on", "warning", "`WHAT` fails the check: a severity (that one or worse), ids, families or patterns of findings with commas between, or none")
	f.BoolVar(&k.write, "write-expect", false, "write the expectations that hold of these captures today, for review, and judge nothing")
	f.StringVar(&k.format, "format", string(verdict.Text), "`FORM` of the verdict: "+join(verdict.Formats))
	f.VarP((*fileName)(&k.output), "output", "o", "write to `FILE` instead of standard output")
	k.registerAnalysis(c)
	completeWords(c, "format", strings.Split(join(verdict.Formats), ", "))
	completeWords(c, "fail-on", slices.Concat(report.Severities, []string{"none"}, anomaly.Families(), anomaly.IDs()))
	c.RunE = func(cmd *cobra.Command, args []string) error {
		k.failOnGiven = cmd.Flags().Changed("fail-on")
		return k.run(args)
	}
	return c
}

// completeWords tells the shells what a flag takes.
func completeWords(c *cobra.Command, flag string, words []string) {
	// It fails only for a flag that does not exist, and this one does.
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// registerAnalysis registers the flags that say how captures are analysed.
func (f *flags) registerAnalysis(c *cobra.Command) {
	all := &cobra.Command{}
	f.registerAll(all)
	for _, name := range slices.Concat([]string{"msl"}, selectionFlags, []string{"key", "half-open-timeout", "idle-timeout", "half-closed-timeout", "max-connections", "quiet"}) {
		if flag := all.Flags().Lookup(name); flag != nil {
			c.Flags().AddFlag(flag)
		}
	}
}

// registerAll registers every flag without touching values that are set already.
func (f *flags) registerAll(c *cobra.Command) {
	format, output := f.format, f.output
	f.register(c)
	f.registerBPF(c)
	f.format, f.output = format, output
}

func (k *checking) run(args []string) error {
	if len(args) == 0 {
		return usagef("which captures? finwait check FILE, or a directory (see 'finwait check --help')")
	}
	if !slices.Contains(verdict.Formats, verdict.Format(k.format)) {
		return usagef("--format: there is no %q; the formats are %s", k.format, join(verdict.Formats))
	}
	var err error
	if k.fail, err = expect.ParseFailOn(k.failOn); err != nil {
		return usagef("--fail-on: %v", err)
	}
	if k.expectFile != "" {
		if k.expected, err = loadExpect(k.expectFile); err != nil {
			return err
		}
	}
	if _, err := k.tracker(); err != nil {
		return err
	}
	if _, err := k.choice(args, k.in); err != nil {
		return err
	}
	k.stop = listen()
	defer k.stop.close()
	files, damage := checkedFiles(args)
	if k.write {
		return k.writeExpectations(files, damage)
	}
	out, err := openOutput(k.output, k.streams.out)
	if err != nil {
		return err
	}
	defer out.abort()
	var r verdict.Report
	for _, d := range damage {
		r.Add(verdict.Capture{File: d.File, Damage: d.Error()})
	}
	for _, path := range files {
		v, err := k.one(path)
		if err != nil {
			return err
		}
		r.Add(v)
		if signal := k.stop.signal(); signal != nil {
			return &statusError{128 + signalNumber(signal), fmt.Sprintf("%v: no verdict", signal)}
		}
	}
	k.unchecked(files)
	if err := verdict.Write(out, verdict.Format(k.format), &r); err != nil {
		return fmt.Errorf("writing the verdict: %w", err)
	}
	if err := out.close(); err != nil {
		return fmt.Errorf("writing the verdict: %w", err)
	}
	switch {
	case r.Failed > 0:
		return &statusError{status: statusFound}
	case r.Damaged > 0:
		return &statusError{status: statusInput}
	}
	return nil
}

// loadExpect reads an expectation file; what is wrong with it is a usage error.
func loadExpect(path string) (*expect.File, error) {
	f, err := expect.Load(path)
	var fault *expect.Error
	switch {
	case err == nil:
		return f, nil
	case errors.As(err, &fault):
		return nil, usagef("%v", err)
	case errors.Is(err, os.ErrNotExist):
		return nil, usagef("--expect: %s does not exist", path)
	}
	return nil, usagef("--expect: %v", err)
}

// checkedFiles lists the captures and scripts that the arguments stand for. What
// cannot be opened is told as damage, and the others are still judged. A file
// of a directory that is no capture is passed over: that is what --expect files
// and the like are.
func checkedFiles(args []string) (files []string, damage []*capture.Error) {
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil || !info.IsDir() {
			files = append(files, arg)
			continue
		}
		entries, err := os.ReadDir(arg)
		if err != nil {
			damage = append(damage, &capture.Error{Op: "open", File: arg, Err: unwrapPath(err)})
			continue
		}
		n := len(files)
		for _, e := range entries {
			path := filepath.Join(arg, e.Name())
			if e.Type().IsRegular() && (strings.HasSuffix(path, scriptEnding) || isCapture(path)) {
				files = append(files, path)
			}
		}
		if len(files) == n {
			damage = append(damage, &capture.Error{Op: "open", File: arg, Err: capture.ErrNoCaptures})
		}
	}
	return files, damage
}

func isCapture(path string) bool {
	in, err := capture.Open([]string{path}, capture.Options{})
	if err == nil {
		closeQuietly(in)
	}
	return !errors.Is(err, capture.ErrNotCapture) && !errors.Is(err, capture.ErrEmpty)
}

// unchecked tells of entries of --expect that name none of the captures: an
// expectation that nothing is held against guards nothing.
func (k *checking) unchecked(files []string) {
	if k.expected == nil || k.quiet {
		return
	}
	for i := range k.expected.Captures {
		e := &k.expected.Captures[i]
		if !slices.ContainsFunc(files, func(f string) bool { return e.Speaks(k.expected.Name, f) }) {
			fmt.Fprintf(k.err, "finwait: %s:%d: no capture is called %s: nothing was held against it\n", k.expected.Name, e.Line, oneLine(e.File))
		}
	}
}

// writeExpectations writes what holds today.
func (k *checking) writeExpectations(files []string, damage []*capture.Error) error {
	if len(damage) > 0 {
		return damage[0]
	}
	out, err := openOutput(k.output, k.streams.out)
	if err != nil {
		return err
	}
	defer out.abort()
	var list []expect.Observed
	for _, path := range files {
		if strings.HasSuffix(path, scriptEnding) {
			continue // it states its own
		}
		o := expect.Observed{File: k.nameFor(path)}
		v, err := k.analyse(path, func(c *report.Connection) { o.Connections = append(o.Connections, c) })
		if err != nil {
			return err
		}
		if v.Damage != "" {
			return &statusError{statusInput, v.Damage + "; no expectations were written"}
		}
		o.Packets = v.Packets
		list = append(list, o)
	}
	if err := expect.Write(out, list); err != nil {
		return fmt.Errorf("writing the expectations: %w", err)
	}
	return out.close()
}

// nameFor is how the expectation file names a capture: by its path from there.
func (k *checking) nameFor(path string) string {
	if k.output != "" && k.output != "-" {
		if rel, err := filepath.Rel(filepath.Dir(k.output), path); err == nil {
			return filepath.ToSlash(rel)
		}
	}
	return filepath.Base(path)
}
