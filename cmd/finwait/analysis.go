package main

import (
	"errors"
	"io"
	"net/netip"
	"sync/atomic"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
)

// This file is the way of the data: frames are decoded into segments, segments
// go to the tracker, and what retires from it goes to the report.

type analysis struct {
	in     *capture.Reader
	choice *filter
	most   uint64 // packets to read, 0: all
	stop   *interrupts
	// retired is called after a packet that made connections retire.
	retired func() error

	workers int // goroutines that work out connections; below 2: one does all

	decoder     *capture.Decoder
	frame       capture.Frame
	read        uint64
	first, last int64  // ns, least and greatest time of a frame
	filtered    uint64 // segments left out behind the decoder
	interrupted bool
}

// sink takes connections as they retire.
type sink interface {
	Add(l *reassembly.Lifecycle) error
}

// run reads to the end of the capture, to the count, or until it is interrupted.
// Damage of a file is no error here: trace tells it.
func (a *analysis) run(o reassembly.Options, w sink) error {
	if w, ok := w.(*report.Writer); ok && a.workers > 1 && a.retired == nil {
		return a.parallel(o, w)
	}
	var failed error // of the report; the tracker has no use for it
	news := false
	o.Emit = func(l *reassembly.Lifecycle) {
		news = true
		if failed == nil {
			failed = w.Add(l)
		}
	}
	if a.retired == nil {
		return a.batches(reassembly.NewTracker(o), func() error { return failed })
	}
	t := reassembly.NewTracker(o)
	err := a.packets(t, func() error {
		if failed == nil && news {
			failed = a.retired()
		}
		news = false
		return failed
	})
	if err != nil {
		return err
	}
	t.Close()
	return failed
}

// parallel is run with several goroutines for what retires.
func (a *analysis) parallel(o reassembly.Options, w *report.Writer) error {
	var failed firstError
	o.Parallel = &reassembly.Parallel{
		Workers: a.workers,
		Batch:   func() any { return new(report.Batch) },
		Worker: func() func(*reassembly.Lifecycle, any) {
			p := w.Preparer()
			return func(l *reassembly.Lifecycle, batch any) { p.Prepare(l, batch.(*report.Batch)) }
		},
		Emit: func(batch any) {
			b := batch.(*report.Batch)
			failed.note(w.AddBatch(b))
			b.Reset()
		},
	}
	return a.batches(reassembly.NewTracker(o), failed.get)
}

// firstError keeps the first error of several goroutines.
type firstError struct{ err atomic.Pointer[error] }

// note takes an error, or nil.
func (f *firstError) note(err error) {
	if err != nil {
		f.err.CompareAndSwap(nil, &err)
	}
}

func (f *firstError) get() error {
	if err := f.err.Load(); err != nil {
		return *err
	}
	return nil
}

// packets gives every packet to t at once, and calls after behind each.
func (a *analysis) packets(t *reassembly.Tracker, after func() error) error {
	var seg reassembly.Segment
	a.decoder = a.choice.decoder()
	for {
		if more, err := a.next(); !more {
			return err
		}
		if a.decoder.Decode(&a.frame, &seg) == capture.NotSkipped {
			t.Add(&seg)
			for a.decoder.More(&seg) {
				t.Add(&seg)
			}
		} else {
			t.Advance(a.frame.Time)
		}
		if err := after(); err != nil {
			return err
		}
	}
}

// next reads the next frame, if one is to be read.
func (a *analysis) next() (more bool, err error) {
	if a.most != 0 && a.read == a.most {
		return false, nil
	}
	f := &a.frame
	err = a.in.Next(f)
	if a.stop.stopped() {
		a.interrupted = true
		return false, nil
	}
	if err != nil {
		var damage *capture.Error
		if err == io.EOF || errors.As(err, &damage) {
			return false, nil
		}
		return false, err
	}
	if a.read == 0 {
		a.choice.begin(f.Time)
		a.first, a.last = f.Time, f.Time
	}
	a.read++
	a.first, a.last = min(a.first, f.Time), max(a.last, f.Time)
	return true, nil
}

// batchesAhead is how many batches are on their way between reader and tracker.
const batchesAhead = 12

// batches gives every packet to t in batches, and closes it: with several
// workers, one goroutine reads and decodes while another tracks. failed is asked
// after each batch.
func (a *analysis) batches(t *reassembly.Tracker, failed func() error) error {
	a.decoder = a.choice.decoder()
	if a.workers < 2 {
		b := t.NewBatch()
		for more := true; more; {
			var err error
			if more, err = a.fill(b); err != nil {
				return err
			}
			t.AddBatch(b)
			if err := failed(); err != nil {
				return err
			}
		}
		t.Close()
		return failed()
	}
	full, empty := make(chan *reassembly.Batch, batchesAhead), make(chan []*reassembly.Batch, batchesAhead)
	done := make([]*reassembly.Batch, batchesAhead)
	for i := range done {
		done[i] = t.NewBatch()
	}
	empty <- done
	done = nil
	var unread error
	go func() {
		defer close(full)
		for some := range empty {
			for _, b := range some {
				b.Learn()
			}
			for _, b := range some {
				more, err := a.fill(b)
				full <- b
				if !more {
					unread = err
					return
				}
			}
		}
	}()
	for b := range full {
		if failed() != nil {
			break
		}
		t.AddBatch(b)
		if done = append(done, b); len(done) >= batchesAhead/2 || len(full) == 0 {
			empty <- done // to wake the reader for one costs as much as for several
			done = nil
		}
	}
	close(empty)
	for range full { // the reader ends at its next batch
	}
	t.Close()
	if unread != nil {
		return unread
	}
	return failed()
}

// fill decodes frames into b until it is full.
func (a *analysis) fill(b *reassembly.Batch) (more bool, err error) {
	for {
		for a.decoder.More(b.Next()) { // of the last frame, which had several
			if b.Add() {
				return true, nil
			}
		}
		if more, err := a.next(); !more {
			return false, err
		}
		if a.decoder.Decode(&a.frame, b.Next()) != capture.NotSkipped {
			b.Advance(a.frame.Time)
		} else if b.Add() {
			return true, nil
		}
	}
}

func addr(ip reassembly.IP) netip.Addr { return netip.AddrFrom16(ip).Unmap() }
