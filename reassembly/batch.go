package reassembly

// This file: segments by the hundred. What can be worked out of a segment
// without the state of the Tracker is worked out by whoever fills the batch, on
// a processor of its own; and the Tracker can ask memory for what many segments
// need at once instead of waiting for one after the other.

const (
	batchLen = 512 // segments of a Batch: few enough for the second-level cache
	fetchLen = 64  // segments whose memory is asked for at a time: it stays in the first-level cache
)

// Batch is a run of segments and ticks of the clock in capture order. It is
// filled by one goroutine and then given to Tracker.AddBatch by another.
type Batch struct {
	o     *Options
	table *table
	n     int
	now   int64 // the clock after the last frame
	segs  [batchLen]Segment
	given [batchLen]arrival
	clock [batchLen]int64 // before each
}

// NewBatch makes an empty Batch of segments for t.
func (t *Tracker) NewBatch() *Batch { return &Batch{o: &t.o, table: t.table} }

// Next is where the next segment goes; it counts once Add is called.
func (b *Batch) Next() *Segment { return &b.segs[b.n] }

// Add takes the segment in Next and reports whether the batch is full: then it
// must be given to the Tracker before Next is called again.
func (b *Batch) Add() (full bool) {
	s := &b.segs[b.n]
	b.Advance(s.Time)
	b.clock[b.n] = b.now
	b.given[b.n].fill(s, b.o, b.table)
	b.n++
	return b.n == batchLen
}

// Advance is Tracker.Advance at this place of the run.
func (b *Batch) Advance(now int64) { b.now = max(b.now, now) }

// AddBatch takes the segments of b in their order, as Add would, and empties b.
func (t *Tracker) AddBatch(b *Batch) {
	for from := 0; from < b.n; from += fetchLen {
		to := min(from+fetchLen, b.n)
		t.fetch(b.given[from:to])
		for i := from; i < to; i++ {
			t.Advance(b.clock[i])
			t.add(&b.given[i])
		}
	}
	t.Advance(b.now)
	b.n = 0
}

// fetch reads one word of each cache line that these segments will need. The
// reads do not depend on each other, so the processor waits for many at a time.
func (t *Tracker) fetch(given []arrival) {
	var at [fetchLen]uint32
	slots := t.table.slots
	mask := uint64(len(slots) - 1)
	for i := range given {
		if s := slots[given[i].hash&mask]; s>>32 == given[i].hash>>32 {
			at[i] = uint32(s)
		}
	}
	sum := uint64(0)
	for i, n := range at[:len(given)] {
		if n != 0 {
			c := t.conn(n)
			at[i] = c.tail
			sum += c.key.Scope
		}
	}
	for _, r := range at[:len(given)] {
		if r != 0 {
			sum += uint64(t.logs.units.at(r).flags)
		}
	}
	t.fetched += sum // else the compiler might leave the reads out
}
