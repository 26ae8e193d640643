package anomaly

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// catalogue is every id with its severity letter, family by family. It stands
// here once more so that an id cannot vanish or change by accident.
var catalogue = map[string]string{
	Handshake: `syn-unanswered:w syn-retransmitted:n syn-refused:n syn-refused-icmp:n half-open-no-third-ack:w
		syn-answered-by-ack:e synack-bad-ack:e synack-isn-changed:e simultaneous-open:i split-handshake:n
		syn-in-synchronized:w data-on-syn:i syn-cookie-suspected:i midstream:i one-sided:i`,
	LostACK: `third-ack-lost-or-dropped:w ack-lost-after-tap:w ack-lost-before-tap:n data-lost-after-tap:n ack-never-sent:w
		capture-missed-ack:i ack-late-spurious-rto:n dsack:i ack-of-unsent:e ack-stall:n dup-ack-run:n ack-loop:e
		delayed-ack-excess:n final-ack-lost:w fin-ack-missing:w`,
	Close: `fin-retransmitted:n close-wait-stall:w fin-wait2-stall:w last-ack-stall:w simultaneous-close:i
		half-close-with-data:i data-beyond-fin:e fin-seq-changed:e fin-with-hole:n fin-unexpected:n late-after-close:n
		vanished:n abortive-close:n server-closes-first:i`,
	TwoMSL: `time-wait-restarted:i tuple-reused-in-2msl:w tw-reuse-by-holder:w syn-in-time-wait-rejected:e
		time-wait-missing:w time-wait-assassinated:w old-duplicate-accepted:e reuse-failed:e censored-time-wait:i
		port-pressure:w`,
	Reset: `rst-exact:i rst-in-window-inexact:w rst-out-of-window:n challenge-ack:i rst-ignored:w rst-after-fin:n
		rst-for-closed:n rst-forged-suspect:w rst-storm:n rst-bad-in-syn-sent:n`,
	Path:    `keepalive:i zero-window-stall:w seq-wrap:i paws-reject:n reordering:i user-timeout:w role-uncertain:i`,
	Capture: `capture-gap:i duplicate-frame:i checksum-offload:i`,
}

var letters = map[string]reassembly.Severity{
	"i": reassembly.Info, "n": reassembly.Note, "w": reassembly.Warning, "e": reassembly.Error,
}

func TestCatalogue(t *testing.T) {
	want := 0
	for family, list := range catalogue {
		for _, entry := range strings.Fields(list) {
			want++
			id, letter, _ := strings.Cut(entry, ":")
			r, ok := Lookup(id)
			if !ok {
				t.Errorf("%s is missing", id)
				continue
			}
			if r.ID != id || r.Family != family || r.Severity != letters[letter] {
				t.Errorf("%s: found as %s, family %s, %s; want %s, %s", id, r.ID, r.Family, r.Severity, family, letters[letter])
			}
		}
	}
	if len(All()) != want {
		t.Errorf("%d rules, %d in the catalogue", len(All()), want)
	}
}

var (
	kebab   = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	rfcForm = regexp.MustCompile(`^RFC \d{3,4}( \d+(\.\d+)*(, \d+(\.\d+)*)*)?$`)
)

func TestRulesAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range All() {
		if !kebab.MatchString(r.ID) || seen[r.ID] {
			t.Errorf("%q is no id of its own in kebab-case", r.ID)
		}
		seen[r.ID] = true
		if !slices.Contains(Families(), r.Family) {
			t.Errorf("%s: no family is called %q", r.ID, r.Family)
		}
		if len(r.RFC) == 0 {
			t.Errorf("%s: no RFC", r.ID)
		}
		for _, ref := range r.RFC {
			if !rfcForm.MatchString(ref) {
				t.Errorf("%s: %q is not of the form \"RFC 9293 3.10.7.4, 3.6\"", r.ID, ref)
			}
		}
		if r.Title == "" || strings.HasSuffix(r.Title, ".") || len(r.Title) > 80 {
			t.Errorf("%s: the title is to be one line without a full stop", r.ID)
		}
		for _, p := range r.parts() {
			if len(p[1]) < 5 || !strings.HasSuffix(p[1], ".") || strings.Contains(p[1], "  ") {
				t.Errorf("%s, %s: %q is no plain sentence", r.ID, p[0], p[1])
			}
		}
	}
}

// TestReferencesResolve looks up each id that a text names, here or in the
// explanation of a state.
func TestReferencesResolve(t *testing.T) {
	texts := map[string]string{}
	prefixes := map[string]bool{}
	for _, r := range All() {
		texts[r.ID] = r.Text()
		head, _, _ := strings.Cut(r.ID, "-")
		prefixes[head] = true
	}
	for s := range tcpstate.State(tcpstate.NumStates) {
		texts[s.String()] = s.Explain()
	}
	word := regexp.MustCompile(`[a-z][a-z0-9]*(?:-[a-z0-9]+)+`)
	// Words of plain English that begin like an id, and states as ss spells them.
	plain := []string{"half-close", "half-closed", "half-open", "close-wait", "keep-alive", "keep-alives", "time-out", "time-outs"}
	for name, text := range texts {
		for _, w := range word.FindAllString(text, -1) {
			head, _, _ := strings.Cut(w, "-")
			if _, ok := Lookup(w); !ok && prefixes[head] && !slices.Contains(plain, w) {
				t.Errorf("%s speaks of %q, which is no finding", name, w)
			}
		}
	}
}

func TestAllIsSorted(t *testing.T) {
	family, id := 0, ""
	for i, r := range All() {
		f := slices.Index(Families(), r.Family)
		if f < family || f == family && r.ID <= id {
			t.Errorf("%s stands at the wrong place", r.ID)
		}
		family, id = f, r.ID
		if IDs()[i] != r.ID {
			t.Errorf("IDs differs from All at %s", r.ID)
		}
	}
	All()[0].ID = "changed"
	if All()[0].ID == "changed" {
		t.Error("All hands out the registry itself")
	}
}

func TestLookup(t *testing.T) {
	for spelling, want := range map[string]string{
		"final-ack-lost":   "final-ack-lost",
		"FINAL_ACK_LOST":   "final-ack-lost",
		" Final Ack Lost ": "final-ack-lost",
		"finalAckLost":     "final-ack-lost",
		"acked-unseen":     "capture-gap",
		"acked_unseen":     "capture-gap",
	} {
		if r, ok := Lookup(spelling); !ok || r.ID != want {
			t.Errorf("Lookup(%q) = %q, %v", spelling, r.ID, ok)
		}
	}
	for _, bad := range []string{"", "ack", "reuse-verdict"} {
		if r, ok := Lookup(bad); ok {
			t.Errorf("Lookup(%q) = %q", bad, r.ID)
		}
	}
	for other, id := range otherIDs {
		if r, ok := Lookup(other); !ok || r.ID != id {
			t.Errorf("%s does not lead to %s", other, id)
		}
		if slices.Contains(IDs(), other) {
			t.Errorf("%s is an id itself", other)
		}
	}
}

// TestWords demands an explanation for each word that the core can say.
func TestWords(t *testing.T) {
	var names []string
	for e := reassembly.Assumed; e <= reassembly.Observed; e++ {
		names = append(names, "evidence/"+e.String())
	}
	for w := reassembly.BeforeTap; w <= reassembly.AtReceiver; w++ {
		names = append(names, "where/"+w.String())
	}
	for c := reassembly.Certain; c <= reassembly.Possible; c++ {
		names = append(names, "confidence/"+c.String())
	}
	for s := reassembly.Info; s <= reassembly.Error; s++ {
		names = append(names, "severity/"+s.String())
	}
	for _, f := range Families() {
		names = append(names, "family/"+f)
	}
	have := map[string]bool{}
	for _, w := range Words() {
		if w.Text == "" || !strings.HasSuffix(w.Text, ".") {
			t.Errorf("%s is not explained", w.Name)
		}
		have[w.Kind+"/"+w.Name] = true
	}
	for _, n := range names {
		if !have[n] {
			t.Errorf("%s is not explained", n)
		}
	}
	if got := LookupWord("After_Tap"); len(got) != 1 || got[0].Name != "after-tap" {
		t.Errorf("After_Tap: %v", got)
	}
	if got := LookupWord("evidence"); len(got) < 5 {
		t.Errorf("evidence: %v", got)
	}
	if got := LookupWord("nonsense"); got != nil {
		t.Errorf("nonsense: %v", got)
	}
}

func TestCheckFillsInAndSorts(t *testing.T) {
	saved := registry
	defer func() { registry = saved }()
	registry = []Rule{
		{ID: "quiet", Check: func(*reassembly.Case) []reassembly.Finding { return nil }},
		{ID: "unwritten"},
		{ID: "mild", Family: Path, Severity: reassembly.Note, Check: func(*reassembly.Case) []reassembly.Finding {
			return []reassembly.Finding{{At: 2}, {At: 1}}
		}},
		{ID: "bad", Family: Reset, Severity: reassembly.Warning, Check: func(*reassembly.Case) []reassembly.Finding {
			return []reassembly.Finding{{At: 3}, {ID: "bad", Family: Reset, Severity: reassembly.Error, At: 9}}
		}},
	}
	c := &reassembly.Case{Life: &reassembly.Lifecycle{}}
	Check(c)
	var got []string
	for _, f := range c.Life.Findings {
		got = append(got, f.Severity.String()+" "+f.Family+" "+f.ID)
	}
	want := []string{"error reset bad", "warning reset bad", "note path mild", "note path mild"}
	if !slices.Equal(got, want) || c.Life.Findings[2].At != 1 {
		t.Errorf("got %q", got)
	}
}

func TestDocuments(t *testing.T) {
	table := Table()
	for _, r := range All() {
		if strings.Contains(table, "| `"+r.ID+"` |") != r.told() {
			t.Errorf("%s: in the table although nothing looks for it, or the reverse", r.ID)
		}
		for _, text := range []string{r.Text(), r.Markdown()} {
			for _, part := range []string{r.ID, r.Title, "What it means", "Usual causes", "false alarm", "look at next"} {
				if !strings.Contains(text, part) {
					t.Errorf("%s: the text lacks %q", r.ID, part)
				}
			}
		}
	}
}
