package diff

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// This file writes what changed: text for people, JSON for programs.

// WriteText writes the result for people.
func (r *Result) WriteText(out io.Writer) error {
	w := bufio.NewWriter(out)
	fmt.Fprintf(w, "--- %s\n+++ %s\n", r.A, r.B)
	for i := range r.Changed {
		c := &r.Changed[i]
		name := c.A.String()
		if c.A != c.B {
			name += " / " + c.B.String()
		}
		fmt.Fprintf(w, "\n%s\n", name)
		for j := range c.Differences {
			writeDifference(w, &c.Differences[j])
		}
	}
	for _, only := range []struct {
		sign, name string
		list       []Ref
	}{{"-", r.A, r.OnlyA}, {"+", r.B, r.OnlyB}} {
		if len(only.list) > 0 {
			fmt.Fprintf(w, "\nonly in %s\n", only.name)
		}
		for _, ref := range only.list {
			fmt.Fprintf(w, "  %s %v\n", only.sign, ref)
		}
	}
	if r.Same {
		fmt.Fprintf(w, "no difference in %s\n", connections(r.Compared))
	} else {
		fmt.Fprintf(w, "\n%s compared, %d changed, %d only in the first, %d only in the second\n",
			connections(r.Compared), len(r.Changed), len(r.OnlyA), len(r.OnlyB))
	}
	if r.Compared == 0 && len(r.OnlyA) > 0 && len(r.OnlyB) > 0 {
		fmt.Fprintln(w, "no connection has the same addresses and ports in both: --match order compares the first with the first")
	}
	return w.Flush()
}

func connections(n int) string {
	if n == 1 {
		return "1 connection"
	}
	return fmt.Sprintf("%d connections", n)
}

func (r Ref) String() string { return fmt.Sprintf("connection %d (%s > %s)", r.ID, r.Client, r.Server) }

func writeDifference(w *bufio.Writer, d *Difference) {
	what := d.What
	if d.Endpoint != "" {
		what = d.Endpoint + ": " + what
	}
	fmt.Fprintf(w, "  %s\n", what)
	for _, side := range []struct {
		sign, text string
		packets    []uint64
	}{{"-", d.A, d.PacketsA}, {"+", d.B, d.PacketsB}} {
		if side.text == "" {
			side.text = "none"
		}
		if len(side.packets) > 0 {
			side.text += " (packets " + strings.Trim(fmt.Sprint(side.packets), "[]") + ")"
		}
		fmt.Fprintf(w, "    %s %s\n", side.sign, side.text)
	}
}

// WriteJSON writes the result for programs, indented.
func (r *Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
