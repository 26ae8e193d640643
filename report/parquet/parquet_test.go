package parquet_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	pq "github.com/parquet-go/parquet-go"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
	"github.com/finwait/finwait/report"
	"github.com/finwait/finwait/report/parquet"
)

// lifecycle is a connection whose last ACK was lost once.
func lifecycle(id uint64) *reassembly.Lifecycle {
	l := &reassembly.Lifecycle{
		ID: id, Client: netip.MustParseAddrPort("10.0.0.1:41000"), Server: netip.MustParseAddrPort("10.0.0.2:80"),
		Start: 1e18, End: 1e18 + 25e7, First: 1, Last: 9, Packets: 9,
		Findings: []reassembly.Finding{
			{ID: "final-ack-lost", Family: "lost-ack", Severity: reassembly.Warning, Side: reassembly.Server, At: 1e18 + 2e8,
				Packets: []reassembly.Packet{7, 8}, Where: reassembly.AfterTap, Detail: "it was lost",
				Measures: []reassembly.Measure{{Name: "interval_s", Value: 0.2, Limit: 0.1}}},
			{ID: "dsack", Family: "path", Severity: reassembly.Info, Side: reassembly.None, At: 1e18},
		},
	}
	l.Endpoints[0].InTimeWait, l.Endpoints[0].TimeWaitLeast, l.Endpoints[0].TimeWaitMost = true, 59e9, 60e9
	l.Endpoints[0].State = tcpstate.TimeWait
	l.Endpoints[0].History = []reassembly.Step{
		{State: tcpstate.SynSent, At: 1e18, Packet: 1, Event: "send SYN", Evidence: reassembly.Observed},
		{State: tcpstate.TimeWait, At: 1e18 + 1e8, Packet: 6, Evidence: reassembly.Confirmed, ConfirmedBy: []reassembly.Packet{7}},
	}
	l.Endpoints[1].History = []reassembly.Step{{State: tcpstate.Listen, Evidence: reassembly.Assumed}}
	l.Endpoints[1].Withdrawn = []reassembly.Withdrawal{{State: tcpstate.Closed, At: 1e18, Packet: 7, RefutedBy: []reassembly.Packet{8}, Reason: "again"}}
	return l
}

func TestWriteAndReadBack(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "here")
	w, err := parquet.New(dir, report.Selection{}, false)
	if err != nil {
		t.Fatal(err)
	}
	const many = 40_000 // more than a row group
	for i := range uint64(many) {
		if err := w.Add(lifecycle(i + 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	connections := read[parquet.Connection](t, dir, parquet.Connections)
	steps := read[parquet.Step](t, dir, parquet.Steps)
	findings := read[parquet.Finding](t, dir, parquet.Findings)
	if len(connections) != many || len(steps) != 4*many || len(findings) != 2*many {
		t.Fatalf("%d connections, %d steps, %d findings", len(connections), len(steps), len(findings))
	}
	c := connections[many-1]
	if c.ID != many || c.ClientIP != "10.0.0.1" || c.Start != 1e18 || c.ClientState != "TIME-WAIT" || *c.ClientTimeWaitLeft != 60 || c.ServerTimeWaitLeft != nil || c.Reuses != nil {
		t.Errorf("%+v", c)
	}
	if s := steps[1]; s.State != "TIME-WAIT" || *s.Packet != 6 || len(s.ConfirmedBy) != 1 || s.ConfirmedBy[0] != 7 || *s.Ordinal != 1 {
		t.Errorf("%+v", s)
	}
	if s := steps[2]; s.Side != "server" || s.Packet != nil || s.At != nil || *s.Evidence != "assumed" {
		t.Errorf("%+v", s)
	}
	if s := steps[3]; !s.Withdrawn || s.Ordinal != nil || s.RefutedBy[0] != 8 || *s.Reason != "again" {
		t.Errorf("%+v", s)
	}
	if f := findings[0]; f.ID != "final-ack-lost" || *f.Where != "after-tap" || len(f.Packets) != 2 || *f.Measures[0].Limit != 0.1 {
		t.Errorf("%+v", f)
	}
	if f := findings[1]; f.Endpoint != nil || f.Where != nil || len(f.Measures) != 0 {
		t.Errorf("%+v", f)
	}
}

func read[T any](t *testing.T, dir, name string) []T {
	t.Helper()
	rows, err := pq.ReadFile[T](filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestSelection(t *testing.T) {
	dir := t.TempDir()
	w, err := parquet.New(dir, report.Selection{MinSeverity: reassembly.Warning}, true)
	if err != nil {
		t.Fatal(err)
	}
	clean := lifecycle(2)
	clean.Findings = nil
	for _, l := range []*reassembly.Lifecycle{lifecycle(1), clean} {
		if err := w.Add(l); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if c := read[parquet.Connection](t, dir, parquet.Connections); len(c) != 1 || *c[0].FirstFile != 1 {
		t.Errorf("%+v", c)
	}
	if f := read[parquet.Finding](t, dir, parquet.Findings); len(f) != 1 || f[0].ID != "final-ack-lost" || len(f[0].Files) != 2 {
		t.Errorf("%+v", f)
	}
}

func TestAbortLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	w, err := parquet.New(dir, report.Selection{}, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add(lifecycle(1)); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 0 {
		t.Errorf("%v %v", entries, err)
	}
}

func TestDirectoryIsAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := parquet.New(path, report.Selection{}, false); err == nil {
		t.Error("no error")
	}
}
