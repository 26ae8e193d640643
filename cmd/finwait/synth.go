package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/fixtures/rescript"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
	"github.com/finwait/finwait/report/verdict"
)

// This file is the commands synth and script: from a script to a capture, and
// from a capture to a script.

const synthAbout = `Write the capture that a script describes. A script is a TCP connection in a few
lines that read like a trace; fixtures/README.md of the sources describes the
language, and 'finwait script' writes a script from a capture.

With --check the capture is analysed and held against the expectations of the
script (expect lines, fires:, quiet:).`

const synthExamples = `  finwait synth close.fin -o close.pcap
  finwait synth --check close.fin`

const synthExit = `
Exit status:
  0    done; with --check: all is as the script expects
  1    --check: something is not
  2    the command line or the script is wrong
  3    the script cannot be read
  4    the capture could not be written, or an internal fault
`

func newSynth(s streams) *cobra.Command {
	k := &checking{flags: new(flags), streams: s}
	check := false
	c := &cobra.Command{
		Use: "synth [flags] SCRIPT", Short: "Write the capture that a script describes", Long: synthAbout, Example: synthExamples,
		Args: cobra.ArbitraryArgs,
	}
	f := c.Flags()
	f.SortFlags = false
	f.VarP((*fileName)(&k.output), "output", "o", "write the capture to `FILE`, - for standard output")
	f.BoolVar(&check, "check", false, "hold the capture against the expectations of the script")
	k.registerAnalysis(c)
	c.RunE = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) != 1:
			return usagef("which script? finwait synth SCRIPT -o FILE.pcap (see 'finwait synth --help')")
		case k.output == "" && !check:
			return usagef("finwait synth writes a capture: say where with -o FILE.pcap, or hold it against its expectations with --check")
		case k.output == "-" && check:
			return usagef("--check writes its verdict to standard output: the capture needs a file (-o FILE)")
		}
		if k.output != "" {
			if err := k.synth(args[0]); err != nil {
				return err
			}
		}
		if !check {
			return nil
		}
		return k.synthCheck(args[0])
	}
	return c
}

func (k *checking) synth(path string) error {
	s, err := loadScript(path)
	if err != nil {
		return err
	}
	pcap, err := s.Pcap()
	if err != nil {
		return usagef("%v", err)
	}
	if same(path, k.output) {
		return usagef("-o %s would overwrite the script", k.output)
	}
	return k.writeOut(pcap, "capture")
}

// same reports whether two paths name one file that exists.
func same(a, b string) bool {
	x, err1 := os.Stat(a)
	y, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(x, y)
}

func (k *checking) writeOut(text []byte, what string) error {
	out, err := openOutput(k.output, k.streams.out)
	if err != nil {
		return err
	}
	defer out.abort()
	if _, err := out.Write(text); err != nil {
		return fmt.Errorf("writing the %s: %w", what, err)
	}
	if err := out.close(); err != nil {
		return fmt.Errorf("writing the %s: %w", what, err)
	}
	return nil
}

func (k *checking) synthCheck(path string) error {
	k.stop = listen()
	defer k.stop.close()
	v, err := k.script(path)
	if err != nil {
		return err
	}
	var r verdict.Report
	r.Add(v)
	if err := verdict.Write(k.streams.out, verdict.Text, &r); err != nil {
		return fmt.Errorf("writing the verdict: %w", err)
	}
	if !r.Passed {
		return &statusError{status: statusFound}
	}
	return nil
}

const scriptAbout = `Write connections of a capture as a script: a small fixture in a few lines, with
what finwait tells of it as its expectations. 'finwait synth' makes a capture of
it again, which gives the same report. Numbers that follow from the ones before
are left out; payloads become letters of the same length.

Other connections of the same addresses and ports are written too, since findings
may rest on them; --alone leaves them out.`

const scriptExamples = `  finwait script trace.pcap --conn 3 -o case.fin
  finwait script trace.pcap --conn 3 --anonymize`

const scriptExit = `
Exit status:
  0    done
  2    the command line is wrong, or there is no such connection
  3    the capture is unreadable or damaged
  4    the script could not be written, or an internal fault
`

func newScript(s streams) *cobra.Command {
	k := &checking{flags: new(flags), streams: s}
	o := rescript.Options{}
	var names []string
	c := &cobra.Command{
		Use: "script [flags] FILE", Short: "Write connections of a capture as a script", Long: scriptAbout, Example: scriptExamples,
		Args: cobra.ArbitraryArgs,
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringArrayVar(&names, "conn", nil, "the connection: `ID`, a tuple such as 10.0.0.1:41000-10.0.0.2:80, tcp.stream==N, or all (repeatable)")
	f.BoolVar(&o.Alone, "alone", false, "leave out other connections of the same addresses and ports")
	f.BoolVar(&o.Anonymize, "anonymize", false, "replace addresses, client ports and the date")
	f.VarP((*fileName)(&k.output), "output", "o", "write to `FILE` instead of standard output")
	k.registerAnalysis(c)
	c.RunE = func(_ *cobra.Command, args []string) (err error) {
		switch {
		case len(args) != 1:
			return usagef("which capture? finwait script FILE --conn ID (see 'finwait script --help')")
		case args[0] == "-", readOnce(args[0]):
			return usagef("finwait script reads its capture twice: it cannot be standard input or a pipe")
		case len(names) == 0:
			return usagef("which connection? --conn ID; 'finwait --all %s' lists them; --conn all takes all", shellWord(args[0]))
		}
		if o.Choose, err = chosen(names); err != nil {
			return err
		}
		if o.Tracker, err = k.tracker(); err != nil {
			return err
		}
		choice, err := k.choice(args, k.in)
		if err != nil {
			return err
		}
		o.Decoder = func(first int64) *capture.Decoder {
			choice.begin(first)
			return choice.decoder()
		}
		return k.rescript(args[0], o)
	}
	return c
}

// chosen reads --conn, in the forms that show takes; nil is all.
func chosen(words []string) (func(*reassembly.Lifecycle) bool, error) {
	var list []report.Conn
	for _, word := range words {
		if word == "all" {
			return nil, nil
		}
		c, err := report.ParseConn(word)
		if err != nil {
			return nil, usagef("--conn: %v", err)
		}
		list = append(list, c)
	}
	return func(l *reassembly.Lifecycle) bool {
		return slices.ContainsFunc(list, func(c report.Conn) bool { return c.Match(l) })
	}, nil
}

func (k *checking) rescript(path string, o rescript.Options) error {
	s, err := rescript.File(path, o)
	var input *capture.Error
	switch {
	case errors.As(err, &input):
		return err
	case err != nil:
		return usagef("%v", err)
	}
	if same(path, k.output) {
		return usagef("-o %s would overwrite the capture", k.output)
	}
	return k.writeOut(s.Format(), "script")
}

// readConnections gives the connections of a capture or script, for diff.
func (k *checking) readConnections(path string) (list []*report.Connection, damage string, err error) {
	emit := func(c *report.Connection) { list = append(list, c) }
	var v verdict.Capture
	if strings.HasSuffix(path, scriptEnding) {
		s, err := loadScript(path)
		if err != nil {
			return nil, "", err
		}
		v, err = k.play(s, emit)
		return list, v.Damage, err
	}
	v, err = k.analyse(path, emit)
	return list, v.Damage, err
}
