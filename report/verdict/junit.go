package verdict

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// This file is the format junit: the XML that most CI systems read. It keeps to
// the schema of Ant's JUnit reports, in the order of elements that it demands.
// Times are 0 and the time stamp is the capture's, so that the same captures give
// the same bytes.

type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Package    string          `xml:"package,attr"`
	ID         int             `xml:"id,attr"`
	Name       string          `xml:"name,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Hostname   string          `xml:"hostname,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Time       string          `xml:"time,attr"`
	Properties junitProperties `xml:"properties"`
	Cases      []junitCase     `xml:"testcase"`
	Out        string          `xml:"system-out"`
	Err        string          `xml:"system-err"`
}

type junitProperties struct {
	List []junitProperty `xml:"property"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Name      string      `xml:"name,attr"`
	Classname string      `xml:"classname,attr"`
	Time      string      `xml:"time,attr"`
	Error     *junitFault `xml:"error"`
	Failure   *junitFault `xml:"failure"`
}

type junitFault struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

func writeJUnit(w io.Writer, r *Report) error {
	doc := junitSuites{}
	for i := range r.Captures {
		doc.Suites = append(doc.Suites, junitOf(&r.Captures[i], i))
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(doc); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func junitOf(c *Capture, id int) junitSuite {
	s := junitSuite{Package: "finwait", ID: id, Name: c.File, Timestamp: "1970-01-01T00:00:00", Hostname: "localhost", Time: "0"}
	if len(c.Start) >= len(s.Timestamp) {
		s.Timestamp = c.Start[:len(s.Timestamp)]
	}
	s.Properties.List = []junitProperty{
		{"connections", fmt.Sprint(c.Connections)}, {"packets", fmt.Sprint(c.Packets)},
	}
	if c.Expectation != "" {
		s.Properties.List = append(s.Properties.List, junitProperty{"expectation", c.Expectation})
	}
	byName := map[string][]*Problem{}
	for i := range c.Problems {
		name := CaseName(&c.Problems[i])
		byName[name] = append(byName[name], &c.Problems[i])
	}
	for _, k := range append([]Case{{Name: wholeCapture}}, c.Cases...) {
		one := junitCase{Name: k.Name, Classname: c.File, Time: "0"}
		if list := byName[k.Name]; len(list) > 0 {
			one.Failure = junitFailure(list)
			s.Failures++
		}
		if k.Name == wholeCapture && c.Damage != "" && one.Failure == nil {
			one.Error = &junitFault{Message: c.Damage, Type: "damaged-capture", Text: c.Damage}
			s.Errors++
		}
		s.Cases = append(s.Cases, one)
	}
	s.Tests = len(s.Cases)
	s.Err = c.Damage
	return s
}

// wholeCapture is the case of what no single connection is to blame for.
const wholeCapture = "capture"

// CaseName is the name of the Case that a problem belongs to.
func CaseName(p *Problem) string {
	if p.Connection == 0 {
		return wholeCapture
	}
	return ConnectionCase(p.Connection, p.Client, p.Server)
}

// ConnectionCase is the name of a connection's Case.
func ConnectionCase(id uint64, client, server string) string {
	return fmt.Sprintf("connection %d (%s > %s)", id, client, server)
}

func junitFailure(list []*Problem) *junitFault {
	var lines []string
	for _, p := range list {
		lines = append(lines, p.Message())
	}
	f := &junitFault{Message: lines[0], Type: list[0].Rule, Text: strings.Join(lines, "\n")}
	if len(list) > 1 {
		f.Message += fmt.Sprintf(" (and %d more)", len(list)-1)
	}
	return f
}
