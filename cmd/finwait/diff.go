package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/report"
	"github.com/finwait/finwait/report/diff"
)

// This file is the command diff: what changed between two reports or captures.

const diffAbout = `Tell what changed between two captures, scripts (.fin) or reports (the formats
json and ndjson): connections that one of them lacks, and differences in states,
kinds of opening and closing, findings and times.`

const diffExamples = `  finwait diff before.pcap after.pcap
  finwait diff --match order --tolerance off monday.pcap tuesday.pcap
  finwait diff --exit-code golden.json capture.pcap`

const diffExit = `
Exit status:
  0    done
  1    --exit-code: there is a difference
  2    the command line is wrong
  3    a capture or report is unreadable or damaged; what could be read was compared
  4    the result could not be written, or an internal fault
`

const (
	formatText = "text"
	formatJSON = "json"
)

func newDiff(s streams) *cobra.Command {
	k := &checking{flags: new(flags), streams: s}
	var match, tolerance string
	exitCode := false
	c := &cobra.Command{
		Use: "diff [flags] A B", Short: "Tell what changed between two reports or captures", Long: diffAbout, Example: diffExamples,
		Args: cobra.ArbitraryArgs,
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringVar(&match, "match", string(diff.ByTuple), "match connections by `WHAT`: tuple (addresses and ports), or order (the first with the first)")
	f.StringVar(&tolerance, "tolerance", "50ms", "times may differ by this `DURATION`; off: they do not matter")
	f.BoolVar(&exitCode, "exit-code", false, "exit with status 1 if there is a difference")
	f.StringVar(&k.format, "format", formatText, "`FORM` of the result: text, json")
	f.VarP((*fileName)(&k.output), "output", "o", "write to `FILE` instead of standard output")
	k.registerAnalysis(c)
	completeWords(c, "match", strings.Split(join(diff.Matches), ", "))
	completeWords(c, "format", []string{formatText, formatJSON})
	c.RunE = func(_ *cobra.Command, args []string) error {
		if len(args) != 2 {
			return usagef("diff takes two reports or captures: finwait diff A B (see 'finwait diff --help')")
		}
		o := diff.Options{Match: diff.Match(match), Tolerance: -1}
		if !slices.Contains(diff.Matches, o.Match) {
			return usagef("--match: %q is neither tuple nor order", match)
		}
		if tolerance != "off" {
			var err error
			if o.Tolerance, err = time.ParseDuration(tolerance); err != nil || o.Tolerance < 0 {
				return usagef("--tolerance: %q is neither a duration such as 50ms nor off", tolerance)
			}
		}
		if k.format != formatText && k.format != formatJSON {
			return usagef("--format: there is no %q; the formats are text, json", k.format)
		}
		return k.diff(args, o, exitCode)
	}
	return c
}

func (k *checking) diff(paths []string, o diff.Options, exitCode bool) error {
	if _, err := k.tracker(); err != nil {
		return err
	}
	if _, err := k.choice(paths, k.in); err != nil {
		return err
	}
	k.stop = listen()
	defer k.stop.close()
	var sides [2][]*report.Connection
	damaged := ""
	for i, path := range paths {
		list, damage, err := k.connectionsOf(path)
		if s := k.stop.signal(); s != nil {
			return &statusError{128 + signalNumber(s), fmt.Sprintf("%v: nothing was compared", s)}
		}
		if err != nil {
			return err
		}
		// What cannot be read at all is compared with nothing.
		if damage != "" && list == nil {
			return &statusError{statusInput, damage}
		}
		sides[i] = list
		if damage != "" {
			damaged = damage
		}
	}
	out, err := openOutput(k.output, k.streams.out)
	if err != nil {
		return err
	}
	defer out.abort()
	result := diff.Connections(paths[0], paths[1], sides[0], sides[1], o)
	write := result.WriteText
	if k.format == formatJSON {
		write = result.WriteJSON
	}
	if err := write(out); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	if err := out.close(); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	switch {
	case exitCode && !result.Same:
		return &statusError{statusFound, damaged}
	case damaged != "":
		return &statusError{statusInput, damaged + "; what could be read was compared"}
	}
	return nil
}

// connectionsOf reads a report, which begins with a brace, or a capture or script.
func (k *checking) connectionsOf(path string) (list []*report.Connection, damage string, err error) {
	if f, err := os.Open(path); err == nil {
		defer closeQuietly(f)
		r := bufio.NewReader(f)
		if isJSON(r) {
			list, err := diff.Read(r)
			if err != nil {
				return nil, "", &capture.Error{Op: "open", File: path, Err: errors.New("not a report"), Detail: err.Error(),
					Hint: "a report is written by --format json or ndjson"}
			}
			return list, "", nil
		}
	}
	return k.readConnections(path)
}

func isJSON(r *bufio.Reader) bool {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return false
		}
		if b != ' ' && b != '\t' && b != '\r' && b != '\n' {
			return r.UnreadByte() == nil && b == '{'
		}
	}
}
