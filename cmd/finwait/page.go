package main

import (
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
	"github.com/finwait/finwait/report/html"
)

// This file chooses what read writes to: a report of package report, or the page
// of report/html, which also wants to see the segments of the worst connections.

// reportWriter is a report while connections come in.
type reportWriter interface {
	sink
	Close(trace report.Trace) error
	Abort()
}

// writer makes the report's writer; for a page it has the core remember more
// segments and show them.
func (r *reading) writer(out *output, form report.Options, core *reassembly.Options) (reportWriter, error) {
	if form.Format != html.Format {
		w, err := report.New(out, form)
		if err != nil {
			return nil, err
		}
		return w, nil
	}
	if _, terminal := isTerminal(out.target()); terminal {
		return nil, usagef("--format html: a page is for a browser, not for a terminal; say where it goes: -o report.html")
	}
	w := html.New(out, html.Options{Capture: form.Capture, Selection: form.Selection, Sort: form.Sort, Top: form.Top})
	core.LogLimit = html.DefaultSegments
	core.Check, core.CheckClean = w.Check(core.Check), nil // the page has ladders
	return w, nil
}
