package html

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/finwait/finwait/reassembly/anomaly"
	"github.com/finwait/finwait/report"
)

// This file puts the summary into words: what the page tells without scripts.

const shownNames = 12 // file names in the head of the page

type findingLine struct {
	report.FindingCount
	Title string
}

// barList is a list of counts of one kind, drawn as bars.
type barList struct {
	Title string
	Key   string // the filter of the table that a click on a bar sets
	Bars  []bar
}

type bar struct {
	Kind  string
	Count uint64
	Share float64 // percent
}

type qualityLine struct {
	Text string
	Bad  bool // it lowers what can be told
}

func (f *frameData) describe() {
	s := f.Summary
	for i, file := range f.Capture.Files {
		if i == shownNames {
			f.MoreNames = len(f.Capture.Files) - i
			break
		}
		f.Names = append(f.Names, file.Name)
	}
	f.Title = "finwait"
	if len(f.Names) > 0 {
		f.Title = filepath.Base(f.Names[0]) + " · finwait"
	}
	f.Lead = lead(s)
	if s.Start != 0 || s.End != 0 {
		f.Period = fmt.Sprintf("%s to %s UTC, %s", moment(s.Start), moment(s.End), span(s.Duration))
	}
	for _, c := range s.Findings {
		line := findingLine{FindingCount: c}
		if r, ok := anomaly.Lookup(string(c.ID)); ok {
			line.Title = r.Title
		}
		f.Findings = append(f.Findings, line)
	}
	clients, servers := make([]report.Count, 0, len(s.States)), make([]report.Count, 0, len(s.States))
	for _, c := range s.States {
		clients = append(clients, report.Count{Kind: string(c.State), Count: c.Client})
		servers = append(servers, report.Count{Kind: string(c.State), Count: c.Server})
	}
	f.Bars = []barList{
		{"How they opened", "open", bars(s.Opens, s.Connections)},
		{"How they closed", "close", bars(s.Closes, s.Connections)},
		{"Last state of clients", "state", bars(clients, s.Connections)},
		{"Last state of servers", "state", bars(servers, s.Connections)},
	}
	f.Quality = append(quality(s, f.Capture.Points), places(s)...)
	f.Quality = append(f.Quality, files(f.Capture.Files, s)...)
	f.assumptions()
}

// lead is the sentence that a reader takes away.
func lead(s *report.Summary) string {
	if s.Connections == 0 {
		return "No TCP connection was found in this capture."
	}
	text := plural(s.Connections, "connection") + ". "
	if s.Affected == 0 {
		return text + "Nothing went wrong that finwait looks for."
	}
	var worst []string
	for _, c := range s.Severity {
		if c.Kind != "info" {
			worst = append(worst, plural(c.Count, c.Kind))
		}
	}
	verb := "have findings"
	if s.Affected == 1 {
		verb = "has findings"
	}
	return fmt.Sprintf("%s%s of them %s: %s.", text, group(s.Affected), verb, strings.Join(worst, ", "))
}

func plural(n uint64, word string) string {
	if n != 1 {
		word += "s"
	}
	return group(n) + " " + word
}

func bars(counts []report.Count, all uint64) []bar {
	list := make([]bar, 0, len(counts))
	for _, c := range counts {
		if c.Count > 0 {
			list = append(list, bar{c.Kind, c.Count, float64(c.Count) * 100 / float64(max(all, 1))})
		}
	}
	return list
}

// assumptions are what the findings rest on beside the packets.
func (f *frameData) assumptions() {
	f.Assumed = append(f.Assumed, fmt.Sprintf("2MSL is %s: TIME-WAIT is taken to last so long.", span(2*f.Capture.MSL)))
	for _, h := range f.Capture.HostMSL {
		f.Assumed = append(f.Assumed, fmt.Sprintf("2MSL of %s is %s.", h.IP, span(2*h.MSL)))
	}
	if f.Capture.Filter != "" {
		f.Assumed = append(f.Assumed, "Packets looked at: "+f.Capture.Filter+".")
	}
	if f.Capture.Selection != "" {
		f.Assumed = append(f.Assumed, "Connections listed: "+f.Capture.Selection+". The summary counts all.")
	}
}

func moment(t report.Time) string {
	return time.Unix(0, int64(t)).UTC().Format("2006-01-02 15:04:05.000")
}

// span is a length of time in a unit that suits it.
func span(s report.Seconds) string {
	d := time.Duration(s)
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%.4g ms", d.Seconds()*1000)
	case d < time.Minute*2:
		return fmt.Sprintf("%.4g s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// Listed is how many rows the table has.
func (f *frameData) Listed() int { return len(f.rows) }

// FileCount is how many captures were read.
func (f *frameData) FileCount() int { return len(f.Capture.Files) }

// AllFull reports that every row can be opened in full.
func (f *frameData) AllFull() bool { return len(f.details) == len(f.rows) }
