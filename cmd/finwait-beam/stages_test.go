package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/finwait/finwait/fixtures/load"
)

// BenchmarkStages gives what README.md's sizes are made of: the processor time
// of each stage without an engine, and what is shuffled, by packet.
func BenchmarkStages(b *testing.B) {
	path := filepath.Join(b.TempDir(), "mix.pcap")
	out, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	size, err := load.Write(out, load.Spec{Kind: load.Mix, Conns: 20000, Snap: 96})
	if err != nil {
		b.Fatal(err)
	}
	if err := out.Close(); err != nil {
		b.Fatal(err)
	}
	s := Settings{}
	s.register(flag.NewFlagSet("", flag.ContinueOnError))
	s.Output = b.TempDir()
	packets := float64(size.Packets)
	groups := map[string][][]byte{}
	var batches, bytes int
	var told []byte
	read := readFn{Settings: s}
	read.Setup()
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			clear(groups)
			batches, bytes = 0, 0
			if err := read.ProcessElement(b.Context(), 0, path, func(k, v []byte) {
				groups[string(k)] = append(groups[string(k)], append([]byte(nil), v...))
				batches++
				bytes += len(k) + len(v)
			}, func(t []byte) { told = t }); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/packets, "ns/packet")
		b.ReportMetric(float64(bytes)/packets, "shuffled-B/packet")
		b.ReportMetric(packets/float64(batches), "packets/batch")
	})
	w := (&worldFn{}).AddInput((&worldFn{}).CreateAccumulator(), told)
	all, err := json.Marshal(w)
	if err != nil {
		b.Fatal(err)
	}
	var blocks [][]byte
	judge := flowFn{Settings: s}
	if err := judge.Setup(); err != nil {
		b.Fatal(err)
	}
	b.Run("judge", func(b *testing.B) {
		for b.Loop() {
			blocks = blocks[:0]
			keep := func(_ int, v []byte) { blocks = append(blocks, v) }
			world := func(p *[]byte) bool { *p = all; return true }
			judge.StartBundle(b.Context(), nil, nil, nil)
			for k, list := range groups {
				next := func(p *[]byte) bool {
					if len(list) == 0 {
						return false
					}
					*p, list = list[0], list[1:]
					return true
				}
				if err := judge.ProcessElement(b.Context(), []byte(k), next, world, keep, nil); err != nil {
					b.Fatal(err)
				}
			}
			if err := judge.FinishBundle(b.Context(), nil, keep, func([]byte) {}); err != nil {
				b.Fatal(err)
			}
		}
		n := 0
		for _, v := range blocks {
			n += len(v)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/packets, "ns/packet")
		b.ReportMetric(float64(n)/packets, "shuffled-B/packet")
	})
	write := shardFn{Settings: s}
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			list := blocks
			next := func(p *[]byte) bool {
				if len(list) == 0 {
					return false
				}
				*p, list = list[0], list[1:]
				return true
			}
			if err := write.ProcessElement(b.Context(), 0, next, func(string) {}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/packets, "ns/packet")
	})
}
