package main

import (
	"slices"

	"github.com/finwait/finwait/cmd/quality"
	"github.com/finwait/finwait/report"
)

// This file is what a report tells of its captures once they were read.

// trace sums up the capture itself.
func (a *analysis) trace() report.Trace {
	q := a.quality()
	out := quality.Of(&q)
	out.Interrupted = a.interrupted
	quality.AddFiles(&out, 1, a.in.Files())
	if a.interrupted { // a pipe that was interrupted was not damaged
		for _, f := range a.in.Files() {
			if f.Size < 0 {
				out.Damage = slices.DeleteFunc(out.Damage, func(p report.Problem) bool { return p.File == f.Path })
			}
		}
	}
	if text := a.choice.problem(); text != "" {
		out.Warnings = append(out.Warnings, report.Problem{File: "--filter", Text: text})
	}
	return report.Trace{Start: a.first, End: a.last, Quality: out}
}
