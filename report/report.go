package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

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
	// connection takes one in the form of AppendJSON.
	connection(object []byte) error
	end(s *Summary) error
}

// Writer writes one report. It is not safe for use by several goroutines.
type Writer struct {
	o        Options
	out      encoder
	builder  Builder
	totals   Totals
	sorted   *spool // nil: written as they come
	listed   uint64
	unlisted uint64 // beyond Options.Most
	buf      []byte
	err      error
}

// New makes a Writer to w; w is written in large pieces only if it is buffered.
// The formats that write as connections retire write their first line at once.
func New(w io.Writer, o Options) (*Writer, error) {
	o.Capture.Type, o.Capture.Schema = TypeCapture, SchemaID
	o.Capture.Selection = o.Selection.String()
	if o.Capture.Files == nil {
		o.Capture.Files = []CaptureFile{}
	}
	r := &Writer{o: o, builder: Builder{SeveralFiles: len(o.Capture.Files) > 1}}
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
		r.out = newText(w, o.Text, o.Top)
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
		r.out = newTable(w)
	default:
		return nil, fmt.Errorf("no format is called %q", o.Format)
	}
	r.o.Sort = order
	if order != AsRetired {
		r.sorted = &spool{limit: o.Spill, dir: o.TempDir}
		if r.sorted.limit <= 0 {
			r.sorted.limit = DefaultSpill
		}
		return r, nil
	}
	return r, r.out.begin(&r.o.Capture, nil)
}

// Add takes the next connection; it keeps nothing of l. After an error it does
// nothing, and gives that error again: the one of the writer or, where sorting
// needs it, of the temporary file.
func (r *Writer) Add(l *reassembly.Lifecycle) error {
	r.totals.Add(l)
	if r.err != nil || !r.lists(l) {
		return r.err
	}
	c := r.builder.Build(l)
	if r.o.Selection.MinSeverity > reassembly.Info {
		r.dropFindings(c, l)
	}
	r.buf = c.AppendJSON(r.buf[:0])
	if r.sorted != nil && r.o.Most > 0 && r.sorted.count >= r.o.Most {
		r.unlisted++
		return nil
	}
	if r.sorted != nil {
		r.err = r.sorted.add(r.o.Sort.key(l), l.ID, r.buf)
		return r.err
	}
	if r.o.Top == 0 || r.listed < uint64(r.o.Top) {
		r.listed++
		r.err = r.out.connection(r.buf)
	}
	return r.err
}

// lists reports whether l is listed. Text lists only what has findings, unless
// something was selected or all was asked for.
func (r *Writer) lists(l *reassembly.Lifecycle) bool {
	if !r.o.Selection.Match(l) {
		return false
	}
	if r.o.Format != Text && r.o.Format != "" || r.o.Text.All || !r.o.Selection.Empty() {
		return true
	}
	return slices.ContainsFunc(l.Findings, func(f reassembly.Finding) bool {
		return f.Severity > reassembly.Info || r.o.Text.Info
	})
}

func (r *Writer) dropFindings(c *Connection, l *reassembly.Lifecycle) {
	kept := c.Findings[:0]
	for i := range l.Findings {
		if l.Findings[i].Severity >= r.o.Selection.MinSeverity {
			kept = append(kept, c.Findings[i])
		}
	}
	c.Findings = kept
}

// errEnough ends a listing at Options.Top.
var errEnough = errors.New("enough")

// Close writes the rest of the report: the sorted connections and the summary.
func (r *Writer) Close(trace Trace) error {
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
	err := r.sorted.each(func(object []byte) error {
		if left == 0 {
			return errEnough
		}
		left--
		return r.out.connection(object)
	})
	if err != nil && err != errEnough {
		r.err = err
		return err
	}
	r.err = r.out.end(summary)
	return r.err
}

// Abort gives back what the Writer holds, without writing more.
func (r *Writer) Abort() {
	if r.sorted != nil {
		r.sorted.close()
	}
}

// decode reads a connection back.
func decode(object []byte) (*Connection, error) {
	c := new(Connection)
	err := json.Unmarshal(object, c)
	return c, err
}
