package reassembly

import (
	"slices"

	"github.com/finwait/finwait/reassembly/tcpstate"
)

// This file tells connections while they live. A connection is looked at again
// soon after a segment that can move a state, within about a second of any
// other, and as its silence grows: what falls due without a packet (2MSL, a
// stall) is told too. Each look works its whole log out again, so what was told
// before may be withdrawn, as it would be in a report of the trace up to now.

// changes remembers which connections are to be told, by their place in the slab.
type changes struct {
	list  []uint32 // changed since they were told last
	told  int      // so many of the list were told
	known []changeState
	wheel wheel
}

type changeState struct {
	id     uint32
	note   uint16 // Lifecycle.Note
	marked bool   // it is in the list
	due    int64  // the bucket of the wheel that counts for it, s; 0: none
}

// noteOf is what the receiver of Changed left for connection i.
func (g *changes) noteOf(i, id uint32) uint16 {
	if int(i) < len(g.known) && g.known[i].id == id {
		return g.known[i].note
	}
	return 0
}

const (
	lookSoon = int64(1e9)       // ns after which a segment that moves no state is told
	lookLate = int64(300 * 1e9) // the longest that a connection is not looked at
)

func (g *changes) state(i uint32, id uint32) *changeState {
	for int(i) >= len(g.known) {
		g.known = append(g.known, make([]changeState, max(1024, len(g.known)))...)
	}
	s := &g.known[i]
	if s.id != id {
		*s = changeState{id: id}
	}
	return s
}

// note marks connection i after segment s of it.
func (t *Tracker) note(i uint32, s *arrival) {
	c, g := t.conn(i), &t.changes
	if g.wheel.buckets == nil {
		g.wheel.buckets = map[int64][]uint32{}
	}
	st := g.state(i, c.id)
	if st.marked {
		return
	}
	steady := c.packets > 6 && s.rec.flags&(FlagSYN|FlagFIN|FlagRST) == 0 && !s.quoted() &&
		(c.side[0].bits|c.side[1].bits)&(csFIN|csRST) == 0
	if !steady {
		st.marked = true
		g.list = append(g.list, i)
		return
	}
	t.lookAt(i, st, t.now+lookSoon)
}

// lookAt has connection i told at the given time, if not before.
func (t *Tracker) lookAt(i uint32, st *changeState, at int64) {
	if sec := at/1e9 + 1; st.due == 0 || sec < st.due {
		st.due = t.changes.wheel.add(i, at)
	}
}

// Changed tells the connections in the table that may have changed since it was
// called last, as they stand now: at most so many (0: all), those in the order
// in which they changed. It reports whether some are left. Options.Live must be
// set. The Lifecycle is the receiver's; the connection is told once more by
// Options.Emit when it retires.
func (t *Tracker) Changed(most int, tell func(*Lifecycle)) (more bool) {
	t.due()
	g := &t.changes
	list := g.list[g.told:]
	if most > 0 && len(list) > most {
		list = list[:most]
	}
	g.told += len(list)
	for _, i := range list {
		c, st := t.conn(i), &g.known[i]
		if !c.used() || c.id != st.id || !st.marked || c.packets == 0 {
			continue // it retired meanwhile
		}
		st.marked, st.due = false, 0
		r := t.leaving(i, t.now, "")
		l := t.teller.tell(&r)
		for x := range l.Endpoints {
			// The machine of a long connection writes into its own again.
			l.Endpoints[x].Withdrawn = slices.Clone(l.Endpoints[x].Withdrawn)
		}
		t.lookAgain(i, st, l)
		l.Note = st.note
		tell(l)
		st.note = l.Note
	}
	if g.told < len(g.list) {
		return true
	}
	g.list, g.told = g.list[:0], 0
	return false
}

// Recycle takes back a Lifecycle that Changed or Options.Emit gave, when nobody
// looks at it any more: the memory of it serves for the next one.
func (t *Tracker) Recycle(l *Lifecycle) { t.teller.recycle(l) }

// due moves what fell due into the list.
func (t *Tracker) due() {
	g := &t.changes
	for {
		list, sec, ok := g.wheel.pop(t.now)
		if !ok {
			return
		}
		slices.Sort(list)
		for _, i := range list {
			st := &g.known[i]
			if st.due != sec || st.marked {
				continue
			}
			st.due = 0
			if c := t.conn(i); c.used() && c.id == st.id {
				st.marked = true
				g.list = append(g.list, i)
			}
		}
	}
}

// lookAgain decides when a connection is told if no segment comes: when its
// TIME-WAIT is over, and before that each time its silence has grown by a quarter.
func (t *Tracker) lookAgain(i uint32, st *changeState, l *Lifecycle) {
	over := true
	at := t.now + min(max((t.now-l.End)/4, lookSoon), lookLate)
	for x := range l.Endpoints {
		e := &l.Endpoints[x]
		over = over && e.State == tcpstate.Closed
		if e.InTimeWait {
			at = min(at, t.now+max(e.TimeWaitMost, 0))
		}
	}
	if !over {
		t.lookAt(i, st, at)
	}
}
