package report

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

const second = int64(1e9)

// inTimeWait is a connection whose client is in TIME-WAIT from begin to end; 0: it lasts.
func inTimeWait(port uint16, begin, end int64) *reassembly.Lifecycle {
	l := &reassembly.Lifecycle{
		Client: netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), port),
		Server: netip.MustParseAddrPort("10.0.0.2:443"),
		Start:  begin, End: begin,
	}
	e := &l.Endpoints[reassembly.Client]
	e.History = []reassembly.Step{{State: tcpstate.TimeWait, At: begin}}
	if end != 0 {
		e.History = append(e.History, reassembly.Step{State: tcpstate.Closed, At: end, Evidence: reassembly.Timer})
	} else {
		e.InTimeWait = true
	}
	return l
}

func TestPopulation(t *testing.T) {
	var p population
	p.add(10*second, 70*second, 99)
	p.add(20*second, 80*second, 99)
	p.add(75*second, 0, 99)
	want := []PopulationPoint{
		{Time(10 * second), 1}, {Time(20 * second), 2}, {Time(70 * second), 2}, {Time(75 * second), 2}, {Time(80 * second), 2},
	}
	if diff := cmp.Diff(want, p.series()); diff != "" {
		t.Error(diff)
	}
	if got := p.peak(); got != (PopulationPoint{Time(20 * second), 2}) {
		t.Errorf("peak %v", got)
	}
}

// TestPopulationIsBounded: a trace of weeks becomes coarser, and loses nobody.
func TestPopulationIsBounded(t *testing.T) {
	var p population
	const n = 100_000
	for i := range int64(n) {
		p.add(i*30*second, (i*30+60)*second, populationBuckets)
	}
	buckets, sum := 0, uint64(0)
	for _, c := range p.changes {
		sum += uint64(c.count[begins])
		for _, n := range c.count {
			buckets += int(count(n > 0))
		}
	}
	if buckets > populationBuckets || buckets != p.held {
		t.Errorf("%d buckets, counted as %d, of at most %d", buckets, p.held, populationBuckets)
	}
	if sum != n || p.entered != n {
		t.Errorf("%d of %d are left", sum, n)
	}
	if got := thin(p.series(), 60); len(got) != 60 {
		t.Errorf("%d points", len(got))
	}
}

// TestPortPressure: 20,000 ports in TIME-WAIT at once towards one service are
// told, 19,000 are not.
func TestPortPressure(t *testing.T) {
	for _, n := range []int{19_000, 20_000} {
		var totals Totals
		for i := range n {
			totals.Add(inTimeWait(uint16(32768+i), int64(i)*second/1000, 90*second))
		}
		s := totals.Summary(Trace{}, 0)
		if len(s.PortPressure) != 1 || s.PortPressure[0].Peak != uint64(n) {
			t.Fatalf("%d: %+v", n, s.PortPressure)
		}
		alarm := n > EphemeralPorts*7/10
		if s.PortPressure[0].Alarm != alarm {
			t.Errorf("%d: alarm %v", n, s.PortPressure[0].Alarm)
		}
		told := false
		for _, f := range s.Findings {
			told = told || f.ID == "port-pressure"
		}
		if told != alarm {
			t.Errorf("%d: finding port-pressure: %v", n, told)
		}
		if s.TimeWait.Peak != uint64(n) || s.TimeWait.Hosts[0].Peak != uint64(n) {
			t.Errorf("%d: peaks %d and %d", n, s.TimeWait.Peak, s.TimeWait.Hosts[0].Peak)
		}
	}
}

// TestSuspectedCookies: a service that leaves out every option offered, and
// gave them to others, is suspected; one that never gives any is not.
func TestSuspectedCookies(t *testing.T) {
	for _, gives := range []bool{false, true} {
		var totals Totals
		for i := range 5 {
			l := inTimeWait(uint16(i), second, 0)
			l.Endpoints[reassembly.Client].Stats = reassembly.EndpointStats{MSS: 1460, SACKPermitted: true, HasScale: true}
			l.Endpoints[reassembly.Server].Stats = reassembly.EndpointStats{MSS: 1460, SACKPermitted: gives && i == 0}
			totals.Add(l)
		}
		var got uint64
		for _, f := range totals.Summary(Trace{}, 0).Findings {
			if f.ID == "syn-cookie-suspected" {
				got = f.Count
			}
		}
		if want := map[bool]uint64{false: 0, true: 4}[gives]; got != want {
			t.Errorf("gives options %v: %d suspected, want %d", gives, got, want)
		}
	}
}
