// Package verdict holds what 'finwait check' decides about captures, and writes
// it for people (text), programs (JSON) and CI systems (JUnit, SARIF, the
// annotations of GitHub).
//
// Read this file first; each format has a file of its own.
package verdict

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// SchemaID names the form of the format json.
const SchemaID = "finwait-check/1"

// Report is the verdict on all captures of one run.
type Report struct {
	Schema   string    `json:"schema"`
	Passed   bool      `json:"passed"`
	Failed   int       `json:"failed"`   // captures with problems
	Problems int       `json:"problems"` // in all captures
	Damaged  int       `json:"damaged"`  // captures that could not be read to their end
	Captures []Capture `json:"captures"`
}

// Capture is the verdict on one capture or script.
type Capture struct {
	File        string    `json:"file"`
	Passed      bool      `json:"passed"`
	Expectation string    `json:"expectation,omitempty"` // the file that states what is expected
	Connections uint64    `json:"connections"`
	Packets     uint64    `json:"packets"`
	Start       string    `json:"start,omitempty"`  // RFC 3339, first frame
	Damage      string    `json:"damage,omitempty"` // why it could not be read to its end
	Cases       []Case    `json:"cases"`
	Problems    []Problem `json:"problems"`
}

// Case is one thing that was looked at: a connection that an expectation names,
// or one that has a problem.
type Case struct {
	Name     string `json:"name"`
	Problems int    `json:"problems"`
}

// Problem is one reason to fail.
type Problem struct {
	Rule       string   `json:"rule"`                 // id of a finding, or expect-… for an expectation
	Severity   string   `json:"severity"`             // of the finding; error for an expectation
	Connection uint64   `json:"connection,omitempty"` // its id; 0: the capture as a whole
	Client     string   `json:"client,omitempty"`     // ADDRESS:PORT
	Server     string   `json:"server,omitempty"`
	Endpoint   string   `json:"endpoint,omitempty"` // client, server or both
	What       string   `json:"what"`               // what is not as it should be, "states", "close"
	Expected   string   `json:"expected"`
	Found      string   `json:"found"`
	Packets    []uint64 `json:"packets"` // where to look
	Stated     Place    `json:"stated,omitzero"`
	Look       string   `json:"look,omitempty"` // a command that shows the connection
}

// Place is where an expectation stands.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line"`
}

func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// Add takes the verdict on a capture and counts it.
func (r *Report) Add(c Capture) {
	r.Schema = SchemaID
	c.Passed = len(c.Problems) == 0
	if c.Cases == nil {
		c.Cases = []Case{}
	}
	if c.Problems == nil {
		c.Problems = []Problem{}
	}
	for i := range c.Problems {
		if c.Problems[i].Packets == nil {
			c.Problems[i].Packets = []uint64{}
		}
	}
	r.Problems += len(c.Problems)
	if !c.Passed {
		r.Failed++
	}
	if c.Damage != "" {
		r.Damaged++
	}
	r.Captures = append(r.Captures, c)
	r.Passed = r.Failed == 0 && r.Damaged == 0
}

// Subject names what the problem is about: "connection 1 (10.0.0.1:41000 >
// 10.0.0.2:80), server".
func (p *Problem) Subject() string {
	if p.Connection == 0 {
		return "the capture"
	}
	s := fmt.Sprintf("connection %d (%s > %s)", p.Connection, p.Client, p.Server)
	if p.Endpoint != "" {
		s += ", " + p.Endpoint
	}
	return s
}

// PacketList is "packet 7" or "packets 7, 9", "" if none is named.
func (p *Problem) PacketList() string {
	if len(p.Packets) == 0 {
		return ""
	}
	words := make([]string, len(p.Packets))
	for i, n := range p.Packets {
		words[i] = strconv.FormatUint(n, 10)
	}
	if len(words) == 1 {
		return "packet " + words[0]
	}
	return "packets " + strings.Join(words, ", ")
}

// Message is the problem in one line.
func (p *Problem) Message() string {
	s := fmt.Sprintf("%s: %s: expected %s, found %s", p.Subject(), p.What, p.Expected, p.Found)
	if list := p.PacketList(); list != "" {
		s += " (" + list + ")"
	}
	if p.Stated.File != "" {
		s += "; expected by " + p.Stated.String()
	}
	if p.Look != "" {
		s += "; look: " + p.Look
	}
	return s
}

// Format is a form in which a Report is written.
type Format string

// Formats.
const (
	Text   Format = "text"
	JSON   Format = "json"
	JUnit  Format = "junit"
	SARIF  Format = "sarif"
	GitHub Format = "github"
)

// Formats are the formats that Write knows.
var Formats = []Format{Text, JSON, JUnit, SARIF, GitHub}

var writers = map[Format]func(io.Writer, *Report) error{
	Text: writeText, JSON: writeJSON, JUnit: writeJUnit, SARIF: writeSARIF, GitHub: writeGitHub,
}

// Write writes the report; an unknown format is an error.
func Write(w io.Writer, f Format, r *Report) error {
	if !slices.Contains(Formats, f) {
		return fmt.Errorf("no format is called %q", f)
	}
	if r.Captures == nil {
		r.Captures = []Capture{}
	}
	return writers[f](w, r)
}
