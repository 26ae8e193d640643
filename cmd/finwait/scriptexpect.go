package main

import (
	"strings"

	"github.com/finwait/finwait/fixtures"
	"github.com/finwait/finwait/report"
	"github.com/finwait/finwait/report/expect"
)

// This file turns what a script expects into expectations of package expect, so
// that scripts and captures are judged, and told, alike.

func expectationsOfScript(path string, s *fixtures.Script) (*expect.File, error) {
	whole := expect.Capture{Line: 1}
	for _, id := range s.Fires {
		whole.Findings.Must = append(whole.Findings.Must, expect.Finding{ID: id, Line: 1})
	}
	for _, id := range s.Quiet {
		whole.Findings.MustNot = append(whole.Findings.MustNot, expect.Finding{ID: id, Line: 1})
	}
	for _, e := range s.Expect {
		whole.Connections = append(whole.Connections, expectedConnection(&e))
	}
	return &expect.File{Name: path, Captures: []expect.Capture{whole}}, nil
}

func expectedConnection(e *fixtures.Expect) expect.Connection {
	c := expect.Connection{Line: e.Line, Match: expect.Match{Client: e.Client.String(), Server: e.Server.String(), Nth: e.Incarnation + 1}}
	if e.Open != "" {
		c.Open = []report.OpenKind{report.OpenKind(e.Open)}
	}
	if e.Close != "" {
		c.Close = []report.CloseKind{report.CloseKind(e.Close)}
	}
	if e.CloseFirst != "" {
		c.First = []report.SideName{report.SideName(e.CloseFirst)}
	}
	c.Client.Path, c.Server.Path = expectedPath(e.ClientPath), expectedPath(e.ServerPath)
	for _, w := range e.Withdrawn {
		side := &c.Client
		if w.Side == "server" {
			side = &c.Server
		}
		side.Withdrawn = append(side.Withdrawn, report.State(w.State))
	}
	for _, f := range e.Findings {
		c.Findings.Must = append(c.Findings.Must, expect.Finding{ID: f.ID, Endpoint: report.SideName(f.Side),
			Where: report.Where(f.Where), Confidence: report.Certainty(f.Confidence), Line: e.Line})
	}
	for _, id := range e.NoFindings {
		c.Findings.MustNot = append(c.Findings.MustNot, expect.Finding{ID: id, Line: e.Line})
	}
	if e.Clean {
		c.Findings.MustNot = append(c.Findings.MustNot, expect.Finding{ID: "note", Line: e.Line})
	}
	return c
}

func expectedPath(steps []fixtures.Step) *expect.Path {
	if steps == nil {
		return nil
	}
	p := expect.Path{}
	for _, s := range steps {
		p = append(p, expect.Step{State: report.State(strings.TrimSpace(s.State)), Evidence: report.Evidence(s.Evidence)})
	}
	return &p
}
