package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
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
	stopped time.Time       // when the signal was noticed
	unkept  bool            // it was said that packets are not kept
	next    int64           // trace time of the next tick
	told    time.Time       // when the last interval was told
}

func (r *liveRun) run() error {
	core, err := r.flags.tracker()
	if err != nil {
		return err
	}
	form, err := r.flags.report()
	if err != nil {
		return err
	}
	choice, err := r.flags.filter()
	if err != nil {
		return err
	}
	o, err := r.live.options()
	if err != nil {
		return err
	}
	r.form = form.Format
	r.stop = listen()
	defer r.stop.close()
	if r.in, err = r.open(o); err != nil {
		return err
	}
	defer closeQuietly(r.in)
	r.analysis = &analysis{in: new(capture.Reader), choice: choice, decoder: capture.NewDecoder(capture.DecoderOptions{})}
	if r.live.write != "" {
		if r.packets, err = newPacketLog(r.live, r.in, max(r.flags.idle, r.flags.half, r.flags.halfOpen)+time.Hour); err != nil {
			return err
		}
	}
	out, err := r.openReport(&form, &core)
	if err != nil {
		return err
	}
	defer out.abort()
	defer r.writer.Abort()
	if err := r.openViews(); err != nil {
		return err
	}
	r.announce()
	r.watch.Steps = r.live.steps
	r.watch.MinSeverity = max(form.Selection.MinSeverity, reassembly.Note)
	if r.flags.minSeverity != "" {
		r.watch.MinSeverity = form.Selection.MinSeverity
	}
	r.watch.Tell = r.tell
	if r.metrics != nil {
		r.watch.Opened = r.metrics.Opened
	}
	core.Live, core.Emit = true, r.emit
	r.tracker = reassembly.NewTracker(core)
	r.loop()
	return r.finish(out)
}

// openInterface begins the capture.
func openInterface(o capture.LiveOptions) (packetSource, error) {
	source, err := capture.OpenLive(o)
	if err != nil {
		return nil, err
	}
	// The goroutine that empties the kernel's buffer must not wait for a processor
	// that the analysis or the collector holds.
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 2)
	return capture.NewBacklog(source, capture.DefaultBacklog), nil
}

// openReport begins the report, and the lines that come before it.
func (r *liveRun) openReport(form *report.Options, core *reassembly.Options) (*output, error) {
	out, err := r.openOutput()
	if err != nil {
		return nil, err
	}
	width, terminal := isTerminal(out.target())
	if terminal {
		form.Text.Width = width
	}
	form.Text.Color = wantColor(terminal, r.noColor)
	r.color = form.Text.Color
	form.Capture = (&reading{flags: r.flags}).describe(nil, core, r.analysis.choice)
	form.Capture.Files = []report.CaptureFile{{File: 1, Name: r.live.iface}}
	if words := r.live.filter; words != "" {
		if form.Capture.Filter != "" {
			words += ", " + form.Capture.Filter
		}
		form.Capture.Filter = words
	}
	form.Most, form.Spill, form.Hosts = listMost, listSpill, hostsMost
	var to io.Writer = out
	switch {
	case r.form == report.NDJSON && (form.Sort == "" || form.Sort == report.AsRetired):
		r.lines = newQueue(lineQueue, func(p parcel) error { return writeThrough(out, p.data) })
		to = r.lines
	case r.form == report.Text && !r.live.screen && !r.quiet:
		_, terminal := isTerminal(r.streams.out)
		r.color = wantColor(terminal, r.noColor)
		r.lines = newQueue(lineQueue, func(p parcel) error { return writeThrough(r.streams.out, p.data) })
	}
	r.writer, err = report.New(to, *form)
	if err != nil {
		out.abort()
	}
	return out, err
}

// openOutput: whoever follows a file of NDJSON wants to find it at once, not at
// the end under its name.
func (r *liveRun) openOutput() (*output, error) {
	if r.form != report.NDJSON || r.output == "" || r.output == "-" {
		return openOutput(r.output, r.streams.out)
	}
	f, err := os.OpenFile(r.output, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, usagef("-o %s: cannot write there: %v", r.output, err)
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	if f, err = os.OpenFile(r.output, os.O_WRONLY|os.O_APPEND, 0); err != nil {
		return nil, err
	}
	return outputTo(f), nil
}

func writeThrough(w io.Writer, b []byte) error {
	if _, err := w.Write(b); err != nil {
		return err
	}
	if f, ok := w.(interface{ Flush() error }); ok {
		return f.Flush()
	}
	return nil
}

// openViews starts the metrics and the screen.
func (r *liveRun) openViews() (err error) {
	if r.live.metrics != "" {
		r.metrics = metrics.New(r.live.iface)
		if r.server, err = r.metrics.Serve(r.live.metrics); err != nil {
			return usagef("--metrics: %v", err)
		}
	}
	if r.live.screen {
		if _, terminal := isTerminal(r.streams.out); !terminal {
			return usagef("--screen needs a terminal as standard output")
		}
		r.screen = screen.New(screen.Options{Title: r.live.iface, Color: wantColor(true, r.noColor), In: r.streams.in, Out: r.streams.out,
			Explain: explainLine})
		r.screen.Start()
	}
	return nil
}

// announce says on standard error what is captured, as tcpdump does.
func (r *liveRun) announce() {
	if r.quiet || r.screen != nil {
		return
	}
	fmt.Fprintf(r.streams.err, "finwait: listening on %s, %s, snaplen %d, by %s; Ctrl-C ends it with a report\n", r.live.iface,
		linkTypeWord(r.in.LinkType()), r.in.SnapLen(), r.in.Backend())
	if r.server != nil {
		fmt.Fprintf(r.streams.err, "finwait: metrics at http://%s/metrics\n", r.server.Address())
	}
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
}

// changed takes a connection that lives.
func (r *liveRun) changed(l *reassembly.Lifecycle) {
	r.watch.Changed(l)
	if r.screen != nil {
		r.screen.Changed(l)
	}
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
	if r.live.duration > 0 && now.Sub(r.begun) >= r.live.duration {
		return true
	}
	if r.screen != nil && r.screen.Quit() {
		return true
	}
	return r.interrupted(now, idle) || r.nobodyListens()
}

// advance lets the trace clock run on by itself, up to where no packet can come.
func (r *liveRun) advance() {
	if quiet := r.in.Quiet(); !quiet.IsZero() {
		r.tracker.Advance(quiet.Add(-tickSlack).UnixNano())
	}
}

// interrupted: what passed before the signal is still taken, if it does not take long.
func (r *liveRun) interrupted(now time.Time, idle bool) bool {
	if !r.stop.stopped() {
		return false
	}
	if r.stopped.IsZero() {
		r.stopped = now
	}
	return idle || r.last >= r.stopped.UnixNano() || now.Sub(r.stopped) > time.Second
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
	i.Packets, i.Dropped, i.Unsaid = r.counted, r.sample.Dropped+r.sample.Missed, r.sample.Unsaid
	r.tell(&report.Event{Event: report.EventInterval, At: report.Time(now.UnixNano()), Interval: &i})
}
