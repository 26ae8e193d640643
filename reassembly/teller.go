package reassembly

// This file: from a connection's log to its Lifecycle.

// leaving is a connection with all that telling it needs.
type leaving struct {
	c     conn
	links connLinks
	long  *long     // of a long connection, else nil
	turn  uint32    // which piece of a long connection's log is in c
	piece bool      // not to be told: only for the long one's machine
	prev  *Previous // nil if it reuses none
	logs  logView   // where its log is
	at    int64     // trace time up to which it is judged
	why   string    // it expired or was evicted
	ended bool      // the trace ends here
}

// leaving gathers connection i, to be told at once.
func (t *Tracker) leaving(i uint32, at int64, why string) leaving {
	c := t.conn(i)
	g := t.longOf(c)
	r := leaving{c: *c, links: t.links[c.links], logs: t.logs.view(), at: at, why: why, ended: t.over, long: g}
	if c.links != 0 {
		r.prev = t.previous[i]
	}
	if g != nil {
		t.digest(c, g)
		r.c.logged = 0
	}
	return r
}

// A teller works out one connection at a time.
type teller struct {
	o       *Options
	m       machine
	kase    Case
	scratch []rec         // the log of the connection at hand, in a row
	opts    [2]synOptions // in it
	bytes   []byte        // of it
	recs    []rec         // of the long connection at hand, with room for a piece of its log
	marks   []mark        // likewise
	clean   cleanTeller
	spare   *Lifecycle // for the next clean connection
	fetched uint64     // see Tracker.fetch

	crossings map[Packet]Crossing // of the packets in the logs, where several captures tell; nil: one tap
	now       int64               // trace time up to which the next connection is judged
}

// gather lays out c's log for what is to be done with it.
func (t *teller) gather(c *conn, logs logView) {
	t.opts = [2]synOptions{}
	t.scratch, t.bytes = logs.unpack(c, t.scratch[:0], &t.opts, t.bytes)
}

// feed works the log that was gathered of c into a machine. It remembers all of
// it as long as nothing is in doubt: from then on as much as that of a long
// connection, for each doubt may send it through all that it remembers.
func (t *teller) feed(m *machine, c *conn) {
	if t.crossings != nil {
		t.feedCrossed(m, c)
		return
	}
	t.begin(m, c)
	m.mirrored = isMirrored(t.scratch[:min(len(t.scratch), 2*t.o.LogLimit)])
	sure := true
	for i := range t.scratch {
		m.add(&t.scratch[i])
		if sure = sure && m.doubts == 0 && m.marks[len(m.marks)-1].kind == fresh; !sure {
			m.trim()
		}
	}
}

// begin makes a machine ready for connection c.
func (t *teller) begin(m *machine, c *conn) {
	m.reset(t.o)
	m.ports = [2]uint16{c.port(0), c.port(1)}
	m.twoMSL = [2]int64{c.twoMSL(t.o, 0), c.twoMSL(t.o, 1)}
	m.opts = t.opts
	m.sackBoth = m.opts[0].flags&m.opts[1].flags&optSACK != 0
	for x := range 2 {
		m.snd[x].synScale, m.snd[x].synHasScale = m.opts[x].scale, m.opts[x].flags&optScale != 0
	}
	m.packets = uint64(c.packets)
	m.first, m.firstPkt = t.scratch[0].at, t.scratch[0].pkt
}

// tell works out the Lifecycle of a connection: by the clean path if it can.
func (t *teller) tell(r *leaving) *Lifecycle {
	if r.long == nil {
		t.gather(&r.c, r.logs)
	} else if r.c.logged > 0 {
		t.takePiece(r)
	}
	l := t.tellClean(r)
	if l == nil {
		return t.work(r)
	}
	if bothWays != nil {
		bothWays(l, t.work(r))
	}
	return l
}

// tellClean gives nil if the connection is not clean.
func (t *teller) tellClean(r *leaving) *Lifecycle {
	if t.clean.asked++; r.long != nil || t.o.machineOnly || t.crossings != nil {
		return nil
	}
	l := t.spare
	if l == nil {
		l = &Lifecycle{}
	}
	if t.spare = nil; !t.clean.tell(l, &r.c, t.scratch, &t.opts, t.o, r.at, r.ended, r.why) {
		t.spare, l = l, nil
	}
	return l
}

// recycle takes back a Lifecycle that nobody looks at any more.
func (t *teller) recycle(l *Lifecycle) {
	if l.reusable {
		t.spare = l
	}
}

// count tells atClose what there is to tell.
func (t *teller) count() {
	if atClose != nil && t.clean.asked > 0 {
		atClose(t.clean.asked, t.clean.told)
	}
	t.clean.asked, t.clean.told = 0, 0
}

// work has a machine work a connection out.
func (t *teller) work(r *leaving) *Lifecycle {
	m := &t.m
	if r.long != nil {
		m = &r.long.m
		m.packets = r.long.packets
		// What the end of the trace adds is for this telling only: a live
		// connection goes on from where it was.
		saved := m.e
		m.e = [2]end{saved[0].clone(), saved[1].clone()}
		defer func() { m.e = saved }()
	} else {
		t.now = r.at
		t.feed(m, &r.c)
	}
	l := m.finish(&r.c, &r.links, r.at, r.ended)
	l.ended(r.why, r.links.reusedBy != 0)
	if t.o.Check != nil {
		t.kase = Case{Life: l, Now: r.at, Ended: r.ended, Prev: r.prev, m: m, c: &r.c, client: 0,
			segments: t.kase.segments[:0], losses: t.kase.losses[:0]}
		if l.Client != r.c.endpoint(0) {
			t.kase.client = 1
		}
		t.o.Check(&t.kase)
	}
	return l
}
