package verdict

import (
	"encoding/json"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/finwait/finwait/reassembly/anomaly"
)

// This file is the format sarif, version 2.1.0 (OASIS), which code scanning
// services read. Rules are the findings of package anomaly and the kinds of
// expectation.

const (
	sarifSchema = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
	projectURI  = "https://github.com/finwait/finwait"
)

type (
	sarifText struct {
		Text string `json:"text"`
	}
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool        sarifTool         `json:"tool"`
		Invocations []sarifInvocation `json:"invocations"`
		Results     []sarifResult     `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name  string      `json:"name"`
		URI   string      `json:"informationUri"`
		Rules []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string     `json:"id"`
		Short sarifText  `json:"shortDescription"`
		Full  *sarifText `json:"fullDescription,omitempty"`
		Help  *sarifText `json:"help,omitempty"`
	}
	sarifInvocation struct {
		Successful    bool                `json:"executionSuccessful"`
		Notifications []sarifNotification `json:"toolExecutionNotifications,omitempty"`
	}
	sarifNotification struct {
		Level   string    `json:"level"`
		Message sarifText `json:"message"`
	}
	sarifResult struct {
		RuleID     string          `json:"ruleId"`
		RuleIndex  int             `json:"ruleIndex"`
		Level      string          `json:"level"`
		Message    sarifText       `json:"message"`
		Locations  []sarifLocation `json:"locations"`
		Properties sarifProperties `json:"properties"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
	sarifLogical struct {
		Name string `json:"name"`
		Full string `json:"fullyQualifiedName"`
	}
	// sarifProperties is a property bag: what has no field of its own.
	sarifProperties struct {
		Capture    string   `json:"capture"`
		Connection uint64   `json:"connection,omitempty"`
		Endpoint   string   `json:"endpoint,omitempty"`
		Packets    []uint64 `json:"packets"`
		Expected   string   `json:"expected"`
		Found      string   `json:"found"`
	}
)

// expectTitles describe the rules of expectations.
var expectTitles = map[string]string{
	"expect-states": "The states of an endpoint are not as expected", "expect-open": "A connection did not open as expected",
	"expect-close": "A connection did not close as expected", "expect-finding": "A finding that must appear does not",
	"expect-no-finding": "A finding appears that must not", "expect-bound": "A number or time lies outside its bounds",
	"expect-connection": "A connection that must be there is not",
}

func writeSARIF(w io.Writer, r *Report) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "finwait", URI: projectURI, Rules: []sarifRule{}}}, Results: []sarifResult{}}
	call := sarifInvocation{Successful: r.Damaged == 0}
	index := map[string]int{}
	for i := range r.Captures {
		c := &r.Captures[i]
		if c.Damage != "" {
			call.Notifications = append(call.Notifications, sarifNotification{"error", sarifText{c.File + ": " + c.Damage}})
		}
		for j := range c.Problems {
			p := &c.Problems[j]
			if _, ok := index[p.Rule]; !ok {
				index[p.Rule] = len(index)
				run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRuleOf(p.Rule))
			}
			run.Results = append(run.Results, sarifResultOf(c, p, index[p.Rule]))
		}
	}
	run.Invocations = []sarifInvocation{call}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(sarifLog{sarifSchema, "2.1.0", []sarifRun{run}})
}

func sarifRuleOf(id string) sarifRule {
	if rule, ok := anomaly.Lookup(id); ok {
		return sarifRule{ID: id, Short: sarifText{rule.Title}, Full: &sarifText{rule.Explanation}, Help: &sarifText{rule.Text()}}
	}
	title := expectTitles[id]
	if title == "" {
		title = id
	}
	return sarifRule{ID: id, Short: sarifText{title}}
}

func sarifResultOf(c *Capture, p *Problem, rule int) sarifResult {
	level := "note"
	if slices.Contains([]string{"error", "warning"}, p.Severity) {
		level = p.Severity
	}
	file, line := c.File, 1 // a service shows nothing without a line, and a capture has none
	if p.Stated.File != "" {
		file, line = p.Stated.File, max(p.Stated.Line, 1)
	}
	location := sarifLocation{Physical: sarifPhysical{sarifArtifact{uri(file)}, sarifRegion{line}}}
	if p.Connection != 0 {
		name := ConnectionCase(p.Connection, p.Client, p.Server)
		location.Logical = []sarifLogical{{name, c.File + ": " + name}}
	}
	return sarifResult{RuleID: p.Rule, RuleIndex: rule, Level: level, Message: sarifText{c.File + ": " + p.Message()},
		Locations: []sarifLocation{location}, Properties: sarifProperties{c.File, p.Connection, p.Endpoint, p.Packets, p.Expected, p.Found}}
}

// uri turns a path into a URI reference (RFC 3986): what is not unreserved or a
// slash is escaped.
func uri(path string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(filepath.ToSlash(path)) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	return b.String()
}
