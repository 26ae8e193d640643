package reassembly

import (
	"math"
	"math/bits"
)

// This file: who leaves when the table is full.

// silentest are the connections that have been silent for the longest, in that
// order, as of when the table was gone through last. Those of them that were
// heard of since then are left out when it is their turn: nobody else can have
// become older than they.
type silentest struct {
	list []dueConn // at is the time of the last packet
	next int       // those before it are gone
	upTo int64     // whoever was silent since then or longer is in the list
}

// opened takes note of a connection whose first packet is of that time.
func (s *silentest) opened(at int64) {
	if at < s.upTo { // packets are not in the order of time
		s.next = len(s.list)
	}
}

const (
	evictPart  = 16 // a full table lets go of one connection in so many
	evictAhead = 4  // the table is gone through once for so many evictions
)

// evict makes room when the table is full: the sixteenth that has been silent
// for the longest goes, in the order of its silence. keep stays, if it is not 0.
func (t *Tracker) evict(keep uint32) {
	n := t.live
	if keep != 0 {
		n--
	}
	going := max(1, n/evictPart)
	due := t.stillSilent(going, keep)
	if len(due) < min(going, n) {
		t.findSilent(going * evictAhead)
		due = t.stillSilent(going, keep)
	}
	t.retireAll(due, func(*dueConn) (int64, string) { return t.now, evictedFull })
}

// stillSilent takes so many from the list, fewer if it has no more.
func (t *Tracker) stillSilent(n int, keep uint32) []dueConn {
	due, s := t.expired[:0], &t.silentest
	var kept dueConn
	for ; s.next < len(s.list) && len(due) < n; s.next++ {
		switch d := s.list[s.next]; {
		case t.conn(d.i).id != d.id || t.conn(d.i).last != d.at: // its place is free, another's, or it is not as silent
		case d.i == keep:
			kept = d
		default:
			due = append(due, d)
		}
	}
	if kept.i != 0 { // its turn comes again
		s.next--
		s.list[s.next] = kept
	}
	t.expired = due
	return due
}

// findSilent goes through the table for at least so many.
func (t *Tracker) findSilent(n int) {
	var silent [64 * silenceParts]uint32
	for i := uint32(1); i <= t.used; i++ {
		if c := t.conn(i); c.used() {
			silent[silence(t.now-c.last)]++
		}
	}
	least := len(silent)
	for found := 0; found <= n && least > 0; { // one more: keep may be among them
		least--
		found += int(silent[least])
	}
	s := &t.silentest
	s.list, s.next, s.upTo = s.list[:0], 0, math.MinInt64
	for i := uint32(1); i <= t.used; i++ {
		if c := t.conn(i); c.used() && silence(t.now-c.last) >= least {
			s.list = append(s.list, dueConn{at: c.last, id: c.id, i: i})
			s.upTo = max(s.upTo, c.last)
		}
	}
	oldestFirst(s.list)
}

// silence is the place of a time of so many ns in a scale that has silenceParts
// parts for each doubling: longer ones never stand below shorter ones.
func silence(ns int64) int {
	ns = max(ns, 0)
	log := bits.Len64(uint64(ns)|silenceParts) - silenceBits - 1
	return log*silenceParts + int(ns>>log)
}

const (
	silenceBits  = 6
	silenceParts = 1 << silenceBits
)
