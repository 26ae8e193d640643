package expect

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/finwait/finwait/report"
	"github.com/finwait/finwait/report/verdict"
)

// This file holds one connection against the rules that speak of it.

// with gives r with what more special rules say in its place.
func (r Rules) with(over *Rules) Rules {
	or(&r.Open, over.Open)
	or(&r.Close, over.Close)
	or(&r.First, over.First)
	set(&r.Packets, over.Packets)
	set(&r.Duration, over.Duration)
	r.Client = r.Client.with(&over.Client)
	r.Server = r.Server.with(&over.Server)
	r.Findings = r.Findings.with(&over.Findings)
	return r
}

func (e Endpoint) with(over *Endpoint) Endpoint {
	set(&e.Path, over.Path)
	or(&e.State, over.State)
	or(&e.Withdrawn, over.Withdrawn)
	for _, p := range []struct{ to, from **Count }{
		{&e.Packets, &over.Packets}, {&e.Bytes, &over.Bytes}, {&e.Retransmissions, &over.Retransmissions},
		{&e.DuplicateACKs, &over.DuplicateACKs}, {&e.OutOfOrder, &over.OutOfOrder}, {&e.ZeroWindows, &over.ZeroWindows},
	} {
		set(p.to, *p.from)
	}
	set(&e.RTT, over.RTT)
	if len(over.TimeIn) > 0 {
		e.TimeIn = maps.Clone(e.TimeIn)
		if e.TimeIn == nil {
			e.TimeIn = map[report.State]*Span{}
		}
		maps.Copy(e.TimeIn, over.TimeIn)
	}
	return e
}

// with adds the findings of more special rules. What these allow or want is
// forbidden no more.
func (f Findings) with(over *Findings) Findings {
	allowed := func(no Finding) bool {
		return slices.ContainsFunc(slices.Concat(over.Must, over.May), func(y Finding) bool { return y.ID == no.ID })
	}
	f.MustNot = slices.DeleteFunc(slices.Clone(f.MustNot), allowed)
	f.MustNot = append(f.MustNot, over.MustNot...)
	f.Must = slices.Concat(f.Must, over.Must)
	f.May = slices.Concat(f.May, over.May)
	return f
}

func or[T any](to *[]T, from []T) {
	if len(from) > 0 {
		*to = from
	}
}

func set[T any](to **T, from *T) {
	if from != nil {
		*to = from
	}
}

// turn exchanges client and server.
func (r *Rules) turn() {
	r.Client, r.Server = r.Server, r.Client
	r.First = slices.Clone(r.First)
	for i := range r.First {
		r.First[i] = otherSide(r.First[i])
	}
	for _, l := range []*[]Finding{&r.Findings.Must, &r.Findings.May, &r.Findings.MustNot} {
		*l = slices.Clone(*l)
		for i := range *l {
			(*l)[i].Endpoint = otherSide((*l)[i].Endpoint)
		}
	}
}

func otherSide(s report.SideName) report.SideName {
	switch s {
	case "client":
		return "server"
	case "server":
		return "client"
	}
	return s
}

// judgement is a connection under its rules.
type judgement struct {
	c        *Checker
	conn     *report.Connection
	line     int
	swapped  bool
	problems []verdict.Problem
}

func (j *judgement) say(p verdict.Problem) {
	p.Connection, p.Client, p.Server = j.conn.ID, addressText(j.conn.Client), addressText(j.conn.Server)
	if p.Severity == "" {
		p.Severity = "error"
	}
	if j.c.file != "" && p.Stated.File == "" && strings.HasPrefix(p.Rule, "expect-") {
		p.Stated = verdict.Place{File: j.c.file, Line: j.line}
	}
	if j.c.o.Look != nil {
		p.Look = j.c.o.Look(j.conn.ID)
	}
	if j.swapped {
		p.Found += " (client and server are the other way round here: the roles are guessed)"
	}
	j.problems = append(j.problems, p)
}

func (j *judgement) rules(r *Rules) {
	c := j.conn
	ends := span(c.FirstPacket, c.LastPacket)
	if len(r.Open) > 0 && !slices.Contains(r.Open, c.Open.Kind) {
		j.say(verdict.Problem{Rule: "expect-open", What: "open", Expected: oneOf(r.Open), Found: string(c.Open.Kind), Packets: ends[:1]})
	}
	if len(r.Close) > 0 && !slices.Contains(r.Close, c.Close.Kind) {
		j.say(verdict.Problem{Rule: "expect-close", What: "close", Expected: oneOf(r.Close), Found: string(c.Close.Kind), Packets: ends[len(ends)-1:]})
	}
	if len(r.First) > 0 && !slices.Contains(r.First, c.Close.First) {
		j.say(verdict.Problem{Rule: "expect-close", What: "who closed first", Expected: oneOf(r.First), Found: string(c.Close.First), Packets: ends})
	}
	j.count("", "packets", r.Packets, c.Packets)
	j.span("", "duration", r.Duration, time.Duration(c.End-c.Start), ends)
	j.endpoint("client", &r.Client, &c.Endpoints.Client)
	j.endpoint("server", &r.Server, &c.Endpoints.Server)
	j.findings(&r.Findings)
}

func span(first, last report.Number) []uint64 {
	if first == last {
		return []uint64{uint64(first)}
	}
	return []uint64{uint64(first), uint64(last)}
}

func oneOf[T ~string](list []T) string {
	words := make([]string, len(list))
	for i, w := range list {
		words[i] = string(w)
	}
	return strings.Join(words, " or ")
}

func (j *judgement) endpoint(side string, want *Endpoint, got *report.Endpoint) {
	if want.Path != nil {
		j.path(side, *want.Path, got)
	}
	if len(want.State) > 0 && !slices.Contains(want.State, got.State) {
		j.say(verdict.Problem{Rule: "expect-states", Endpoint: side, What: "last state", Expected: oneOf(want.State), Found: string(got.State),
			Packets: packetOf(got.History, len(got.History)-1)})
	}
	for _, s := range want.Withdrawn {
		if !slices.ContainsFunc(got.Withdrawn, func(w report.Withdrawal) bool { return w.State == s }) {
			j.say(verdict.Problem{Rule: "expect-states", Endpoint: side, What: "states withdrawn", Expected: string(s), Found: "it was not withdrawn"})
		}
	}
	j.count(side, "packets sent", want.Packets, got.Packets)
	j.count(side, "bytes sent", want.Bytes, got.Bytes)
	j.count(side, "retransmissions", want.Retransmissions, got.Retransmissions)
	j.count(side, "duplicate ACKs", want.DuplicateACKs, got.DuplicateACKs)
	j.count(side, "packets out of order", want.OutOfOrder, got.OutOfOrder)
	j.count(side, "zero windows", want.ZeroWindows, got.ZeroWindows)
	if want.RTT != nil {
		if got.RTT.Samples == 0 {
			j.say(verdict.Problem{Rule: "expect-bound", Endpoint: side, What: "round trip", Expected: want.RTT.String(), Found: "no sample"})
		} else if !want.RTT.holds(time.Duration(got.RTT.Min)) || !want.RTT.holds(time.Duration(got.RTT.Max)) {
			j.say(verdict.Problem{Rule: "expect-bound", Endpoint: side, What: "round trip", Expected: want.RTT.String(),
				Found: fmt.Sprintf("%v to %v", time.Duration(got.RTT.Min), time.Duration(got.RTT.Max))})
		}
	}
	for i, state := range words[stateType] {
		if bound := want.TimeIn[report.State(state)]; bound != nil {
			at := slices.IndexFunc(got.History, func(s report.Step) bool { return s.State == report.State(state) })
			j.span(side, "time in "+state, bound, time.Duration(got.TimeInState[i]), packetOf(got.History, at))
		}
	}
}

// leads are the states that a path may open with unsaid.
var leads = []report.State{"CLOSED", "LISTEN", "UNKNOWN"}

func (j *judgement) path(side string, want Path, e *report.Endpoint) {
	got := e.History
	for len(got) > 0 && slices.Contains(leads, got[0].State) && (len(want) == 0 || !slices.Contains(leads, want[0].State)) {
		got = got[1:]
	}
	n := 0
	for n < len(want) && n < len(got) && want[n].State == got[n].State && (want[n].Evidence == "" || want[n].Evidence == got[n].Evidence) {
		n++
	}
	if n == len(want) && n == len(got) {
		return
	}
	withEvidence := slices.ContainsFunc(want, func(s Step) bool { return s.Evidence != "" })
	found := make(Path, len(got))
	for i := range got {
		found[i].State = got[i].State
		if withEvidence {
			found[i].Evidence = got[i].Evidence
		}
	}
	p := verdict.Problem{Rule: "expect-states", Endpoint: side, What: "states", Expected: want.String(), Found: found.String()}
	switch {
	case n < len(got):
		p.Packets = packetOf(got, n)
		p.Found += fmt.Sprintf(": the first that differs is %s, by %q", got[n].State, got[n].Event)
	case n > 0:
		p.Packets = packetOf(got, n-1)
		p.Found += fmt.Sprintf(": nothing moved it from %s to %s", got[n-1].State, want[n].State)
		if i := slices.IndexFunc(e.Withdrawn, func(w report.Withdrawal) bool { return w.State == want[n].State }); i >= 0 {
			w := &e.Withdrawn[i]
			p.Found += fmt.Sprintf(" (packet %d should have, but %s)", w.Packet, w.Reason)
			p.Packets = append(p.Packets, numbers(w.RefutedBy)...)
		}
	default:
		p.Packets = span(j.conn.FirstPacket, j.conn.LastPacket)
	}
	j.say(p)
}

// packetOf names the packet of a step, or that of the nearest step before it.
func packetOf(history []report.Step, i int) []uint64 {
	for ; i >= 0 && i < len(history); i-- {
		if p := history[i].Packet; p != 0 && p != report.NoPacket {
			return []uint64{uint64(p)}
		}
	}
	return nil
}

func numbers(list []report.Number) (out []uint64) {
	for _, n := range list {
		out = append(out, uint64(n))
	}
	return out
}

func (j *judgement) findings(f *Findings) {
	found := j.conn.Findings
	for i := range f.Must {
		want := &f.Must[i]
		var n uint64
		var near []uint64
		for k := range found {
			if want.match(&found[k]) {
				n++
			}
			if names(want.ID, &found[k]) {
				near = append(near, numbers(found[k].Packets)...)
			}
		}
		if want.often(n) {
			continue
		}
		if near == nil {
			near = span(j.conn.FirstPacket, j.conn.LastPacket)
		}
		p := verdict.Problem{Rule: "expect-finding", Endpoint: string(want.Endpoint), What: "findings", Expected: want.String(), Found: told(found), Packets: near}
		if n > 0 {
			p.Found = times(n)
		}
		p.Stated = verdict.Place{File: j.c.file, Line: want.Line}
		j.say(p)
	}
	for k := range found {
		j.finding(f, &found[k])
	}
}

// finding judges one finding that was made.
func (j *judgement) finding(f *Findings, found *report.Finding) {
	p := verdict.Problem{Rule: string(found.ID), Severity: string(found.Severity), Endpoint: string(found.Endpoint), What: "finding " + string(found.ID),
		Found: fmt.Sprintf("%s (%s, %s): %s", found.ID, found.Severity, found.Confidence, found.Detail), Packets: numbers(found.Packets)}
	matches := func(list []Finding) int {
		return slices.IndexFunc(list, func(w Finding) bool { return w.match(found) })
	}
	if i := matches(f.MustNot); i >= 0 {
		p.Expected, p.Stated = "no "+f.MustNot[i].String(), verdict.Place{File: j.c.file, Line: f.MustNot[i].Line}
		j.say(p)
		return
	}
	if matches(f.Must) >= 0 || matches(f.May) >= 0 || !j.c.o.FailOn.match(found) {
		return
	}
	p.Expected = j.c.o.FailOn.says()
	j.say(p)
}

func told(found []report.Finding) string {
	if len(found) == 0 {
		return "no finding"
	}
	var out []string
	for i := range found {
		f := &found[i]
		one := Finding{ID: string(f.ID), Endpoint: f.Endpoint, Where: f.Where, Confidence: f.Confidence}
		out = append(out, one.String())
	}
	return strings.Join(out, "; ")
}

func (f *Finding) match(found *report.Finding) bool {
	return names(f.ID, found) && (f.Endpoint == "" || f.Endpoint == found.Endpoint) &&
		(f.Where == "" || f.Where == found.Where) && (f.Confidence == "" || f.Confidence == found.Confidence)
}

// often reports whether n times is often enough.
func (f *Finding) often(n uint64) bool {
	if f.Count == nil {
		return n > 0
	}
	return f.Count.holds(n)
}

// String is the finding in words: "final-ack-lost server after-tap certain".
func (f *Finding) String() string {
	s := strings.Join(strings.Fields(fmt.Sprint(f.ID, " ", f.Endpoint, " ", f.Where, " ", f.Confidence)), " ")
	if f.Count != nil {
		s += ", " + f.Count.String() + " times"
	}
	return s
}

// String is the path with blanks between the states.
func (p Path) String() string {
	if len(p) == 0 {
		return "no state"
	}
	var w []string
	for _, s := range p {
		w = append(w, strings.TrimSuffix(string(s.State)+"/"+string(s.Evidence), "/"))
	}
	return strings.Join(w, " ")
}

func (j *judgement) count(side, what string, bound *Count, n uint64) {
	if !bound.holds(n) {
		j.say(verdict.Problem{Rule: "expect-bound", Endpoint: side, What: what, Expected: bound.String(), Found: strconv.FormatUint(n, 10),
			Packets: span(j.conn.FirstPacket, j.conn.LastPacket)})
	}
}

func (j *judgement) span(side, what string, bound *Span, d time.Duration, packets []uint64) {
	if !bound.holds(d) {
		j.say(verdict.Problem{Rule: "expect-bound", Endpoint: side, What: what, Expected: bound.String(), Found: d.String(), Packets: packets})
	}
}

func (c *Count) holds(n uint64) bool {
	return c == nil || (c.Min == nil || *c.Min <= n) && (c.Max == nil || n <= *c.Max)
}

func (s *Span) holds(d time.Duration) bool {
	return s == nil || (s.Min == nil || *s.Min <= d) && (s.Max == nil || d <= *s.Max)
}

func (c *Count) String() string { return boundText(c.Min, c.Max) }
func (s *Span) String() string  { return boundText(s.Min, s.Max) }

func boundText[T comparable](least, most *T) string {
	switch {
	case least != nil && most != nil && *least == *most:
		return fmt.Sprint(*least)
	case least != nil && most != nil:
		return fmt.Sprintf("%v to %v", *least, *most)
	case least != nil:
		return fmt.Sprintf("at least %v", *least)
	case most != nil:
		return fmt.Sprintf("at most %v", *most)
	}
	return "any"
}
