// Package diff tells what changed between two reports: which connections are in
// one only, and how the others differ in states, kinds, findings and times.
//
// Read this file first (matching, the Result), then compare.go (one connection);
// read.go reads reports, write.go writes the Result.
package diff

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/finwait/finwait/report"
)

// SchemaID names the form of the JSON.
const SchemaID = "finwait-diff/1"

// Match is how connections of two reports are matched.
type Match string

// Ways to match.
const (
	ByTuple Match = "tuple" // addresses and ports; the nth of a tuple with the nth
	ByOrder Match = "order" // the first with the first: for runs with other ports
)

// Matches are the ways to match.
var Matches = []Match{ByTuple, ByOrder}

// Options set up a comparison.
type Options struct {
	Match Match // "": ByTuple
	// Tolerance is by how much times may differ: since the start of their
	// connection, durations and round trips. Below zero, times do not matter.
	Tolerance time.Duration
}

// Result is what changed.
type Result struct {
	Schema   string    `json:"schema"`
	A        string    `json:"a"` // as given
	B        string    `json:"b"`
	Same     bool      `json:"same"`
	Compared int       `json:"compared"` // connections in both
	OnlyA    []Ref     `json:"only_a"`
	OnlyB    []Ref     `json:"only_b"`
	Changed  []Changed `json:"changed"`
}

// Ref names a connection of a report.
type Ref struct {
	ID     uint64 `json:"id"`
	Client string `json:"client"` // ADDRESS:PORT
	Server string `json:"server"`
}

// Changed is a connection that differs.
type Changed struct {
	A           Ref          `json:"a"`
	B           Ref          `json:"b"`
	Differences []Difference `json:"differences"`
}

// Difference is one thing that differs.
type Difference struct {
	What     string   `json:"what"` // "states", "close", "finding", "time of FIN-WAIT-1"
	Endpoint string   `json:"endpoint,omitempty"`
	A        string   `json:"a"` // "" where it is in B only
	B        string   `json:"b"`
	PacketsA []uint64 `json:"packets_a"`
	PacketsB []uint64 `json:"packets_b"`
}

// Connections compares the connections of two reports, given with their names.
func Connections(nameA, nameB string, a, b []*report.Connection, o Options) *Result {
	r := &Result{Schema: SchemaID, A: nameA, B: nameB, OnlyA: []Ref{}, OnlyB: []Ref{}, Changed: []Changed{}}
	a, b = byID(a), byID(b)
	pairs := pairByTuple
	if o.Match == ByOrder {
		pairs = pairByOrder
	}
	for _, p := range pairs(a, b) {
		switch {
		case p[1] == nil:
			r.OnlyA = append(r.OnlyA, refTo(p[0]))
		case p[0] == nil:
			r.OnlyB = append(r.OnlyB, refTo(p[1]))
		default:
			r.Compared++
			if list := compare(p[0], p[1], &o); len(list) > 0 {
				r.Changed = append(r.Changed, Changed{refTo(p[0]), refTo(p[1]), list})
			}
		}
	}
	r.Same = len(r.OnlyA)+len(r.OnlyB)+len(r.Changed) == 0
	return r
}

func byID(list []*report.Connection) []*report.Connection {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *report.Connection) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

func refTo(c *report.Connection) Ref { return Ref{c.ID, addressText(c.Client), addressText(c.Server)} }

func addressText(a report.Address) string { return netip.AddrPortFrom(a.IP, a.Port).String() }

// pair is a connection of A and the one of B that it is matched with; nil: none.
type pair [2]*report.Connection

func pairByOrder(a, b []*report.Connection) (out []pair) {
	for i := range max(len(a), len(b)) {
		var p pair
		if i < len(a) {
			p[0] = a[i]
		}
		if i < len(b) {
			p[1] = b[i]
		}
		out = append(out, p)
	}
	return out
}

// key is a tuple without direction, since roles may be guessed, and its tunnel.
type key struct {
	a, b   report.Address
	tunnel report.Tunnel
}

func keyOf(c *report.Connection) key {
	a, b := c.Client, c.Server
	if cmp.Or(b.IP.Compare(a.IP), cmp.Compare(b.Port, a.Port)) < 0 {
		a, b = b, a
	}
	return key{a, b, c.Tunnel}
}

// pairByTuple matches the nth of a tuple with the nth, in the order of A and then
// of what only B has.
func pairByTuple(a, b []*report.Connection) (out []pair) {
	left := map[key][]*report.Connection{}
	for _, c := range b {
		left[keyOf(c)] = append(left[keyOf(c)], c)
	}
	for _, c := range a {
		p := pair{c, nil}
		if list := left[keyOf(c)]; len(list) > 0 {
			p[1], left[keyOf(c)] = list[0], list[1:]
		}
		out = append(out, p)
	}
	for _, c := range b {
		if slices.Contains(left[keyOf(c)], c) {
			out = append(out, pair{nil, c})
		}
	}
	return out
}
