package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
	"github.com/finwait/finwait/report/metrics"
	"github.com/finwait/finwait/report/screen"
)

// This file is one run of the command live. One goroutine takes packets,
// analyses them and puts what there is to tell into queues; it waits for nothing
// but packets. Several times a second, by the time stamps of the packets or,
// while there are none, by the clock, it looks what has changed.

const (
	tickEvery  = 100 * time.Millisecond
	tickSlack  = 300 * time.Millisecond // packets may still lie in the kernel's buffer
	tickForced = 1 << 14                // packets after which a tick comes whatever they say of time
	sampleAge  = time.Second
	lookOnce   = 64                    // connections that are told between two looks at the clock
	lookIdle   = 60 * time.Millisecond // how long changed connections are told at a tick: while no packet waits
	lookBusy   = 8 * time.Millisecond  // while packets wait
	lookLate   = time.Millisecond      // while they wait for longer than lookLag
	lookLag    = 200 * time.Millisecond
	drainMost  = 10 * time.Second

	// What a report of weeks may hold.
	lineQueue = 8 << 20 // bytes of output that wait for their reader
	listMost  = 50_000  // connections in the report's listing
	listSpill = 8 << 20 // bytes of it that are held in memory
	hostsMost = 1 << 15 // hosts, pairs of hosts and services that the summary tells apart
)

// packetSource is what is captured: a capture.Backlog.
type packetSource interface {
	capture.Source
	LinkType() uint32
	SnapLen() int
	Backend() string
	Stats() capture.LiveStats
	Quiet() time.Time
}

type liveRun struct {
	*flags
	streams
	live *liveFlags
	open func(capture.LiveOptions) (packetSource, error)

	stop     *interrupts
	in       packetSource
	analysis *analysis
	tracker  *reassembly.Tracker
	writer   *report.Writer
	failed   error // of the report
	watch    report.Watch
	color    bool

	lines   *queue // what is told while it runs; nil: nothing is
	form    report.Format
	packets *packetLog      // nil: not kept
	metrics *metrics.Live   // nil: not served
	server  *metrics.Server // nil: not served
	screen  *screen.Screen  // nil: none
	line    []byte          // used again
	counted uint64          // packets taken
	bytes   uint64          // of them, on the wire
	last    int64           // time of the last packet, ns
	sample  report.Sample   // the last
	sampled time.Time       // when
	ended   error           // of the capture
	begun   time.Time       // wall clock
	stopped time.Time       // when it was noticed that the capture is to end
	drain   time.Duration   // how long the end waits for what passed before it, and for a reader, 0: drainMost, pipePatience
	unkept  bool            // it was said that packets are not kept
	keeping error           // why they were not, if a file could not be written
	next    int64           // trace time of the next tick
	told    time.Time       // when the last interval was told
}

// emit takes a connection that retires.
func (r *liveRun) emit(l *reassembly.Lifecycle) {
	r.watch.Retired(l)
	if r.failed == nil {
		r.failed = r.writer.Add(l)
	}
	if r.packets != nil {
		r.packets.retired(l)
	}
	if r.metrics != nil {
		r.metrics.Retired(l)
	}
	if r.screen != nil {
		r.screen.Retired(l)
	}
	r.tracker.Recycle(l)
}

// changed takes a connection that lives.
func (r *liveRun) changed(l *reassembly.Lifecycle) {
	r.watch.Changed(l)
	if r.screen != nil {
		r.screen.Changed(l) // which keeps it
		return
	}
	r.tracker.Recycle(l)
}

// tell passes on what happened.
func (r *liveRun) tell(e *report.Event) {
	if r.packets != nil {
		r.packets.wantedBy(e)
	}
	if r.screen != nil {
		r.screen.Event(e)
	}
	if r.lines == nil {
		return
	}
	if r.form == report.NDJSON {
		r.line = append(e.AppendJSON(r.line[:0]), '\n')
		r.lines.add(r.line)
		return
	}
	switch e.Event {
	case report.EventOpen, report.EventClose:
		if !r.live.steps {
			return
		}
	}
	r.line = append(e.AppendText(r.line[:0], r.color), '\n')
	r.lines.add(r.line)
}

// loop takes packets until the capture is to end.
func (r *liveRun) loop() {
	r.begun = time.Now()
	r.told = r.begun
	var f capture.Frame
	var seg, further reassembly.Segment
	a := r.analysis
	everything := a.choice.empty()
	for {
		err := r.in.Next(&f)
		if err != nil {
			if err != capture.ErrIdle {
				if err != io.EOF {
					r.ended = err
				}
				return
			}
			if r.tick(true) {
				return
			}
			continue
		}
		r.counted++
		r.bytes += uint64(f.WireLen)
		if r.counted == 1 {
			a.first, a.last = f.Time, f.Time
		}
		a.first, a.last = min(a.first, f.Time), max(a.last, f.Time)
		r.last = f.Time
		skip := a.decoder.Decode(&f, &seg)
		kept := &seg
		switch {
		case skip != capture.NotSkipped:
			kept = nil
			r.tracker.Advance(f.Time)
		case everything || a.choice.match(&seg):
			r.tracker.Add(&seg)
		default:
			a.filtered++
			kept = nil
			r.tracker.Advance(f.Time)
		}
		for a.decoder.More(&further) {
			if !everything && !a.choice.match(&further) {
				continue
			}
			r.tracker.Add(&further)
			if kept == nil {
				kept = &further
				a.filtered--
			}
		}
		if r.packets != nil && (kept != nil || everything) {
			r.packets.add(&f, kept)
		}
		if r.flags.count > 0 && r.counted >= r.flags.count {
			return
		}
		if (f.Time >= r.next || r.counted%tickForced == 0) && r.tick(false) {
			return
		}
	}
}

// tick tells what has changed; it reports whether the capture is to end. idle:
// no packet waits, and the trace clock may run on by itself.
func (r *liveRun) tick(idle bool) (over bool) {
	now := time.Now()
	r.next = r.last + int64(tickEvery)
	if idle {
		r.advance()
	}
	r.look(now, idle)
	if now.Sub(r.sampled) >= sampleAge {
		r.takeSample(now, idle)
	}
	if r.live.interval > 0 && now.Sub(r.told) >= r.live.interval {
		r.told = now
		r.tellInterval(now)
	}
	r.flush()
	if r.stopped.IsZero() && r.stops(now) {
		r.stopped = now
	}
	return !r.stopped.IsZero() && r.drained(now, idle)
}

// stops reports that the capture is to end.
func (r *liveRun) stops(now time.Time) bool {
	return r.stop.stopped() || r.live.duration > 0 && now.Sub(r.begun) >= r.live.duration ||
		r.screen != nil && r.screen.Quit() || r.nobodyListens()
}

// drained: what passed before the end is still taken, and nothing of it left out
// unsaid, however far behind the analysis is; a second signal does not wait for it.
// Where the stamps are of another clock than ours, only what was taken until now.
func (r *liveRun) drained(now time.Time, idle bool) bool {
	if idle && r.in.Quiet().After(r.stopped) || r.last >= r.stopped.UnixNano() {
		return true
	}
	if now.Sub(r.stopped) > cmp.Or(r.drain, drainMost) {
		_ = r.in.Close() // it never fails; Next gives what waits, and then the end
	}
	return false
}

// advance lets the trace clock run on by itself, up to where no packet can come.
func (r *liveRun) advance() {
	if quiet := r.in.Quiet(); !quiet.IsZero() {
		r.tracker.Advance(quiet.Add(-tickSlack).UnixNano())
	}
}

// look tells changed connections for as long as there is time for it. While
// packets wait longer and longer, what they say can wait too.
func (r *liveRun) look(begin time.Time, idle bool) {
	most := lookBusy
	switch lag := begin.UnixNano() - r.last; {
	case idle:
		most = lookIdle
	case lag > int64(lookLag):
		most = lookLate
	}
	for r.tracker.Changed(lookOnce, r.changed) && time.Since(begin) < most {
	}
}

func (r *liveRun) flush() {
	if r.lines != nil {
		r.lines.flush()
	}
	if r.packets != nil {
		r.packets.queue.flush()
	}
}

// nobodyListens: standard output was closed, and there is nothing else to do.
func (r *liveRun) nobodyListens() bool {
	if r.lines == nil || !errors.Is(r.lines.failure(), syscall.EPIPE) {
		return false
	}
	return r.packets == nil && r.metrics == nil && r.screen == nil && (r.output == "" || r.form == report.NDJSON)
}

func (r *liveRun) takeSample(now time.Time, idle bool) {
	r.sampled = now
	s := r.in.Stats()
	r.sample = report.Sample{At: report.Time(now.UnixNano()), Open: r.tracker.Open(), Packets: r.counted, Bytes: r.bytes,
		Dropped: s.Dropped, Missed: s.InterfaceDropped, Down: s.Down}
	if !idle {
		r.sample.Lag = report.Seconds(max(now.UnixNano()-r.last, 0))
	}
	if r.lines != nil {
		r.sample.Unsaid = r.lines.lost()
	}
	if r.packets != nil {
		r.sample.Unkept = r.packets.lost() + r.packets.late()
		if err := r.packets.queue.failure(); err != nil && !r.unkept && r.screen == nil {
			r.unkept = true
			fmt.Fprintf(r.streams.err, "finwait: packets are not kept: %v\n", err)
		}
	}
	if r.metrics != nil {
		r.metrics.Update(&r.watch.Counts, &r.sample)
	}
	if r.screen != nil {
		r.screen.Update(&r.watch.Counts, &r.sample)
	}
}

func (r *liveRun) tellInterval(now time.Time) {
	r.takeSample(now, false)
	i := r.watch.Counts.Interval(r.tracker.Open())
	i.Packets, i.Dropped, i.Unsaid, i.Unkept = r.counted, r.sample.Dropped+r.sample.Missed, r.sample.Unsaid, r.sample.Unkept
	r.tell(&report.Event{Event: report.EventInterval, At: report.Time(now.UnixNano()), Interval: &i})
}
