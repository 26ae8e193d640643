package reassembly_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/finwait/finwait/capture"
	"github.com/finwait/finwait/fixtures/load"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
)

// segments decodes a synthetic capture beforehand, so that only the core is measured.
func segments(b *testing.B, spec load.Spec) []reassembly.Segment {
	b.Helper()
	var pcap bytes.Buffer
	size, err := load.Write(&pcap, spec)
	if err != nil {
		b.Fatal(err)
	}
	r, err := capture.Open([]string{"-"}, capture.Options{Stdin: &pcap})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	d := capture.NewDecoder(capture.DecoderOptions{})
	var f capture.Frame
	out := make([]reassembly.Segment, 0, size.Packets)
	for {
		err := r.Next(&f)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			b.Fatal(err)
		}
		var s reassembly.Segment
		if d.Decode(&f, &s) == capture.NotSkipped {
			out = append(out, s)
		}
	}
}

// BenchmarkTrack is the whole of the core: from segments to lifecycles with findings.
func BenchmarkTrack(b *testing.B) {
	for _, bench := range []struct {
		name string
		spec load.Spec
	}{
		{"mix", load.Spec{Kind: load.Mix, Conns: 5000, Concurrent: 1000, Snap: 96}},
		{"flood", load.Spec{Kind: load.Flood, Conns: 100_000}},
		{"scan", load.Spec{Kind: load.Scan, Conns: 50_000}},
		{"bulk", load.Spec{Kind: load.Bulk, Conns: 64, Packets: 100_000, Snap: 96}},
		{"one-connection", load.Spec{Kind: load.Bulk, Conns: 1, Packets: 100_000, Snap: 96}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			segs := segments(b, bench.spec)
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				lives := 0
				t := reassembly.NewTracker(reassembly.Options{Check: anomaly.Check, Emit: func(*reassembly.Lifecycle) { lives++ }})
				for i := range segs {
					t.Add(&segs[i])
				}
				t.Close()
				if lives != bench.spec.Conns {
					b.Fatalf("%d connections", lives)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(segs)), "ns/packet")
		})
	}
}
