package report

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/finwait/finwait/reassembly"
)

// This file is the part of the totals that goes by host, by pair of hosts and by
// service. What they forget depends on the order, so one goroutine adds to
// them; what they need of a connection is drawn out before, on any goroutine.

// traits are what the tallies need of a connection.
type traits struct {
	client, server         reassembly.IP // IPv4 mapped into IPv6
	clientHash, serverHash uint64
	begin, end             [2]int64 // by side: timeWaitSpan
	left                   [2]int64 // ns, most that TIME-WAIT still lasts
	tap                    reassembly.TapEvidence
	port                   uint16  // of the server
	entered, held          [2]bool // TIME-WAIT: at all, at the end
	reuses                 bool
	answer                 synAnswer
}

// synAnswer is whether a SYN-ACK answered any option that the client offered: a
// SYN cookie has no room for them (RFC 4987 section 3.6).
type synAnswer uint8

const (
	noAnswer   synAnswer = iota // or the client offered none
	withOption                  // one or more answered
	bareAnswer                  // but for the MSS
)

func synAnswerOf(l *reassembly.Lifecycle) synAnswer {
	c, s := &l.Endpoints[reassembly.Client].Stats, &l.Endpoints[reassembly.Server].Stats
	switch {
	case s.MSS == 0 || !c.HasScale && !c.SACKPermitted && !c.Timestamps:
		return noAnswer
	case s.HasScale || s.SACKPermitted || s.Timestamps:
		return withOption
	}
	return bareAnswer
}

// of draws out the traits of l.
func (t *traits) of(l *reassembly.Lifecycle) {
	t.client, t.server, t.port = l.Client.Addr().As16(), l.Server.Addr().As16(), l.Server.Port()
	t.clientHash, t.serverHash = hashIP(&t.client), hashIP(&t.server)
	for side := range l.Endpoints {
		e := &l.Endpoints[side]
		t.begin[side], t.end[side], t.entered[side] = timeWaitSpan(e, l.End)
		t.held[side], t.left[side] = e.InTimeWait, e.TimeWaitMost
	}
	t.tap = l.TapEvidence()
	t.reuses, t.answer = l.Reuses != 0, synAnswerOf(l)
}

// hostTallies count by host. The zero value is empty.
type hostTallies struct {
	most     int // keys that each tally may hold; 0: tallySize
	holders  tally[reassembly.IP, holderTotal]
	ports    tally[pairService, portsTotal] // of a client's TIME-WAIT towards a service
	reused   tally[pairService, reuseTotal]
	taps     tally[pair, tapTotal]
	services tally[service, answerTotal]
}

type pair struct{ client, server reassembly.IP }

type pairService struct {
	pair
	port uint16
}

type service struct {
	ip   reassembly.IP
	port uint16
}

type holderTotal struct {
	held uint64
	left int64
	over population // entered: how many
}

func (h holderTotal) weight() uint64 { return h.held<<32 + h.over.entered }

type portsTotal struct{ population }

func (p portsTotal) weight() uint64 { return p.entered }

type reuseTotal uint64

func (r reuseTotal) weight() uint64 { return uint64(r) }

// tapTotal is what the connections between two hosts tell of the tap's place.
type tapTotal struct {
	connections uint64
	evidence    reassembly.TapEvidence
}

func (t tapTotal) weight() uint64 { return t.connections }

// answerTotal counts the SYN-ACKs of a service to clients that offered options.
type answerTotal struct{ whole, bare uint64 }

func (a answerTotal) weight() uint64 { return a.whole + a.bare }

func (t *hostTallies) add(c *traits) {
	hosts := pair{c.client, c.server}
	hash := hashPair(c.clientHash, c.serverHash)
	tap := t.taps.at(hash, &hosts, t.most)
	if tap.connections == 0 {
		tap.evidence = c.tap
	} else {
		tap.evidence.Merge(c.tap)
	}
	tap.connections++

	hash = hashPair(hash, uint64(c.port))
	if c.reuses {
		*t.reused.at(hash, &pairService{hosts, c.port}, t.most)++
	}
	if c.entered[reassembly.Client] {
		t.ports.at(hash, &pairService{hosts, c.port}, t.most).add(c.begin[reassembly.Client], c.end[reassembly.Client], hostBuckets)
		t.holds(c.clientHash, &c.client, c, reassembly.Client)
	}
	if c.entered[reassembly.Server] {
		t.holds(c.serverHash, &c.server, c, reassembly.Server)
	}
	if c.answer != noAnswer {
		at := t.services.at(hashPair(c.serverHash, uint64(c.port)), &service{c.server, c.port}, t.most)
		if c.answer == withOption {
			at.whole++
		} else {
			at.bare++
		}
	}
}

// holds counts a TIME-WAIT of a side.
func (t *hostTallies) holds(hash uint64, host *reassembly.IP, c *traits, side reassembly.Side) {
	h := t.holders.at(hash, host, t.most)
	h.over.add(c.begin[side], c.end[side], hostBuckets)
	if c.held[side] {
		h.held++
		h.left = max(h.left, c.left[side])
	}
}

// suspectedCookies counts the bare SYN-ACKs of services that gave options to
// other clients.
func (t *hostTallies) suspectedCookies() (n uint64) {
	for i := range t.services.n {
		if a := &t.services.entry(i).value; a.whole > 0 {
			n += a.bare
		}
	}
	return n
}

func ipAddr(ip *reassembly.IP) netip.Addr { return netip.AddrFrom16(*ip).Unmap() }

func comparePairs(a, b *pair) int {
	return cmp.Or(ipAddr(&a.client).Compare(ipAddr(&b.client)), ipAddr(&a.server).Compare(ipAddr(&b.server)))
}

func comparePairServices(a, b *pairService) int {
	return cmp.Or(comparePairs(&a.pair, &b.pair), cmp.Compare(a.port, b.port))
}

// tell fills the parts of the summary that go by host.
func (t *hostTallies) tell(s *Summary) {
	s.TimeWait.Hosts = []HolderHost{}
	holders, more := t.holders.top(summaryHosts, func(a, b *reassembly.IP) int { return ipAddr(a).Compare(ipAddr(b)) })
	s.TimeWait.MoreHosts = more
	for _, e := range holders {
		h := &e.value
		top := h.over.peak()
		s.TimeWait.Hosts = append(s.TimeWait.Hosts, HolderHost{ipAddr(&e.key), h.held, h.over.entered, Seconds(h.left), top.Count, top.At})
	}
	s.Reused.Services = []ReusePair{}
	reused, more := t.reused.top(summaryHosts, comparePairServices)
	s.Reused.MoreServices = more
	for _, e := range reused {
		s.Reused.Services = append(s.Reused.Services, ReusePair{ipAddr(&e.key.client), e.key.address(), uint64(e.value)})
	}
	t.pressure(s)
	s.Taps = []Tap{}
	taps, more := t.taps.top(summaryHosts, comparePairs)
	s.MoreTaps = more
	for _, e := range taps {
		v := &e.value
		s.Taps = append(s.Taps, Tap{
			Client: ipAddr(&e.key.client), Server: ipAddr(&e.key.server), Connections: v.connections, Place: v.evidence.Place().String(),
			ClientHops: hops(v.evidence.Hops[0]), ServerHops: hops(v.evidence.Hops[1]),
			ClientRTT: Seconds(v.evidence.RTT[0]), ServerRTT: Seconds(v.evidence.RTT[1]),
		})
	}
}

// address is the service of a pair.
func (k *pairService) address() Address { return Address{ipAddr(&k.server), k.port} }

// pressure tells which clients ran out of ports, and which services answered
// with SYN cookies: findings of no single connection.
func (t *hostTallies) pressure(s *Summary) {
	s.PortPressure = []PortPressure{}
	ports, more := t.ports.top(summaryHosts, comparePairServices)
	s.MorePortPressure = more
	alarms := uint64(0)
	for _, e := range ports {
		top := e.value.peak()
		if share := float64(top.Count) / EphemeralPorts; top.Count > 1 {
			alarm := share > pressureShare
			alarms += count(alarm)
			s.PortPressure = append(s.PortPressure, PortPressure{ipAddr(&e.key.client), e.key.address(), top.Count, top.At, share, alarm})
		}
	}
	slices.SortStableFunc(s.PortPressure, func(a, b PortPressure) int { return -cmp.Compare(a.Peak, b.Peak) })
	if n := t.suspectedCookies(); n > 0 {
		s.Findings = append(s.Findings, FindingCount{ID: "syn-cookie-suspected", Family: "handshake", Severity: "info", Count: n, Connections: n})
	}
	if alarms > 0 {
		s.Findings = append(s.Findings, FindingCount{ID: "port-pressure", Family: "2msl", Severity: "warning", Count: alarms})
	}
}

func hops(n int8) *int {
	if n < 0 {
		return nil
	}
	routers := int(n)
	return &routers
}
