package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/report"
)

// This file is --format segments: what the packets say of TCP is written
// instead of a report, and any command reads it later in place of the captures.

const formatSegments report.Format = "segments"

// ship writes the segments of captures.
func (r *reading) ship(cmd *cobra.Command, paths []string, wordsAfterRead bool, form report.Options, choice *filter) error {
	if r.sort != "" || r.top > 0 || !form.Selection.Empty() {
		return usagef("--format segments: --sort, --top, --only, --conn and --min-severity choose connections, and segments are written before there are any")
	}
	r.stop = listen()
	defer r.stop.close()
	in, err := r.open(cmd, paths, wordsAfterRead, choice)
	if err != nil {
		return err
	}
	defer closeQuietly(in)
	out, err := openOutput(r.output, r.streams.out)
	if err != nil {
		return err
	}
	defer out.abort()
	if _, terminal := isTerminal(out.target()); terminal {
		return usagef("--format segments is not for a terminal: -o FILE says where it goes")
	}
	w, err := capture.NewSegmentWriter(out, in.Files())
	if err != nil {
		return fmt.Errorf("writing the segments: %w", err)
	}
	a := &analysis{in: in, choice: choice, most: r.count, stop: r.stop}
	stopProgress := r.showProgress(in, &form, out)
	err = a.segments(w)
	stopProgress()
	if err == nil {
		err = w.Close(in.Files(), a.quality())
	}
	if err == nil {
		err = out.close()
	}
	if err != nil {
		return fmt.Errorf("writing the segments: %w", err)
	}
	trace := a.trace()
	return r.verdict(in.Ignored(), &trace.Quality)
}

// segments gives every segment to w, and the times of the other frames.
func (a *analysis) segments(w *capture.SegmentWriter) error {
	var seg reassembly.Segment
	a.decoder = a.choice.decoder()
	for {
		more, err := a.next()
		if !more {
			return err
		}
		if a.decoder.Decode(&a.frame, &seg) == capture.NotSkipped {
			err = w.Add(&seg)
			for err == nil && a.decoder.More(&seg) {
				err = w.Add(&seg)
			}
		} else {
			err = w.Skip(a.frame.Time)
		}
		if err != nil {
			return err
		}
	}
}

// quality is what became of the frames, those among them of which a file of
// segments tells.
func (a *analysis) quality() capture.Quality {
	q, told := a.decoder.Quality(), a.in.Skipped()
	q.Add(&told)
	q.Segments -= a.filtered
	q.Skipped[capture.SkipFiltered] += a.filtered
	return q
}

// refuse says why a filter cannot be applied to what is read: there are no
// packets in a file of segments.
func (x *filter) refuse(in *capture.Reader) error {
	if x.bpf != nil && in.Recorded() {
		return usagef("a file of segments holds no packets that --filter could look at; --host, --port, --net, --vlan, --since and --until choose segments")
	}
	return nil
}
