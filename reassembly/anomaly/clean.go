package anomaly

import (
	"slices"

	"github.com/finwait/finwait/reassembly"
)

// This file: what the rules find in a clean connection, of which package
// reassembly makes no Case (reassembly/clean.go says what that is). Only the
// rules named here can fire there; clean_test.go says of each other one why not.

// CheckClean puts into a clean connection's Lifecycle what Check would find. It
// is what reassembly.Options.CheckClean wants.
func CheckClean(l *reassembly.Lifecycle, c *reassembly.Clean) { checkClean(l, c, true) }

// CountClean is CheckClean for whoever only counts: what many connections may
// have comes as id, family and severity without words, packets and measures.
func CountClean(l *reassembly.Lifecycle, c *reassembly.Clean) { checkClean(l, c, false) }

func checkClean(l *reassembly.Lifecycle, c *reassembly.Clean, words bool) {
	found := l.Findings
	add := func(r *Rule, f finding) {
		if f.ID == "" {
			f.ID, f.Family, f.Severity = r.ID, r.Family, r.Severity
		}
		found = append(found, f)
	}
	count := func(r *Rule, severity reassembly.Severity) { // in place: a finding is large
		n := len(found)
		found = slices.Grow(found, 1)[:n+1]
		found[n] = finding{}
		found[n].ID, found[n].Family, found[n].Severity = r.ID, r.Family, severity
	}
	tell := func(r *Rule, inWords func() finding) {
		if words {
			add(r, inWords())
		} else {
			count(r, r.Severity)
		}
	}
	switch {
	case l.Open == reassembly.OpenUnanswered && !words && c.Now-l.Start < answerDue: // as synUnanswered says
		count(cleanRules.unanswered, reassembly.Info)
	case l.Open == reassembly.OpenUnanswered:
		tell(cleanRules.unanswered, func() finding { return synUnanswered([]packet{l.First}, l.Start, l.Start, c.Now, 0) })
	case l.Open == reassembly.OpenRefused:
		tell(cleanRules.refused, func() finding { return synRefused(l.First, l.Start, l.Last, l.End, []packet{l.First, l.Last}) })
	}
	if c.Resetter != reassembly.None { // the RST is the last packet
		tell(cleanRules.exact, func() finding { return rstExact(c.Resetter, l.Last, l.End) })
		if l.Open != reassembly.OpenHalf {
			tell(cleanRules.abortive, func() finding { return abortiveClose(c.Resetter, l.Last, l.End, c.Unacked) })
		}
	}
	if fin := serverClosed(l); fin != nil {
		tell(cleanRules.serverFirst, func() finding { return serverClosesFirst(fin) })
	}
	if c.Ended && c.Holder != reassembly.None {
		tell(cleanRules.censored, func() finding { return censoredTimeWait(l, c.Holder, c.TimeWait.Begin, c.TimeWait.TwoMSL) })
	}
	for _, side := range sides {
		if o := &c.Oversize[side]; o.Packet != 0 {
			add(cleanRules.offload, offload(side, o.Packet, o.At, o.Len, uint32(l.Endpoints[side.Other()].Stats.MSS)))
		}
	}
	if l.Evicted == idleTimeout {
		for _, f := range vanished(l, c.Now) {
			add(cleanRules.vanished, f)
		}
	}
	if len(found) > 1 && words {
		worstFirst(found)
	}
	l.Findings = found
}

// cleanRules are the rules that can fire in a clean connection.
var cleanRules = struct {
	unanswered, refused, exact, abortive, serverFirst, censored, offload, vanished *Rule
}{
	byID("syn-unanswered"), byID("syn-refused"), byID("rst-exact"), byID("abortive-close"),
	byID("server-closes-first"), byID("censored-time-wait"), byID("checksum-offload"), byID("vanished"),
}

// byID finds a rule of the registry.
func byID(id string) *Rule {
	i := slices.IndexFunc(registry, func(r Rule) bool { return r.ID == id })
	return &registry[i]
}
