package report

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/finwait/finwait/reassembly"
)

// This file is the way in: New makes a Writer, which takes Lifecycles as they
// retire and writes a report of them.

// Format is the form of a report.
type Format string

// Formats.
const (
	Text   Format = "text"
	JSON   Format = "json"
	NDJSON Format = "ndjson"
	CSV    Format = "csv"
)

// Formats are the formats that New knows.
var Formats = []Format{Text, JSON, NDJSON, CSV}

// Options set up a report. The zero value is a text report of connections with
// findings.
type Options struct {
	Format    Format // "": Text
	Capture   Capture
	Selection Selection
	Sort      Order // "": severity for text, id for JSON and CSV, as they retire for NDJSON
	Top       int   // list at most so many connections; 0: all
	Text      TextOptions

	// SummaryOnly lists no connection, whatever is selected. CSV, which has no
	// summary, does not take it.
	SummaryOnly bool

	Most    int    // connections that sorting takes; those beyond are only counted; 0: all
	Hosts   int    // hosts, pairs of hosts and services that the summary tells apart; those with least are forgotten first; 0: 131072
	Spill   int    // bytes that sorting may hold in memory; 0: DefaultSpill
	TempDir string // where sorting spills to; "": the system's directory
}

// encoder is one format.
type encoder interface {
	// begin and end enclose the listed connections. A format that puts the
	// summary first gets it with begin.
	begin(c *Capture, s *Summary) error
	// connection takes what a renderer has printed.
	connection(text []byte) error
	end(s *Summary) error
	renderer() renderer // for one goroutine
}

// Writer writes one report. It is for one goroutine, but for Preparer.
type Writer struct {
	o        Options
	out      encoder
	own      *Preparer // of Add
	batch    Batch     // of Add
	totals   Totals
	sorted   *spool // nil: written as they come
	listed   uint64
	unlisted uint64 // beyond Options.Most
	err      error

	mu     sync.Mutex
	counts []*counters // of the Preparers
}

// New makes a Writer to w; w is written in large pieces only if it is buffered.
// The formats that write as connections retire write their first line at once.
func New(w io.Writer, o Options) (*Writer, error) {
	o.Capture.Type, o.Capture.Schema = TypeCapture, SchemaID
	o.Capture.Selection = o.Selection.String()
	if o.Capture.Files == nil {
		o.Capture.Files = []CaptureFile{}
	}
	r := &Writer{o: o}
	if o.SummaryOnly && o.Format == CSV {
		return nil, errors.New("the format csv has no summary")
	}
	// Who asks for a fact by name wants to see it.
	o.Text.Info = o.Text.Info || len(o.Selection.findings) > 0
	r.o.Text.Info = o.Text.Info
	r.totals.hosts.most = o.Hosts
	order := o.Sort
	switch o.Format {
	case Text, "":
		if order == AsRetired {
			order = BySeverity
		}
		t := newText(w, o.Text, o.Top)
		t.summaryOnly = o.SummaryOnly
		r.out = t
	case JSON:
		if order == AsRetired {
			order = ByID
		}
		r.out = &document{w: w}
	case NDJSON:
		r.out = &lines{w: w}
	case CSV:
		if order == AsRetired {
			order = ByID
		}
		r.out = &table{w: w}
	default:
		return nil, fmt.Errorf("no format is called %q", o.Format)
	}
	r.o.Sort = order
	r.own = &Preparer{o: &r.o, counts: &r.totals.counters, render: r.out.renderer(), builder: r.newBuilder()}
	if order != AsRetired {
		r.sorted = &spool{limit: o.Spill, dir: o.TempDir}
		if r.sorted.limit <= 0 {
			r.sorted.limit = DefaultSpill
		}
		return r, nil
	}
	return r, r.out.begin(&r.o.Capture, nil)
}

func (r *Writer) newBuilder() Builder {
	return Builder{SeveralFiles: len(r.o.Capture.Files) > 1, Points: pointNames(r.o.Capture.Points)}
}

// Add takes the next connection; it keeps nothing of l. After an error it only
// counts, and gives that error again: the one of the writer or, where sorting
// needs it, of the temporary file. Many connections go faster through Preparers.
func (r *Writer) Add(l *reassembly.Lifecycle) error {
	r.batch.Reset()
	r.own.Prepare(l, &r.batch)
	return r.AddBatch(&r.batch)
}

// lists reports whether l is listed. Text lists only what has findings, unless
// something was selected or all was asked for.
func (o *Options) lists(l *reassembly.Lifecycle) bool {
	if o.SummaryOnly || !o.Selection.Match(l) {
		return false
	}
	if o.Format != Text && o.Format != "" || o.Text.All || !o.Selection.Empty() {
		return true
	}
	return slices.ContainsFunc(l.Findings, func(f reassembly.Finding) bool {
		return f.Severity > reassembly.Info || o.Text.Info
	})
}

// errEnough ends a listing at Options.Top.
var errEnough = errors.New("enough")

// Close writes the rest of the report: the sorted connections and the summary.
func (r *Writer) Close(trace Trace) error {
	for _, c := range r.counts {
		r.totals.merge(c)
	}
	r.counts = nil
	if r.sorted == nil {
		if r.err == nil {
			r.err = r.out.end(r.totals.Summary(trace, r.listed))
		}
		return r.err
	}
	defer r.sorted.close()
	if r.err != nil {
		return r.err
	}
	r.listed = uint64(r.sorted.count)
	if r.o.Top > 0 {
		r.listed = min(r.listed, uint64(r.o.Top))
	}
	summary := r.totals.Summary(trace, r.listed)
	if r.err = r.out.begin(&r.o.Capture, summary); r.err != nil {
		return r.err
	}
	left := r.listed
	err := r.sorted.each(func(text []byte) error {
		if left == 0 {
			return errEnough
		}
		left--
		return r.out.connection(text)
	})
	if err != nil && err != errEnough {
		r.err = err
		return err
	}
	r.err = r.out.end(summary)
	return r.err
}

// Unlisted is how many connections were counted but not kept for the listing,
// since there were more than Options.Most.
func (r *Writer) Unlisted() uint64 { return r.unlisted }

// Abort gives back what the Writer holds, without writing more.
func (r *Writer) Abort() {
	if r.sorted != nil {
		r.sorted.close()
	}
}
