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
				if tr.lookup(&a, 0) == 0 {
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

// BenchmarkLog measures what a segment costs on its way into its connection's
// log and out of it, and how much it takes there: connections of twelve segments
// each, interleaved.
func BenchmarkLog(b *testing.B) {
	const n, each = 2000, 12
	tr := NewTracker(Options{})
	conns, ipids := make([]conn, n), make([][2]uint16, n)
	add := func(i, step int) {
		c, x := &conns[i], 0
		if step == 0 {
			*c = conn{}
		}
		r := rec{at: c.last + int64(200+i%30)*1000, pkt: Packet(step*n + i), win: 500, ttl: 64, flags: FlagACK}
		switch {
		case step == 0:
			r.at, r.flags, r.seq = int64(i)*1e6, FlagSYN, uint32(i)*7919
		case step == 1:
			x, r.flags, r.seq = 1, FlagSYN|FlagACK, uint32(i)*104729
		case step%3 == 0:
			r.flags, r.len = FlagACK|FlagPSH, uint32(100+(i+step)%400)
		case step%3 == 1:
			x, r.flags, r.len = 1, FlagACK|FlagPSH, 1448
		}
		d, p := &c.side[x], &c.side[1-x]
		if step > 1 {
			r.seq = d.end
		}
		ipids[i][x]++
		r.bits, r.ack, r.ipid = uint8(x)|recTS, p.end, ipids[i][x]
		r.tsval, r.tsecr = uint32(step*(i%3)), p.ts
		tr.logs.add(c, &r, true, synOptions{})
		c.pass(&r)
		c.follow(&r)
	}
	per := func(b *testing.B, total int, what string) {
		b.ReportMetric(float64(total)/float64(n*each), what)
	}
	b.Run("add", func(b *testing.B) {
		bytes := 0
		for b.Loop() {
			bytes = 0
			for k := range n * each {
				add(k%n, k/n)
			}
			for i := range conns {
				bytes += int(conns[i].logged)
				tr.logs.release(&conns[i])
			}
		}
		per(b, bytes, "B/packet")
		per(b, int(b.Elapsed())/b.N, "ns/packet")
	})
	b.Run("read", func(b *testing.B) {
		for k := range n * each {
			add(k%n, k/n)
		}
		v := tr.logs.view()
		var recs []rec
		var opts [2]synOptions
		var bytes []byte
		for b.Loop() {
			for i := range conns {
				recs, bytes = v.unpack(&conns[i], recs[:0], &opts, bytes)
			}
		}
		per(b, int(b.Elapsed())/b.N, "ns/packet")
		if len(recs) != each {
			b.Fatalf("%d segments", len(recs))
		}
	})
}
