package reassembly

// Reset makes the Tracker as new but for the memory that it holds, so that one
// serves many traces, one after another. It is called after Close.
func (t *Tracker) Reset() {
	t.now, t.next, t.over = 0, 0, false
	t.streams, t.changes = streams{}, changes{}
	clear(t.wheel.buckets)
	t.wheel.due = t.wheel.due[:0]
	if t.workers != nil {
		t.workers = newWorkers(t)
	}
}
