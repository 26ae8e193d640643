package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file turns the copied counts into metrics when Prometheus asks.

type collector struct {
	m *Live
	d descriptions
}

type descriptions struct {
	connections, table, opens, closes, findings, undone, holders, peak *prometheus.Desc
	packets, bytes, dropped, evictions, unsaid, lag, down              *prometheus.Desc
}

func describe(constant prometheus.Labels) descriptions {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("finwait_"+name, help, labels, constant)
	}
	return descriptions{
		connections: d("endpoints", "Endpoints of connections in the table, by their state.", "side", "state"),
		table:       d("connections", "Connections in the table."),
		opens:       d("opens_total", "Connections by how they opened.", "kind"),
		closes:      d("closes_total", "Connections by how they closed.", "kind"),
		findings:    d("findings_total", "Findings by rule.", "id"),
		undone:      d("findings_withdrawn_total", "Findings that later packets undid."),
		holders:     d("time_wait", "Endpoints in TIME-WAIT by their host; hosts with few are together under other.", "host"),
		peak:        d("time_wait_peak", "The most endpoints that were in TIME-WAIT at once."),
		packets:     d("packets_total", "Packets captured."),
		bytes:       d("bytes_total", "Bytes of the packets captured, as on the wire."),
		dropped:     d("dropped_packets_total", "Packets that were not captured, by who lost them.", "by"),
		evictions:   d("evictions_total", "Connections that left the table because it was full."),
		unsaid:      d("left_out_total", "Output that nobody took in time: lines, or packets that were to be kept.", "what"),
		lag:         d("lag_seconds", "How far the analysis is behind the clock."),
		down:        d("interface_down", "1 while the interface is down."),
	}
}

// Describe is part of prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect is part of prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	c.m.mu.Lock()
	counts, holders, s := c.m.counts, c.m.holders, c.m.sample
	c.m.mu.Unlock()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	total := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	for side := range counts.States {
		for state := range tcpstate.State(tcpstate.NumStates) {
			gauge(c.d.connections, float64(counts.States[side][state]), sideNames[side], state.String())
		}
	}
	gauge(c.d.table, float64(s.Open))
	for kind := range reassembly.OpenKind(reassembly.NumOpenKinds) {
		total(c.d.opens, counts.Opens[kind], kind.String())
	}
	for kind := range reassembly.CloseKind(reassembly.NumCloseKinds) {
		total(c.d.closes, counts.Closes[kind], kind.String())
	}
	for id, n := range counts.Findings {
		total(c.d.findings, n, id)
	}
	total(c.d.undone, counts.Undone)
	for _, h := range holders {
		gauge(c.d.holders, float64(h.count), h.host)
	}
	gauge(c.d.peak, float64(counts.Peak))
	total(c.d.packets, s.Packets)
	total(c.d.bytes, s.Bytes)
	total(c.d.dropped, s.Dropped, "kernel")
	total(c.d.dropped, s.Missed, "interface")
	total(c.d.evictions, counts.Evicted)
	total(c.d.unsaid, s.Unsaid, "lines")
	total(c.d.unsaid, s.Unkept, "packets")
	gauge(c.d.lag, float64(s.Lag)/1e9)
	down := 0.0
	if s.Down {
		down = 1
	}
	gauge(c.d.down, down)
}
