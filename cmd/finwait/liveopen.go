package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
	"github.com/finwait/finwait/report/metrics"
	"github.com/finwait/finwait/report/screen"
)

// This file is the beginning of the command live: the interface, the report, the
// ways to look at it while it runs. liverun.go goes on from there.

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
	// Not before: who waits for the reader of a named pipe is to be ended by a signal.
	r.stop = listen()
	defer r.stop.close()
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
	case !r.live.tells(r.flags):
	case r.form == report.NDJSON:
		r.lines = newQueue(lineQueue, func(p parcel) error { return writeThrough(out, p.data) })
		to = r.lines
	case r.form == report.Text:
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
