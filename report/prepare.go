package report

import (
	"slices"

	"github.com/finwait/finwait/reassembly"
)

// This file takes the work of a report apart: what each connection costs by
// itself is done by Preparers, on as many goroutines as there are; what needs
// the order of the connections is left to Writer.AddBatch. The report is the
// same however the connections are dealt out.

// Preparer judges, counts and prints connections for a Writer, of which it
// reads the options only. It is for one goroutine; several may work at once.
type Preparer struct {
	o       *Options
	render  renderer
	builder Builder
	counts  *counters
}

// renderer prints what a report says of one connection. It keeps nothing of c.
type renderer interface {
	render(b []byte, c *Connection) []byte
}

// Batch is connections on their way from a Preparer to Writer.AddBatch. The zero
// value is empty.
type Batch struct {
	traits []traits
	listed []listedConnection
	text   []byte
}

// listedConnection is one that the report lists: its place in the order, and
// where its text ends in the batch.
type listedConnection struct {
	key, id uint64
	end     int
}

// Len is the number of connections in the batch, listed or not.
func (b *Batch) Len() int { return len(b.traits) }

// Reset empties the batch, whose memory is used again.
func (b *Batch) Reset() { b.traits, b.listed, b.text = b.traits[:0], b.listed[:0], b.text[:0] }

// Preparer makes a Preparer of this report. What it has prepared must have been
// added before Close.
func (r *Writer) Preparer() *Preparer {
	p := &Preparer{o: &r.o, counts: new(counters), render: r.out.renderer(), builder: r.newBuilder()}
	r.mu.Lock()
	r.counts = append(r.counts, p.counts)
	r.mu.Unlock()
	return p
}

// Prepare appends l to a batch; it keeps nothing of l.
func (p *Preparer) Prepare(l *reassembly.Lifecycle, b *Batch) {
	b.traits = slices.Grow(b.traits, 1)[:len(b.traits)+1]
	c := &b.traits[len(b.traits)-1]
	c.of(l)
	p.counts.add(l, c)
	if !p.o.lists(l) {
		return
	}
	built := p.builder.Build(l)
	if p.o.Selection.MinSeverity > reassembly.Info {
		dropFindings(built, l, p.o.Selection.MinSeverity)
	}
	b.text = p.render.render(b.text, built)
	b.listed = append(b.listed, listedConnection{p.o.Sort.key(l), l.ID, len(b.text)})
}

// dropFindings leaves out those below a severity.
func dropFindings(c *Connection, l *reassembly.Lifecycle, least reassembly.Severity) {
	kept := c.Findings[:0]
	for i := range l.Findings {
		if l.Findings[i].Severity >= least {
			kept = append(kept, c.Findings[i])
		}
	}
	c.Findings = kept
}

// AddBatch takes connections that a Preparer of this Writer has prepared, in
// the order in which they retired. It keeps nothing of b. After an error it
// only counts, and gives that error again, as Add does.
func (r *Writer) AddBatch(b *Batch) error {
	for i := range b.traits {
		r.totals.hosts.add(&b.traits[i])
	}
	from := 0
	for i := range b.listed {
		if r.err != nil {
			break
		}
		c := &b.listed[i]
		r.err = r.list(c, b.text[from:c.end])
		from = c.end
	}
	return r.err
}

// list writes a connection, or keeps it to be sorted.
func (r *Writer) list(c *listedConnection, text []byte) error {
	switch {
	case r.sorted == nil && (r.o.Top == 0 || r.listed < uint64(r.o.Top)):
		r.listed++
		return r.out.connection(text)
	case r.sorted == nil:
		return nil
	case r.o.Most > 0 && r.sorted.count >= r.o.Most:
		r.unlisted++
		return nil
	}
	return r.sorted.add(c.key, c.id, text)
}
