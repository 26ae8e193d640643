package report

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/finwait/finwait/reassembly/anomaly"
)

// This file is the head of the text report: what a person reads in ten seconds.
// textconn.go tells a connection.

// TextOptions set up the format text.
type TextOptions struct {
	All   bool // list every connection, not only those with findings
	Info  bool // show findings of severity info too
	Color bool // colour by severity with terminal escapes
	Width int  // columns to keep within; 0: never break a line

	// Explain prints under each finding what its rule means and what could
	// overturn it.
	Explain bool
}

type text struct {
	TextOptions
	painter
	w         io.Writer
	b         bytes.Buffer
	top       int
	captured  *Quality // for the names of addresses
	listed    uint64
	explained map[string]bool

	summaryOnly bool

	lanesOf laneMerger
	line    []byte // what is put together for one line
}

func newText(w io.Writer, o TextOptions, top int) *text {
	return &text{TextOptions: o, painter: painter{o.Color}, w: w, top: top, explained: map[string]bool{}, captured: new(Quality)}
}

func (t *text) renderer() renderer { return newText(nil, t.TextOptions, t.top) }

// flush writes what was put together.
func (t *text) flush() error {
	_, err := t.w.Write(t.take(nil))
	return err
}

// take appends what was put together.
func (t *text) take(b []byte) []byte {
	b = appendUnglued(b, t.b.Bytes())
	t.b.Reset()
	return b
}

// appendUnglued appends text with ordinary spaces in place of glue.
func appendUnglued(b, text []byte) []byte {
	for {
		i := bytes.Index(text, []byte(glue))
		if i < 0 {
			return append(b, text...)
		}
		b = append(append(b, text[:i]...), ' ')
		text = text[i+len(glue):]
	}
}

func (t *text) printf(format string, args ...any) { fmt.Fprintf(&t.b, format, args...) }

const labelWidth = 11

// row prints a labelled row of the summary; text that is too long goes on under itself.
func (t *text) row(label, text string) {
	width := 0
	if t.Width > 0 {
		width = max(t.Width-labelWidth, 20)
	}
	for i, line := range wrap(text, width) {
		if i > 0 {
			label = ""
		}
		t.printf("%s%s\n", t.paint(bold, pad(label, labelWidth)), line)
	}
}

func (t *text) begin(c *Capture, s *Summary) error {
	t.captured = &s.Quality
	t.head(c, s)
	t.row("opened", countList(s.Opens))
	t.row("closed", countList(s.Closes))
	t.findings(s)
	t.timeWait(s, c)
	t.quality(&s.Quality)
	t.points(c.Points)
	if c.Filter != "" {
		t.row("filter", c.Filter)
	}
	t.listing(c, s)
	return t.flush()
}

func (t *text) head(c *Capture, s *Summary) {
	t.printf("%s, %s", t.paint(bold, plural(s.Connections, "TCP connection")), plural(s.Packets, "packet"))
	if s.Quality.Frames > 0 || s.Connections > 0 {
		from, to := s.Start.String(), s.End.String()
		const date, second = len("2006-01-02"), len("2006-01-02T15:04:05")
		until := to[date+1 : second]
		if from[:date] != to[:date] {
			until = to[:date] + " " + until
		}
		t.printf(" in %s, %s %s to %s UTC", span(s.Duration), from[:date], from[date+1:second], until)
	}
	t.printf("\n")
	if len(c.Files) == 1 {
		t.row("file", clean(c.Files[0].Name))
	}
	for i, f := range c.Files {
		if len(c.Files) == 1 {
			break
		}
		// A long list of rotated files would push the summary off the screen.
		if i == 6 && len(c.Files) > 7 {
			t.row("", fmt.Sprintf("... and %d more files", len(c.Files)-i))
			break
		}
		label := ""
		if i == 0 {
			label = "files"
		}
		t.row(label, fmt.Sprintf("%d  %s", f.File, clean(f.Name)))
	}
}

func countList(list []Count) string {
	words := make([]string, len(list))
	for i, c := range list {
		kind := c.Kind
		if kind == "none" {
			kind = "still open"
		}
		words[i] = thousands(c.Count) + glue + kind
	}
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, ", ")
}

func (t *text) findings(s *Summary) {
	var words, facts []string
	for _, c := range s.Severity {
		if c.Kind != "info" {
			words = append(words, t.severity(Severity(c.Kind), plural(c.Count, c.Kind)))
		}
	}
	switch {
	case len(words) == 0:
		t.row("findings", t.paint(green, "none"))
	default:
		t.row("findings", fmt.Sprintf("%s; %s of %s", strings.Join(words, ", "),
			thousands(s.Affected), plural(s.Connections, "connection")))
	}
	idWidth, countWidth := 0, 0
	for _, f := range s.Findings {
		if f.Severity != "info" {
			idWidth = max(idWidth, len(f.ID))
			countWidth = max(countWidth, len(thousands(f.Count)))
		}
	}
	for _, f := range s.Findings {
		if f.Severity == "info" {
			facts = append(facts, thousands(f.Count)+glue+string(f.ID))
			continue
		}
		line := fmt.Sprintf("%s%s  %s  %s", strings.Repeat(" ", labelWidth), t.severity(f.Severity, pad(string(f.Severity), 7)),
			padLeft(thousands(f.Count), countWidth), pad(string(f.ID), idWidth))
		if title := title(f.ID); title != "" && (t.Width == 0 || labelWidth+7+2+countWidth+2+idWidth+2+len(title) <= t.Width) {
			line += "  " + t.paint(dim, title)
		}
		t.printf("%s\n", strings.TrimRight(line, " "))
	}
	if len(facts) > 0 {
		hint := ""
		if !t.Info {
			hint = " (--min-severity info tells them)"
		}
		t.row("noted", strings.Join(facts, ", ")+hint)
	}
}

func title(id FindingID) string {
	r, _ := anomaly.Lookup(string(id))
	return r.Title
}

func (t *text) timeWait(s *Summary, c *Capture) {
	const most = 5
	if s.TimeWait.Entered > 0 {
		words := []string{}
		for i, h := range s.TimeWait.Hosts {
			if h.Held == 0 || i == most {
				break
			}
			words = append(words, fmt.Sprintf("%s %s (%s left at most)", h.IP, thousands(h.Held), span(h.MostLeft)))
		}
		line := fmt.Sprintf("entered by %s, still held at the end by %s", plural(s.TimeWait.Entered, "endpoint"), thousands(s.TimeWait.Endpoints))
		if len(words) > 0 {
			line += ": " + strings.Join(words, ", ")
		}
		if s.TimeWait.Peak > max(s.TimeWait.Endpoints, 1) {
			line += fmt.Sprintf("; most at once %s at %s", thousands(s.TimeWait.Peak), clock(s.TimeWait.PeakAt))
		}
		t.row("TIME-WAIT", line+fmt.Sprintf("; 2MSL is %s", span(2*c.MSL)))
	}
	t.ports(s)
	if len(c.Points) == 0 { // else it is known
		t.taps(s)
	}
	if s.Reused.Connections > 0 {
		words := []string{}
		for i, p := range s.Reused.Services {
			if i == most {
				break
			}
			words = append(words, fmt.Sprintf("%s -> %s %s", p.Client, p.Server, thousands(p.Connections)))
		}
		t.row("reused", fmt.Sprintf("%s on a tuple used before: %s", plural(s.Reused.Connections, "connection"), strings.Join(words, ", ")))
	}
}

func (t *text) quality(q *Quality) {
	words := []string{fmt.Sprintf("%s, %s", plural(q.Frames, "frame"), plural(q.Segments, "TCP segment"))}
	var skipped uint64
	for _, c := range q.Skipped {
		skipped += c.Count
	}
	if skipped > 0 {
		words = append(words, fmt.Sprintf("%s skipped (%s)", thousands(skipped), countList(q.Skipped)))
	}
	if q.Dropped != nil && *q.Dropped > 0 {
		words = append(words, t.paint(yellow, plural(*q.Dropped, "packet")+" lost by the capture itself"))
	}
	if len(q.Marks) > 0 {
		words = append(words, countList(q.Marks))
	}
	if len(q.LinkTypes) > 0 {
		words = append(words, "link types not supported: "+linkList(q))
	}
	t.row("capture", strings.Join(words, "; "))
	t.lacks(q)
	if q.Interrupted {
		t.row("", t.paint(yellow, "reading was interrupted: this is a part of the capture"))
	}
	for _, p := range q.Damage {
		t.row("damaged", t.paint(red, clean(p.Text)))
	}
	for _, p := range q.Warnings {
		t.row("warning", t.paint(yellow, clean(p.File+": "+p.Text)))
	}
}

// listing introduces the connections, with the key to the marks of their lanes.
func (t *text) listing(c *Capture, s *Summary) {
	switch {
	case s.Connections == 0 || t.summaryOnly:
		return
	case s.Listed == 0 && c.Selection != "":
		t.row("listed", "no connection: "+c.Selection)
		return
	case s.Listed == 0:
		t.printf("\nNo connection has a finding above info; --all lists them all.\n")
		return
	case c.Selection != "":
		t.row("listed", fmt.Sprintf("%s of %s: %s", thousands(s.Listed), plural(s.Connections, "connection"), c.Selection))
	case t.top > 0:
		t.row("listed", fmt.Sprintf("%s of %s", thousands(s.Listed), plural(s.Connections, "connection")))
	}
	t.listed = s.Listed
	t.printf("%s%s\n", t.paint(bold, pad("evidence", labelWidth)), evidenceKey+deliveredKey(len(c.Points) > 0))
}

// end repeats what matters where the listing has pushed the summary off the screen.
func (t *text) end(s *Summary) error {
	const screenful = 3
	if t.listed > screenful {
		words := []string{}
		for _, c := range s.Severity {
			if c.Kind != "info" {
				words = append(words, t.severity(Severity(c.Kind), plural(c.Count, c.Kind)))
			}
		}
		if len(words) > 0 {
			t.printf("\n%s in %s of %s\n", strings.Join(words, ", "), thousands(s.Affected), plural(s.Connections, "connection"))
		}
	}
	return t.flush()
}

// String is the address as it stands in URLs: [::1]:80.
func (a Address) String() string { return string(a.appendText(nil)) }

func (a Address) appendText(b []byte) []byte {
	switch {
	case a.IP.Is6():
		b = append(a.IP.AppendTo(append(b, '[')), ']')
	case a.IP.IsValid():
		b = a.IP.AppendTo(b)
	default:
		b = append(b, a.IP.String()...)
	}
	return strconv.AppendUint(append(b, ':'), uint64(a.Port), 10)
}

// pressureTold is the share of the ephemeral ports from which on the text tells it.
const pressureTold = 0.10

// ports tells which client is running out of ports towards a service.
func (t *text) ports(s *Summary) {
	for i, p := range s.PortPressure {
		if p.Share < pressureTold || i == 3 {
			return
		}
		line := fmt.Sprintf("%s had %s ports towards %s in TIME-WAIT at %s: %.0f %% of the ephemeral ports",
			p.Client, thousands(p.Peak), p.Server, clock(p.PeakAt), 100*p.Share)
		if p.Alarm {
			line += " (port-pressure)"
		}
		t.row("ports", line)
	}
}

// taps tells where the capture was made, when the packets show it.
func (t *text) taps(s *Summary) {
	var at []string
	for _, place := range []struct{ name, words string }{
		{"client", "at the client"}, {"middle", "in the middle"}, {"server", "at the server"},
	} {
		n, first := uint64(0), ""
		for _, p := range s.Taps {
			if p.Place == place.name {
				if n == 0 {
					first = fmt.Sprintf("%s -> %s", p.Client, p.Server)
				}
				n++
			}
		}
		switch {
		case n == 1:
			at = append(at, place.words+" for "+first)
		case n > 1:
			at = append(at, fmt.Sprintf("%s for %s", place.words, plural(n, "host pair")))
		}
	}
	if len(at) > 0 {
		t.row("tap", strings.Join(at, ", "))
	}
}

// clock words a time to the second: 16:42:37.
func clock(at Time) string { return at.String()[len("2006-01-02T"):len("2006-01-02T15:04:05")] }
