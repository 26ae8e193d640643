package diff

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/finwait/finwait/report"
)

func conn(id uint64, from string) *report.Connection {
	a, b := netip.MustParseAddrPort(from), netip.MustParseAddrPort("10.0.0.2:80")
	c := &report.Connection{Type: "connection", ID: id, Start: 1e9, End: 4e9,
		Client: report.Address{IP: a.Addr(), Port: a.Port()}, Server: report.Address{IP: b.Addr(), Port: b.Port()},
		Open: report.Open{Kind: "three-way"}, Close: report.Close{Kind: "four-way", First: "client"}}
	c.Endpoints.Client = report.Endpoint{State: "TIME-WAIT", RTT: report.RTT{Samples: 1, Mean: 1e6},
		History: []report.Step{{State: "SYN-SENT", At: 1e9, Packet: 1}, {State: "TIME-WAIT", At: 2e9, Packet: 9}}}
	c.Endpoints.Server = report.Endpoint{State: "CLOSED", History: []report.Step{{State: "LISTEN"}, {State: "CLOSED", At: 2e9, Packet: report.NoPacket}}}
	c.Findings = []report.Finding{{ID: "final-ack-lost", Severity: "warning", Endpoint: "server", Where: "after-tap", Packets: []report.Number{7}}}
	return c
}

func text(t *testing.T, r *Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func list(c ...*report.Connection) []*report.Connection { return c }

func TestDifferences(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*report.Connection)
		want   string
	}{
		"nothing":   {func(*report.Connection) {}, "no difference in 1 connection"},
		"open":      {func(c *report.Connection) { c.Open.Kind = "midstream" }, "  open\n    - three-way\n    + midstream\n"},
		"close":     {func(c *report.Connection) { c.Close.Kind = "reset" }, "  close\n    - four-way\n    + reset\n"},
		"first":     {func(c *report.Connection) { c.Close.First = "both" }, "  who closed first\n    - client\n    + both\n"},
		"roles":     {func(c *report.Connection) { c.Client, c.Server = c.Server, c.Client }, "  client\n    - 10.0.0.1:1\n    + 10.0.0.2:80\n"},
		"duration":  {func(c *report.Connection) { c.End += 1e9 }, "  duration\n    - 3s\n    + 4s\n"},
		"tolerance": {func(c *report.Connection) { c.End += 1e7 }, "no difference"},
		"states": {func(c *report.Connection) { c.Endpoints.Client.History = c.Endpoints.Client.History[:1] },
			"  client: states\n    - SYN-SENT TIME-WAIT (packets 9)\n    + SYN-SENT (packets 1)\n"},
		"time": {func(c *report.Connection) { c.Endpoints.Client.History[1].At += 1e9 },
			"  client: time of TIME-WAIT\n    - 1s (packets 9)\n    + 2s (packets 9)\n"},
		"withdrawn": {func(c *report.Connection) {
			c.Endpoints.Server.Withdrawn = []report.Withdrawal{{State: "CLOSED", RefutedBy: []report.Number{12}}}
		}, "  server: states withdrawn\n    - none\n    + CLOSED (packets 12)\n"},
		"undetermined": {func(c *report.Connection) { c.Endpoints.Server.Undetermined = true }, "  server: last state\n    - CLOSED\n    + undetermined\n"},
		"rtt":          {func(c *report.Connection) { c.Endpoints.Client.RTT.Mean = 1e9 }, "  client: round trip\n    - 1ms\n    + 1s\n"},
		"found less":   {func(c *report.Connection) { c.Findings = nil }, "  server: finding\n    - final-ack-lost warning server after-tap certain (packets 7)\n    + none\n"},
		"found more": {func(c *report.Connection) { c.Findings = append(c.Findings, c.Findings[0]) },
			"  server: finding\n    - none\n    + final-ack-lost warning server after-tap certain (packets 7)\n"},
		"found elsewhere": {func(c *report.Connection) { c.Findings[0].Where = "before-tap" },
			"  server: finding\n    - final-ack-lost warning server after-tap certain (packets 7)\n    + final-ack-lost warning server before-tap certain (packets 7)\n"},
	} {
		a, b := conn(1, "10.0.0.1:1"), conn(1, "10.0.0.1:1")
		a.Findings[0].Confidence, b.Findings[0].Confidence = "certain", "certain"
		c.change(b)
		got := text(t, Connections("a", "b", list(a), list(b), Options{Tolerance: 50 * time.Millisecond}))
		if !strings.Contains(got, c.want) || strings.Count(got, "\n    - ") > 1 {
			t.Errorf("%s:\n%s", name, got)
		}
	}
	a, b := conn(1, "10.0.0.1:1"), conn(1, "10.0.0.1:1")
	b.End += 1e9
	if r := Connections("a", "b", list(a), list(b), Options{Tolerance: -1}); !r.Same {
		t.Errorf("%+v", r)
	}
}

func TestMatching(t *testing.T) {
	a := list(conn(1, "10.0.0.1:1"), conn(2, "10.0.0.1:2"), conn(3, "10.0.0.1:1"))
	b := list(conn(2, "10.0.0.1:1"), conn(1, "10.0.0.1:3"))
	r := Connections("a", "b", a, b, Options{})
	if r.Same || r.Compared != 1 || len(r.OnlyA) != 2 || len(r.OnlyB) != 1 || r.OnlyA[1].ID != 3 || r.OnlyB[0].Client != "10.0.0.1:3" {
		t.Errorf("%+v", r)
	}
	got := text(t, r)
	for _, want := range []string{"only in a\n  - connection 2 (10.0.0.1:2 > 10.0.0.2:80)\n  - connection 3", "only in b\n  + connection 1",
		"1 connection compared, 0 changed, 2 only in the first, 1 only in the second"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	r = Connections("a", "b", a, b, Options{Match: ByOrder})
	if r.Compared != 2 || len(r.OnlyA) != 1 || len(r.OnlyB) != 0 {
		t.Errorf("%+v", r)
	}
	r = Connections("a", "b", a[:1], b[1:], Options{})
	if got := text(t, r); !strings.Contains(got, "--match order") {
		t.Errorf("%s", got)
	}
}

func TestReadAndWrite(t *testing.T) {
	c := conn(1, "10.0.0.1:1")
	line := c.AppendJSON(nil)
	nd := append([]byte(`{"type":"capture","schema":"finwait/1"}`+"\n"), line...)
	nd = append(nd, "\n"+`{"type":"summary","connections":1}`...)
	doc := `{"schema":"finwait/1","connections":[` + string(line) + `]}`
	for _, text := range []string{string(nd), doc, string(line)} {
		got, err := Read(strings.NewReader(text))
		if err != nil || len(got) != 1 || !Connections("a", "b", list(c), got, Options{}).Same {
			t.Errorf("%v, %v", got, err)
		}
	}
	for _, text := range []string{"", "{}", "{", `{"schema":"finwait/9"}`, `{"type":7}`, `{"type":"connection","id":"x"}`} {
		if _, err := Read(strings.NewReader(text)); err == nil {
			t.Errorf("no error for %s", text)
		}
	}
	var b bytes.Buffer
	d := conn(1, "10.0.0.1:1")
	d.Close.Kind = "half"
	if err := Connections("a", "b", list(c), list(d), Options{}).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var back Result
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back.Schema != SchemaID || back.Changed[0].Differences[0].B != "half" || strings.Contains(b.String(), "null") {
		t.Errorf("%v: %s", err, b.String())
	}
}
