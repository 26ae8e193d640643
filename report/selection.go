package report

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file says which connections a report lists, and in which order.

// Selection says which connections are listed. The zero value lists all. Values
// of one kind are alternatives; the kinds must all hold.
type Selection struct {
	// MinSeverity lists only connections with a finding at least as severe, and
	// of their findings only those. Info, the zero value, selects nothing.
	MinSeverity reassembly.Severity

	findings []string // ids, families or patterns of ids
	states   []tcpstate.State
	passed   []tcpstate.State
	opens    []reassembly.OpenKind
	closes   []reassembly.CloseKind
	conns    []Conn
}

// Conn narrows the selection to the connections that an expression names, in one
// of the spellings of ParseConn; several are alternatives.
func (s *Selection) Conn(expression string) error {
	c, err := ParseConn(expression)
	if err == nil {
		s.conns = append(s.conns, c)
	}
	return err
}

// OnlyKeys are the keys that Selection.Only takes, in the order of the help.
var OnlyKeys = []string{"finding", "state", "passed", "open", "close"}

// Only narrows the selection by an expression KEY=VALUE[,VALUE...]. The keys are
//
//	finding  a finding's id, a family, or a pattern such as time-wait-*
//	state    an endpoint was last in this state
//	passed   an endpoint was ever in this state
//	open     how the connection opened
//	close    how the connection closed
//
// The error says what was expected.
func (s *Selection) Only(expression string) error {
	key, values, ok := strings.Cut(expression, "=")
	if !ok || values == "" || !slices.Contains(OnlyKeys, key) {
		return fmt.Errorf("%q is not one of %s=VALUE", expression, strings.Join(OnlyKeys, "=VALUE, "))
	}
	for value := range strings.SplitSeq(values, ",") {
		if err := s.add(key, strings.TrimSpace(value)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Selection) add(key, value string) error {
	switch key {
	case "finding":
		value = strings.ToLower(value)
		if rule, ok := anomaly.Lookup(value); ok {
			value = rule.ID
		} else if !slices.Contains(anomaly.Families(), value) &&
			!slices.ContainsFunc(anomaly.IDs(), func(id string) bool { return matches(value, id) }) {
			return fmt.Errorf("no finding is called %q%s; 'finwait explain' lists them", value, DidYouMean(value, anomaly.IDs()))
		}
		s.findings = append(s.findings, value)
	case "state", "passed":
		state, ok := tcpstate.Parse(value)
		if !ok {
			return fmt.Errorf("no TCP state is called %q; the states are %s", value, strings.Join(stateNames(), ", "))
		}
		if key == "state" {
			s.states = append(s.states, state)
		} else {
			s.passed = append(s.passed, state)
		}
	case "open":
		i := slices.Index(openNames(), value)
		if i < 0 {
			return fmt.Errorf("no way to open is called %q; there are %s", value, strings.Join(openNames(), ", "))
		}
		s.opens = append(s.opens, reassembly.OpenKind(i))
	case "close":
		i := slices.Index(closeNames(), value)
		if i < 0 {
			return fmt.Errorf("no way to close is called %q; there are %s", value, strings.Join(closeNames(), ", "))
		}
		s.closes = append(s.closes, reassembly.CloseKind(i))
	}
	return nil
}

// Empty reports whether the selection lists everything.
func (s *Selection) Empty() bool {
	return s.MinSeverity == reassembly.Info && len(s.findings)+len(s.states)+len(s.passed)+len(s.opens)+len(s.closes)+len(s.conns) == 0
}

// Match reports whether l is listed.
func (s *Selection) Match(l *reassembly.Lifecycle) bool {
	if len(s.conns) > 0 && !slices.ContainsFunc(s.conns, func(c Conn) bool { return c.Match(l) }) {
		return false
	}
	if len(s.opens) > 0 && !slices.Contains(s.opens, l.Open) ||
		len(s.closes) > 0 && !slices.Contains(s.closes, l.Close) {
		return false
	}
	if len(s.states) > 0 && !slices.Contains(s.states, l.Endpoints[0].State) && !slices.Contains(s.states, l.Endpoints[1].State) {
		return false
	}
	if len(s.passed) > 0 && !s.hasPassed(l) {
		return false
	}
	if len(s.findings) == 0 && s.MinSeverity == reassembly.Info {
		return true
	}
	return slices.ContainsFunc(l.Findings, func(f reassembly.Finding) bool {
		return f.Severity >= s.MinSeverity && (len(s.findings) == 0 || s.names(&f))
	})
}

func (s *Selection) hasPassed(l *reassembly.Lifecycle) bool {
	for i := range l.Endpoints {
		for j := range l.Endpoints[i].History {
			if slices.Contains(s.passed, l.Endpoints[i].History[j].State) {
				return true
			}
		}
	}
	return false
}

// names reports whether the selection asks for the finding by name.
func (s *Selection) names(f *reassembly.Finding) bool {
	return slices.ContainsFunc(s.findings, func(pattern string) bool {
		return pattern == f.Family || matches(pattern, f.ID)
	})
}

// String is the selection in words, "" if it lists everything.
func (s *Selection) String() string {
	var words []string
	say := func(key string, n int, name func(i int) string) {
		for i := range n {
			if i == 0 {
				words = append(words, key+"="+name(0))
			} else {
				words[len(words)-1] += "," + name(i)
			}
		}
	}
	say("conn", len(s.conns), func(i int) string { return s.conns[i].String() })
	say("finding", len(s.findings), func(i int) string { return s.findings[i] })
	say("state", len(s.states), func(i int) string { return s.states[i].String() })
	say("passed", len(s.passed), func(i int) string { return s.passed[i].String() })
	say("open", len(s.opens), func(i int) string { return s.opens[i].String() })
	say("close", len(s.closes), func(i int) string { return s.closes[i].String() })
	if s.MinSeverity > reassembly.Info {
		words = append(words, "severity>="+s.MinSeverity.String())
	}
	return strings.Join(words, " ")
}

func matches(pattern, id string) bool {
	ok, err := path.Match(pattern, id)
	return ok && err == nil
}

func stateNames() []string {
	names := make([]string, 0, tcpstate.NumStates)
	for s := tcpstate.Listen; s < tcpstate.State(tcpstate.NumStates); s++ {
		names = append(names, s.String())
	}
	return append(names, tcpstate.Unknown.String())
}

func openNames() []string  { return Names[reassembly.OpenKind](reassembly.NumOpenKinds) }
func closeNames() []string { return Names[reassembly.CloseKind](reassembly.NumCloseKinds) }

// Names are the words of the first n values of a kind.
func Names[T interface {
	~uint8
	String() string
}](n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = T(i).String()
	}
	return list
}

// Severities are the severities, worst first.
var Severities = []string{"error", "warning", "note", "info"}

// ParseSeverity reads a severity.
func ParseSeverity(word string) (reassembly.Severity, error) {
	for s := reassembly.Info; s <= reassembly.Error; s++ {
		if s.String() == word {
			return s, nil
		}
	}
	return 0, fmt.Errorf("no severity is called %q; there are %s", word, strings.Join(Severities, ", "))
}

// Order is the order in which connections are listed.
type Order string

// Orders. Those that count list the most first.
const (
	AsRetired         Order = "" // the order of NDJSON
	ByID              Order = "id"
	BySeverity        Order = "severity" // worst first, and of equals the surer and the more
	ByStart           Order = "start"
	ByEnd             Order = "end"
	ByDuration        Order = "duration"
	ByPackets         Order = "packets"
	ByBytes           Order = "bytes"
	ByRetransmissions Order = "retransmissions"
	ByFindings        Order = "findings"
)

// Orders are the names of the orders.
var Orders = []Order{BySeverity, ByID, ByStart, ByEnd, ByDuration, ByPackets, ByBytes, ByRetransmissions, ByFindings}

// key places l in the order: lower comes first, equal keys by id.
func (o Order) key(l *reassembly.Lifecycle) uint64 {
	const bias = 1 << 63 // signed order as unsigned
	client, server := &l.Endpoints[0].Stats, &l.Endpoints[1].Stats
	switch o {
	case BySeverity:
		return severityKey(l.Findings)
	case ByStart:
		return uint64(l.Start) + bias
	case ByEnd:
		return uint64(l.End) + bias
	case ByDuration:
		return ^uint64(max(l.End-l.Start, 0))
	case ByPackets:
		return ^l.Packets
	case ByBytes:
		return ^(client.Bytes + server.Bytes)
	case ByRetransmissions:
		return ^(client.Retransmissions + server.Retransmissions)
	case ByFindings:
		return ^uint64(len(l.Findings))
	}
	return 0
}

// severityKey is, from the highest bits: the worst severity, the best
// confidence that it was found with, how often it was found.
func severityKey(findings []reassembly.Finding) uint64 {
	if len(findings) == 0 {
		return ^uint64(0)
	}
	worst, sure, count := reassembly.Info, reassembly.Possible, uint64(0)
	for i := range findings {
		f := &findings[i]
		if f.Severity > worst {
			worst, sure, count = f.Severity, reassembly.Possible, 0
		}
		if f.Severity == worst {
			sure = min(sure, f.Confidence)
			count++
		}
	}
	return uint64(reassembly.Error-worst)<<56 | uint64(sure)<<48 | (1<<48 - 1 - count)
}

// DidYouMean gives "; did you mean X?" where one of the known words is near to
// word, else "".
func DidYouMean(word string, known []string) string {
	best, distance := "", max(2, len(word)/3)+1
	for _, k := range known {
		lower := strings.ToLower(k)
		d := editDistance(strings.ToLower(word), lower)
		if strings.HasPrefix(lower, strings.ToLower(word)) {
			d = min(d, 1)
		}
		if d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// editDistance is the number of letters to insert, remove or exchange.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			d := diagonal
			if a[i] != b[j] {
				d = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], d
		}
	}
	return row[len(b)]
}
