// Package metrics serves what a live capture sees to Prometheus. Each set of
// labels is bounded: states, kinds and rules are fixed lists, and of the hosts
// that hold TIME-WAIT only those with most have a label of their own.
//
//	report.Watch -> Counts --Update--> Live -> /metrics
//
// dashboard.json is a Grafana dashboard for them.
package metrics

import (
	"cmp"
	_ "embed" // for the dashboard
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
	"github.com/finwait/finwait/report"
)

// Holders is how many hosts that hold TIME-WAIT have a label of their own; the
// others are counted under OtherHosts.
const (
	Holders    = 20
	OtherHosts = "other"
)

//go:embed dashboard.json
var dashboard []byte

// Dashboard is a Grafana dashboard for the metrics, as JSON.
func Dashboard() []byte { return dashboard }

var sideNames = [2]string{reassembly.Client.String(), reassembly.Server.String()}

// Live holds the metrics of one capture. Update and Retired are for the capture,
// the rest is for Prometheus, at the same time.
type Live struct {
	registry  *prometheus.Registry
	handshake prometheus.Histogram
	inState   [2][tcpstate.NumStates]prometheus.Observer

	mu      sync.Mutex
	counts  report.Counts // a copy
	holders []holder
	sample  report.Sample
}

type holder struct {
	host  string
	count int64
}

// New makes the metrics of a capture on an interface.
func New(iface string) *Live {
	constant := prometheus.Labels{"interface": iface}
	m := &Live{registry: prometheus.NewRegistry()}
	m.handshake = prometheus.NewHistogram(prometheus.HistogramOpts{Name: "finwait_handshake_seconds", ConstLabels: constant,
		Help:    "From the first SYN to the ACK of the SYN-ACK, as seen at the tap.",
		Buckets: prometheus.ExponentialBuckets(0.000_1, 4, 10)})
	states := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "finwait_state_seconds", ConstLabels: constant,
		Help:    "Time that endpoints spent in a state, told when they leave the table.",
		Buckets: prometheus.ExponentialBuckets(0.001, 8, 8)}, []string{"side", "state"})
	for side := range m.inState {
		for s := range tcpstate.State(tcpstate.NumStates) {
			m.inState[side][s] = states.WithLabelValues(sideNames[side], s.String())
		}
	}
	m.registry.MustRegister(m.handshake, states, &collector{m, describe(constant)}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Update takes the counts as they stand; it copies what it keeps.
func (m *Live) Update(c *report.Counts, s *report.Sample) {
	list := mostHolders(c.Holders)
	copied := *c
	copied.Holders = map[netip.Addr]int64{}
	copied.Findings = maps.Clone(c.Findings)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts, m.holders, m.sample = copied, list, *s
}

// mostHolders are those with most, most first, and the others together. It is
// asked every second, and there may be a hundred thousand of them.
func mostHolders(all map[netip.Addr]int64) []holder {
	type one struct {
		host  netip.Addr
		count int64
	}
	compare := func(a, b one) int { return cmp.Or(cmp.Compare(b.count, a.count), a.host.Compare(b.host)) }
	top, rest := make([]one, 0, Holders+1), int64(0)
	for host, n := range all {
		h := one{host, n}
		i, _ := slices.BinarySearchFunc(top, h, compare)
		if top = slices.Insert(top, i, h); len(top) > Holders {
			rest += top[Holders].count
			top = top[:Holders]
		}
	}
	list := make([]holder, 0, len(top)+1)
	for _, h := range top {
		list = append(list, holder{h.host.String(), h.count})
	}
	if len(all) > Holders {
		list = append(list, holder{OtherHosts, rest})
	}
	return list
}

// Opened takes a connection when it is known how it opened.
func (m *Live) Opened(l *reassembly.Lifecycle) {
	if l.Open != reassembly.OpenThreeWay {
		return
	}
	begin, end := stepAt(l, reassembly.Client, tcpstate.SynSent), stepAt(l, reassembly.Server, tcpstate.Established)
	if begin != 0 && end > begin {
		m.handshake.Observe(float64(end-begin) / 1e9)
	}
}

func stepAt(l *reassembly.Lifecycle, side reassembly.Side, state tcpstate.State) int64 {
	for _, s := range l.Endpoints[side].History {
		if s.State == state {
			return s.At
		}
	}
	return 0
}

// Retired takes a connection that leaves the table.
func (m *Live) Retired(l *reassembly.Lifecycle) {
	for side := range l.Endpoints {
		h := l.Endpoints[side].History
		for i := range h {
			if i+1 < len(h) && h[i].At != 0 && h[i+1].At > h[i].At {
				m.inState[side][h[i].State].Observe(float64(h[i+1].At-h[i].At) / 1e9)
			}
		}
	}
}
