package expect

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/finwait/finwait/report"
)

// This file writes an expectation file from today's captures, for a person to
// review. The order is stable, and what may well differ from one run to the next
// (times) stands in comments only.

// Observed is a capture as it is today.
type Observed struct {
	File        string // as the expectation file is to name it
	Packets     uint64
	Connections []*report.Connection
}

// Write writes the expectations of captures.
func Write(w io.Writer, captures []Observed) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "# Written by 'finwait check --write-expect'. Review it: it says what is, not what ought to be.\n")
	fmt.Fprintf(b, "schema: %s\ncaptures:\n", SchemaID)
	for i := range captures {
		writeCapture(b, &captures[i])
	}
	if len(captures) == 0 {
		fmt.Fprintf(b, "  []\n")
	}
	return b.Flush()
}

func writeCapture(b *bufio.Writer, o *Observed) {
	list := slices.Clone(o.Connections)
	slices.SortFunc(list, func(x, y *report.Connection) int { return cmp.Compare(x.ID, y.ID) })
	fmt.Fprintf(b, "\n  - file: %s\n    count: %d\n    packets: %d\n", scalar(o.File), len(list), o.Packets)
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "    connections:\n")
	total, seen := map[[2]report.Address]int{}, map[[2]report.Address]int{}
	for _, c := range list {
		total[[2]report.Address{c.Client, c.Server}]++
	}
	alike := alikes(list)
	for _, c := range list {
		key := [2]report.Address{c.Client, c.Server}
		seen[key]++
		nth := 0
		if total[key] > 1 {
			nth = seen[key]
		}
		if !alike.has(c) {
			fmt.Fprintf(b, "      # connection %d: packets %d to %d, %v\n", c.ID, c.FirstPacket, c.LastPacket, time.Duration(c.End-c.Start))
			writeConnection(b, c, addressText(c.Client), nth)
		}
	}
	// An entry for many stands last: the first that matches speaks.
	for _, g := range alike {
		fmt.Fprintf(b, "      # %d connections alike, %d the first of them\n", len(g), g[0].ID)
		writeConnection(b, g[0], g[0].Client.IP.String(), 0)
	}
}

// groups are connections that one entry speaks of.
type groups [][]*report.Connection

func (g groups) has(c *report.Connection) bool {
	return slices.ContainsFunc(g, func(list []*report.Connection) bool { return slices.Contains(list, c) })
}

// manyAlike is how many connections from one host to one service, all of one
// life, are worth an entry for all: a flood, or a pool of connections.
const manyAlike = 5

// alikes finds them. Of those between one host and one service, only the most
// frequent life can have such an entry, since a match names no life.
func alikes(list []*report.Connection) (out groups) {
	type pair struct{ client, server string }
	lives, order := map[pair]map[string][]*report.Connection{}, []pair{}
	for _, c := range list {
		p := pair{c.Client.IP.String(), addressText(c.Server)}
		if lives[p] == nil {
			lives[p], order = map[string][]*report.Connection{}, append(order, p)
		}
		life := lifeText(c)
		lives[p][life] = append(lives[p][life], c)
	}
	for _, p := range order {
		var best []*report.Connection
		for _, g := range lives[p] {
			if len(g) > len(best) || len(g) == len(best) && g[0].ID < best[0].ID {
				best = g
			}
		}
		if len(best) >= manyAlike {
			out = append(out, best)
		}
	}
	return out
}

// lifeText is all that is written of a connection but its address and comments.
func lifeText(c *report.Connection) string {
	var text strings.Builder
	b := bufio.NewWriter(&text)
	writeConnection(b, c, "", 0)
	_ = b.Flush() // a strings.Builder takes everything
	lines := strings.Split(text.String(), "\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(strings.TrimSpace(l), "#") }), "\n")
}

func writeConnection(b *bufio.Writer, c *report.Connection, client string, nth int) {
	fmt.Fprintf(b, "      - match: {client: %s, server: %s", scalar(client), scalar(addressText(c.Server)))
	if nth > 0 {
		fmt.Fprintf(b, ", nth: %d", nth)
	}
	fmt.Fprintf(b, "}\n        open: %s\n        close: %s\n        first: %s\n", c.Open.Kind, c.Close.Kind, c.Close.First)
	for _, e := range []struct {
		name string
		*report.Endpoint
	}{{"client", &c.Endpoints.Client}, {"server", &c.Endpoints.Server}} {
		if e.Undetermined {
			fmt.Fprintf(b, "        # The packets do not decide the %s's last state.\n", e.name)
		}
		fmt.Fprintf(b, "        %s:\n          path: %s\n", e.name, pathText(e.History))
		if len(e.Withdrawn) > 0 {
			fmt.Fprintf(b, "          withdrawn: [%s]\n", strings.Join(withdrawnStates(e.Withdrawn), ", "))
		}
	}
	writeFindings(b, c.Findings)
}

// pathText is the path without the state that it opens with unsaid.
func pathText(history []report.Step) string {
	var w []string
	for i, s := range history {
		if i > 0 || !slices.Contains(leads, s.State) {
			w = append(w, string(s.State))
		}
	}
	if len(w) == 0 {
		return "[]"
	}
	return strings.Join(w, " ")
}

func withdrawnStates(list []report.Withdrawal) (out []string) {
	for _, w := range list {
		if !slices.Contains(out, string(w.State)) {
			out = append(out, string(w.State))
		}
	}
	return out
}

// writeFindings writes what is an anomaly under must, and facts under may.
func writeFindings(b *bufio.Writer, findings []report.Finding) {
	if len(findings) == 0 {
		return
	}
	fmt.Fprintf(b, "        findings:\n")
	type kind struct {
		id, endpoint, where, confidence string
	}
	counts, order, first := map[kind]int{}, []kind{}, map[kind]*report.Finding{}
	var facts []string
	for i := range findings {
		f := &findings[i]
		if f.Severity == "info" {
			if !slices.Contains(facts, string(f.ID)) {
				facts = append(facts, string(f.ID))
			}
			continue
		}
		k := kind{string(f.ID), string(f.Endpoint), string(f.Where), string(f.Confidence)}
		if counts[k] == 0 {
			order, first[k] = append(order, k), f
		}
		counts[k]++
	}
	if len(order) > 0 {
		fmt.Fprintf(b, "          must:\n")
	}
	for _, k := range order {
		fmt.Fprintf(b, "            # %s, packets %s: %s\n", first[k].Severity, packetsText(first[k].Packets), oneLine(first[k].Detail))
		fmt.Fprintf(b, "            - {id: %s", k.id)
		for _, w := range [][2]string{{"endpoint", k.endpoint}, {"where", k.where}, {"confidence", k.confidence}} {
			if w[1] != "" {
				fmt.Fprintf(b, ", %s: %s", w[0], w[1])
			}
		}
		if counts[k] > 1 {
			fmt.Fprintf(b, ", count: %d", counts[k])
		}
		fmt.Fprintf(b, "}\n")
	}
	if len(facts) > 0 {
		slices.Sort(facts)
		fmt.Fprintf(b, "          may: [%s]\n", strings.Join(facts, ", "))
	}
}

func packetsText(list []report.Number) string {
	var w []string
	for _, n := range list {
		w = append(w, fmt.Sprint(uint64(n)))
	}
	return strings.Join(w, " ")
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// scalar quotes a text that YAML could take for something else.
func scalar(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
