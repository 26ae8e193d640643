package main

import (
	"errors"
	"io"
	"net/netip"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
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

	decoder     *capture.Decoder
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
	var failed error // of the report; the tracker has no use for it
	news := false
	o.Emit = func(l *reassembly.Lifecycle) {
		news = true
		if failed == nil {
			failed = w.Add(l)
		}
	}
	t := reassembly.NewTracker(o)
	err := a.packets(t, func() error {
		if failed == nil && news && a.retired != nil {
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

// packets gives every packet to t, and calls after behind each.
func (a *analysis) packets(t *reassembly.Tracker, after func() error) error {
	var f capture.Frame
	var seg reassembly.Segment
	a.decoder = a.choice.decoder()
	for n := uint64(0); a.most == 0 || n < a.most; n++ {
		err := a.in.Next(&f)
		if a.stop.stopped() {
			a.interrupted = true
			return nil
		}
		if err != nil {
			var damage *capture.Error
			if err == io.EOF || errors.As(err, &damage) {
				return nil
			}
			return err
		}
		if n == 0 {
			a.choice.begin(f.Time)
			a.first, a.last = f.Time, f.Time
		}
		a.first, a.last = min(a.first, f.Time), max(a.last, f.Time)
		if a.decoder.Decode(&f, &seg) == capture.NotSkipped {
			t.Add(&seg)
			for a.decoder.More(&seg) {
				t.Add(&seg)
			}
		} else {
			t.Advance(f.Time)
		}
		if err := after(); err != nil {
			return err
		}
	}
	return nil
}

func addr(ip reassembly.IP) netip.Addr { return netip.AddrFrom16(ip).Unmap() }
