package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
)

// This file is show with captures of several points.

// startTaps looks at the command line, in place of twice.start.
func (w *showing) startTaps(cmd *cobra.Command, paths []string) (err error) {
	if len(paths) > 0 {
		return beside(paths)
	}
	if err := refuseEarly(cmd); err != nil {
		return err
	}
	w.points, err = w.taps.points()
	return err
}

// builder makes what is told of l.
func (w *showing) builder(l *reassembly.Lifecycle) report.Builder {
	b := report.Builder{SeveralFiles: len(w.paths) > 1 || l.Last.File() > 0 || len(w.path) > 0}
	for i := range w.path {
		b.Points = append(b.Points, w.path[i].Name)
	}
	return b
}

// emitted is a sink that cannot fail.
type emitted func(*reassembly.Lifecycle)

func (f emitted) Add(l *reassembly.Lifecycle) error {
	f(l)
	return nil
}

// cross is a pass over the captures of all points that gives the segments to a
// tracker, as track does with those of one.
func (w *showing) cross(o reassembly.Options, wanted func(*reassembly.Segment) bool) error {
	p := &pairing{points: w.points, choice: w.choice, in: w.in, stop: w.stop, wanted: wanted, workers: w.workers}
	defer w.showProgress(&p.progress, &report.Options{Format: report.JSON}, &output{to: w.out})()
	if err := p.survey(); err != nil {
		return err
	}
	if err := w.refuseOverwriting(p.inputs()); err != nil {
		return err
	}
	if err := p.run(o, emitted(o.Emit)); err != nil {
		return err
	}
	if w.stop.stopped() {
		return &statusError{128 + signalNumber(w.stop.signal()), fmt.Sprintf("%v: nothing was written", w.stop.signal())}
	}
	w.damage = nil
	for _, damage := range p.trace().Quality.Damage {
		w.damage = append(w.damage, damage.Text)
	}
	w.path = p.told()
	return nil
}
