package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/filesystem"
	"github.com/klauspost/compress/zstd"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/cmd/quality"
	"github.com/finwait/finwait/report"
)

// This file writes the results. The engine may do any of it again: a file's name
// and its bytes depend only on what is in it, it is written under another name
// and takes its own when it is complete, and writing it twice is writing it once.

// Names of the results, in the output directory. Together, in this order, the
// first three are one report in the format ndjson.
const (
	captureName = "capture.ndjson"
	shardName   = "connections-%05d-of-%05d.ndjson"
	summaryName = "summary.ndjson"
	filesName   = "files.ndjson" // one line an input: report.Quality with its path
)

// create writes a file of any filesystem: what fill writes appears under its
// name at once or not at all.
func create(ctx context.Context, dir, name string, fill func(w *bufio.Writer) error) (err error) {
	path := strings.TrimSuffix(dir, "/") + "/" + name
	files, err := filesystem.New(ctx, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, files.Close()) }()
	// Two workers may write the same file at the same time: the engine has given
	// up one of them, but it does not know. Their bytes are equal, and so are
	// their temporary files.
	sum := sha256.Sum256([]byte(name))
	temp := strings.TrimSuffix(dir, "/") + "/.temp-" + hex.EncodeToString(sum[:6])
	_, renames := files.(filesystem.Renamer)
	if !renames {
		temp = path // an object store shows an object when it is complete
	}
	out, err := files.OpenWrite(ctx, temp)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(out, 1<<20)
	err = fill(w)
	if err == nil {
		err = w.Flush()
	}
	if err = errors.Join(err, out.Close()); err != nil || !renames {
		return err
	}
	return filesystem.Rename(ctx, files, temp, path)
}

// shardFn writes one shard, sorted by start and id.
type shardFn struct {
	Settings Settings
}

// ProcessElement writes the blocks of one shard as a file. tell gets its name.
func (s *shardFn) ProcessElement(ctx context.Context, shard int, blocks func(*[]byte) bool, tell func(string)) error {
	unpack, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer unpack.Close()
	sorted := report.NewSorter(0, "")
	defer sorted.Close()
	var lines []byte
	for b := []byte(nil); blocks(&b); {
		if lines, err = unpack.DecodeAll(b, lines[:0]); err != nil {
			return err
		}
		for rest := lines; len(rest) > 0; {
			var line []byte
			var start, id uint64
			if start, id, line, rest, err = cutLine(rest); err != nil {
				return err
			}
			if err := sorted.Add(start, id, line); err != nil {
				return err
			}
		}
	}
	name := fmt.Sprintf(shardName, shard, s.Settings.Shards)
	err = create(ctx, s.Settings.Output, name, func(w *bufio.Writer) error {
		return sorted.Each(func(line []byte) error {
			_, _ = w.Write(line) // the Writer keeps its error for Flush
			return w.WriteByte('\n')
		})
	})
	if err == nil {
		tell(name)
	}
	return err
}

// cutLine takes a line from the front of a block.
func cutLine(b []byte) (start, id uint64, line, rest []byte, err error) {
	var v [3]uint64
	for i := range v {
		x, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, 0, nil, nil, errors.New("a block of lines is damaged")
		}
		v[i], b = x, b[n:]
	}
	if v[2] > uint64(len(b)) {
		return 0, 0, nil, nil, io.ErrUnexpectedEOF
	}
	return v[0], v[1], b[:v[2]], b[v[2]:], nil
}

// finishFn writes what there is once: the captures, the files and the summary.
type finishFn struct {
	Settings Settings
}

// ProcessElement gets what is told of all files, and the totals; names are those
// of the shards that were written.
func (f *finishFn) ProcessElement(ctx context.Context, _ []byte, files func(*[]byte) bool, sums func(*[]byte) bool, names func(*string) bool) error {
	var told []fileTold
	for b := []byte(nil); files(&b); {
		var t fileTold
		if err := json.Unmarshal(b, &t); err != nil {
			return err
		}
		told = append(told, t)
	}
	slices.SortFunc(told, func(a, b fileTold) int { return a.Input - b.Input })
	all := report.Totals{}
	for b := []byte(nil); sums(&b); {
		t, err := totalsFromBytes(b)
		if err != nil {
			return err
		}
		all.Merge(t.sum)
	}
	written := map[string]bool{}
	for name := ""; names(&name); {
		written[name] = true
	}
	// Shards without a connection: who reads the results finds all of them.
	for i := range f.Settings.Shards {
		if name := fmt.Sprintf(shardName, i, f.Settings.Shards); !written[name] {
			if err := create(ctx, f.Settings.Output, name, func(*bufio.Writer) error { return nil }); err != nil {
				return err
			}
		}
	}
	c, trace := f.sum(told)
	if err := createLines(ctx, f.Settings.Output, captureName, c); err != nil {
		return err
	}
	lines := make([]any, len(told))
	for i := range told {
		q := quality.Of(&told[i].Counts)
		q.Files, q.Damage, q.Warnings, q.Dropped = told[i].Quality.Files, told[i].Quality.Damage, told[i].Quality.Warnings, told[i].Quality.Dropped
		lines[i] = struct {
			Path string `json:"path"`
			report.Quality
		}{told[i].Path, q}
	}
	if err := createLines(ctx, f.Settings.Output, filesName, lines...); err != nil {
		return err
	}
	summary := all.Summary(trace, 0)
	summary.Listed = summary.Connections
	return createLines(ctx, f.Settings.Output, summaryName, summary)
}

// sum is the first line of the report, and what its last one says of the files.
func (f *finishFn) sum(told []fileTold) (report.Capture, report.Trace) {
	c := report.Capture{Type: report.TypeCapture, Schema: report.SchemaID, MSL: report.Seconds(f.Settings.MSL), Files: []report.CaptureFile{}}
	var trace report.Trace
	var counts capture.Quality
	var of report.Quality
	any := false
	for i := range told {
		t := &told[i]
		if t.Any {
			if !any {
				any, trace.Start, trace.End = true, t.First, t.Last
			}
			trace.Start, trace.End = min(trace.Start, t.First), max(trace.End, t.Last)
		}
		counts.Add(&t.Counts)
		for k, facts := range t.Quality.Files {
			facts.File = len(c.Files) + 1
			of.Files = append(of.Files, facts)
			c.Files = append(c.Files, report.CaptureFile{File: facts.File, Name: t.Captures[k]})
		}
		of.Damage = append(of.Damage, t.Quality.Damage...)
		of.Warnings = append(of.Warnings, t.Quality.Warnings...)
		if d := t.Quality.Dropped; d != nil {
			if of.Dropped == nil {
				of.Dropped = new(uint64)
			}
			*of.Dropped += *d
		}
	}
	trace.Quality = quality.Of(&counts)
	trace.Quality.Files, trace.Quality.Damage, trace.Quality.Warnings, trace.Quality.Dropped = of.Files, of.Damage, of.Warnings, of.Dropped
	return c, trace
}

func createLines[T any](ctx context.Context, dir, name string, lines ...T) error {
	return create(ctx, dir, name, func(w *bufio.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		for _, v := range lines {
			if err := enc.Encode(v); err != nil {
				return err
			}
		}
		return nil
	})
}
