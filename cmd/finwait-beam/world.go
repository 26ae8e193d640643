package main

import (
	"encoding/json"
	"math"
	"slices"

	"github.com/finwait/finwait/report"
)

// This file: what every flow must know of the whole trace, and the adding up of
// totals; both are combined from all workers.

// world is what is the same for all flows.
type world struct {
	Captures int   // in all inputs
	End      int64 // greatest time of a frame, ns; math.MinInt64 if there was none
	Extra    []extra
}

// extra says that an input holds several captures: a file of segments. The
// numbers of all inputs behind it move.
type extra struct {
	Input int
	More  int
}

// base is the number of an input's first capture, from 0.
func (w *world) base(input int) int {
	n := input
	for _, e := range w.Extra {
		if e.Input >= input {
			break
		}
		n += e.More
	}
	return n
}

// worldFn combines worlds out of what is told of the files.
type worldFn struct{}

// CreateAccumulator begins with no file.
func (*worldFn) CreateAccumulator() world { return world{End: math.MinInt64} }

// AddInput adds a file.
func (*worldFn) AddInput(w world, told []byte) world {
	var f fileTold
	if json.Unmarshal(told, &f) != nil {
		panic("a file's summary is damaged") // it was made by readFn in this very run
	}
	w.Captures += len(f.Captures)
	if f.Any {
		w.End = max(w.End, f.Last)
	}
	if n := len(f.Captures); n != 1 {
		w.Extra = append(slices.Clone(w.Extra), extra{f.Input, n - 1})
	}
	return w
}

// MergeAccumulators adds what another worker has combined.
func (*worldFn) MergeAccumulators(a, b world) world {
	return world{a.Captures + b.Captures, max(a.End, b.End), slices.Concat(a.Extra, b.Extra)}
}

// ExtractOutput is the whole.
func (*worldFn) ExtractOutput(w world) []byte {
	slices.SortFunc(w.Extra, func(a, b extra) int { return a.Input - b.Input })
	return toJSON(w)
}

// toJSON is for our own structs, which all can be JSON.
func toJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func worldToBytes(w world) []byte { return toJSON(w) }

func worldFromBytes(b []byte) (w world, err error) { return w, json.Unmarshal(b, &w) }

// totals is a report.Totals on its way between workers.
type totals struct{ sum *report.Totals }

// totalsFn combines them. Each accumulator stays decoded as long as it stays
// with one worker.
type totalsFn struct{}

// CreateAccumulator begins with no connection.
func (*totalsFn) CreateAccumulator() totals { return totals{new(report.Totals)} }

// AddInput adds the connections of one bundle.
func (*totalsFn) AddInput(t totals, bundle []byte) totals {
	var o report.Totals
	if err := o.UnmarshalBinary(bundle); err != nil {
		panic(err) // it was made by flowFn in this very run
	}
	t.sum.Merge(&o)
	return t
}

// MergeAccumulators adds what another worker has combined.
func (*totalsFn) MergeAccumulators(a, b totals) totals {
	a.sum.Merge(b.sum)
	return a
}

// ExtractOutput is the whole.
func (*totalsFn) ExtractOutput(t totals) []byte { return totalsToBytes(t) }

func totalsToBytes(t totals) []byte {
	b, err := t.sum.MarshalBinary()
	if err != nil {
		panic(err)
	}
	return b
}

func totalsFromBytes(b []byte) (totals, error) {
	t := totals{new(report.Totals)}
	return t, t.sum.UnmarshalBinary(b)
}
