package reassembly

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"
	"unsafe"
)

// held is what a Tracker keeps, in bytes: its share of the heap and what it uses
// of the mapped tables, above what the heap was before.
func held(t *Tracker, before int) int {
	n := liveHeap() - before
	if runtime.GOOS == "linux" { // elsewhere the tables are in the heap
		n += int(t.used)*int(unsafe.Sizeof(conn{})) + int(t.logs.used)*int(unsafe.Sizeof(logBlock{}))
		if slots := 8 * len(t.table.slots); slots >= hugePage {
			n += slots
		}
	}
	runtime.KeepAlive(t)
	return n
}

// liveHeap is the live heap in bytes: what a collection leaves.
func liveHeap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers and pools kept for one more
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// steady plays short connections, a hundred a second of trace time: what is in
// the table is what closed within 2MSL.
type steady struct {
	tr *Tracker
	n  uint32
}

func (y *steady) play(connections uint32) {
	var s Segment
	for range connections {
		tuple(&s, y.n)
		c, v := s.Seq, y.n*104729
		s.Time = int64(y.n) * int64(10*time.Millisecond)
		y.n++
		send := func(client bool, flags uint8, seq, ack, length uint32) {
			x := s
			if !client {
				x.Src, x.Dst, x.SrcPort, x.DstPort = s.Dst, s.Src, s.DstPort, s.SrcPort
			}
			s.Time += int64(ms)
			s.Packet++
			x.Time, x.Packet, x.Flags, x.Seq, x.Ack, x.Length = s.Time, s.Packet, flags, seq, ack, length
			y.tr.Add(&x)
		}
		send(true, FlagSYN, c, 0, 0)
		send(false, FlagSYN|FlagACK, v, c+1, 0)
		send(true, FlagACK, c+1, v+1, 0)
		send(true, FlagACK|FlagPSH, c+1, v+1, 100)
		send(false, FlagACK|FlagPSH, v+1, c+101, 1000)
		send(true, FlagFIN|FlagACK, c+101, v+1001, 0)
		send(false, FlagFIN|FlagACK, v+1001, c+102, 0)
		send(true, FlagACK, c+102, v+1002, 0)
	}
}

// TestMemoryFollowsOpen: a stream of connections that begin and end costs what
// is open at once, however long it lasts.
func TestMemoryFollowsOpen(t *testing.T) {
	empty := liveHeap()
	y := steady{tr: NewTracker(Options{Emit: func(*Lifecycle) {}})}
	y.play(10_000)
	before, open := held(y.tr, empty), y.tr.Open()
	y.play(40_000)
	after := held(y.tr, empty)
	if y.tr.Open() > open+open/10 || open < 1000 {
		t.Fatalf("%d connections open, %d before: the test is not what it says", y.tr.Open(), open)
	}
	if after > before+before/4 || before < 100*open {
		t.Errorf("%d bytes after 50,000 connections, %d after 10,000, with %d open", after, before, open)
	}
}

// TestMemoryOfOneConnection: a connection of very many packets keeps no more
// than one of few.
func TestMemoryOfOneConnection(t *testing.T) {
	empty := liveHeap()
	tr := NewTracker(Options{})
	var s Segment
	tuple(&s, 1)
	seq := uint32(1)
	play := func(packets int) {
		for i := range packets {
			x := s
			x.Flags = FlagACK | FlagPSH
			if i%2 == 0 {
				x.Seq, x.Length, x.Ack = seq, 1388, 1
				seq += 1388
			} else {
				x.Src, x.Dst, x.SrcPort, x.DstPort = s.Dst, s.Src, s.DstPort, s.SrcPort
				x.Seq, x.Ack = 1, seq
			}
			s.Time += int64(time.Microsecond)
			s.Packet++
			x.Time, x.Packet = s.Time, s.Packet
			tr.Add(&x)
		}
	}
	play(20_000)
	before := held(tr, empty)
	play(300_000)
	if after := held(tr, empty); after > before+256<<10 {
		t.Errorf("%d bytes after 320,000 packets, %d after 20,000", after, before)
	}
}

// BenchmarkMemory measures what a connection keeps, by its state: bytes each,
// with 100,000 of them.
func BenchmarkMemory(b *testing.B) {
	const n = 100_000
	for _, bench := range []struct {
		name string
		fill func(tr *Tracker)
	}{
		{"half-open", func(tr *Tracker) { handshake(tr, n, 0) }},
		{"established", func(tr *Tracker) {
			for step := range 3 {
				handshake(tr, n, step)
			}
		}},
		{"time-wait", func(tr *Tracker) {
			y := steady{tr: tr}
			y.play(n)
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			bytes := 0.0
			for b.Loop() {
				before := liveHeap()
				// 2MSL longer than the trace, so that what closed stays.
				tr := NewTracker(Options{MSL: time.Hour})
				bench.fill(tr)
				if tr.Open() != n {
					b.Fatal(tr.Open())
				}
				bytes = float64(held(tr, before)) / n
			}
			b.ReportMetric(bytes, "B/connection")
		})
	}
}

// tuple fills the SYN of a connection by its number: every number is another
// tuple, spread over many clients and servers.
func tuple(s *Segment, n uint32) {
	s.Src, s.Dst = IP{10: 255, 11: 255, 12: 10}, IP{10: 255, 11: 255, 12: 172, 13: 16}
	binary.BigEndian.PutUint16(s.Src[14:], uint16(n/28000))
	binary.BigEndian.PutUint16(s.Dst[14:], uint16(n%5000))
	s.SrcPort, s.DstPort = uint16(32768+n%28000), 443
	s.Flags, s.Seq, s.TTL, s.Window = FlagSYN, n*7919, 64, 65535
}
