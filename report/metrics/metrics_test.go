package metrics

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
	"github.com/finwait/finwait/report"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scrape serves m and asks it once.
func scrape(t *testing.T, m *Live) string {
	t.Helper()
	s, err := m.Serve("127.0.0.1:0")
	if err != nil {
		t.Skipf("no loopback: %v", err)
	}
	defer s.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + s.Address() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", r.Status, err)
	}
	return string(text)
}

func life() *reassembly.Lifecycle {
	l := &reassembly.Lifecycle{ID: 1, Client: netip.MustParseAddrPort("10.0.0.1:4000"), Server: netip.MustParseAddrPort("10.0.0.2:80"),
		Open: reassembly.OpenThreeWay, Close: reassembly.CloseFourWay}
	l.Endpoints[0].State = tcpstate.TimeWait
	l.Endpoints[0].History = []reassembly.Step{{State: tcpstate.SynSent, At: 1e9}, {State: tcpstate.Established, At: 1e9 + 2e6}, {State: tcpstate.TimeWait, At: 3e9}}
	l.Endpoints[1].State = tcpstate.Closed
	l.Endpoints[1].History = []reassembly.Step{{State: tcpstate.Established, At: 1e9 + 3e6}, {State: tcpstate.Closed, At: 2e9}}
	l.Findings = []reassembly.Finding{{ID: "final-ack-lost", Severity: reassembly.Warning}}
	return l
}

func TestMetricsTellTheCounts(t *testing.T) {
	m := New("eth0")
	w := report.Watch{Opened: m.Opened}
	w.Changed(life())
	m.Retired(life())
	m.Update(&w.Counts, &report.Sample{Open: 1, Packets: 7, Dropped: 3, Lag: 250_000_000})
	text := scrape(t, m)
	for _, want := range []string{
		`finwait_endpoints{interface="eth0",side="client",state="TIME-WAIT"} 1`,
		`finwait_opens_total{interface="eth0",kind="three-way"} 1`,
		`finwait_closes_total{interface="eth0",kind="four-way"} 1`,
		`finwait_findings_total{id="final-ack-lost",interface="eth0"} 1`,
		`finwait_time_wait{host="10.0.0.1",interface="eth0"} 1`,
		`finwait_time_wait_peak{interface="eth0"} 1`,
		`finwait_dropped_packets_total{by="kernel",interface="eth0"} 3`,
		`finwait_packets_total{interface="eth0"} 7`,
		`finwait_lag_seconds{interface="eth0"} 0.25`,
		`finwait_handshake_seconds_count{interface="eth0"} 1`,
		`finwait_state_seconds_count{interface="eth0",side="server",state="ESTABLISHED"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s", want)
		}
	}
	// What runs for weeks must be seen to stay small.
	for _, name := range []string{"process_resident_memory_bytes", "process_cpu_seconds_total", "go_memstats_heap_alloc_bytes", "go_goroutines"} {
		if !strings.Contains(text, "\n"+name+" ") {
			t.Errorf("no %s", name)
		}
	}
}

// TestLabelsAreBounded: a scan by many hosts must not make as many labels.
func TestLabelsAreBounded(t *testing.T) {
	m := New("eth0")
	c := report.Counts{Holders: map[netip.Addr]int64{}}
	for i := range 1000 {
		c.Holders[netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})] = int64(i%7) + 1
	}
	m.Update(&c, &report.Sample{})
	text := scrape(t, m)
	if n := strings.Count(text, "\nfinwait_time_wait{"); n != Holders+1 {
		t.Errorf("%d hosts have labels", n)
	}
}

// TestDashboard: it is JSON, and asks only for metrics, labels and values that
// there are.
func TestDashboard(t *testing.T) {
	var d any
	if err := json.Unmarshal(Dashboard(), &d); err != nil {
		t.Fatal(err)
	}
	m := New("eth0")
	m.Update(&report.Counts{Findings: map[string]uint64{"x": 1}, Holders: map[netip.Addr]int64{netip.MustParseAddr("10.0.0.1"): 1}}, &report.Sample{})
	text := scrape(t, m)
	labels := map[string]bool{"le": true}
	for _, l := range regexp.MustCompile(`[{,](\w+)="`).FindAllStringSubmatch(text, -1) {
		labels[l[1]] = true
	}
	names := 0
	for _, query := range queries(d) {
		for _, name := range regexp.MustCompile(`finwait_\w+`).FindAllString(query, -1) {
			names++
			if !strings.Contains(text, fmt.Sprintf("\n%s{", name)) {
				t.Errorf("%s: there is no %s", query, name)
			}
		}
		for _, by := range regexp.MustCompile(`by \(([^)]*)\)`).FindAllStringSubmatch(query, -1) {
			for label := range strings.SplitSeq(by[1], ",") {
				if !labels[strings.TrimSpace(label)] {
					t.Errorf("%s: there is no label %s", query, label)
				}
			}
		}
		for _, match := range regexp.MustCompile(`(\w+)=~?"([^"$]*)"`).FindAllStringSubmatch(query, -1) {
			for value := range strings.SplitSeq(match[2], "|") {
				if value != "" && !strings.Contains(text, fmt.Sprintf("%s=%q", match[1], value)) {
					t.Errorf("%s: nothing has %s %s", query, match[1], value)
				}
			}
		}
	}
	if names < 15 {
		t.Errorf("only %d metrics are asked for", names)
	}
}

// queries are the strings of a dashboard that name metrics, wherever they stand.
func queries(v any) (list []string) {
	switch v := v.(type) {
	case string:
		if strings.Contains(v, "finwait_") {
			list = append(list, v)
		}
	case []any:
		for _, inner := range v {
			list = append(list, queries(inner)...)
		}
	case map[string]any:
		for _, inner := range v {
			list = append(list, queries(inner)...)
		}
	}
	return list
}
