package tcpstate

import (
	"fmt"
	"strings"
)

// This file writes the table for people: TABLE.md, from which nothing is
// read back.

// Markdown is the table as a document: a matrix, a diagram, and every cell with
// its reference.
func Markdown() string {
	var b strings.Builder
	b.WriteString("# The TCP state table\n\n" +
		"Written from `table.go` by `go test ./reassembly/tcpstate -update`; do not edit.\n\n" +
		"Sections are those of RFC 9293 unless another RFC is named. UNKNOWN is not the RFC's: it is an endpoint of which " +
		"nothing has been proved, and its row reads the figure backwards. A segment that both acknowledges and closes is two " +
		"events, its ACK first. \"Receive\" means that the segment reached the endpoint and that its numbers are acceptable.\n\n")
	writeMatrix(&b)
	writeDiagram(&b)
	writeCells(&b)
	return b.String()
}

func writeMatrix(b *strings.Builder) {
	b.WriteString("## At a glance\n\n" +
		"A state name: the endpoint goes there. `=`: legal, remains. `-`: ignored. `!`: invalid, matter for a finding.\n\n|  |")
	for e := range Event(NumEvents) {
		fmt.Fprintf(b, " %s |", e)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", NumEvents) + "\n")
	for s := range State(NumStates) {
		fmt.Fprintf(b, "| **%s** |", s)
		for e := range Event(NumEvents) {
			fmt.Fprintf(b, " %s |", mark(Next(s, e)))
		}
		b.WriteString("\n")
	}
}

func mark(c Cell) string {
	switch c.Verdict {
	case Move:
		return c.To.String()
	case Stay:
		return "`=`"
	case Ignore:
		return "`-`"
	}
	return "`!`"
}

// Diagram is the table's moves as a Mermaid state diagram. Left out, for
// legibility: UNKNOWN, and the resets, which lead from every state to CLOSED
// (in LISTEN nothing happens; a passive opener's SYN-RECEIVED returns to LISTEN).
func Diagram() string {
	var b strings.Builder
	b.WriteString("stateDiagram-v2\n")
	for s := Listen; s < NumStates; s++ {
		fmt.Fprintf(&b, "    state \"%s\" as %s\n", s, node(s))
	}
	type edge struct{ from, to State }
	var order []edge
	labels := map[edge][]string{}
	for _, t := range Transitions() {
		if t.From == Unknown || t.Event == SendRST || t.Event == ReceiveRST || t.Note == noteMissed {
			continue
		}
		e := edge{t.From, t.To}
		if labels[e] == nil {
			order = append(order, e)
		}
		labels[e] = append(labels[e], t.Event.String())
	}
	for _, e := range order {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", node(e.from), node(e.to), strings.Join(labels[e], " / "))
	}
	return b.String()
}

func node(s State) string { return strings.ReplaceAll(s.String(), "-", "_") }

func writeDiagram(b *strings.Builder) {
	b.WriteString("\n## Diagram\n\n" +
		"Without UNKNOWN, without resets (they lead to CLOSED), and without moves whose cause was not seen. CLOSED to LISTEN " +
		"(a passive open) shows on no wire.\n\n```mermaid\n" + Diagram() + "```\n")
}

func writeCells(b *strings.Builder) {
	b.WriteString("\n## Cell by cell\n")
	for s := range State(NumStates) {
		fmt.Fprintf(b, "\n### %s\n\n| event | verdict | next | reference | note |\n|---|---|---|---|---|\n", s)
		for e := range Event(NumEvents) {
			c := Next(s, e)
			fmt.Fprintf(b, "| %s | %s | %s | %s | %s |\n", e, c.Verdict, c.To, c.Ref, c.Note)
		}
	}
}
