package diff

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/finwait/finwait/report"
)

// This file compares one connection with another.

type comparison struct {
	a, b *report.Connection
	o    *Options
	out  []Difference
}

func compare(a, b *report.Connection, o *Options) []Difference {
	x := &comparison{a: a, b: b, o: o}
	if a.Client != b.Client && a.Client == b.Server {
		x.say("client", "", addressText(a.Client), addressText(b.Client), nil, nil)
	}
	x.text("open", string(a.Open.Kind), string(b.Open.Kind))
	x.text("close", string(a.Close.Kind), string(b.Close.Kind))
	x.text("who closed first", string(a.Close.First), string(b.Close.First))
	x.duration("duration", "", time.Duration(a.End-a.Start), time.Duration(b.End-b.Start), nil, nil)
	x.endpoint("client", &a.Endpoints.Client, &b.Endpoints.Client)
	x.endpoint("server", &a.Endpoints.Server, &b.Endpoints.Server)
	x.findings()
	return x.out
}

func (x *comparison) say(what, endpoint, a, b string, packetsA, packetsB []uint64) {
	x.out = append(x.out, Difference{what, endpoint, a, b, some(packetsA), some(packetsB)})
}

// some is never nil, which JSON would tell as null.
func some(packets []uint64) []uint64 {
	if packets == nil {
		return []uint64{}
	}
	return packets
}

func (x *comparison) text(what, a, b string) {
	if a != b {
		x.say(what, "", a, b, nil, nil)
	}
}

func (x *comparison) duration(what, endpoint string, a, b time.Duration, packetsA, packetsB []uint64) {
	if x.o.Tolerance >= 0 && (a-b).Abs() > x.o.Tolerance {
		x.say(what, endpoint, a.String(), b.String(), packetsA, packetsB)
	}
}

func (x *comparison) endpoint(side string, a, b *report.Endpoint) {
	if from, same := firstDifference(a.History, b.History); !same {
		x.say("states", side, pathText(a.History), pathText(b.History), packetOf(a.History, from), packetOf(b.History, from))
	} else {
		x.times(side, a, b)
	}
	withdrawn := func(e *report.Endpoint) string {
		var w []string
		for _, s := range e.Withdrawn {
			w = append(w, string(s.State))
		}
		return strings.Join(w, " ")
	}
	if w, v := withdrawn(a), withdrawn(b); w != v {
		x.say("states withdrawn", side, w, v, refuters(a), refuters(b))
	}
	if a.Undetermined != b.Undetermined {
		x.say("last state", side, determined(a), determined(b), nil, nil)
	}
	if a.RTT.Samples > 0 && b.RTT.Samples > 0 {
		x.duration("round trip", side, time.Duration(a.RTT.Mean), time.Duration(b.RTT.Mean), nil, nil)
	}
}

func determined(e *report.Endpoint) string {
	if e.Undetermined {
		return "undetermined"
	}
	return string(e.State)
}

func refuters(e *report.Endpoint) (out []uint64) {
	for _, w := range e.Withdrawn {
		for _, p := range w.RefutedBy {
			out = append(out, uint64(p))
		}
	}
	return out
}

// firstDifference is the first step in which two histories enter another state.
func firstDifference(a, b []report.Step) (i int, same bool) {
	for i < len(a) && i < len(b) && a[i].State == b[i].State {
		i++
	}
	return i, i == len(a) && i == len(b)
}

func pathText(history []report.Step) string {
	var w []string
	for _, s := range history {
		w = append(w, string(s.State))
	}
	return strings.Join(w, " ")
}

// packetOf names the packet of a step, or of the nearest one before it.
func packetOf(history []report.Step, i int) []uint64 {
	for i = min(i, len(history)-1); i >= 0; i-- {
		if p := history[i].Packet; p != 0 && p != report.NoPacket {
			return []uint64{uint64(p)}
		}
	}
	return nil
}

// times compares when the same states were entered, since the connection began.
func (x *comparison) times(side string, a, b *report.Endpoint) {
	for i := range a.History {
		s, t := &a.History[i], &b.History[i]
		if s.At == 0 || t.At == 0 {
			continue
		}
		x.duration("time of "+string(s.State), side, time.Duration(s.At-x.a.Start), time.Duration(t.At-x.b.Start),
			packetOf(a.History[i:i+1], 0), packetOf(b.History[i:i+1], 0))
	}
}

// findings compares what was found, by all that makes a finding but its time.
func (x *comparison) findings() {
	rest := slices.Clone(x.b.Findings)
	for i := range x.a.Findings {
		f := &x.a.Findings[i]
		j := slices.IndexFunc(rest, func(g report.Finding) bool { return findingText(&g) == findingText(f) })
		if j >= 0 {
			rest = slices.Delete(rest, j, j+1)
			continue
		}
		// The same rule with another place or confidence is one difference, not two.
		k := slices.IndexFunc(rest, func(g report.Finding) bool { return g.ID == f.ID && g.Endpoint == f.Endpoint && !x.inA(&g) })
		if k >= 0 {
			x.say("finding", string(f.Endpoint), findingText(f), findingText(&rest[k]), numbers(f.Packets), numbers(rest[k].Packets))
			rest = slices.Delete(rest, k, k+1)
			continue
		}
		x.say("finding", string(f.Endpoint), findingText(f), "", numbers(f.Packets), nil)
	}
	for i := range rest {
		x.say("finding", string(rest[i].Endpoint), "", findingText(&rest[i]), nil, numbers(rest[i].Packets))
	}
}

func (x *comparison) inA(g *report.Finding) bool {
	return slices.ContainsFunc(x.a.Findings, func(f report.Finding) bool { return findingText(&f) == findingText(g) })
}

func findingText(f *report.Finding) string {
	return strings.Join(strings.Fields(fmt.Sprint(f.ID, " ", f.Severity, " ", f.Endpoint, " ", f.Where, " ", f.Confidence, " ", f.Verdict)), " ")
}

func numbers(list []report.Number) (out []uint64) {
	for _, n := range list {
		out = append(out, uint64(n))
	}
	return out
}
