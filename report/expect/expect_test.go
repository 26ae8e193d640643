package expect

import (
	"bytes"
	"errors"
	"flag"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/finwait/finwait/report"
)

var update = flag.Bool("update", false, "write the JSON Schema anew")

const schemaFile = "schema/finwait-expect-1.schema.json"

func TestSchemaIsUpToDate(t *testing.T) {
	want, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what schema.go says: go test ./report/expect -update", schemaFile)
	}
}

// full uses every key.
const full = `schema: finwait-expect/1
defaults:
  findings: {may: [info], must_not: [2msl]}
captures:
  - count: {min: 1, max: 3}
    packets: 13
    findings:
      must: [{id: final-ack-lost, count: 1}]
      must_not: time-wait-missing
  - file: a.pcap
    defaults:
      duration: {max: 2s}
    connections:
      - match: {client: 10.0.0.1, server: ":80", nth: 1}
        open: [three-way, simultaneous]
        close: four-way
        first: client
        packets: {max: 20}
        client:
          path: SYN_SENT ESTABLISHED/confirmed FIN-WAIT-1 FIN_WAIT2 TIME-WAIT
          state: TIME-WAIT
          time_in: {FIN-WAIT-2: {max: 0.5}}
          rtt: {min: 1us, max: 5ms}
          packets: 7
          bytes: {max: 1000}
          retransmissions: 0
          duplicate_acks: 0
          out_of_order: 0
          zero_windows: 0
        server:
          path: [SYN-RECEIVED, ESTABLISHED, CLOSE-WAIT, LAST-ACK, CLOSED]
          withdrawn: [CLOSED]
        findings:
          must: [{id: final-ack-lost, endpoint: server, where: after-tap, confidence: certain}]
          may: time-wait-*
      - match: {id: 9}
        optional: true
`

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("expect.json", doc); err != nil {
		t.Fatal(err)
	}
	return c.MustCompile("expect.json")
}

func TestFullFileKeepsToTheSchema(t *testing.T) {
	if _, err := Parse("full.yaml", []byte(full)); err != nil {
		t.Fatal(err)
	}
	var doc any
	// The schema knows the states in one spelling only.
	text := strings.NewReplacer("SYN_SENT", "SYN-SENT", "FIN_WAIT2", "FIN-WAIT-2").Replace(full)
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	if err := compiled(t).Validate(doc); err != nil {
		t.Error(err)
	}
	if err := compiled(t).Validate(map[string]any{"capture": 1}); err == nil {
		t.Error("an unknown key passes")
	}
}

func TestFaultsHaveTheirPlace(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"captrues: []", `x.yaml:1:1: the file has no key "captrues"; did you mean captures?; the keys are`},
		{"captures:\n  - file: a\n    conections: []", `x.yaml:3:5: captures has no key "conections"; did you mean connections?`},
		{"captures:\n  - connections:\n      - opne: three-way", `x.yaml:3:9: connections has no key "opne"; did you mean open?`},
		{"defaults: {open: threeway}", `x.yaml:1:18: open: "threeway" is not one of midstream, three-way`},
		{"defaults: {client: {path: SYN-SENT OPEN}}", `x.yaml:1:27: path: "OPEN" is not one of`},
		{"defaults: {client: {path: SYN-SENT/sure}}", `x.yaml:1:27: path: "sure" is not one of`},
		{"defaults: {client: {path: [SYN-SENT, [A]]}}", `x.yaml:1:38: path`},
		{"defaults: {client: {path: {a: b}}}", `x.yaml:1:27: a path is a text`},
		{"defaults: {findings: {must: final-ack-lots}}", `x.yaml:1:29: no finding, family or severity is called "final-ack-lots"; did you mean final-ack-lost?`},
		{"defaults: {findings: {must: [{endpoint: client}]}}", `x.yaml:1:30: no finding`},
		{"defaults: {findings: {must: [{id: 2msl, side: client}]}}", `x.yaml:1:41: a finding has no key "side"`},
		{"defaults: {packets: many}", `x.yaml:1:21: "many" is not a number, or {min: N, max: N}`},
		{"defaults: {packets: {min: 3, max: 2}}", `x.yaml:1:21: min is above max`},
		{"defaults: {packets: {least: 3}}", `x.yaml:1:22: bounds have no key "least"`},
		{"defaults: {packets: {min: few}}", `x.yaml:1:27: "few" is not a number`},
		{"defaults: {duration: soon}", `x.yaml:1:22: "soon" is not a time such as 0.2`},
		{"defaults: {duration: [1]}", `x.yaml:1:22: a time such as`},
		{"defaults: {client: {time_in: {OPEN: 1}}}", `x.yaml:1:31: time_in: "OPEN"`},
		{"defaults: {client: {time_in: 1}}", `x.yaml:1:30: time_in is a mapping`},
		{"defaults: {client: [1]}", `x.yaml:1:20: client is a mapping`},
		{"defaults: {first: {a: b}}", `x.yaml:1:19: first is a list`},
		{"defaults: {first: [[a]]}", `x.yaml:1:20: first is a text`},
		{"captures: all", `x.yaml:1:11: captures is a list`},
		{"captures:\n  - connections:\n      - {match: {nth: 0}}", `x.yaml:3:23: nth is a number from 1`},
		{"captures:\n  - connections:\n      - {match: {id: x}}", `x.yaml:3:22: id is a number`},
		{"captures:\n  - connections:\n      - {optional: perhaps}", `x.yaml:3:20: optional is true or false`},
		{"defaults: {open: three-way, open: midstream}", `x.yaml:1:29: open stands twice`},
		{"schema: finwait-expect/9", `x.yaml: schema "finwait-expect/9" is not finwait-expect/1`},
		{"", `x.yaml: the file is empty`},
		{"a: b: c", `x.yaml: mapping values are not allowed`},
		{"a: b\nc: [", `x.yaml:2:1: did not find`},
	} {
		_, err := Parse("x.yaml", []byte(c.text))
		var e *Error
		if err == nil || !errors.As(err, &e) || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
	if _, err := Load("no such file"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func conn(id uint64, from string) *report.Connection {
	c := &report.Connection{ID: id, FirstPacket: 1, LastPacket: 9, Packets: 9, End: 3e9,
		Open: report.Open{Kind: "three-way"}, Close: report.Close{Kind: "four-way", First: "client"}}
	c.Client = address(from)
	c.Server = address("10.0.0.2:80")
	step := func(e *report.Endpoint, packet report.Number, states ...report.State) {
		for _, s := range states {
			e.History = append(e.History, report.Step{State: s, Packet: packet, Event: "an event", Evidence: "observed"})
			packet++
		}
		e.State = states[len(states)-1]
	}
	step(&c.Endpoints.Client, 1, "SYN-SENT", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT")
	step(&c.Endpoints.Server, 0, "LISTEN", "SYN-RECEIVED", "ESTABLISHED", "CLOSE-WAIT", "LAST-ACK", "CLOSED")
	c.Endpoints.Client.RTT = report.RTT{Samples: 1, Min: 2e6, Mean: 2e6, Max: 3e6}
	c.Findings = []report.Finding{{ID: "final-ack-lost", Family: "lost-ack", Severity: "warning", Endpoint: "server",
		Where: "after-tap", Confidence: "certain", Packets: []report.Number{7, 8}, Detail: "The final ACK was lost."}}
	return c
}

// check gives the problems of connections, one a line.
func check(t *testing.T, text, failOn string, conns ...*report.Connection) string {
	t.Helper()
	f, err := Parse("x.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	fail, err := ParseFailOn(failOn)
	if err != nil {
		t.Fatal(err)
	}
	c := NewChecker("dir/a.pcap", f, Options{FailOn: fail, Look: func(uint64) string { return "finwait show" }})
	for _, conn := range conns {
		c.Add(conn)
	}
	_, problems := c.Close(9)
	var out []string
	for i := range problems {
		out = append(out, problems[i].Message())
	}
	return strings.Join(out, "\n")
}

func TestRules(t *testing.T) {
	head := "captures:\n  - connections:\n      - {findings: {may: '*'}, "
	for _, c := range []struct{ rule, want string }{
		{"open: midstream}", "connection 1 (10.0.0.1:1 > 10.0.0.2:80): open: expected midstream, found three-way (packet 1); expected by x.yaml:3; look: finwait show"},
		{"close: [half, none]}", "close: expected half or none, found four-way (packet 9)"},
		{"first: server}", "who closed first: expected server, found client"},
		{"packets: 8}", "packets: expected 8, found 9"},
		{"duration: {max: 2}}", "duration: expected at most 2s, found 3s"},
		{"client: {path: SYN-SENT}}", ", client: states: expected SYN-SENT, found SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT: the first that differs is ESTABLISHED, by \"an event\" (packet 2)"},
		{"client: {path: SYN-SENT/presumed}}", "found SYN-SENT/observed"},
		{"server: {path: SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED}}", ""},
		{"server: {path: LISTEN SYN-RECEIVED ESTABLISHED CLOSE-WAIT LAST-ACK CLOSED}}", ""},
		{"server: {path: []}}", "expected no state"},
		{"client: {path: SYN-SENT ESTABLISHED FIN-WAIT-1 FIN-WAIT-2 TIME-WAIT CLOSED}}", "nothing moved it from TIME-WAIT to CLOSED (packet 5)"},
		{"server: {state: LAST-ACK}}", "server: last state: expected LAST-ACK, found CLOSED (packet 5)"},
		{"server: {withdrawn: CLOSED}}", "states withdrawn: expected CLOSED, found it was not withdrawn"},
		{"client: {rtt: {max: 1ms}}}", "client: round trip: expected at most 1ms, found 2ms to 3ms"},
		{"server: {rtt: {max: 1ms}}}", "found no sample"},
		{"client: {time_in: {FIN-WAIT-1: {min: 1}}}}", "time in FIN-WAIT-1: expected at least 1s, found 0s (packet 3)"},
		{"client: {retransmissions: {min: 1, max: 2}}}", "retransmissions: expected 1 to 2, found 0"},
		{"match: {id: 2}}", "the capture: connections: expected a connection with id 2, found none that matches; expected by x.yaml:3"},
		{"match: {server: 10.0.0.0/8, client: '10.*:1'}}", ""},
		{"match: {server: ':81'}}", "none that matches"},
		{"match: {server: ':81'}, optional: true}", ""},
		{"match: {client: 10.0.0.3}}", "none that matches"},
	} {
		got := check(t, head+c.rule, "none", conn(1, "10.0.0.1:1"))
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s:\n got %s\nwant %s", c.rule, got, c.want)
		}
	}
}

func TestFindings(t *testing.T) {
	for _, c := range []struct{ rules, failOn, want string }{
		{"{}", "warning", "connection 1 (10.0.0.1:1 > 10.0.0.2:80), server: finding final-ack-lost: expected no finding of severity warning or worse, found final-ack-lost (warning, certain): The final ACK was lost. (packets 7, 8); look: finwait show"},
		{"{}", "error", ""},
		{"{}", "none", ""},
		{"{}", "2msl,lost-ack", "expected no finding of 2msl, lost-ack"},
		{"{}", "final-*", "final-ack-lost"},
		{"{may: lost-ack}", "info", ""},
		{"{must: {id: final-ack-lost}}", "info", "must is a list"},
		{"{must: [final-ack-lost]}", "info", ""},
		{"{must: [{id: final-ack-lost, count: 2}]}", "info", "expected final-ack-lost, 2 times, found it once"},
		{"{must: [{id: final-ack-lost, where: before-tap}]}", "none", "expected final-ack-lost before-tap, found final-ack-lost server after-tap certain (packets 7, 8)"},
		{"{must: [fin-ack-missing]}", "none", "expected fin-ack-missing, found final-ack-lost server"},
		{"{must_not: [warning]}", "none", "expected no warning, found final-ack-lost"},
	} {
		text := "captures:\n  - connections:\n      - findings: " + c.rules
		if strings.HasPrefix(c.want, "must is") {
			if _, err := Parse("x.yaml", []byte(text)); err == nil {
				t.Errorf("%s: no error", c.rules)
			}
			continue
		}
		got := check(t, text, c.failOn, conn(1, "10.0.0.1:1"))
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s, %s:\n got %s\nwant %s", c.rules, c.failOn, got, c.want)
		}
	}
	if _, err := ParseFailOn("bad"); err == nil {
		t.Error("no error for --fail-on bad")
	}
}

func TestMoreSpecialRulesWin(t *testing.T) {
	text := `
defaults: {open: midstream, findings: {must_not: [final-ack-lost]}, client: {packets: 1, time_in: {SYN-SENT: {min: 1}}}}
captures:
  - file: b.pcap
    count: 7
  - file: a.*
    count: 2
    findings: {must_not: [lost-ack]}
    defaults: {open: three-way, client: {packets: 0, time_in: {SYN-SENT: {max: 1}}}}
    connections:
      - match: {client: ":1", nth: 2}
        findings: {may: [final-ack-lost]}
      - findings: {must: [final-ack-lost]}
        close: [half]
`
	got := check(t, text, "none", conn(2, "10.0.0.1:1"), conn(1, "10.0.0.1:1"))
	want := []string{
		"connection 1 (10.0.0.1:1 > 10.0.0.2:80): close: expected half, found four-way",
		"the capture: findings of the capture: expected no lost-ack, found it 2 times",
	}
	lines := strings.Split(got, "\n")
	if len(lines) != len(want) {
		t.Fatalf("%s", got)
	}
	for i, w := range want {
		if !strings.HasPrefix(lines[i], w) {
			t.Errorf("%s\nwant %s", lines[i], w)
		}
	}
}

func TestRolesTheOtherWayRound(t *testing.T) {
	c := conn(1, "10.0.0.1:1")
	c.RoleGuessed = true
	got := check(t, `captures: [{connections: [{match: {client: 10.0.0.2, server: 10.0.0.1}, first: client, server: {state: CLOSED},
  findings: {must: [{id: final-ack-lost, endpoint: server}]}}]}]`, "none", c)
	if strings.Count(got, "the other way round") != 3 || !strings.Contains(got, "client: last state") {
		t.Errorf("%s", got)
	}
}

// What Write writes holds of the captures that it was written from.
func TestWrittenExpectationsHold(t *testing.T) {
	a, b := conn(1, "10.0.0.1:1"), conn(2, "10.0.0.1:1")
	b.Findings = append(b.Findings, b.Findings[0], report.Finding{ID: "simultaneous-close", Severity: "info"})
	b.Endpoints.Server.Withdrawn = []report.Withdrawal{{State: "CLOSED"}, {State: "CLOSED"}}
	b.Endpoints.Client.History, b.Endpoints.Client.Undetermined = nil, true
	var out bytes.Buffer
	if err := Write(&out, []Observed{{File: "a.pcap", Packets: 9, Connections: []*report.Connection{b, a}}, {File: "it's.pcap"}}); err != nil {
		t.Fatal(err)
	}
	if got := check(t, out.String(), "info", a, b); got != "" {
		t.Errorf("%s\n%s", got, out.String())
	}
	if got := check(t, out.String(), "info", a); !strings.Contains(got, "number 2 of them") {
		t.Errorf("%s", got)
	}
	var doc any
	if err := yaml.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	if err := compiled(t).Validate(doc); err != nil {
		t.Error(err)
	}
	out.Reset()
	if err := Write(&out, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := Parse("x.yaml", out.Bytes()); err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

func address(s string) report.Address {
	a := netip.MustParseAddrPort(s)
	return report.Address{IP: a.Addr(), Port: a.Port()}
}
