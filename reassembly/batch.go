package reassembly

// This file: segments by the hundred. What can be worked out of a segment
// without the state of the Tracker is worked out by whoever fills the batch, on
// a processor of its own; and the Tracker can ask memory for what many segments
// need at once instead of waiting for one after the other.

const (
	batchLen = 2048 // segments of a Batch: fewer wake other goroutines more often than they are worth
	fetchLen = 64   // segments whose memory is asked for at a time: it stays in the first-level cache
)

// Batch is a run of segments and ticks of the clock in capture order. One
// goroutine fills all batches of a Tracker, and another may give them to
// Tracker.AddBatch.
type Batch struct {
	o      *Options
	table  *table
	known  *whereabouts
	n      int
	placed int   // segments that AddBatch took, whose places the batch has
	now    int64 // the clock after the last frame
	next   Segment
	places [batchLen]uint32 // of their connections in the slab: presumed before AddBatch, known after it
	given  [batchLen]arrival
}

// whereabouts is where the Tracker found connections not long ago, by the tag of
// their hash: whoever fills batches remembers what came back with them, and so
// the Tracker need not search what another processor has time to look up.
type whereabouts [1 << 16]uint64 // tag<<32 | place

func (w *whereabouts) of(hash uint64) *uint64 { return &w[hash>>32%uint64(len(w))] }

// NewBatch makes an empty Batch of segments for t.
func (t *Tracker) NewBatch() *Batch {
	if t.known == nil {
		t.known = new(whereabouts)
	}
	return &Batch{o: &t.o, table: t.table, known: t.known}
}

// Next is where the next segment goes; it counts once Add is called.
func (b *Batch) Next() *Segment { return &b.next }

// Add takes the segment in Next and reports whether the batch is full: then it
// must be given to the Tracker before Next is called again.
func (b *Batch) Add() (full bool) {
	if b.placed > 0 {
		b.Learn()
	}
	b.Advance(b.next.Time)
	a := &b.given[b.n]
	a.fill(&b.next, b.o, b.table)
	a.clock = b.now
	b.places[b.n] = 0
	if w := *b.known.of(a.hash); w>>32 == a.hash>>32 {
		b.places[b.n] = uint32(w)
	}
	b.n++
	return b.n == batchLen
}

// Learn remembers what AddBatch found, for all batches of the Tracker: whoever
// fills them and has several back learns from all before filling one. Add sees to
// it otherwise.
func (b *Batch) Learn() {
	for i, place := range b.places[:b.placed] {
		h := b.given[i].hash
		*b.known.of(h) = h>>32<<32 | uint64(place)
	}
	b.placed = 0
}

// Advance is Tracker.Advance at this place of the run.
func (b *Batch) Advance(now int64) { b.now = max(b.now, now) }

// AddBatch takes the segments of b in their order, as Add would, and empties b.
func (t *Tracker) AddBatch(b *Batch) {
	for from := 0; from < b.n; from += fetchLen {
		to := min(from+fetchLen, b.n)
		t.fetch(b.given[from:to], b.places[from:to])
		for i := from; i < to; i++ {
			t.Advance(b.given[i].clock)
			b.places[i] = t.add(&b.given[i], b.places[i])
		}
	}
	t.Advance(b.now)
	b.n, b.placed = 0, b.n
}

// fetch reads one word of each cache line that these segments will need, and
// presumes where their connections are if nobody did. The reads do not depend on
// each other, nor does a branch wait for what is read: so the processor waits
// for many at a time.
func (t *Tracker) fetch(given []arrival, places []uint32) {
	if t.used == 0 {
		return
	}
	slots := t.table.slots
	mask := uint64(len(slots) - 1)
	sum := uint64(0)
	for i, n := range places {
		if n != 0 {
			c := t.conn(n)
			sum += c.scope + uint64(c.tail)
			continue
		}
		sum += slots[t.table.home(given[i].hash)]
		if given[i].rec.flags&(FlagSYN|FlagACK) == FlagSYN {
			sum += t.streams.fetch(given[i].tuple)
		}
	}
	for i, n := range places {
		if n != 0 {
			continue
		}
		tag := given[i].hash >> 32
		p := t.table.home(given[i].hash)
		for slots[p] != 0 && slots[p]>>32 != tag {
			p = (p + 1) & mask
		}
		places[i] = uint32(slots[p]) // 0, which is no connection's, does no harm
		c := t.conn(places[i])
		sum += c.scope + uint64(c.tail)
	}
	if t.logs.used > 0 {
		for _, n := range places {
			sum += uint64(t.logs.blocks.at(t.conn(n).tail).next)
		}
		sum += t.logs.fetch(len(given))
	}
	t.fetched += sum // else the compiler might leave the reads out
}
