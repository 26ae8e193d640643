package report

import (
	"encoding/json"
	"io"
	"testing"
)

// What NDJSON costs a connection: from the Lifecycle to its bytes.
func BenchmarkNDJSON(b *testing.B) {
	l := finalACKLost()
	w, err := New(io.Discard, Options{Format: NDJSON, Capture: capture()})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(new(Builder).Build(l).AppendJSON(nil))))
	for b.Loop() {
		if err := w.Add(l); err != nil {
			b.Fatal(err)
		}
	}
}

// What the text listing costs a connection, without its sorting.
func BenchmarkText(b *testing.B) {
	l := finalACKLost()
	w, err := New(io.Discard, Options{Text: TextOptions{All: true}, Capture: capture()})
	if err != nil {
		b.Fatal(err)
	}
	p, batch := w.Preparer(), new(Batch)
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset()
		p.Prepare(l, batch)
	}
}

func BenchmarkBuild(b *testing.B) {
	l, builder := finalACKLost(), new(Builder)
	b.ReportAllocs()
	for b.Loop() {
		builder.Build(l)
	}
}

// The same object by encoding/json, to compare with.
func BenchmarkEncodingJSON(b *testing.B) {
	c := new(Builder).Build(finalACKLost())
	enc := json.NewEncoder(io.Discard)
	b.ReportAllocs()
	for b.Loop() {
		if err := enc.Encode(c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTotals(b *testing.B) {
	l, t := finalACKLost(), new(Totals)
	b.ReportAllocs()
	for b.Loop() {
		t.Add(l)
	}
}
