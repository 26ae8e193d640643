package html

import (
	"io"
	"slices"
	"sync"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
)

// This file is the way in: New makes a Writer, which watches retired connections
// through Check, takes their Lifecycles through Add, and writes the page at Close.

// Format is the name of this form of a report.
const Format report.Format = "html"

// Defaults of Options.
const (
	DefaultFull     = 500
	DefaultSegments = 1000
	DefaultRows     = 200_000
	fullBytes       = 36 << 20 // of all connections in full: a page that a browser opens at once
	examples        = 3        // of each finding, opening and closing, beside the worst
)

// Options set up a page. The zero value of a number means its default.
type Options struct {
	Capture   report.Capture
	Selection report.Selection
	Sort      report.Order // by which the table is sorted at first; "": severity
	Top       int          // list at most so many connections, the worst; 0: Rows

	Full     int // connections shown in full, the worst
	Segments int // rows of a ladder, and segments remembered for it: reassembly.Options.LogLimit
	Rows     int // connections in the table, the worst
}

// Writer writes one page. Check may be called by several goroutines, the other
// methods by one.
type Writer struct {
	o        Options
	out      io.Writer
	several  bool
	points   []string // names of the points of the path, where it was captured at several
	totals   report.Totals
	rows     worst[*row]
	sets     findingSets
	full     worst[[]byte]
	samples  map[string]*worst[[]byte]
	states   occupancy
	handtime histogram
	matching uint64

	mu     sync.Mutex // guards full and samples against Check, and pages
	pages  map[*reassembly.Lifecycle][]byte
	closed bool
}

// New makes a Writer to w. Nothing is written before Close.
func New(w io.Writer, o Options) *Writer {
	o.Capture.Type, o.Capture.Schema = report.TypeCapture, report.SchemaID
	o.Capture.Selection = o.Selection.String()
	for _, d := range []struct {
		value    *int
		standard int
	}{{&o.Full, DefaultFull}, {&o.Segments, DefaultSegments}, {&o.Rows, DefaultRows}} {
		if *d.value <= 0 {
			*d.value = d.standard
		}
	}
	if o.Top > 0 {
		o.Rows = min(o.Rows, o.Top)
	}
	var points []string
	for i := range o.Capture.Points {
		points = append(points, o.Capture.Points[i].Name)
	}
	return &Writer{
		o: o, out: w, points: points, several: len(o.Capture.Files) > 1,
		rows: worst[*row]{limit: o.Rows}, full: worst[[]byte]{limit: min(o.Full, o.Rows)},
		samples: map[string]*worst[[]byte]{}, pages: map[*reassembly.Lifecycle][]byte{},
	}
}

// Check goes into reassembly.Options.Check. It calls next, which judges the
// connection, and keeps the segments of those that may be shown in full.
func (w *Writer) Check(next func(*reassembly.Case)) func(*reassembly.Case) {
	return func(c *reassembly.Case) {
		if next != nil {
			next(c)
		}
		if !w.o.Selection.Match(c.Life) || !w.wants(c.Life) {
			return
		}
		page := detailOf(&report.Builder{SeveralFiles: w.several, Points: w.points}, w.o.Capture.Points, c, w.o.Segments, w.lists)
		w.mu.Lock()
		w.pages[c.Life] = page
		w.mu.Unlock()
	}
}

// lists reports whether the page tells of a finding.
func (w *Writer) lists(f *reassembly.Finding) bool { return f.Severity >= w.o.Selection.MinSeverity }

// wants reports whether l would be shown in full as things stand.
func (w *Writer) wants(l *reassembly.Lifecycle) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := rankOf(l)
	if w.full.wants(r) {
		return true
	}
	return slices.ContainsFunc(kinds(l), func(kind string) bool {
		s := w.samples[kind]
		return s == nil || s.wants(r)
	})
}

// kinds are the kinds of which l is an example.
func kinds(l *reassembly.Lifecycle) []string {
	list := []string{"open " + l.Open.String(), "close " + l.Close.String()}
	for i := range l.Findings {
		if id := "finding " + l.Findings[i].ID; !slices.Contains(list, id) {
			list = append(list, id)
		}
	}
	return list
}

// Add takes the next connection. Its error is always nil: writing begins at Close.
func (w *Writer) Add(l *reassembly.Lifecycle) error {
	w.totals.Add(l)
	w.states.add(l)
	w.handtime.add(handshakeTime(l))
	w.mu.Lock()
	page := w.pages[l]
	delete(w.pages, l)
	w.mu.Unlock()
	if !w.o.Selection.Match(l) {
		return nil
	}
	w.matching++
	r := rankOf(l)
	if w.rows.wants(r) {
		findings := slices.DeleteFunc(slices.Clone(l.Findings), func(f reassembly.Finding) bool { return !w.lists(&f) })
		w.rows.add(r, newRow(l, &w.sets, findings))
	}
	if page != nil {
		w.keep(l, r, page)
	}
	return nil
}

func (w *Writer) keep(l *reassembly.Lifecycle, r rank, page []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.full.add(r, page)
	for _, kind := range kinds(l) {
		s := w.samples[kind]
		if s == nil {
			s = &worst[[]byte]{limit: examples}
			w.samples[kind] = s
		}
		s.add(r, page)
	}
}

// Close writes the page.
func (w *Writer) Close(trace report.Trace) error {
	if w.closed {
		return nil
	}
	w.closed = true
	kept := w.rows.sorted()
	rows := make([]*row, len(kept))
	for i := range kept {
		rows[i] = kept[i].value
	}
	slices.SortFunc(rows, func(a, b *row) int { return rank{0, a.id}.compare(rank{0, b.id}) })
	p := &page{
		Options: w.o, Summary: w.totals.Summary(trace, uint64(len(rows))), Matching: w.matching,
		rows: rows, sets: w.sets.sets, details: w.details(), several: w.several, handshakes: &w.handtime,
	}
	p.timeline = w.states.tell(int64(p.Summary.Start), int64(p.Summary.End))
	return p.write(w.out)
}

// Abort gives back what the Writer holds, without writing.
func (w *Writer) Abort() { w.closed = true }

// details are the connections in full, worst first. An example is told only if
// the table has it: its rank is at least as bad as the last row's.
func (w *Writer) details() []item[[]byte] {
	all := w.full.sorted()
	for _, s := range w.samples { // in any order: they are sorted below
		all = append(all, s.items...)
	}
	slices.SortFunc(all, func(a, b item[[]byte]) int { return a.compare(b.rank) })
	all = slices.CompactFunc(all, func(a, b item[[]byte]) bool { return a.rank == b.rank })
	size := 0
	all = slices.DeleteFunc(all, func(i item[[]byte]) bool {
		size += len(i.value)
		return size > fullBytes
	})
	if len(w.rows.items) == w.rows.limit {
		last := w.rows.items[0].rank
		all = slices.DeleteFunc(all, func(i item[[]byte]) bool { return i.compare(last) > 0 })
	}
	return all
}
