package reassembly

import (
	"cmp"
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
	mostLogLimit             = 1 << 14
)

func (o Options) withDefaults() Options {
	o.MSL = cmp.Or(o.MSL, DefaultMSL)
	o.HalfOpenTimeout = cmp.Or(o.HalfOpenTimeout, DefaultHalfOpenTimeout)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, DefaultIdleTimeout)
	o.HalfClosedTimeout = cmp.Or(o.HalfClosedTimeout, DefaultHalfClosedTimeout)
	o.LogLimit = min(max(o.LogLimit, DefaultLogLimit), mostLogLimit)
	o.MaxConnections = cmp.Or(o.MaxConnections, DefaultMaxConnections)
	return o
}

// Tracker turns Segments into Lifecycles. It does no I/O and reads no clock:
// time is what the segments and Advance say. It is not safe for use by several
// goroutines at once.
type Tracker struct {
	o         Options
	table     *table
	wheel     wheel
	expired   []dueConn // in one second of the wheel, or in one eviction
	conns     chunks[conn]
	used      uint32 // conns ever handed out
	free      []uint32
	usedAgain bool // one of them
	logs      logs
	live      int
	now       int64  // trace clock: the highest time seen
	next      uint32 // last id given
	maxMSL    int64
	over      bool // the trace is over: what is left is told as it stands

	links     []connLinks // of the connections that reuse a tuple, whose tuple is reused, or that are long
	linksFree []uint32
	previous  map[uint32]*Previous // of connections that reuse a tuple
	long      []*long              // of connections too long for a plain log; 0 is none
	longFree  []uint32

	teller    teller
	workers   *workers // nil: retired connections are told at once
	silentest silentest
	streams   streams
	changes   changes
	fetched   uint64
	one       arrival      // of Add
	known     *whereabouts // of batches

	crossing Crossing // of the segment that is being added
}

// NewTracker makes an empty Tracker.
func NewTracker(o Options) *Tracker {
	t := &Tracker{o: o.withDefaults(), links: make([]connLinks, 1), long: make([]*long, 1), previous: map[uint32]*Previous{}}
	mem := newMemory(t)
	mem.ahead = t.o.Parallel != nil
	t.table = newTable(mem)
	t.conns.mem, t.logs.blocks.mem = mem, mem
	t.teller.o = &t.o
	t.wheel.buckets = map[int64][]uint32{}
	t.maxMSL = int64(t.o.MSL)
	for _, d := range t.o.HostMSL {
		t.maxMSL = max(t.maxMSL, int64(d))
	}
	if t.o.Parallel != nil {
		t.workers = newWorkers(t)
	}
	return t
}

func (t *Tracker) conn(i uint32) *conn { return t.conns.at(i) }

func (t *Tracker) hashOf(i uint32) uint64 { return uint64(t.conn(i).hash) << 32 }

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

// arrival is a segment with what can be known of it without the Tracker's state.
type arrival struct {
	rec     rec // but for the side
	key     FlowKey
	hash    uint64
	tuple   uint64     // FlowKey.tuple, of a SYN
	clock   int64      // the trace clock before it, in a Batch
	opts    synOptions // of a SYN
	swapped bool       // its source is the higher endpoint
}

func (a *arrival) fill(s *Segment, o *Options, t *table) {
	a.swapped = a.key.set(s, o)
	a.hash = t.hash(&a.key)
	a.rec.fill(s, 0)
	if s.Flags&FlagSYN != 0 {
		a.opts.fill(s)
		a.tuple = a.key.tuple()
	}
}

func (a *arrival) quoted() bool { return a.rec.bits&recICMP != 0 }

// Add takes the next segment in capture order.
func (t *Tracker) Add(s *Segment) {
	t.Advance(s.Time)
	t.one.fill(s, &t.o, t.table)
	t.add(&t.one, 0)
}

// add takes a segment whose connection is presumed at this place of the slab, or
// 0. It gives the place that it found, which by now may be that of an earlier
// incarnation or of none.
func (t *Tracker) add(s *arrival, presumed uint32) (place uint32) {
	i := t.lookup(s, presumed)
	switch {
	case i != 0:
		t.route(i, s)
	case s.quoted(): // an error about a connection that was not captured
	default:
		i = t.open(s, 0)
		t.log(i, s, 0, 0)
	}
	return i
}

// open makes a new connection that s begins; old is the incarnation before it,
// if it is still in the table.
func (t *Tracker) open(s *arrival, old uint32) uint32 {
	if t.live >= t.o.MaxConnections {
		t.evict(old)
	}
	t.silentest.opened(s.rec.at)
	var i uint32
	if n := len(t.free); n > 0 {
		i = t.free[n-1]
		t.free = t.free[:n-1]
		t.usedAgain = true
	} else {
		t.used++ // index 0 stays unused
		i = t.used
		t.conns.reach(i)
	}
	t.next++
	t.live++
	c := t.conn(i)
	*c = conn{} // a literal with fields would be built elsewhere and copied
	c.setKey(&s.key, s.hash)
	c.swapped, c.id = s.swapped, t.next
	if old != 0 {
		t.linksOf(i).prev = old
		t.linksOf(i).reuses = t.conn(old).id
		t.linksOf(old).newer = i
		t.linksOf(old).reusedBy = t.next
		t.previous[i] = t.remember(old, s.swapped)
	}
	t.table.put(s.hash, old, i)
	return i
}

// linksOf gives the links of connection i, made if it has none. It is valid
// until the next call.
func (t *Tracker) linksOf(i uint32) *connLinks {
	c := t.conn(i)
	if c.links == 0 {
		if n := len(t.linksFree); n > 0 {
			c.links = t.linksFree[n-1]
			t.linksFree = t.linksFree[:n-1]
		} else {
			c.links = uint32(len(t.links))
			t.links = append(t.links, connLinks{})
		}
	}
	return &t.links[c.links]
}

// log adds a segment of side x to connection i.
func (t *Tracker) log(i uint32, s *arrival, x int, extra uint8) {
	c := t.conn(i)
	r := s.rec
	r.bits |= extra | uint8(x)
	own := extra == 0 && !s.quoted()
	g := t.longOf(c)
	if g != nil && t.teller.crossings != nil {
		crossing := t.crossing
		crossing.alone = crossing.Assumed // a long log is not told a second time
		g.m.crossing = append(g.m.crossing, crossing)
		g.m.take(&r)
	} else {
		t.logs.add(c, &r, own, s.opts)
		t.noteCrossing(s.rec.pkt)
		if g != nil {
			g.room--
		}
	}
	if own {
		if c.packets == 0 {
			c.stream = t.stream(c, s)
		}
		if g != nil {
			g.packets++
		}
		c.pass(&r)
		c.follow(&r)
		if c.packets == 1 || s.rec.flags&(FlagFIN|FlagRST) != 0 {
			t.schedule(i, c)
		}
	}
	if t.o.Live {
		t.note(i, s)
	}
	switch {
	case g == nil && (c.packets >= t.longFrom() || c.logged >= mostLogged):
		t.lengthen(i, c)
	case g != nil && (g.room <= 0 || c.logged >= mostLogged):
		if g.room <= 0 {
			g.room += t.o.forgets()
		}
		t.digest(c, g)
	}
}

// near reports that a sequence number may follow end soon: at most ahead bytes
// above it or 1 GiB below it.
func near(seq, end, ahead uint32) bool {
	return seqnum.LessEq(seq, end+ahead) && seqnum.Less(end-1<<30, seq)
}
