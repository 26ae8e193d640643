package reassembly

import "sync"

// Parallel has retired connections worked out by several goroutines.
type Parallel struct {
	// Workers is the number of goroutines, at least 1.
	Workers int
	// Worker makes the function by which one of the goroutines takes Lifecycles:
	// each is valid during the call only. What it makes of them it adds to batch.
	Worker func() func(l *Lifecycle, batch any)
	// Batch makes an empty batch.
	Batch func() any
	// Emit takes a batch in the order in which its connections retired, on a
	// goroutine of its own, and leaves it empty for others.
	Emit func(batch any)
}

// workers are the goroutines of Options.Parallel: jobs go from the Tracker to a
// worker, in their order to Emit, and back. What a connection holds in the
// Tracker's memory stays as it is until its job is back.
type workers struct {
	p       *Parallel
	jobs    chan *job
	ordered chan *job
	idle    chan *job
	now     *job // being filled
	ended   sync.WaitGroup
}

// job is a run of retired connections.
type job struct {
	list  []retired
	logs  logView  // where their logs are
	bytes int      // of them
	freed []uint32 // blocks of their logs
	batch any
	done  chan struct{}
}

// retired is a connection that left the table, for a worker to tell. What is in
// the Tracker's memory stays there until the job is back: a copy of a connection
// would cost more than all else that the Tracker does for its end.
type retired struct {
	c     *conn
	at    int64       // see leaving
	why   string      // likewise
	rare  *retiredToo // what few have, or nil
	id    uint32      // c has none any more
	place uint32      // of c in the slab, 0 for a copy
	ended bool        // see leaving
}

// retiredToo is what of a leaving few connections have.
type retiredToo struct {
	links connLinks
	long  *long
	turn  uint32
	piece bool
	prev  *Previous
}

// retire gives connection i, which is out of use then, to the workers.
func (w *workers) retire(t *Tracker, i uint32, at int64, why string) {
	c, r := t.conn(i), w.next()
	r.c, r.at, r.why, r.rare, r.id, r.place, r.ended = c, at, why, nil, c.id, i, t.over
	c.id = 0
	if c.links != 0 {
		r.rare = &retiredToo{links: t.links[c.links], long: t.longOf(c), prev: t.previous[i]}
		if r.rare.long != nil {
			r.rare.turn = r.rare.long.given
		}
	}
	w.given(t, r)
}

// leaving is r as a teller takes it.
func (r *retired) leaving(l *leaving, logs logView) {
	l.c, l.at, l.why, l.ended, l.logs = *r.c, r.at, r.why, r.ended, logs
	l.c.id = r.id
	if too := r.rare; too != nil {
		l.links, l.long, l.turn, l.piece, l.prev = too.links, too.long, too.turn, too.piece, too.prev
	} else {
		l.links, l.long, l.turn, l.piece, l.prev = connLinks{}, nil, 0, false, nil
	}
}

const (
	jobLen        = 512     // connections a job
	jobBytes      = 1 << 18 // of their logs: twice those of usual connections
	jobsPerWorker = 6
)

func newWorkers(t *Tracker) *workers {
	p := t.o.Parallel
	n := p.Workers*jobsPerWorker + 1
	w := &workers{p: p, jobs: make(chan *job, n), ordered: make(chan *job, n), idle: make(chan *job, n)}
	for range n {
		w.idle <- &job{list: make([]retired, 0, jobLen), batch: p.Batch(), done: make(chan struct{}, 1)}
	}
	w.now = <-w.idle
	for range p.Workers {
		w.ended.Go(func() { w.work(t) })
	}
	w.ended.Go(w.emit)
	return w
}

func (w *workers) work(t *Tracker) {
	own := teller{o: &t.o}
	take := w.p.Worker()
	var r leaving
	for j := range w.jobs {
		own.fetched += j.logs.fetch(j.list)
		for i := range j.list {
			j.list[i].leaving(&r, j.logs)
			if r.piece {
				own.takePiece(&r)
			} else {
				l := own.tell(&r)
				take(l, j.batch)
				own.recycle(l)
			}
			j.freed = j.logs.list(j.list[i].c, j.freed)
		}
		j.done <- struct{}{}
	}
	own.count()
}

func (w *workers) emit() {
	for j := range w.ordered {
		<-j.done
		w.p.Emit(j.batch)
		w.idle <- j
	}
}

// next is where the next connection for the workers is to be filled in, for given.
func (w *workers) next() *retired {
	n := len(w.now.list)
	w.now.list = w.now.list[:n+1]
	return &w.now.list[n]
}

func (w *workers) given(t *Tracker, r *retired) {
	if w.now.bytes += int(r.c.logged); len(w.now.list) == jobLen || w.now.bytes >= jobBytes {
		w.flush(t)
	}
}

// flush gives the workers what there is.
func (w *workers) flush(t *Tracker) {
	w.send(t)
	w.now = <-w.idle
	w.now.reclaim(t)
}

func (w *workers) send(t *Tracker) {
	w.now.logs = t.logs.view()
	w.ordered <- w.now
	w.jobs <- w.now
}

// reclaim gives back what a job's connections held.
func (j *job) reclaim(t *Tracker) {
	if !t.over {
		t.logs.free = append(room(t.logs.free, len(j.freed)), j.freed...)
		t.free = room(t.free, len(j.list))
		for i := range j.list {
			if r := &j.list[i]; r.place != 0 {
				t.free = append(t.free, r.place)
				if r.rare != nil {
					t.freeLong(r.rare.links.long)
				}
			}
		}
	}
	clear(j.list)
	j.list, j.freed, j.bytes = j.list[:0], j.freed[:0], 0
}

// close waits until all is emitted.
func (w *workers) close(t *Tracker) {
	w.send(t)
	close(w.jobs)
	close(w.ordered)
	w.ended.Wait()
	close(w.idle)
	for j := range w.idle {
		j.reclaim(t)
	}
}
