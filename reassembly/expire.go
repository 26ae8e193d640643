package reassembly

import (
	"cmp"
	"iter"
	"slices"
)

// This file: when a connection leaves the table: after a silence, because the
// table is full, or at the end of the trace.

// expiryAhead is for how many ns a connection's expiry is put off at a time.
const expiryAhead = int64(6e11)

// schedule puts connection i into the wheel, or forward in it when it may now
// expire sooner. Later expiry waits for the entry to come up.
func (t *Tracker) schedule(i uint32, c *conn) {
	if at := t.expiry(c); c.deadline == 0 || int32(uint32(second(at))-c.deadline) < 0 {
		c.deadline = uint32(t.wheel.add(i, at))
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

// established: a segment has passed that belongs to no handshake or ends one, or
// the connection began before the capture. However often a SYN and a SYN-ACK are
// sent again, the connection stays half-open: in a flood of SYNs from forged
// addresses most are.
func (c *conn) established() bool {
	if c.side[0].bits&csSYN == 0 && c.side[1].bits&csSYN == 0 {
		return true
	}
	return c.packets > 2 && (c.side[0].bits|c.side[1].bits)&csACK != 0
}

// dueConn is a connection that is to leave.
type dueConn struct {
	at int64
	id uint32
	i  uint32
}

// expire retires what has been silent for too long, oldest expiry first.
func (t *Tracker) expire() {
	due := t.expired
	for {
		b, sec, ok := t.wheel.pop(t.now)
		if !ok {
			t.expired = due
			return
		}
		due = room(due[:0], len(b))
		for n, i := range b {
			if n%fetchLen == 0 {
				for _, i := range b[n:min(n+fetchLen, len(b))] {
					c := t.conn(i)
					t.fetched += uint64(c.last) + uint64(c.id) // as fetch does
				}
			}
			c := t.conn(i)
			if !c.used() || c.deadline != uint32(sec) {
				continue // an entry that was moved, or of a connection before
			}
			c.deadline = 0
			if at := t.expiry(c); second(at) > sec {
				// Not for a day: where it closes before, its entry is in vain.
				c.deadline = uint32(t.wheel.add(i, min(at, t.now+expiryAhead)))
			} else {
				due = append(due, dueConn{at: at, id: c.id, i: i})
			}
		}
		oldestFirst(due)
		t.retireAll(due, func(d *dueConn) (int64, string) { return d.at, t.whyExpired(t.conn(d.i)) })
		t.wheel.recycle(b)
	}
}

func oldestFirst(due []dueConn) {
	slices.SortFunc(due, func(a, b dueConn) int {
		if a.at != b.at {
			return cmp.Compare(a.at, b.at)
		}
		return cmp.Compare(a.id, b.id)
	})
}

// retireAll retires connections in their order.
func (t *Tracker) retireAll(due []dueConn, how func(*dueConn) (at int64, why string)) {
	var hashes [fetchLen]uint64
	for some := range slices.Chunk(due, fetchLen) {
		for k := range some {
			hashes[k] = t.hashOf(some[k].i)
			t.fetched += t.table.slots[t.table.home(hashes[k])] // as fetch does
		}
		for k := range some {
			at, why := how(&some[k])
			t.retire(some[k].i, hashes[k], at, why)
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

const evictedFull = "table full"

// retire tells connection i, whose key has this hash, and takes it out of the
// table. at is the trace time up to which it is judged.
func (t *Tracker) retire(i uint32, hash uint64, at int64, why string) {
	t.emit(i, at, why)
	// Its neighbours close the gap: one left without a newer incarnation would be
	// looked for in the table, which names only the newest.
	own := t.links[t.conn(i).links]
	if own.prev != 0 {
		t.links[t.conn(own.prev).links].newer = own.newer
	}
	if own.newer != 0 {
		t.links[t.conn(own.newer).links].prev = own.prev
	}
	switch {
	case own.newer != 0: // the table points at a newer one
	case own.prev != 0:
		t.table.put(hash, i, own.prev)
	default:
		t.table.remove(hash, i)
	}
	t.drop(i, t.workers == nil)
}

// emit tells connection i, or has a worker tell it.
func (t *Tracker) emit(i uint32, at int64, why string) {
	switch {
	case t.workers != nil:
		t.workers.retire(t, i, at, why)
	case t.o.Emit != nil:
		r := t.leaving(i, at, why)
		l := t.teller.tell(&r)
		l.Note = t.changes.noteOf(i, r.c.id)
		t.o.Emit(l)
	}
}

// drop takes connection i out of the slab; its log and its place go as well, if
// they are not with a worker.
func (t *Tracker) drop(i uint32, withLog bool) {
	c := t.conn(i)
	if withLog {
		t.forgetCrossings(c)
		t.logs.release(c)
		t.freeLong(t.links[c.links].long)
	}
	if c.links != 0 {
		t.links[c.links] = connLinks{}
		t.linksFree = append(t.linksFree, c.links)
		delete(t.previous, i)
	}
	if withLog {
		c.id = 0
		t.free = append(t.free, i)
	}
	t.live--
}

// Close ends the trace and emits what is still in the table, oldest first. When
// it returns, all is emitted.
func (t *Tracker) Close() {
	t.over = true
	for i := range t.left() {
		t.emit(i, t.now, "")
	}
	if t.workers != nil {
		t.workers.close(t)
	}
	t.teller.count()
	t.clear()
}

// left gives the connections in the table, the oldest first. Where no place was
// used twice they stand so.
func (t *Tracker) left() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		var list []uint64 // the id above the place
		for i := uint32(1); i <= t.used; i++ {
			switch c := t.conn(i); {
			case !c.used():
			case t.usedAgain:
				list = append(list, uint64(c.id)<<32|uint64(i))
			case !yield(i):
				return
			}
		}
		slices.Sort(list)
		for _, n := range list {
			if !yield(uint32(n)) {
				return
			}
		}
	}
}

// clear empties the table at once: to take millions out one by one takes as long
// as to put them in.
func (t *Tracker) clear() {
	clear(t.table.slots)
	t.table.n, t.live, t.used, t.free, t.usedAgain = 0, 0, 0, nil, false
	t.links, t.linksFree = make([]connLinks, 1), nil
	clear(t.previous)
	clear(t.teller.crossings)
	t.long, t.longFree = make([]*long, 1), nil
	t.logs.used, t.logs.free = 0, nil
}
