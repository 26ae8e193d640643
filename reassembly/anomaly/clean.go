package anomaly

import "github.com/finwait/finwait/reassembly"

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
	add := func(id string, list ...finding) {
		for _, f := range list {
			if f.ID == "" {
				r := byID[id]
				f.ID, f.Family, f.Severity = r.ID, r.Family, r.Severity
			}
			found = append(found, f)
		}
	}
	switch {
	case !words && l.Open == reassembly.OpenUnanswered && c.Now-l.Start >= answerDue:
		add("syn-unanswered", finding{})
	case !words && l.Open == reassembly.OpenRefused:
		add("syn-refused", finding{})
	case l.Open == reassembly.OpenUnanswered:
		add("syn-unanswered", synUnanswered([]packet{l.First}, l.Start, l.Start, c.Now, 0))
	case l.Open == reassembly.OpenRefused:
		add("syn-refused", synRefused(l.First, l.Start, l.Last, l.End, []packet{l.First, l.Last}))
	}
	switch {
	case c.Resetter == reassembly.None:
	case !words:
		add("rst-exact", finding{})
		add("abortive-close", finding{})
	default: // the RST is the last packet
		add("rst-exact", rstExact(c.Resetter, l.Last, l.End))
		add("abortive-close", abortiveClose(c.Resetter, l.Last, l.End, c.Unacked))
	}
	if l.CloseFirst == reassembly.Server {
		add("server-closes-first", serverClosesFirst(l)...)
	}
	if c.Ended && c.Holder != reassembly.None {
		add("censored-time-wait", censoredTimeWait(l, c.Holder, c.TimeWait.Begin, c.TimeWait.TwoMSL))
	}
	for _, side := range sides {
		if o := &c.Oversize[side]; o.Packet != 0 {
			add("checksum-offload", offload(side, o.Packet, o.At, o.Len, uint32(l.Endpoints[side.Other()].Stats.MSS)))
		}
	}
	if l.Evicted == idleTimeout {
		add("vanished", vanished(l, c.Now)...)
	}
	if len(found) > 1 {
		worstFirst(found)
	}
	l.Findings = found
}

// byID finds a rule of the registry.
var byID = func() map[string]*Rule {
	m := map[string]*Rule{}
	for i := range registry {
		m[registry[i].ID] = &registry[i]
	}
	return m
}()
