package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/finwait/finwait/fixtures/load"
)

// BenchmarkRun is the command read as a whole, over each kind of load. 'make pgo'
// takes its profile as default.pgo, by which the compiler chooses what to inline.
func BenchmarkRun(b *testing.B) {
	for _, work := range []struct {
		name string
		spec load.Spec
		args []string
	}{
		{"mix", load.Spec{Kind: load.Mix, Conns: 100_000, Snap: 96}, []string{"--summary"}},
		{"payload", load.Spec{Kind: load.Mix, Conns: 50_000}, []string{"--summary"}},
		{"ndjson", load.Spec{Kind: load.Mix, Conns: 20_000, Snap: 96}, []string{"--format", "ndjson"}},
		{"text", load.Spec{Kind: load.Mix, Conns: 20_000, Snap: 96}, nil},
		{"open", load.Spec{Kind: load.Open, Conns: 100_000}, []string{"--summary"}},
		{"flood", load.Spec{Kind: load.Flood, Conns: 200_000}, []string{"--summary"}},
		{"bulk", load.Spec{Kind: load.Bulk, Conns: 2_000, Packets: 200_000, Snap: 96}, []string{"--summary"}},
	} {
		b.Run(work.name, func(b *testing.B) {
			path := filepath.Join(b.TempDir(), work.name+".pcap")
			f, err := os.Create(path)
			if err != nil {
				b.Fatal(err)
			}
			size, err := load.Write(f, work.spec)
			if err != nil {
				b.Fatal(err)
			}
			if err := f.Close(); err != nil {
				b.Fatal(err)
			}
			args := append([]string{"read", path, "--progress", "off"}, work.args...)
			for b.Loop() {
				var errs bytes.Buffer
				if status := run(args, streams{in: &bytes.Buffer{}, out: io.Discard, err: &errs}); status != 0 {
					b.Fatalf("status %d: %s", status, &errs)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(size.Packets), "ns/packet")
		})
	}
}
