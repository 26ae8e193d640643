package reassembly

import (
	"cmp"
	"slices"
	"time"

	"github.com/finwait/finwait/reassembly/seqnum"
)

// Defaults of Options.
const (
	DefaultMSL               = 30 * time.Second
	DefaultHalfOpenTimeout   = 5 * time.Minute
	DefaultIdleTimeout       = 24 * time.Hour
	DefaultHalfClosedTimeout = time.Hour
	DefaultMaxConnections    = 4_000_000
	DefaultLogLimit          = 256
)

func (o Options) withDefaults() Options {
	o.MSL = cmp.Or(o.MSL, DefaultMSL)
	o.HalfOpenTimeout = cmp.Or(o.HalfOpenTimeout, DefaultHalfOpenTimeout)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, DefaultIdleTimeout)
	o.HalfClosedTimeout = cmp.Or(o.HalfClosedTimeout, DefaultHalfClosedTimeout)
	o.LogLimit = max(o.LogLimit, DefaultLogLimit)
	o.MaxConnections = cmp.Or(o.MaxConnections, DefaultMaxConnections)
	return o
}

// Tracker turns Segments into Lifecycles. It does no I/O and reads no clock:
// time is what the segments and Advance say. It is not safe for use by several
// goroutines at once.
type Tracker struct {
	o        Options
	table    *table
	wheel    wheel
	conns    [][]conn
	used     uint32
	free     []uint32
	slab     slab
	long     map[uint32]*machine // machines of connections too long for a plain log
	pool     []*machine
	m        machine // works out one retired connection at a time
	now      int64   // trace clock: the highest time seen
	next     uint32  // last id given
	streams  streams
	live     int
	maxMSL   int64
	previous map[uint32]*Previous // of connections that reuse a tuple
	kase     Case
	scratch  []rec // one connection's log, in a row
	ending   bool  // the trace is over: what is left is told as it stands
	changes  changes
}

const connChunk = 1 << 10

// NewTracker makes an empty Tracker.
func NewTracker(o Options) *Tracker {
	t := &Tracker{o: o.withDefaults(), table: newTable(), long: map[uint32]*machine{}, previous: map[uint32]*Previous{}}
	t.wheel.buckets = map[int64][]uint32{}
	t.maxMSL = int64(t.o.MSL)
	for _, d := range t.o.HostMSL {
		t.maxMSL = max(t.maxMSL, int64(d))
	}
	return t
}

func (t *Tracker) conn(i uint32) *conn { return &t.conns[i/connChunk][i%connChunk] }

func (t *Tracker) hashOf(i uint32) uint64 { return t.table.hash(&t.conn(i).key) }

// Open is the number of connections in the table.
func (t *Tracker) Open() int { return t.live }

// Now is the trace clock: the highest time seen so far, ns since the epoch.
func (t *Tracker) Now() int64 { return t.now }

// Advance moves the trace clock on to now, ns since the epoch: any frame does,
// TCP or not, and so does the tick of a live capture. The clock never goes back.
func (t *Tracker) Advance(now int64) {
	if now <= t.now {
		return
	}
	t.now = now
	if len(t.wheel.due) > 0 && t.wheel.due[0]*1e9 <= now {
		t.expire()
	}
}

// Add takes the next segment in capture order.
func (t *Tracker) Add(s *Segment) {
	t.Advance(s.Time)
	key, fromB := keyOf(s, &t.o)
	h := t.table.hash(&key)
	i := t.lookup(h, &key)
	if i == 0 {
		if s.Quoted() {
			return // an error about a connection that was not captured
		}
		i = t.open(key, fromB, h, 0)
		t.log(i, s, 0, 0)
		return
	}
	t.route(i, s, fromB, h)
}

// open makes a new connection; old is the incarnation before it, if it is
// still in the table.
func (t *Tracker) open(key FlowKey, swapped bool, h uint64, old uint32) uint32 {
	if t.live >= t.o.MaxConnections {
		t.evict(old)
	}
	var i uint32
	if n := len(t.free); n > 0 {
		i = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		t.used++ // index 0 stays unused
		i = t.used
		if int(i/connChunk) >= len(t.conns) {
			t.conns = append(t.conns, make([]conn, connChunk))
		}
	}
	t.next++
	t.live++
	*t.conn(i) = conn{key: key, swapped: swapped, used: true, id: t.next, prev: old}
	if old != 0 {
		o := t.conn(old)
		o.newer = i
		o.reusedBy = t.next
		t.conn(i).reuses = o.id
		t.previous[i] = t.remember(old, swapped)
	}
	t.table.put(h, old, i, t.hashOf)
	return i
}

// log adds a segment of side x to connection i.
func (t *Tracker) log(i uint32, s *Segment, x int, extra uint8) {
	c := t.conn(i)
	var r rec
	r.fill(s, x)
	r.bits |= extra
	if extra == 0 && !s.Quoted() {
		if c.packets == 0 {
			c.first, c.firstPkt = s.Time, s.Packet
			c.last = s.Time
		}
		c.packets++
		c.last = max(c.last, s.Time)
		c.lastPkt = s.Packet
		c.follow(s, x)
		if c.packets == 1 {
			c.stream = t.stream(c, s)
		}
		if c.packets == 1 || s.Flags&(FlagFIN|FlagRST) != 0 {
			t.schedule(i, c)
		}
	}
	if t.o.Live {
		t.note(i, s)
	}
	if c.long {
		m := t.long[i]
		m.add(&r)
		if len(m.recs) >= 2*t.o.LogLimit {
			m.trim()
		}
		return
	}
	n := t.slab.alloc()
	*t.slab.at(n) = r
	if c.tail == 0 {
		c.head = n
	} else {
		t.slab.at(c.tail).next = n
	}
	c.tail = n
	c.recs++
	if int(c.recs) >= t.o.LogLimit {
		t.lengthen(i)
	}
}

// lengthen moves a connection's log into a machine of its own.
func (t *Tracker) lengthen(i uint32) {
	c := t.conn(i)
	m := &machine{}
	if n := len(t.pool); n > 0 {
		m = t.pool[n-1]
		t.pool = t.pool[:n-1]
	}
	t.feed(m, c)
	t.slab.release(c.head, c.tail)
	c.head, c.tail, c.recs = 0, 0, 0
	c.long = true
	t.long[i] = m
}

// feed works a connection's whole log into a machine.
func (t *Tracker) feed(m *machine, c *conn) {
	m.reset(&t.o)
	m.ports = [2]uint16{c.port(0), c.port(1)}
	m.twoMSL = [2]int64{c.twoMSL(&t.o, 0), c.twoMSL(&t.o, 1)}
	m.sackBoth = c.opts[0].flags&c.opts[1].flags&optSACK != 0
	for x := range 2 {
		m.snd[x].synScale, m.snd[x].synHasScale = c.opts[x].scale, c.opts[x].flags&optScale != 0
	}
	t.scratch = t.scratch[:0]
	for n := c.head; n != 0; {
		r := t.slab.at(n)
		t.scratch = append(t.scratch, *r)
		n = r.next
	}
	m.mirrored = isMirrored(t.scratch)
	for i := range t.scratch {
		m.add(&t.scratch[i])
	}
}

// schedule puts connection i into the wheel, or forward in it when it may now
// expire sooner. Later expiry waits for the entry to come up.
func (t *Tracker) schedule(i uint32, c *conn) {
	if at := t.expiry(c); c.deadline == 0 || second(at) < c.deadline {
		c.deadline = t.wheel.add(i, at)
	}
}

// expiry is when a connection ends by silence, ns since the epoch.
func (t *Tracker) expiry(c *conn) int64 {
	fins := c.side[0].bits&csFIN/csFIN + c.side[1].bits&csFIN/csFIN
	switch {
	case (c.side[0].bits|c.side[1].bits)&csRST != 0 || fins == 2:
		return c.last + 2*t.maxMSL
	case fins == 1:
		return c.last + int64(t.o.HalfClosedTimeout)
	case !c.established():
		return c.last + int64(t.o.HalfOpenTimeout)
	}
	return c.last + int64(t.o.IdleTimeout)
}

// established: both sides have sent something that is no SYN without ACK, or
// the connection began before the capture.
func (c *conn) established() bool {
	if c.side[0].bits&csSYN == 0 && c.side[1].bits&csSYN == 0 {
		return true
	}
	return c.packets > 2 && (c.synAcked || (c.side[0].bits|c.side[1].bits)&csACK != 0)
}

// expire retires what has been silent for too long, oldest expiry first.
func (t *Tracker) expire() {
	type dueConn struct {
		at int64
		id uint32
		i  uint32
	}
	var due []dueConn
	for {
		b, sec, ok := t.wheel.pop(t.now)
		if !ok {
			return
		}
		due = due[:0]
		for _, i := range b {
			c := t.conn(i)
			if !c.used || c.deadline != sec {
				continue // an entry that was moved, or of a connection before
			}
			c.deadline = 0
			if at := t.expiry(c); second(at) > sec {
				c.deadline = t.wheel.add(i, at)
			} else {
				due = append(due, dueConn{at, c.id, i})
			}
		}
		slices.SortFunc(due, func(a, b dueConn) int {
			return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id))
		})
		for _, d := range due {
			t.retire(d.i, d.at, t.whyExpired(t.conn(d.i)))
		}
	}
}

func (t *Tracker) whyExpired(c *conn) string {
	switch {
	case (c.side[0].bits|c.side[1].bits)&csRST != 0, c.side[0].bits&c.side[1].bits&csFIN != 0:
		return ""
	case (c.side[0].bits|c.side[1].bits)&csFIN != 0:
		return "half-closed timeout"
	case !c.established():
		return "half-open timeout"
	}
	return "idle timeout"
}

// evict makes room when the table is full: the sixteenth that has been silent
// for the longest goes, in the order of its silence.
func (t *Tracker) evict(keep uint32) {
	type cand struct {
		last int64
		id   uint32
		i    uint32
	}
	all := make([]cand, 0, t.live)
	for i := uint32(1); i <= t.used; i++ {
		if c := t.conn(i); c.used && i != keep {
			all = append(all, cand{c.last, c.id, i})
		}
	}
	slices.SortFunc(all, func(a, b cand) int {
		return cmp.Or(cmp.Compare(a.last, b.last), cmp.Compare(a.id, b.id))
	})
	for _, e := range all[:min(len(all), max(1, len(all)/16))] {
		t.retire(e.i, t.now, evictedFull)
	}
}

const evictedFull = "table full"

// retire tells connection i and takes it out of the table. at is the trace
// time up to which it is judged.
func (t *Tracker) retire(i uint32, at int64, why string) {
	c := t.conn(i)
	if t.o.Emit != nil {
		t.o.Emit(t.tell(i, at, why))
	}
	// Its neighbours close the gap: one left without a newer incarnation would be
	// looked for in the table, which names only the newest.
	if c.prev != 0 {
		t.conn(c.prev).newer = c.newer
	}
	if c.newer != 0 {
		t.conn(c.newer).prev = c.prev
	}
	h := t.table.hash(&c.key)
	switch {
	case c.newer != 0: // the table points at a newer one
	case c.prev != 0:
		t.table.put(h, i, c.prev, t.hashOf)
	default:
		t.table.remove(h, i, t.hashOf)
	}
	t.drop(i)
}

// drop gives back what connection i holds.
func (t *Tracker) drop(i uint32) {
	c := t.conn(i)
	t.slab.release(c.head, c.tail)
	if c.long {
		t.pool = append(t.pool, t.long[i])
		delete(t.long, i)
	}
	delete(t.previous, i)
	*c = conn{}
	t.free = append(t.free, i)
	t.live--
}

// tell works out the Lifecycle of connection i as of trace time at.
func (t *Tracker) tell(i uint32, at int64, why string) *Lifecycle {
	c := t.conn(i)
	m := &t.m
	if c.long {
		m = t.long[i]
		// What the end of the trace adds is for this telling only: a live
		// connection goes on from where it was.
		saved := m.e
		m.e = [2]end{saved[0].clone(), saved[1].clone()}
		defer func() { m.e = saved }()
	} else {
		t.feed(m, c)
	}
	l := m.finish(c, at, t.ending)
	l.Evicted = why
	switch {
	case l.Close != CloseNone && l.Close != CloseHalf:
	case why == evictedFull:
		l.Close = CloseEvicted
	case why != "":
		l.Close = CloseTimeout
	case c.reusedBy != 0:
		l.Close = CloseSuperseded
	}
	if t.o.Check != nil {
		t.kase = Case{Life: l, Now: at, Ended: t.ending, Prev: t.previous[i], m: m, c: c, client: 0,
			segments: t.kase.segments[:0], losses: t.kase.losses[:0]}
		if l.Client != c.endpoint(0) {
			t.kase.client = 1
		}
		t.o.Check(&t.kase)
	}
	return l
}

// Close ends the trace and emits what is still in the table, oldest first.
func (t *Tracker) Close() {
	t.ending = true
	left := make([]uint32, 0, t.live)
	for i := uint32(1); i <= t.used; i++ {
		if t.conn(i).used {
			left = append(left, i)
		}
	}
	slices.SortFunc(left, func(a, b uint32) int { return cmp.Compare(t.conn(a).id, t.conn(b).id) })
	for _, i := range left {
		t.retire(i, t.now, "")
	}
}

// near reports that a sequence number may follow end soon: at most ahead bytes
// above it or 1 GiB below it.
func near(seq, end, ahead uint32) bool {
	return seqnum.LessEq(seq, end+ahead) && seqnum.Less(end-1<<30, seq)
}
