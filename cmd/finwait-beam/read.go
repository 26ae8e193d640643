package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/cmd/quality"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/record"
	"github.com/finwait/finwait/report"
)

// This file: from patterns to files, and from files to batches.

// listFn expands the patterns. The files of one pattern are numbered in the
// order in which `finwait read` takes those of a directory.
type listFn struct{}

// ProcessElement gives the files of all patterns with their numbers.
func (*listFn) ProcessElement(ctx context.Context, patterns []byte, emit func(int, string)) error {
	var list []string
	if err := json.Unmarshal(patterns, &list); err != nil {
		return err
	}
	n := 0
	for _, pattern := range list {
		files, err := filesystem.New(ctx, pattern)
		if err != nil {
			return err
		}
		paths, err := files.List(ctx, pattern)
		if err = errors.Join(err, files.Close()); err != nil {
			return err
		}
		capture.SortPaths(paths)
		for _, path := range paths {
			emit(n, path)
			n++
		}
	}
	if n == 0 {
		return fmt.Errorf("no file matches %q", list)
	}
	return nil
}

// fileTold is what is known of one input once it was read.
type fileTold struct {
	Input       int    // number of the input, from 0
	Path        string // as listed
	Captures    []string
	First, Last int64 // least and greatest time of a frame, ns; valid with Any
	Any         bool
	Counts      capture.Quality
	Quality     report.Quality // what is known of its captures; numbered as if it were alone
}

// readFn reads one file into batches.
type readFn struct {
	Settings Settings

	core  reassembly.Options
	flows map[reassembly.FlowKey]*pending
	spare []*pending
	held  int // bytes that flows holds, about
	out   []byte
	key   []byte

	packets, batches, bytes, damaged beam.Counter
}

// pending is the batch of a flow that is being filled.
type pending struct {
	at  place
	enc record.Encoder
	len int
}

const (
	batchMost   = 32 << 10 // bytes of a batch
	pendingCost = 900      // bytes that a batch costs before it has any
)

// Setup makes what all files share.
func (r *readFn) Setup() {
	r.core = r.Settings.core()
	r.flows = map[reassembly.FlowKey]*pending{}
	r.packets = beam.NewCounter("finwait", "segments")
	r.batches = beam.NewCounter("finwait", "batches")
	r.bytes = beam.NewCounter("finwait", "batch_bytes")
	r.damaged = beam.NewCounter("finwait", "damaged_files")
}

// ProcessElement reads one file. What cannot be read is told, and is no error:
// one bad file among thousands must not end the run.
func (r *readFn) ProcessElement(ctx context.Context, number int, path string, emit func([]byte, []byte), tell func([]byte)) error {
	told := fileTold{Input: number, Path: path, First: math.MaxInt64, Last: math.MinInt64}
	in, err := openAt(ctx, path)
	if err == nil {
		r.read(ctx, in, &told, emit)
		err = in.Close()
	}
	if err != nil { // it could not be opened, or is no capture
		told.Captures = []string{path}
		told.Quality.Damage = append(told.Quality.Damage, report.Problem{File: path, Text: err.Error()})
		told.Quality.Files = []report.FileFacts{{File: 1}}
	}
	if len(told.Quality.Damage) > 0 {
		r.damaged.Inc(ctx, 1)
	}
	b, err := json.Marshal(told)
	if err != nil {
		return err
	}
	tell(b)
	return nil
}

// opened is a capture with the stream below it.
type opened struct {
	*capture.Reader
	below []io.Closer
}

func (o *opened) Close() error {
	err := o.Reader.Close()
	for _, c := range o.below {
		err = errors.Join(err, c.Close())
	}
	return err
}

// openAt opens a capture of any filesystem. A store that is out of breath is
// asked again.
func openAt(ctx context.Context, path string) (*opened, error) {
	files, err := filesystem.New(ctx, path)
	if err != nil {
		return nil, err
	}
	var stream io.ReadCloser
	for wait := time.Duration(0); wait <= 2*time.Second; wait += time.Second {
		time.Sleep(wait)
		if stream, err = files.OpenRead(ctx, path); err == nil {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, files.Close())
	}
	in, err := capture.OpenStream(path, stream)
	if err != nil {
		_, _ = stream.Close(), files.Close() // only read from: nothing can be lost
		return nil, err
	}
	return &opened{in, []io.Closer{stream, files}}, nil
}

// read reads to the end of a file, or to its damage.
func (r *readFn) read(ctx context.Context, in *opened, told *fileTold, emit func([]byte, []byte)) {
	d := capture.NewDecoder(capture.DecoderOptions{})
	var f capture.Frame
	var seg reassembly.Segment
	at := place{clock: math.MinInt64, file: told.Input}
	for in.Next(&f) == nil { // what ended it stands in Files
		if !told.Any {
			told.Any, at.first = true, f.Time
		}
		told.First, told.Last = min(told.First, f.Time), max(told.Last, f.Time)
		at.clock = max(at.clock, f.Time)
		if d.Decode(&f, &seg) == capture.NotSkipped {
			at.ordinal++
			r.add(ctx, &seg, at, emit)
			for d.More(&seg) {
				at.ordinal++
				r.add(ctx, &seg, at, emit)
			}
		}
	}
	r.flush(ctx, emit)
	r.packets.Inc(ctx, int64(at.ordinal))
	told.Counts = d.Quality()
	skipped := in.Skipped()
	told.Counts.Add(&skipped)
	for _, c := range in.Files() {
		told.Captures = append(told.Captures, c.Path)
	}
	quality.AddFiles(&told.Quality, 1, in.Files())
}

// add puts a segment into its flow's batch.
func (r *readFn) add(ctx context.Context, s *reassembly.Segment, at place, emit func([]byte, []byte)) {
	k, _ := reassembly.KeyOf(s, &r.core)
	p := r.flows[k]
	if p == nil {
		if n := len(r.spare); n > 0 {
			p, r.spare = r.spare[n-1], r.spare[:n-1]
		} else {
			p = new(pending)
		}
		p.at = at
		r.flows[k] = p
		r.held += pendingCost
	}
	p.enc.Segment(s, at.clock)
	r.held += p.enc.Len() - p.len
	p.len = p.enc.Len()
	switch {
	case p.len >= batchMost:
		r.emit(ctx, &k, p, emit)
		delete(r.flows, k)
	case r.held >= r.Settings.ReadMemory:
		r.flush(ctx, emit)
	}
}

func (r *readFn) emit(ctx context.Context, k *reassembly.FlowKey, p *pending, emit func([]byte, []byte)) {
	r.out = appendBatch(r.out[:0], p.at, p.enc.Bytes())
	r.key = appendFlow(r.key[:0], k)
	r.batches.Inc(ctx, 1)
	r.bytes.Inc(ctx, int64(len(r.key)+len(r.out)))
	emit(r.key, r.out)
	r.held -= pendingCost + p.len
	p.enc.Reset()
	p.len = 0
	if len(r.spare) < 4096 {
		r.spare = append(r.spare, p)
	}
}

// flush emits every batch.
func (r *readFn) flush(ctx context.Context, emit func([]byte, []byte)) {
	for k, p := range r.flows {
		r.emit(ctx, &k, p, emit)
	}
	clear(r.flows)
}
