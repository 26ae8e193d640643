package report

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/finwait/finwait/reassembly"
)

// manyLives are connections of which no two are listed alike.
func manyLives(n int) []*reassembly.Lifecycle {
	var list []*reassembly.Lifecycle
	for i := range n {
		for _, l := range samples() {
			l.ID = uint64(len(list) + 1)
			l.Start += int64(i%17) * second
			l.End = max(l.End, l.Start) + int64(i%5)*second
			l.Packets += uint64(i % 7)
			list = append(list, l)
		}
	}
	return list
}

// TestPreparersGiveTheSameReport: however connections are dealt out to
// goroutines, and in batches of whatever size, the report is what Add writes.
func TestPreparersGiveTheSameReport(t *testing.T) {
	list := manyLives(60)
	for name, o := range map[string]Options{
		"text":        {},
		"text, all":   {Text: TextOptions{All: true, Info: true, Explain: true, Width: 90}},
		"text, top":   {Top: 7, Text: TextOptions{Explain: true, Color: true}},
		"json":        {Format: JSON, Sort: ByPackets},
		"ndjson":      {Format: NDJSON},
		"ndjson, top": {Format: NDJSON, Top: 5},
		"csv":         {Format: CSV, Most: 50},
		"selected":    {Format: JSON, Selection: Selection{MinSeverity: reassembly.Warning}},
		"spilled":     {Format: JSON, Spill: 10_000},
	} {
		t.Run(name, func(t *testing.T) {
			o.TempDir = t.TempDir()
			want := write(t, o, list...)
			for _, c := range []struct{ goroutines, size int }{{1, 1}, {1, 1000}, {2, 3}, {5, 16}} {
				if got := prepared(t, o, list, c.goroutines, c.size); !bytes.Equal(got, want) {
					t.Errorf("%d goroutines, batches of %d (-Add +AddBatch):\n%s", c.goroutines, c.size, cmp.Diff(string(want), string(got)))
				}
			}
		})
	}
}

// prepared writes a report by Preparers, batch i on goroutine i modulo goroutines.
func prepared(t *testing.T, o Options, list []*reassembly.Lifecycle, goroutines, size int) []byte {
	t.Helper()
	var out bytes.Buffer
	o.Capture = capture()
	w, err := New(&out, o)
	if err != nil {
		t.Fatal(err)
	}
	batches := make([]chan *Batch, goroutines)
	var wait sync.WaitGroup
	for g := range batches {
		batches[g] = make(chan *Batch, 2)
		wait.Go(func() {
			p := w.Preparer()
			for from := g * size; from < len(list); from += goroutines * size {
				b := new(Batch)
				b.text = append(b.text, "of the batch before"...)
				b.Reset()
				for _, l := range list[from:min(from+size, len(list))] {
					p.Prepare(l, b)
				}
				batches[g] <- b
			}
		})
	}
	for i := 0; i*size < len(list); i++ {
		b := <-batches[i%goroutines]
		if b.Len() != min(size, len(list)-i*size) {
			t.Errorf("batch %d has %d connections", i, b.Len())
		}
		if err := w.AddBatch(b); err != nil {
			t.Fatal(err)
		}
	}
	wait.Wait()
	if err := w.Close(trace()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestSummaryOnly: the summary is that of the whole report but for what is listed.
func TestSummaryOnly(t *testing.T) {
	list := manyLives(3)
	for _, format := range []Format{JSON, NDJSON} {
		o := Options{Format: format}
		whole := write(t, o, list...)
		o.SummaryOnly = true
		got := write(t, o, list...)
		last := func(report []byte) string {
			return string(report[bytes.LastIndex(report, []byte(`{"type":"summary"`)):])
		}
		want := strings.Replace(last(whole), `"listed":9`, `"listed":0`, 1)
		if last(got) != want || bytes.Contains(got, []byte(`"type":"connection"`)) {
			t.Errorf("%s: got\n%s\nwant at the end\n%s", format, got, want)
		}
		if format == JSON {
			validate(t, got)
		}
	}
	text, whole := write(t, Options{SummaryOnly: true}, list...), write(t, Options{}, list...)
	if !bytes.HasPrefix(whole, text) || !bytes.HasPrefix(whole[len(text):], []byte("evidence")) {
		t.Errorf("text: got\n%s\nwant the head of\n%s", text, whole)
	}
	if _, err := New(&failing{}, Options{Format: CSV, SummaryOnly: true}); err == nil {
		t.Error("csv takes SummaryOnly")
	}
}

// TestAddBatchAfterAnError gives the error again.
func TestAddBatchAfterAnError(t *testing.T) {
	w, err := New(&failing{left: 2}, Options{Format: NDJSON, Capture: capture()})
	if err != nil {
		t.Fatal(err)
	}
	p, b := w.Preparer(), new(Batch)
	for _, l := range samples() {
		p.Prepare(l, b)
	}
	for i := range 2 {
		if err := w.AddBatch(b); err != errBroken {
			t.Errorf("call %d gives %v", i+1, err)
		}
	}
}

func ExampleWriter_Preparer() {
	var out bytes.Buffer
	w, err := New(&out, Options{Format: CSV})
	if err != nil {
		panic(err)
	}
	retired := samples() // of one stretch of the capture
	b := new(Batch)
	p := w.Preparer() // one for each goroutine that prepares
	for _, l := range retired {
		p.Prepare(l, b)
	}
	if err := w.AddBatch(b); err != nil { // on one goroutine, in order
		panic(err)
	}
	if err := w.Close(Trace{}); err != nil {
		panic(err)
	}
	fmt.Println(bytes.Count(out.Bytes(), []byte("\n")), "lines")
	// Output: 4 lines
}
