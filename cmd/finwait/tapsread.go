package main

import (
	"errors"
	"io"
	"math"
	"sync"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/cmd/quality"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/pair"
	"github.com/finwait/finwait/report"
)

// This file is read with captures of several points.

// pairing is one run over captures of several points.
type pairing struct {
	points   []*point
	choice   *filter
	in       io.Reader // standard input
	stop     *interrupts
	wanted   func(*reassembly.Segment) bool // nil: all packets
	workers  int                            // above 1: several goroutines
	progress progress
	plan     *pair.Plan
	stats    pair.Stats
}

// survey opens the captures for the first time and finds out how they go together.
func (p *pairing) survey() error {
	var taps []pair.Tap
	files := 0
	for _, point := range p.points {
		if err := point.keep(p.in, p.stop); err != nil {
			return err
		}
		in, err := point.reader()
		if err != nil {
			return err
		}
		point.first = files
		files += len(in.Files())
		p.progress.expect(2 * point.bytes(in.Files()))
		closeQuietly(in)
		taps = append(taps, pair.Tap{Name: point.name, Own: point.own, Open: func() (pair.Source, error) { return p.open(point) }})
	}
	plan, err := pair.Survey(taps, pair.Options{})
	switch {
	case errors.Is(err, pair.ErrSamePoint):
		return usagef("%v; name captures of two different points", err)
	case errors.Is(err, pair.ErrUnrelated):
		return usagef("%v: were they made at the same time, of the same connections?", err)
	}
	p.plan = plan
	return err
}

// open begins a pass over the captures of a point.
func (p *pairing) open(point *point) (pair.Source, error) {
	source, err := point.open(p.stop)
	if err != nil {
		return nil, err
	}
	p.progress.begin(source.in)
	if p.workers > 1 {
		return readAhead(source), nil
	}
	return source, nil
}

// inputs are the files of all points.
func (p *pairing) inputs() (paths []string) {
	for _, point := range p.points {
		paths = append(paths, point.last.in.Inputs()...)
	}
	return paths
}

// picked lets only chosen packets through to the tracker.
type picked struct {
	*reassembly.Tracker
	choice *filter
	wanted func(*reassembly.Segment) bool // nil: all
}

// AddCrossing implements pair.Sink.
func (c picked) AddCrossing(s *reassembly.Segment, x reassembly.Crossing) {
	if (c.choice.empty() || c.choice.match(s)) && (c.wanted == nil || c.wanted(s)) {
		c.Tracker.AddCrossing(s, x)
	}
}

// run reads to the end of the captures, or until it is interrupted.
func (p *pairing) run(o reassembly.Options, w sink) error {
	var failed firstError // of the report; the tracker has no use for it
	o.Emit = func(l *reassembly.Lifecycle) {
		if failed.get() == nil {
			failed.note(w.Add(l))
		}
	}
	t := reassembly.NewTracker(o)
	var to pair.Sink = picked{t, p.choice, p.wanted}
	var err error
	if p.workers > 1 {
		h := handOver(to)
		p.stats, err = p.plan.Merge(h, failed.get)
		h.close()
	} else {
		p.stats, err = p.plan.Merge(to, failed.get)
	}
	if err != nil {
		return err
	}
	t.Close()
	return failed.get()
}

// trace sums up the captures themselves.
func (p *pairing) trace() report.Trace {
	sum := capture.Quality{LinkType: map[uint32]uint64{}}
	for _, point := range p.points {
		q := point.last.decoder.Quality()
		sum.Add(&q)
	}
	out := quality.Of(&sum)
	for _, point := range p.points {
		quality.AddFiles(&out, point.first+1, point.files())
	}
	out.Interrupted = p.stop.stopped()
	return report.Trace{Start: p.stats.First, End: p.stats.Last, Quality: out}
}

// told is what the report says of the points.
func (p *pairing) told() (out []report.Point) {
	for k := range p.plan.Taps {
		t, point := &p.plan.Taps[k], p.points[k]
		told := report.Point{Name: t.Name, Segments: t.Segments, Flows: t.Flows, Shared: t.Shared, Translated: t.Translated,
			Missed: t.Missed, Of: t.Of, Notes: t.Notes}
		if t.Own != reassembly.None {
			told.Host = report.SideName(t.Own.String())
		}
		for i := range point.files() {
			told.Files = append(told.Files, point.first+i+1)
		}
		if c := &t.Clock; c.Forward+c.Backward > 0 {
			ppm := func(drift float64) float64 { return math.Round(drift*1e9) / 1e3 }
			clock := &report.PointClock{Offset: report.Seconds(c.Offset), Drift: ppm(c.Drift), DriftLeast: ppm(c.DriftLeast), DriftMost: ppm(c.DriftMost),
				Pairs: c.Forward + c.Backward, Unsteady: report.Seconds(c.Residual)}
			if c.Known() {
				within := report.Seconds(c.Uncertainty)
				clock.Uncertainty = &within
			}
			told.Clock = clock
		}
		out = append(out, told)
	}
	return out
}

// crossings is read with several points.
func (r *reading) crossings(cmd *cobra.Command, paths []string, core reassembly.Options, form report.Options, choice *filter) error {
	points, err := r.taps.points()
	switch {
	case err != nil:
		return err
	case len(paths) > 0:
		return beside(paths)
	case form.Format == formatParquet || form.Format == formatSegments:
		return usagef("--format %s is for captures of one point", form.Format)
	}
	if err := refuseEarly(cmd); err != nil {
		return err
	}
	defer closePoints(points)
	p := &pairing{points: points, choice: choice, in: r.in, stop: listen(), workers: r.workers}
	r.stop = p.stop
	defer r.stop.close()
	told := &output{to: r.streams.out}
	if r.output != "" {
		told.to = io.Discard
	}
	stopProgress := sync.OnceFunc(r.showProgress(&p.progress, &form, told))
	defer stopProgress()
	if err := p.survey(); err != nil {
		return err
	}
	if err := r.refuseOverwriting(p.inputs()); err != nil {
		return err
	}
	out, err := openOutput(r.output, r.streams.out)
	if err != nil {
		return err
	}
	defer out.abort()
	r.terminal(&form, out)
	form.Capture = r.describe(files(points), &core, choice)
	form.Capture.Points = p.told()
	w, err := r.writer(out, form, &core)
	if err != nil {
		return err
	}
	defer w.Abort()
	err = p.run(core, w)
	stopProgress()
	if err != nil {
		return err
	}
	trace := p.trace()
	if err := closeReport(w, trace, out); err != nil {
		return err
	}
	var ignored []string
	for _, point := range points {
		ignored = append(ignored, point.last.in.Ignored()...)
	}
	return r.verdict(ignored, &trace.Quality)
}

// beside refuses captures that are named with those of points.
func beside(paths []string) error {
	return usagef("%s belongs to no point: name it with --client-side, --server-side or --tap", paths[0])
}

// refuseEarly refuses what chooses packets before they can be paired.
func refuseEarly(cmd *cobra.Command) error {
	for _, name := range [...]string{"count", "vlan", "since", "until", "filter", "filter-inner", "filter-bytecode"} {
		if cmd.Flags().Changed(name) {
			return usagef("--%s is for captures of one point: packets are paired before they are chosen, by --host, --port and --net", name)
		}
	}
	return nil
}

// files are those of all points, in the order of their numbers.
func files(points []*point) (list []capture.FileInfo) {
	for _, point := range points {
		list = append(list, point.files()...)
	}
	return list
}
