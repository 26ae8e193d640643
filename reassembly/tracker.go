package reassembly

// Case is what the rules of package anomaly judge: a retired connection with
// the evidence behind its Lifecycle.
type Case struct {
	Life *Lifecycle
}

// Tracker turns Segments into Lifecycles.
type Tracker struct{ o Options }

// NewTracker makes an empty Tracker.
func NewTracker(o Options) *Tracker { return &Tracker{o: o} }

// Add takes the next segment in capture order.
func (t *Tracker) Add(s *Segment) {}

// Advance moves the trace clock on to now, ns since the epoch: any frame does,
// TCP or not, and so does the tick of a live capture.
func (t *Tracker) Advance(now int64) {}

// Close ends the trace and emits what is still in the table.
func (t *Tracker) Close() {}
