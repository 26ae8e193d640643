package reassembly

import "sync"

// This file: connections too long for a plain log. A machine of their own takes
// their log bit by bit and forgets what is old. Where there are workers, they
// have it do so: the Tracker only hands them the bits.

// long is the machine of a long connection.
type long struct {
	m       machine
	packets uint64 // of the connection's own
	given   uint32 // pieces of the log handed out; the Tracker's alone
	room    int    // segments until it forgets the oldest, likewise

	mu    sync.Mutex
	more  *sync.Cond
	taken uint32 // pieces that the machine has taken
}

const machinesKept = 64 // free machines that keep their memory

func newLong() *long {
	g := new(long)
	g.more = sync.NewCond(&g.mu)
	return g
}

// longFrom is how many packets make a connection long, always such a number that
// a machine then forgets something. Until the fourth time its log takes no more
// memory than its machine would, and if nothing is odd in it the clean path tells
// all of it. But who tells connections again and again, or in several passes,
// goes through all of a log each time.
func (t *Tracker) longFrom() uint32 {
	n := 2 * t.o.LogLimit
	if !t.o.Live && t.teller.crossings == nil {
		n += 3 * t.o.forgets()
	}
	return uint32(n)
}

// longOf is the machine of a long connection, nil of any other.
func (t *Tracker) longOf(c *conn) *long { return t.long[t.links[c.links].long] }

// lengthen gives connection i a machine of its own.
func (t *Tracker) lengthen(i uint32, c *conn) {
	var n uint32
	if free := len(t.longFree); free > 0 {
		n = t.longFree[free-1]
		t.longFree = t.longFree[:free-1]
	} else {
		n = uint32(len(t.long))
		t.long = append(t.long, newLong())
	}
	t.linksOf(i).long = n
	g := t.long[n]
	g.packets, g.given, g.taken, g.room = uint64(c.packets), 0, 0, t.o.forgets()
	t.digest(c, g)
}

// freeLong gives back machine n, if it is one.
func (t *Tracker) freeLong(n uint32) {
	if n == 0 {
		return
	}
	if len(t.longFree) >= machinesKept {
		t.long[n] = newLong()
	}
	t.longFree = append(t.longFree, n)
}

// digest has g take the log of its connection, which begins a new one.
func (t *Tracker) digest(c *conn, g *long) {
	turn := g.given
	g.given++
	if t.workers != nil {
		piece := *c
		r := t.workers.next()
		*r = retired{c: &piece, rare: &retiredToo{long: g, turn: turn, piece: true}}
		t.workers.given(t, r)
	} else {
		t.teller.takePiece(&leaving{c: *c, long: g, turn: turn, logs: t.logs.view(), piece: true})
		t.forgetCrossings(c)
		t.logs.release(c)
	}
	t.logs.restart(c)
}

// settle returns when g has taken all of the log of its connection.
func (t *Tracker) settle(c *conn, g *long) {
	t.digest(c, g)
	if t.workers != nil {
		t.workers.flush(t)
		g.await(g.given)
	}
}

// await returns when g has taken so many pieces.
func (g *long) await(pieces uint32) {
	g.mu.Lock()
	for g.taken != pieces {
		g.more.Wait() // whoever takes the one before is at it
	}
	g.mu.Unlock()
}

// takePiece has the machine of a long connection take a piece of its log. Only
// meanwhile does it have room for more than what it remembers: of ten thousand
// long connections nearly all wait for their next piece.
func (t *teller) takePiece(r *leaving) {
	g, m := r.long, &r.long.m
	g.await(r.turn)
	t.gather(&r.c, r.logs)
	recs, marks := m.recs, m.marks
	if r.turn == 0 {
		m.recs, m.marks = t.recs, t.marks
		t.feed(m, &r.c)
		m.trim()
	} else {
		m.recs, m.marks = append(t.recs[:0], recs...), append(t.marks[:0], marks...)
		for x := range t.opts {
			if t.opts[x] != (synOptions{}) {
				m.opts[x] = t.opts[x]
			}
		}
		for i := range t.scratch {
			m.take(&t.scratch[i])
		}
	}
	t.recs, t.marks = m.recs, m.marks
	m.recs, m.marks = fit(recs, m.recs), fit(marks, m.marks)
	g.mu.Lock()
	g.taken++
	g.mu.Unlock()
	g.more.Broadcast()
}

// fit copies s into old, if that is neither too small nor far too large for it.
func fit[T any](old, s []T) []T {
	if cap(old) < len(s) || cap(old) > 4*len(s) {
		old = make([]T, 0, len(s))
	}
	return append(old[:0], s...)
}

// take is add for a connection of any length.
func (m *machine) take(r *rec) {
	m.add(r)
	m.trim()
}
