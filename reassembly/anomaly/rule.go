// Package anomaly is the registry of what finwait can find: one Rule a finding,
// one file a family. The report's findings, `finwait explain`, the findings table
// of the README, the JSON enum and --fail-on all come from these values, so an id
// is never renamed or used for something else.
//
// Read this file first, then a family's file. Words of evidence, place and
// confidence are explained in words.go.
package anomaly

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/finwait/finwait/reassembly"
)

// Families, in the order in which they are told.
const (
	Handshake = "handshake"
	LostACK   = "lost-ack"
	Close     = "close"
	TwoMSL    = "2msl"
	Reset     = "reset"
	Path      = "path"
	Capture   = "capture"
)

// Families lists all families in that order.
func Families() []string {
	return []string{Handshake, LostACK, Close, TwoMSL, Reset, Path, Capture}
}

// Rule is one kind of finding.
type Rule struct {
	ID          string              // kebab-case, stable for ever
	Family      string              // one of Families
	Severity    reassembly.Severity // of the finding, unless its verdict says otherwise
	RFC         []string            // "RFC 9293 3.10.7.4": the document and its sections
	Title       string              // one line, without a full stop
	Explanation string              // what it means, then "Usual causes: …"
	FalseAlarm  string              // when it means nothing, or less
	LookNext    string              // what to look at next

	// Check judges a retired connection. A finding that it returns without an
	// ID takes ID, Family and Severity of the rule. nil: the situation is
	// explained, but this version does not look for it.
	Check func(*reassembly.Case) []reassembly.Finding
}

// registry holds every rule, by order of family and then of id.
var registry = sorted(handshakeRules, lostACKRules, closeRules, timeWaitRules, resetRules, pathRules, captureRules)

func sorted(families ...[]Rule) []Rule {
	all := slices.Concat(families...)
	order := Families()
	slices.SortFunc(all, func(a, b Rule) int {
		return cmp.Or(
			cmp.Compare(slices.Index(order, a.Family), slices.Index(order, b.Family)),
			cmp.Compare(a.ID, b.ID))
	})
	return all
}

// All lists every rule, by order of family and then of id.
func All() []Rule { return slices.Clone(registry) }

// IDs lists every id in the order of All.
func IDs() []string {
	ids := make([]string, len(registry))
	for i, r := range registry {
		ids[i] = r.ID
	}
	return ids
}

// otherIDs are names under which a rule is known elsewhere.
var otherIDs = map[string]string{
	"acked-unseen":    "capture-gap",
	"last-ack-lost":   "final-ack-lost",
	"third-ack-lost":  "third-ack-lost-or-dropped",
	"time-wait-reuse": "tuple-reused-in-2msl",
	"port-reuse":      "tuple-reused-in-2msl",
	"spurious-rto":    "ack-late-spurious-rto",
	"half-open":       "half-open-no-third-ack",
}

// Lookup finds a rule by its id in any spelling: case, '-', '_' and spaces do
// not matter.
func Lookup(spelling string) (Rule, bool) {
	key := fold(spelling)
	for other, id := range otherIDs {
		if fold(other) == key {
			key = fold(id)
		}
	}
	for _, r := range registry {
		if fold(r.ID) == key {
			return r, true
		}
	}
	return Rule{}, false
}

// fold drops what spellings differ by.
func fold(s string) string {
	return strings.NewReplacer("-", "", "_", "", " ", "").Replace(strings.ToLower(strings.TrimSpace(s)))
}

// Check runs every rule over a retired connection and puts what they find into
// its Lifecycle, worst first and then by time. It is what
// reassembly.Options.Check wants.
func Check(c *reassembly.Case) {
	found := c.Life.Findings
	for i := range registry {
		r := &registry[i]
		if r.Check == nil {
			continue
		}
		for _, f := range r.Check(c) {
			if f.ID == "" {
				f.ID, f.Family, f.Severity = r.ID, r.Family, r.Severity
			}
			found = append(found, f)
		}
	}
	c.Life.Findings = worstFirst(found)
}

// worstFirst sorts findings by severity, then by time.
func worstFirst(found []finding) []finding {
	slices.SortStableFunc(found, func(a, b finding) int {
		return cmp.Or(
			cmp.Compare(b.Severity, a.Severity),
			cmp.Compare(a.At, b.At),
			cmp.Compare(a.ID, b.ID))
	})
	return found
}

// parts are the rule's texts under their headings.
func (r Rule) parts() [][2]string {
	meaning, causes, _ := strings.Cut(r.Explanation, " Usual causes: ")
	return [][2]string{
		{"What it means", meaning},
		{"Usual causes", upperFirst(causes)},
		{"When it is a false alarm", r.FalseAlarm},
		{"What to look at next", r.LookNext},
	}
}

func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// Text is the rule for a terminal: heading lines and paragraphs, not wrapped.
func (r Rule) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\nfamily %s, severity %s, %s\n", r.ID, r.Title, r.Family, r.Severity, strings.Join(r.RFC, "; "))
	for _, p := range r.parts() {
		fmt.Fprintf(&b, "\n%s: %s\n", p[0], p[1])
	}
	if !r.told() {
		fmt.Fprintf(&b, "\n%s\n", notChecked)
	}
	return b.String()
}

// Markdown is the same as a section of a document.
func (r Rule) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s. Family `%s`, severity %s, %s.\n", r.ID, r.Title, r.Family, r.Severity, strings.Join(r.RFC, "; "))
	for _, p := range r.parts() {
		fmt.Fprintf(&b, "\n**%s.** %s\n", p[0], p[1])
	}
	if !r.told() {
		fmt.Fprintf(&b, "\n%s\n", notChecked)
	}
	return b.String()
}

// ofSummary is of rules that need more than one connection: package report
// looks for them, and tells them in the summary.
var ofSummary = []string{"port-pressure", "syn-cookie-suspected"}

// told reports whether this version looks for the rule's situation.
func (r *Rule) told() bool { return r.Check != nil || slices.Contains(ofSummary, r.ID) }

const notChecked = "This version explains the situation but does not look for it."

// Table is a Markdown table of the rules that are looked for.
func Table() string {
	var b strings.Builder
	b.WriteString("| finding | severity | what it says | rule |\n|---|---|---|---|\n")
	family := ""
	for _, r := range registry {
		if !r.told() {
			continue
		}
		if r.Family != family {
			family = r.Family
			fmt.Fprintf(&b, "| **%s** | | | |\n", family)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.ID, r.Severity, r.Title, strings.Join(r.RFC, "; "))
	}
	return b.String()
}
