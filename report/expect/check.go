package expect

import (
	"fmt"
	"net/netip"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/finwait/finwait/report"
	"github.com/finwait/finwait/report/verdict"
)

// This file holds the connections of one capture against expectations as they
// come. Connections are kept only where an entry asks for the nth of several.

// Options set up a Checker.
type Options struct {
	FailOn FailOn
	// Look gives the command that shows a connection; nil: none is named.
	Look func(connection uint64) string
}

// Checker holds one capture against what is expected of it.
type Checker struct {
	o        Options
	file     string // of the expectations, "" if there are none
	defaults Rules
	parts    []*part
	held     []*report.Connection
	nth      bool
	count    uint64
	problems []verdict.Problem
	cases    []verdict.Case
}

// part is an entry of the file that speaks of this capture.
type part struct {
	Capture
	matched []uint64 // by entry of Connections
	seen    []uint64 // by entry with nth: how many connections fit its tuple
	found   map[*Finding]uint64
}

// Speaks reports whether an entry is about a capture. Paths start from the
// folder of the expectation file.
func (c *Capture) Speaks(expectations, capture string) bool {
	if c.File == "" {
		return true
	}
	names := []string{filepath.Base(capture), filepath.ToSlash(capture)}
	if rel, err := filepath.Rel(filepath.Dir(expectations), capture); err == nil {
		names = append(names, filepath.ToSlash(rel))
	}
	return slices.ContainsFunc(names, func(name string) bool {
		ok, err := path.Match(c.File, name)
		return name == c.File || ok && err == nil
	})
}

// NewChecker holds the capture of that path against f; nil f is no expectation.
func NewChecker(capture string, f *File, o Options) *Checker {
	c := &Checker{o: o}
	if f == nil {
		return c
	}
	c.file, c.defaults = f.Name, f.Defaults
	for i := range f.Captures {
		if !f.Captures[i].Speaks(f.Name, capture) {
			continue
		}
		p := &part{Capture: f.Captures[i], found: map[*Finding]uint64{}}
		p.matched, p.seen = make([]uint64, len(p.Connections)), make([]uint64, len(p.Connections))
		c.parts = append(c.parts, p)
		for j := range p.Connections {
			c.nth = c.nth || p.Connections[j].Match.Nth > 0
		}
	}
	return c
}

// Add takes the next connection, in any order. conn may be used again by the
// caller only if Keeps is false.
func (c *Checker) Add(conn *report.Connection) {
	c.count++
	if c.Keeps() {
		c.held = append(c.held, conn)
		return
	}
	c.judge(conn)
}

// Keeps reports whether the Checker holds on to connections until Close.
func (c *Checker) Keeps() bool { return c.nth }

func (c *Checker) judge(conn *report.Connection) {
	rules, lines, swapped, named := c.defaults, []int{0}, false, false
	for _, p := range c.parts {
		for _, list := range [][]Finding{p.Findings.Must, p.Findings.MustNot} {
			p.note(list, conn.Findings)
		}
		rules = rules.with(&p.Defaults)
		rules.Findings.May = slices.Concat(rules.Findings.May, p.Findings.May, p.Findings.Must)
		for i := range p.Connections {
			e := &p.Connections[i]
			ok, turned := e.Match.fits(conn)
			if !ok {
				continue
			}
			p.seen[i]++
			if e.Match.Nth > 0 && p.seen[i] != uint64(e.Match.Nth) {
				continue
			}
			p.matched[i]++
			own := e.Rules
			if turned {
				own.turn()
			}
			rules, named, swapped = rules.with(&own), true, swapped || turned
			lines[0] = e.Line
			// The entries behind it count this connection, but do not speak of it.
			for j := i + 1; j < len(p.Connections); j++ {
				if ok, _ := p.Connections[j].Match.fits(conn); ok && p.Connections[j].Match.Nth > 0 {
					p.seen[j]++
				}
			}
			break
		}
	}
	j := &judgement{c: c, conn: conn, line: lines[0], swapped: swapped}
	j.rules(&rules)
	if named || len(j.problems) > 0 {
		c.cases = append(c.cases, verdict.Case{
			Name:     verdict.ConnectionCase(conn.ID, addressText(conn.Client), addressText(conn.Server)),
			Problems: len(j.problems)})
	}
	c.problems = append(c.problems, j.problems...)
}

func (p *part) note(wanted []Finding, found []report.Finding) {
	for i := range wanted {
		for k := range found {
			if wanted[i].match(&found[k]) {
				p.found[&wanted[i]]++
			}
		}
	}
}

// Close ends the capture, of which packets frames were read, and gives what is
// wrong with it, in the order of the connections.
func (c *Checker) Close(packets uint64) ([]verdict.Case, []verdict.Problem) {
	slices.SortFunc(c.held, func(a, b *report.Connection) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	for _, conn := range c.held {
		c.judge(conn)
	}
	slices.SortStableFunc(c.problems, func(a, b verdict.Problem) int { return int(int64(a.Connection) - int64(b.Connection)) })
	for _, p := range c.parts {
		c.whole(p, packets)
	}
	return c.cases, c.problems
}

// whole judges what is said of a capture as a whole.
func (c *Checker) whole(p *part, packets uint64) {
	say := func(rule, what, expected, found string, line int) {
		c.problems = append(c.problems, verdict.Problem{Rule: rule, Severity: "error", What: what, Expected: expected, Found: found,
			Stated: verdict.Place{File: c.file, Line: line}})
	}
	if !p.Count.holds(c.count) {
		say("expect-bound", "number of connections", p.Count.String(), strconv.FormatUint(c.count, 10), p.Line)
	}
	if !p.Packets.holds(packets) {
		say("expect-bound", "number of packets", p.Packets.String(), strconv.FormatUint(packets, 10), p.Line)
	}
	for i := range p.Findings.Must {
		f := &p.Findings.Must[i]
		if !f.often(p.found[f]) {
			say("expect-finding", "findings of the capture", f.String(), times(p.found[f]), f.Line)
		}
	}
	for i := range p.Findings.MustNot {
		if f := &p.Findings.MustNot[i]; p.found[f] > 0 {
			say("expect-no-finding", "findings of the capture", "no "+f.String(), times(p.found[f]), f.Line)
		}
	}
	for i := range p.Connections {
		e := &p.Connections[i]
		if p.matched[i] == 0 && !e.Optional {
			say("expect-connection", "connections", e.Match.String(), "none that matches", e.Line)
		}
	}
}

func times(n uint64) string {
	switch n {
	case 0:
		return "none"
	case 1:
		return "it once"
	}
	return fmt.Sprintf("it %d times", n)
}

// fits reports whether a connection matches, without regard to Nth. turned: the
// roles are the other way round, which only counts where they are no matter of
// fact: guessed, or after a simultaneous open.
func (m *Match) fits(c *report.Connection) (ok, turned bool) {
	if m.ID != 0 && m.ID != c.ID {
		return false, false
	}
	if fitsAddress(m.Client, c.Client) && fitsAddress(m.Server, c.Server) {
		return true, false
	}
	if (c.RoleGuessed || c.Open.Kind == "simultaneous") && fitsAddress(m.Client, c.Server) && fitsAddress(m.Server, c.Client) {
		return true, true
	}
	return false, false
}

// String is the match in words.
func (m *Match) String() string {
	var w []string
	if m.ID != 0 {
		w = append(w, "id "+strconv.FormatUint(m.ID, 10))
	}
	if m.Client != "" {
		w = append(w, "client "+m.Client)
	}
	if m.Server != "" {
		w = append(w, "server "+m.Server)
	}
	if m.Nth != 0 {
		w = append(w, "number "+strconv.Itoa(m.Nth)+" of them")
	}
	if len(w) == 0 {
		return "any connection"
	}
	return "a connection with " + strings.Join(w, ", ")
}

// fitsAddress holds an address against ADDRESS:PORT, ADDRESS, NETWORK, :PORT or a pattern.
func fitsAddress(want string, a report.Address) bool {
	if want == "" || want == "*" {
		return true
	}
	if port, ok := strings.CutPrefix(want, ":"); ok && !strings.Contains(port, ":") {
		return port == strconv.Itoa(int(a.Port))
	}
	if both, err := netip.ParseAddrPort(want); err == nil {
		return both.Addr().Unmap() == a.IP && both.Port() == a.Port
	}
	if ip, err := netip.ParseAddr(want); err == nil {
		return ip.Unmap() == a.IP
	}
	if network, err := netip.ParsePrefix(want); err == nil {
		return network.Contains(a.IP)
	}
	for _, text := range []string{addressText(a), a.IP.String()} {
		if ok, err := path.Match(want, text); ok && err == nil {
			return true
		}
	}
	return false
}

func addressText(a report.Address) string { return netip.AddrPortFrom(a.IP, a.Port).String() }
