package report

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file adds up Lifecycles into the Summary. Memory is bounded: hosts and
// services are counted in tallies that keep those with most (hosts.go).

const summaryHosts = 100 // hosts and services that a summary lists

// Totals adds up connections. The zero value is empty.
type Totals struct {
	counters
	hosts hostTallies
}

// Add counts l.
func (t *Totals) Add(l *reassembly.Lifecycle) {
	var c traits
	c.of(l)
	t.counters.add(l, &c)
	t.hosts.add(&c)
}

// counters are the totals that do not depend on the order of the connections:
// several goroutines may count, each its own, to be merged at the end.
type counters struct {
	start, end Time

	connections, packets, bytes                uint64
	oneSided, roleGuessed, mptcp, undetermined uint64
	affected                                   uint64 // connections with a finding above info
	reused                                     uint64
	unanswered, oneWay                         uint64 // connections: SYNs that nothing answered; others of one direction only
	untold, untoldOn                           uint64 // losses beyond what a connection keeps, and connections that had such
	acked, unseen                              uint64 // bytes acknowledged, and those of them that were never captured
	inTimeWait                                 uint64 // endpoints, at the end

	opens    [reassembly.NumOpenKinds]uint64
	closes   [reassembly.NumCloseKinds]uint64
	states   [2][tcpstate.NumStates]uint64
	severity [reassembly.Error + 1]uint64
	findings map[string]*findingTotal
	recent   *findingTotal // the one that was asked for last: most connections that have any have the same
	timeWait population    // over all
}

type findingTotal struct {
	FindingCount
	worst reassembly.Severity
	last  uint64 // connection counted last
}

func (t *counters) add(l *reassembly.Lifecycle, c *traits) {
	if t.connections == 0 || Time(l.Start) < t.start {
		t.start = Time(l.Start)
	}
	t.end = max(t.end, Time(l.End))
	t.connections++
	t.packets += l.Packets
	t.opens[l.Open]++
	t.closes[l.Close]++
	t.oneSided += count(l.OneSided)
	if l.Open == reassembly.OpenUnanswered {
		t.unanswered++
	} else {
		t.oneWay += count(l.OneSided)
	}
	t.roleGuessed += count(l.RoleGuessed)
	t.mptcp += count(l.MPTCP)
	t.untold += l.Untold
	t.untoldOn += count(l.Untold > 0)
	t.reused += count(c.reuses)
	for side := range l.Endpoints {
		e := &l.Endpoints[side]
		t.bytes += e.Stats.Bytes
		t.acked += e.Stats.Acked
		t.unseen += e.Stats.Unseen
		t.states[side][e.State]++
		t.undetermined += count(e.Undetermined)
		if c.entered[side] {
			t.timeWait.add(c.begin[side], c.end[side], populationBuckets)
			t.inTimeWait += count(e.InTimeWait)
		}
	}
	affected := false
	for i := range l.Findings {
		t.finding(&l.Findings[i], l.ID)
		affected = affected || l.Findings[i].Severity > reassembly.Info
	}
	t.affected += count(affected)
}

func (t *counters) finding(f *reassembly.Finding, connection uint64) {
	total := t.findingOf(f.ID, Family(f.Family))
	t.severity[f.Severity]++
	total.Count++
	total.worst = max(total.worst, f.Severity)
	if total.last != connection {
		total.last = connection
		total.Connections++
	}
}

func (t *counters) findingOf(id string, family Family) *findingTotal {
	if t.recent != nil && string(t.recent.ID) == id {
		return t.recent
	}
	total := t.findings[id]
	if total == nil {
		if t.findings == nil {
			t.findings = map[string]*findingTotal{}
		}
		total = &findingTotal{FindingCount: FindingCount{ID: FindingID(id), Family: family}}
		t.findings[id] = total
	}
	t.recent = total
	return total
}

// merge adds what other counters counted of other connections.
func (t *counters) merge(o *counters) {
	if o.connections == 0 {
		return
	}
	if t.connections == 0 || o.start < t.start {
		t.start = o.start
	}
	t.end = max(t.end, o.end)
	for _, sum := range []struct {
		to *uint64
		n  uint64
	}{
		{&t.connections, o.connections}, {&t.packets, o.packets}, {&t.bytes, o.bytes},
		{&t.oneSided, o.oneSided}, {&t.roleGuessed, o.roleGuessed}, {&t.mptcp, o.mptcp}, {&t.undetermined, o.undetermined},
		{&t.affected, o.affected}, {&t.reused, o.reused}, {&t.unanswered, o.unanswered}, {&t.oneWay, o.oneWay},
		{&t.untold, o.untold}, {&t.untoldOn, o.untoldOn}, {&t.acked, o.acked}, {&t.unseen, o.unseen}, {&t.inTimeWait, o.inTimeWait},
	} {
		*sum.to += sum.n
	}
	addAll(t.opens[:], o.opens[:])
	addAll(t.closes[:], o.closes[:])
	addAll(t.states[0][:], o.states[0][:])
	addAll(t.states[1][:], o.states[1][:])
	addAll(t.severity[:], o.severity[:])
	for id, f := range o.findings {
		total := t.findingOf(id, f.Family)
		total.Count += f.Count
		total.Connections += f.Connections
		total.worst = max(total.worst, f.worst)
	}
	t.timeWait.merge(&o.timeWait, populationBuckets)
}

func addAll(to, n []uint64) {
	for i := range n {
		to[i] += n[i]
	}
}

// Trace is what a report tells of the capture beside its connections.
type Trace struct {
	Start, End int64 // ns, first and last frame, TCP or not; both 0 if there was none
	Quality    Quality
}

// Summary gives the totals.
func (t *Totals) Summary(trace Trace, listed uint64) *Summary {
	s := &Summary{
		Type: TypeSummary, Start: t.start, End: t.end,
		Connections: t.connections, Listed: listed, Packets: t.packets, Bytes: t.bytes,
		Opens: counts(t.opens[:], openNames()), Closes: counts(t.closes[:], closeNames()),
		States: []StateCount{}, Severity: []Count{}, Findings: t.findingCounts(), Affected: t.affected,
		Undetermined: t.undetermined, OneSided: t.oneSided, RoleGuessed: t.roleGuessed, MPTCP: t.mptcp,
		Quality: trace.Quality,
	}
	if trace.Start != 0 || trace.End != 0 {
		s.Start, s.End = Time(trace.Start), Time(trace.End)
	}
	s.Duration = Seconds(max(s.End-s.Start, 0))
	for state := range tcpstate.State(tcpstate.NumStates) {
		c := StateCount{State(state.String()), t.states[0][state], t.states[1][state]}
		if c.Client+c.Server > 0 {
			s.States = append(s.States, c)
		}
	}
	for severity, n := range slices.Backward(t.severity[:]) {
		if n > 0 {
			s.Severity = append(s.Severity, Count{reassembly.Severity(severity).String(), n})
		}
	}
	top := t.timeWait.peak()
	s.TimeWait.Endpoints, s.TimeWait.Entered = t.inTimeWait, t.timeWait.entered
	s.TimeWait.Peak, s.TimeWait.PeakAt = top.Count, top.At
	s.TimeWait.Population = thin(t.timeWait.series(), 60)
	s.Reused.Connections = t.reused
	t.hosts.tell(s)
	t.lacks(&s.Quality)
	if s.Quality.Skipped == nil {
		s.Quality.Skipped = []Count{}
	}
	if s.Quality.Marks == nil {
		s.Quality.Marks = []Count{}
	}
	return s
}

// lacks tells what the connections say of the capture.
func (t *counters) lacks(q *Quality) {
	q.OneWay, q.Acked, q.Unseen = t.oneWay, t.acked, t.unseen
	if q.OneWay > 0 {
		q.OneWayShare = float64(q.OneWay) / float64(t.connections-t.unanswered)
	}
	if t.untold > 0 {
		q.Warnings = append(slices.Clip(q.Warnings), Problem{Text: fmt.Sprintf("%d losses on %d connections are counted but have no findings: there were too many on one connection", t.untold, t.untoldOn)})
	}
	if q.Unseen > 0 {
		q.UnseenShare = float64(q.Unseen) / float64(q.Acked)
	}
}

func (t *counters) findingCounts() []FindingCount {
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
