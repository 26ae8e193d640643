package report

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file follows how many endpoints were in TIME-WAIT at a time: over all,
// for each holder, and for each client towards a service, where ports run out.

// EphemeralPorts is how many ports Linux has for outgoing connections to one
// service (net.ipv4.ip_local_port_range 32768 to 60999).
const EphemeralPorts = 28232

// pressureShare is the share of the ephemeral ports above which port-pressure
// is told.
const pressureShare = 0.70

// Buckets that a population holds at most; when there are more, two become one.
// There may be a hundred thousand hosts, but only one overall.
const (
	populationBuckets = 1024
	hostBuckets       = 64
)

// population is how many of something there were at a time, kept as changes a
// bucket of time. The zero value is empty. Most hosts have a bucket or two, and
// there are many hosts, so that it is a list and no map.
type population struct {
	width   int64 // seconds a bucket; 0 means 1
	buckets []populationBucket
	used    int // numbers in the buckets that are not zero
	entered uint64
}

type populationBucket struct {
	at           int64 // of time, in widths since the epoch; they ascend
	begins, ends uint32
}

// add counts one from begin to end, ns since the epoch; end 0: it lasts. most
// is how many numbers the population may hold.
func (p *population) add(begin, end int64, most int) {
	p.width = max(p.width, 1)
	p.entered++
	b := p.bucket(begin / 1e9 / p.width)
	p.used += int(1 - min(b.begins, 1))
	b.begins++
	if end != 0 {
		b = p.bucket(end / 1e9 / p.width)
		p.used += int(1 - min(b.ends, 1))
		b.ends++
	}
	for p.used > most {
		p.halve()
	}
}

// bucket finds the one of a time, or makes it.
func (p *population) bucket(at int64) *populationBucket {
	i, found := slices.BinarySearchFunc(p.buckets, at, func(b populationBucket, at int64) int { return cmp.Compare(b.at, at) })
	if !found {
		p.buckets = slices.Insert(p.buckets, i, populationBucket{at: at})
	}
	return &p.buckets[i]
}

// halve makes one bucket of two.
func (p *population) halve() {
	p.width *= 2
	out := p.buckets[:0]
	p.used = 0
	for _, b := range p.buckets {
		b.at /= 2
		if n := len(out); n > 0 && out[n-1].at == b.at {
			out[n-1].begins += b.begins
			out[n-1].ends += b.ends
		} else {
			out = append(out, b)
		}
	}
	p.buckets = out
	for _, b := range out {
		p.used += int(min(b.begins, 1) + min(b.ends, 1))
	}
}

// series gives the number in each bucket in which it changes; what begins in a
// bucket counts before what ends in it.
func (p *population) series() []PopulationPoint {
	out := make([]PopulationPoint, 0, len(p.buckets))
	n := uint64(0)
	for _, b := range p.buckets {
		n += uint64(b.begins)
		out = append(out, PopulationPoint{Time(b.at * p.width * 1e9), n})
		n -= uint64(b.ends)
	}
	return out
}

// peak is the greatest number, and when it was first reached.
func (p *population) peak() PopulationPoint {
	var top PopulationPoint
	for _, pt := range p.series() {
		if pt.Count > top.Count {
			top = pt
		}
	}
	return top
}

// thin keeps at most n points of a series, the greatest of each stretch.
func thin(points []PopulationPoint, n int) []PopulationPoint {
	if len(points) <= n {
		return points
	}
	out := make([]PopulationPoint, 0, n)
	for i := range n {
		part := points[i*len(points)/n : (i+1)*len(points)/n]
		out = append(out, slices.MaxFunc(part, func(a, b PopulationPoint) int { return cmp.Compare(a.Count, b.Count) }))
	}
	return out
}

// timeWaitSpan is when an endpoint entered and left TIME-WAIT, ns; ok is false
// if it never was in it; end 0: it still is. last is the connection's last packet.
func timeWaitSpan(e *reassembly.Endpoint, last int64) (begin, end int64, ok bool) {
	for i := range e.History {
		switch s := &e.History[i]; {
		case s.State == tcpstate.TimeWait:
			begin, ok = s.At, true
		case ok && s.State == tcpstate.Closed:
			return begin, s.At, true
		}
	}
	if e.InTimeWait && !ok {
		return last, 0, true
	}
	return begin, 0, ok
}

type portsTotal struct{ population }

func (p portsTotal) weight() uint64 { return p.entered }

type pairKey struct{ client, server netip.Addr }

type tapTotal struct {
	connections uint64
	evidence    reassembly.TapEvidence
}

func (t tapTotal) weight() uint64 { return t.connections }

// tap adds what a connection tells of the tap's place between its hosts.
func (t *Totals) tap(l *reassembly.Lifecycle) {
	at := t.taps.at(pairKey{l.Client.Addr().Unmap(), l.Server.Addr().Unmap()}, t.hosts)
	e := l.TapEvidence()
	if at.connections == 0 {
		at.evidence = e
	} else {
		at.evidence.Merge(e)
	}
	at.connections++
}

// cookieTotal counts the SYN-ACKs of a service to clients that offered options.
type cookieTotal struct{ whole, bare uint64 }

func (c cookieTotal) weight() uint64 { return c.whole + c.bare }

// synOptions notes whether a SYN-ACK answered any option that the client
// offered: a SYN cookie has no room for them (RFC 4987 section 3.6).
func (t *Totals) synOptions(l *reassembly.Lifecycle) {
	c, s := &l.Endpoints[reassembly.Client].Stats, &l.Endpoints[reassembly.Server].Stats
	if s.MSS == 0 || !c.HasScale && !c.SACKPermitted && !c.Timestamps {
		return
	}
	at := t.cookies.at(netip.AddrPortFrom(l.Server.Addr().Unmap(), l.Server.Port()), t.hosts)
	if s.HasScale || s.SACKPermitted || s.Timestamps {
		at.whole++
	} else {
		at.bare++
	}
}

// suspectedCookies counts the bare SYN-ACKs of services that gave options to
// other clients.
func (t *Totals) suspectedCookies() (n uint64) {
	for _, c := range t.cookies.keys {
		if c.whole > 0 {
			n += c.bare
		}
	}
	return n
}

// pressure fills the parts of the summary that this file is about.
func (t *Totals) pressure(s *Summary) {
	s.TimeWait.Population = thin(t.population.series(), 60)
	top := t.population.peak()
	s.TimeWait.Peak, s.TimeWait.PeakAt = top.Count, top.At
	s.PortPressure = []PortPressure{}
	keys, more := t.ports.top(summaryHosts, func(a, b reuseKey) int {
		return cmp.Or(a.client.Compare(b.client), a.server.Compare(b.server))
	})
	s.MorePortPressure = more
	for _, k := range keys {
		top := t.ports.keys[k].peak()
		if share := float64(top.Count) / EphemeralPorts; top.Count > 1 {
			s.PortPressure = append(s.PortPressure, PortPressure{k.client, address(k.server), top.Count, top.At, share, share > pressureShare})
		}
	}
	alarms := uint64(0)
	for _, p := range s.PortPressure {
		alarms += count(p.Alarm)
	}
	if n := t.suspectedCookies(); n > 0 {
		s.Findings = append(s.Findings, FindingCount{ID: "syn-cookie-suspected", Family: "handshake", Severity: "info", Count: n, Connections: n})
	}
	if alarms > 0 { // of no single connection
		s.Findings = append(s.Findings, FindingCount{ID: "port-pressure", Family: "2msl", Severity: "warning", Count: alarms})
	}
	slices.SortStableFunc(s.PortPressure, func(a, b PortPressure) int { return -cmp.Compare(a.Peak, b.Peak) })
	s.Taps = []Tap{}
	pairs, more := t.taps.top(summaryHosts, func(a, b pairKey) int {
		return cmp.Or(a.client.Compare(b.client), a.server.Compare(b.server))
	})
	s.MoreTaps = more
	for _, k := range pairs {
		v := t.taps.keys[k]
		s.Taps = append(s.Taps, Tap{
			Client: k.client, Server: k.server, Connections: v.connections, Place: v.evidence.Place().String(),
			ClientHops: hops(v.evidence.Hops[0]), ServerHops: hops(v.evidence.Hops[1]),
			ClientRTT: Seconds(v.evidence.RTT[0]), ServerRTT: Seconds(v.evidence.RTT[1]),
		})
	}
}

func hops(n int) *int {
	if n < 0 {
		return nil
	}
	return &n
}
