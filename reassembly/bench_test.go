package reassembly

import (
	"fmt"
	"testing"
)

// Benchmarks of the core's stages, each with ns a packet: what a look-up costs
// by how many connections are open, and what opening them costs. What tracking
// costs from a connection's begin to its findings is in track_bench_test.go.

var openConnections = []uint32{10_000, 100_000, 1_000_000}

// handshake adds one packet of the handshake of each of n connections.
func handshake(tr *Tracker, n uint32, step int) {
	var s Segment
	for i := range n {
		tuple(&s, i)
		client, server := s.Seq, i*104729
		switch step {
		case 1:
			s.Src, s.Dst, s.SrcPort, s.DstPort = s.Dst, s.Src, s.DstPort, s.SrcPort
			s.Flags, s.Seq, s.Ack = FlagSYN|FlagACK, server, client+1
		case 2:
			s.Flags, s.Seq, s.Ack = FlagACK, client+1, server+1
		}
		s.Time = int64(step)*1e9 + int64(i)
		tr.Add(&s)
	}
}

func BenchmarkLookUp(b *testing.B) {
	for _, n := range openConnections {
		b.Run(fmt.Sprintf("%d-open", n), func(b *testing.B) {
			tr := NewTracker(Options{})
			handshake(tr, n, 0)
			var s Segment
			var a arrival
			i := uint32(0)
			b.ReportAllocs()
			for b.Loop() {
				i = (i + 7919) % n // from one end of the table to the other
				tuple(&s, i)
				a.fill(&s, &tr.o, tr.table)
				if tr.lookup(&a) == 0 {
					b.Fatal("not there")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N), "ns/packet")
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, n := range openConnections {
		b.Run(fmt.Sprintf("%d-open", n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tr := NewTracker(Options{})
				for step := range 3 {
					handshake(tr, n, step)
				}
				if tr.Open() != int(n) {
					b.Fatal(tr.Open())
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(3*n), "ns/packet")
		})
	}
}
