package report

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file adds up Lifecycles into the Summary. Memory is bounded: hosts and
// services are counted in tallies that keep those with most.

const (
	summaryHosts = 100     // hosts and services that a summary lists
	tallySize    = 1 << 17 // keys that a tally holds, if Options.Hosts says nothing else
)

// Totals adds up connections. The zero value is empty.
type Totals struct {
	hosts    int // that each tally may hold; 0: tallySize
	s        Summary
	opens    [reassembly.NumOpenKinds]uint64
	closes   [reassembly.NumCloseKinds]uint64
	states   [2][tcpstate.NumStates]uint64
	severity [reassembly.Error + 1]uint64
	findings map[string]*findingTotal
	holders  tally[netip.Addr, holderTotal]
	reused   tally[reuseKey, reuseTotal]

	unanswered, oneWay uint64 // connections: SYNs that nothing answered; others of one direction only
	untold, untoldOn   uint64 // losses beyond what a connection keeps, and connections that had such
	acked, unseen      uint64 // bytes acknowledged, and those of them that were never captured

	population population                  // of TIME-WAIT, over all
	ports      tally[reuseKey, portsTotal] // of a client's TIME-WAIT towards a service
	taps       tally[pairKey, tapTotal]
	cookies    tally[netip.AddrPort, cookieTotal]
}

type findingTotal struct {
	FindingCount
	worst reassembly.Severity
	last  uint64 // connection counted last
}

type holderTotal struct {
	held, entered uint64
	left          int64
	over          population
}

func (h holderTotal) weight() uint64 { return h.held<<32 + h.entered }

type reuseKey struct {
	client netip.Addr
	server netip.AddrPort
}

type reuseTotal uint64

func (r reuseTotal) weight() uint64 { return uint64(r) }

// Add counts l.
func (t *Totals) Add(l *reassembly.Lifecycle) {
	s := &t.s
	if s.Connections == 0 || Time(l.Start) < s.Start {
		s.Start = Time(l.Start)
	}
	s.End = max(s.End, Time(l.End))
	s.Connections++
	s.Packets += l.Packets
	t.opens[l.Open]++
	t.closes[l.Close]++
	s.OneSided += count(l.OneSided)
	if l.Open == reassembly.OpenUnanswered {
		t.unanswered++
	} else {
		t.oneWay += count(l.OneSided)
	}
	s.RoleGuessed += count(l.RoleGuessed)
	s.MPTCP += count(l.MPTCP)
	t.untold += l.Untold
	t.untoldOn += count(l.Untold > 0)
	for side := range l.Endpoints {
		t.endpoint(&l.Endpoints[side], side, l)
	}
	if l.Reuses != 0 {
		s.Reused.Connections++
		*t.reused.at(reuseKey{l.Client.Addr().Unmap(), netip.AddrPortFrom(l.Server.Addr().Unmap(), l.Server.Port())}, t.hosts)++
	}
	t.tap(l)
	t.synOptions(l)
	affected := false
	for i := range l.Findings {
		t.finding(&l.Findings[i], l.ID)
		affected = affected || l.Findings[i].Severity > reassembly.Info
	}
	s.Affected += count(affected)
}

func (t *Totals) endpoint(e *reassembly.Endpoint, side int, l *reassembly.Lifecycle) {
	t.s.Bytes += e.Stats.Bytes
	t.acked += e.Stats.Acked
	t.unseen += e.Stats.Unseen
	t.states[side][e.State]++
	t.s.Undetermined += count(e.Undetermined)
	begin, end, entered := timeWaitSpan(e, l.End)
	if !entered {
		return
	}
	t.population.add(begin, end, populationBuckets)
	host := l.Client.Addr()
	if side == int(reassembly.Server) {
		host = l.Server.Addr()
	} else {
		t.ports.at(reuseKey{host.Unmap(), netip.AddrPortFrom(l.Server.Addr().Unmap(), l.Server.Port())}, t.hosts).add(begin, end, hostBuckets)
	}
	h := t.holders.at(host.Unmap(), t.hosts)
	h.entered++
	h.over.add(begin, end, hostBuckets)
	t.s.TimeWait.Entered++
	if e.InTimeWait {
		h.held++
		h.left = max(h.left, e.TimeWaitMost)
		t.s.TimeWait.Endpoints++
	}
}

func (t *Totals) finding(f *reassembly.Finding, connection uint64) {
	if t.findings == nil {
		t.findings = map[string]*findingTotal{}
	}
	total := t.findings[f.ID]
	if total == nil {
		total = &findingTotal{FindingCount: FindingCount{ID: FindingID(f.ID), Family: Family(f.Family)}}
		t.findings[f.ID] = total
	}
	t.severity[f.Severity]++
	total.Count++
	total.worst = max(total.worst, f.Severity)
	if total.last != connection {
		total.last = connection
		total.Connections++
	}
}

// Trace is what a report tells of the capture beside its connections.
type Trace struct {
	Start, End int64 // ns, first and last frame, TCP or not; both 0 if there was none
	Quality    Quality
}

// Summary gives the totals.
func (t *Totals) Summary(trace Trace, listed uint64) *Summary {
	s := t.s
	s.Type, s.Listed, s.Quality = TypeSummary, listed, trace.Quality
	if trace.Start != 0 || trace.End != 0 {
		s.Start, s.End = Time(trace.Start), Time(trace.End)
	}
	s.Duration = Seconds(max(s.End-s.Start, 0))
	s.Opens = counts(t.opens[:], openNames())
	s.Closes = counts(t.closes[:], closeNames())
	s.States = []StateCount{}
	for state := range tcpstate.State(tcpstate.NumStates) {
		c := StateCount{State(state.String()), t.states[0][state], t.states[1][state]}
		if c.Client+c.Server > 0 {
			s.States = append(s.States, c)
		}
	}
	s.Severity = []Count{}
	for severity, n := range slices.Backward(t.severity[:]) {
		if n > 0 {
			s.Severity = append(s.Severity, Count{reassembly.Severity(severity).String(), n})
		}
	}
	s.Findings = t.findingCounts()
	s.TimeWait.Hosts = []HolderHost{}
	hosts, more := t.holders.top(summaryHosts, netip.Addr.Compare)
	s.TimeWait.MoreHosts = more
	for _, ip := range hosts {
		h := t.holders.keys[ip]
		top := h.over.peak()
		s.TimeWait.Hosts = append(s.TimeWait.Hosts, HolderHost{ip, h.held, h.entered, Seconds(h.left), top.Count, top.At})
	}
	s.Reused.Services = []ReusePair{}
	pairs, more := t.reused.top(summaryHosts, func(a, b reuseKey) int {
		return cmp.Or(a.client.Compare(b.client), a.server.Compare(b.server))
	})
	s.Reused.MoreServices = more
	for _, k := range pairs {
		s.Reused.Services = append(s.Reused.Services, ReusePair{k.client, address(k.server), uint64(*t.reused.keys[k])})
	}
	t.pressure(&s)
	t.lacks(&s.Quality)
	if s.Quality.Skipped == nil {
		s.Quality.Skipped = []Count{}
	}
	if s.Quality.Marks == nil {
		s.Quality.Marks = []Count{}
	}
	return &s
}

// lacks tells what the connections say of the capture.
func (t *Totals) lacks(q *Quality) {
	q.OneWay, q.Acked, q.Unseen = t.oneWay, t.acked, t.unseen
	if q.OneWay > 0 {
		q.OneWayShare = float64(q.OneWay) / float64(t.s.Connections-t.unanswered)
	}
	if t.untold > 0 {
		q.Warnings = append(slices.Clip(q.Warnings), Problem{Text: fmt.Sprintf("%d losses on %d connections are counted but have no findings: there were too many on one connection", t.untold, t.untoldOn)})
	}
	if q.Unseen > 0 {
		q.UnseenShare = float64(q.Unseen) / float64(q.Acked)
	}
}

func (t *Totals) findingCounts() []FindingCount {
	list := make([]*findingTotal, 0, len(t.findings))
	for _, f := range t.findings {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b *findingTotal) int {
		return cmp.Or(-cmp.Compare(a.worst, b.worst), -cmp.Compare(a.Count, b.Count), cmp.Compare(a.ID, b.ID))
	})
	out := make([]FindingCount, len(list))
	for i, f := range list {
		out[i] = f.FindingCount
		out[i].Severity = Severity(f.worst.String())
	}
	return out
}

// counts names what was counted, most first, and leaves zeros out.
func counts(n []uint64, names []string) []Count {
	list := []Count{}
	for i, c := range n {
		if c > 0 {
			list = append(list, Count{names[i], c})
		}
	}
	slices.SortStableFunc(list, func(a, b Count) int { return -cmp.Compare(a.Count, b.Count) })
	return list
}

func count(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// tally counts by key. When it is full it forgets those with least, so that a
// flood of addresses does not take memory without bound.
type tally[K comparable, V interface{ weight() uint64 }] struct {
	keys      map[K]*V
	forgotten uint64
}

// at is what is counted of k; most is how many keys there may be, 0: tallySize.
func (t *tally[K, V]) at(k K, most int) *V {
	if v := t.keys[k]; v != nil {
		return v
	}
	if t.keys == nil {
		t.keys = map[K]*V{}
	}
	if len(t.keys) >= cmp.Or(most, tallySize) {
		t.forget()
	}
	v := new(V)
	t.keys[k] = v
	return v
}

// forget keeps the keys that weigh more than the median; which keys these are
// does not depend on the order of the map.
func (t *tally[K, V]) forget() {
	weights := make([]uint64, 0, len(t.keys))
	for _, v := range t.keys {
		weights = append(weights, (*v).weight())
	}
	slices.Sort(weights)
	median := weights[len(weights)/2]
	for k, v := range t.keys {
		if (*v).weight() <= median {
			delete(t.keys, k)
			t.forgotten++
		}
	}
}

// top gives the n keys that weigh most, and how many more there are.
func (t *tally[K, V]) top(n int, compare func(a, b K) int) (keys []K, more uint64) {
	for k := range t.keys {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b K) int {
		return cmp.Or(-cmp.Compare((*t.keys[a]).weight(), (*t.keys[b]).weight()), compare(a, b))
	})
	if len(keys) > n {
		more = uint64(len(keys) - n)
		keys = keys[:n]
	}
	return keys, more + t.forgotten
}
