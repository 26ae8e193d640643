package verdict

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// sample has a capture of each kind.
func sample() *Report {
	r := new(Report)
	r.Add(Capture{File: "good.pcap", Connections: 1, Packets: 11, Start: "2026-11-22T16:00:00.900000000Z",
		Cases: []Case{{"connection 1 (10.0.0.1:41000 > 10.0.0.2:80)", 0}}})
	r.Add(Capture{File: "dir/bad & 100%.pcap", Connections: 2, Packets: 1, Expectation: "e,x.yaml", Start: "2026-11-22T16:00:00.900000000Z",
		Cases: []Case{{"connection 1 (10.0.0.1:41000 > 10.0.0.2:80)", 2}, {"connection 2 ([fd00::1]:1 > [fd00::2]:2)", 0}},
		Problems: []Problem{
			{Rule: "expect-states", Severity: "error", Connection: 1, Client: "10.0.0.1:41000", Server: "10.0.0.2:80", Endpoint: "server", What: "states",
				Expected: "A B", Found: "A <B>\nC", Packets: []uint64{10}, Stated: Place{"e,x.yaml", 7}, Look: "finwait show 'dir/bad & 100%.pcap' --conn 1"},
			{Rule: "final-ack-lost", Severity: "warning", Connection: 1, Client: "10.0.0.1:41000", Server: "10.0.0.2:80", What: "finding final-ack-lost",
				Expected: "no finding", Found: "one", Packets: []uint64{10, 11}},
			{Rule: "censored-time-wait", Severity: "info", What: "x", Expected: "1", Found: "2"},
		}})
	r.Add(Capture{File: "cut.pcap", Damage: "the file ends inside a record"})
	return r
}

func written(t *testing.T, f Format, r *Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, f, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestText(t *testing.T) {
	want := `ok      good.pcap (1 connection, 11 packets)
FAIL    dir/bad & 100%.pcap (2 connections, 1 packet; expectations of e,x.yaml)
  connection 1 (10.0.0.1:41000 > 10.0.0.2:80), server: states
    expected  A B
    found     A <B>
C
    where     packet 10
    stated    e,x.yaml:7
    look      finwait show 'dir/bad & 100%.pcap' --conn 1
  connection 1 (10.0.0.1:41000 > 10.0.0.2:80): finding final-ack-lost
    expected  no finding
    found     one
    where     packets 10, 11
  the capture: x
    expected  1
    found     2
DAMAGED cut.pcap (0 connections, 0 packets)
  the file ends inside a record
3 captures, 1 failed, 3 problems
1 capture could not be read to the end
`
	if got := written(t, Text, sample()); got != want {
		t.Errorf("%s", got)
	}
}

func TestGitHub(t *testing.T) {
	want := `::error file=e%2Cx.yaml,line=7,title=finwait%3A expect-states::dir/bad & 100%25.pcap: connection 1 (10.0.0.1:41000 > 10.0.0.2:80), server: states: expected A B, found A <B>%0AC (packet 10); expected by e,x.yaml:7; look: finwait show 'dir/bad & 100%25.pcap' --conn 1
::warning file=dir/bad & 100%25.pcap,line=1,title=finwait%3A final-ack-lost::dir/bad & 100%25.pcap: connection 1 (10.0.0.1:41000 > 10.0.0.2:80): finding final-ack-lost: expected no finding, found one (packets 10, 11)
::notice file=dir/bad & 100%25.pcap,line=1,title=finwait%3A censored-time-wait::dir/bad & 100%25.pcap: the capture: x: expected 1, found 2
::error file=cut.pcap,title=finwait%3A damaged capture::the file ends inside a record
3 captures, 1 failed, 3 problems
`
	if got := written(t, GitHub, sample()); got != want {
		t.Errorf("%s", got)
	}
}

func TestJSON(t *testing.T) {
	var r Report
	text := written(t, JSON, sample())
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	if r.Schema != SchemaID || r.Passed || r.Failed != 1 || r.Problems != 3 || r.Damaged != 1 || len(r.Captures) != 3 || r.Captures[1].Problems[0].Packets[0] != 10 {
		t.Errorf("%s", text)
	}
	if strings.Contains(text, "null") || strings.Contains(written(t, JSON, new(Report)), "null") {
		t.Errorf("null in %s", text)
	}
}

func TestJUnitKeepsToItsSchema(t *testing.T) {
	for _, r := range []*Report{sample(), {}} {
		text := written(t, JUnit, r)
		if err := validJUnit(strings.NewReader(text)); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
	text := written(t, JUnit, sample())
	for _, want := range []string{`name="dir/bad &amp; 100%.pcap" timestamp="2026-11-22T16:00:00"`, `tests="3" failures="2" errors="0"`,
		`failures="0" errors="1"`, `(and 1 more)`, `server: states: expected A B`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	// The validator sees what is wrong.
	for old, now := range map[string]string{
		"<properties>": "<propertys>", ` id="0"`: "", `tests="3"`: `tests="three"`, ` time="0"`: ` time="0" size="1"`,
		"<system-out></system-out>": "", "</testsuite>": "x</testsuite>", "<testcase ": "<system-err></system-err><testcase ",
	} {
		wrong := strings.Replace(text, old, now, 1)
		if wrong == text || validJUnit(strings.NewReader(wrong)) == nil {
			t.Errorf("%s for %s passes", now, old)
		}
	}
}

func TestSARIFKeepsToItsSchema(t *testing.T) {
	// The schema of OASIS, errata 01, as published.
	schema, err := os.Open("testdata/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	defer schema.Close()
	doc, err := jsonschema.UnmarshalJSON(schema)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("sarif.json", doc); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("sarif.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []*Report{sample(), {}} {
		text := written(t, SARIF, r)
		log, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(log); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
	text := written(t, SARIF, sample())
	for _, want := range []string{`"uri": "dir/bad%20%26%20100%25.pcap"`, `"ruleId": "final-ack-lost"`, `"level": "note"`, `"executionSuccessful": false`} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
}

func TestUnknownFormat(t *testing.T) {
	if err := Write(new(bytes.Buffer), "xml", sample()); err == nil {
		t.Error("no error")
	}
}
