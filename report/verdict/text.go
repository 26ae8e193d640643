package verdict

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// This file is the two plain formats: text for people, JSON for programs.

func writeText(out io.Writer, r *Report) error {
	w := bufio.NewWriter(out)
	for i := range r.Captures {
		textCapture(w, &r.Captures[i])
	}
	fmt.Fprintf(w, "%s, %d failed, %s\n", count(len(r.Captures), "capture"), r.Failed, count(r.Problems, "problem"))
	if r.Damaged > 0 {
		fmt.Fprintf(w, "%s could not be read to the end\n", count(r.Damaged, "capture"))
	}
	return w.Flush()
}

func textCapture(w *bufio.Writer, c *Capture) {
	word := "ok     "
	switch {
	case !c.Passed:
		word = "FAIL   "
	case c.Damage != "":
		word = "DAMAGED"
	}
	fmt.Fprintf(w, "%s %s (%s, %s", word, c.File, count(int(c.Connections), "connection"), count(int(c.Packets), "packet"))
	if c.Expectation != "" {
		fmt.Fprintf(w, "; expectations of %s", c.Expectation)
	}
	fmt.Fprintln(w, ")")
	if c.Damage != "" {
		fmt.Fprintf(w, "  %s\n", c.Damage)
	}
	for i := range c.Problems {
		p := &c.Problems[i]
		fmt.Fprintf(w, "  %s: %s\n", p.Subject(), p.What)
		for _, row := range [][2]string{
			{"expected", p.Expected}, {"found", p.Found}, {"where", p.PacketList()}, {"stated", p.Stated.String()}, {"look", p.Look},
		} {
			if row[1] != "" {
				fmt.Fprintf(w, "    %-9s %s\n", row[0], row[1])
			}
		}
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func writeJSON(w io.Writer, r *Report) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// writeGitHub writes the workflow commands that GitHub turns into annotations:
// one line a problem. A capture has no lines, so an annotation points at the
// expectation where there is one, and else at the capture's first line.
func writeGitHub(out io.Writer, r *Report) error {
	w := bufio.NewWriter(out)
	for i := range r.Captures {
		c := &r.Captures[i]
		if c.Damage != "" {
			fmt.Fprintf(w, "::error file=%s,title=%s::%s\n", property(c.File), property("finwait: damaged capture"), data(c.Damage))
		}
		for j := range c.Problems {
			p := &c.Problems[j]
			file, line := c.File, 1
			if p.Stated.File != "" {
				file, line = p.Stated.File, max(p.Stated.Line, 1)
			}
			fmt.Fprintf(w, "::%s file=%s,line=%d,title=%s::%s\n", annotation(p.Severity), property(file), line,
				property("finwait: "+p.Rule), data(c.File+": "+p.Message()))
		}
	}
	fmt.Fprintf(w, "%s, %d failed, %s\n", count(len(r.Captures), "capture"), r.Failed, count(r.Problems, "problem"))
	return w.Flush()
}

func annotation(severity string) string {
	switch severity {
	case "error", "warning":
		return severity
	}
	return "notice"
}

// data and property escape as the toolkit of GitHub's actions does.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

func property(s string) string {
	return strings.NewReplacer(":", "%3A", ",", "%2C").Replace(data(s))
}
