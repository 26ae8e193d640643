package reassembly

// This file: segments by the hundred. What can be worked out of a segment
// without the state of the Tracker is worked out by whoever fills the batch, on
// a processor of its own; and the Tracker can ask memory for what many segments
// need at once instead of waiting for one after the other.

const (
	batchLen = 2048 // segments of a Batch: fewer wake other goroutines more often than they are worth
	fetchLen = 64   // segments whose memory is asked for at a time: it stays in the first-level cache
)

// Batch is a run of segments and ticks of the clock in capture order. It is
// filled by one goroutine and then given to Tracker.AddBatch by another.
type Batch struct {
	o     *Options
	table *table
	n     int
	now   int64 // the clock after the last frame
	next  Segment
	given [batchLen]arrival
}

// NewBatch makes an empty Batch of segments for t.
func (t *Tracker) NewBatch() *Batch { return &Batch{o: &t.o, table: t.table} }

// Next is where the next segment goes; it counts once Add is called.
func (b *Batch) Next() *Segment { return &b.next }

// Add takes the segment in Next and reports whether the batch is full: then it
// must be given to the Tracker before Next is called again.
func (b *Batch) Add() (full bool) {
	b.Advance(b.next.Time)
	a := &b.given[b.n]
	a.fill(&b.next, b.o, b.table)
	a.clock = b.now
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
			t.Advance(b.given[i].clock)
			t.add(&b.given[i])
		}
	}
	t.Advance(b.now)
	b.n = 0
}

// fetch reads one word of each cache line that these segments will need. The
// reads do not depend on each other, nor does a branch wait for what is read: so
// the processor waits for many at a time.
func (t *Tracker) fetch(given []arrival) {
	if t.used == 0 {
		return
	}
	var at [fetchLen]uint32
	slots := t.table.slots
	mask := uint64(len(slots) - 1)
	sum := uint64(0)
	for i := range given {
		sum += slots[t.table.home(given[i].hash)]
		if given[i].rec.flags&(FlagSYN|FlagACK) == FlagSYN {
			sum += t.streams.fetch(given[i].tuple)
		}
	}
	for i := range given {
		tag := given[i].hash >> 32
		p := t.table.home(given[i].hash)
		for slots[p] != 0 && slots[p]>>32 != tag {
			p = (p + 1) & mask
		}
		at[i] = uint32(slots[p]) // 0, which is no connection's, does no harm
	}
	for _, n := range at[:len(given)] {
		c := t.conn(n)
		sum += c.scope + uint64(c.tail)
	}
	if t.logs.used > 0 {
		for _, n := range at[:len(given)] {
			sum += uint64(t.logs.blocks.at(t.conn(n).tail).next)
		}
		sum += t.logs.fetch(len(given))
	}
	t.fetched += sum // else the compiler might leave the reads out
}
