package expect

import (
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
	"github.com/finwait/finwait/reassembly/tcpstate"
	"github.com/finwait/finwait/report"
)

// This file is the words that an expectation file may use, and how a finding is
// named.

func list[T interface {
	~uint8
	String() string
}](from, to T) (names []string) {
	for v := from; v < to; v++ {
		names = append(names, v.String())
	}
	return names
}

var stateType = reflect.TypeFor[report.State]()

// words are the values of the types that take only some.
var words = map[reflect.Type][]string{
	reflect.TypeFor[report.State]():     list(tcpstate.State(0), tcpstate.State(tcpstate.NumStates)),
	reflect.TypeFor[report.Evidence]():  list(reassembly.Assumed, reassembly.Observed+1),
	reflect.TypeFor[report.OpenKind]():  list(reassembly.OpenKind(0), reassembly.OpenKind(reassembly.NumOpenKinds)),
	reflect.TypeFor[report.CloseKind](): list(reassembly.CloseKind(0), reassembly.CloseKind(reassembly.NumCloseKinds)),
	reflect.TypeFor[report.SideName]():  list(reassembly.Client, reassembly.None+1),
	reflect.TypeFor[report.Where]():     list(reassembly.BeforeTap, reassembly.AtReceiver+1),
	reflect.TypeFor[report.Certainty](): list(reassembly.Certain, reassembly.Possible+1),
}

// canonical is the spelling of a word of the given type; any text for others.
func canonical(t reflect.Type, text string) (string, error) {
	known, ok := words[t]
	if !ok {
		return text, nil
	}
	if t == reflect.TypeFor[report.State]() {
		if s, ok := tcpstate.Parse(text); ok {
			return s.String(), nil
		}
	}
	if !slices.Contains(known, text) {
		return "", fmt.Errorf("%q is not one of %s%s", text, strings.Join(known, ", "), report.DidYouMean(text, known))
	}
	return text, nil
}

// findingID checks an id, family, severity or pattern, and gives its spelling.
func findingID(text string) (string, error) {
	if rule, ok := anomaly.Lookup(text); ok {
		return rule.ID, nil
	}
	if slices.Contains(anomaly.Families(), text) || slices.Contains(report.Severities, text) {
		return text, nil
	}
	for _, id := range anomaly.IDs() {
		if ok, err := path.Match(text, id); ok && err == nil {
			return text, nil
		}
	}
	known := slices.Concat(anomaly.IDs(), anomaly.Families(), report.Severities)
	return "", fmt.Errorf("no finding, family or severity is called %q%s; 'finwait explain' lists them", text, report.DidYouMean(text, known))
}

// names reports whether an id of an expectation or of --fail-on names f.
func names(id string, f *report.Finding) bool {
	if id == string(f.ID) || id == string(f.Family) {
		return true
	}
	if i := slices.Index(report.Severities, id); i >= 0 {
		return slices.Index(report.Severities, string(f.Severity)) <= i
	}
	ok, err := path.Match(id, string(f.ID))
	return ok && err == nil
}

// FailOn is the findings that fail a check unless an expectation allows them.
type FailOn []string

// ParseFailOn reads a severity (that one or worse), ids, families or patterns,
// with commas between; none alone is no finding at all.
func ParseFailOn(text string) (FailOn, error) {
	if text == "none" {
		return nil, nil
	}
	var out FailOn
	for word := range strings.SplitSeq(text, ",") {
		id, err := findingID(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		out = append(out, id)
	}
	return out, nil
}

func (f FailOn) match(finding *report.Finding) bool {
	return slices.ContainsFunc(f, func(id string) bool { return names(id, finding) })
}

// says is f in words: "no finding of severity warning or worse".
func (f FailOn) says() string {
	if len(f) == 1 && slices.Contains(report.Severities, f[0]) {
		return "no finding of severity " + f[0] + " or worse"
	}
	return "no finding of " + strings.Join(f, ", ")
}
