package reassembly

import (
	"testing"
	"time"
)

// The cost of telling one clean connection of 16 segments, its log in the
// cache: by the machine, by the clean path, and by the clean path into the
// memory of a Lifecycle told before. Findings are not looked for.

func BenchmarkTellMachine(b *testing.B)     { benchmarkTell(b, true, false) }
func BenchmarkTellClean(b *testing.B)       { benchmarkTell(b, false, false) }
func BenchmarkTellCleanPooled(b *testing.B) { benchmarkTell(b, false, true) }

func benchmarkTell(b *testing.B, machine, recycle bool) {
	both := bothWays
	bothWays = nil
	defer func() { bothWays = both }()
	var k talk
	k.open(1)
	seq, ack := uint32(1), uint32(1)
	for range 3 {
		k.segment(ms, 1, true, FlagACK|FlagPSH, seq, ack, 200)
		seq += 200
		k.segment(ms, 1, false, FlagACK|FlagPSH, ack, seq, 1460)
		ack += 1460
		k.segment(ms, 1, true, FlagACK, seq, ack, 0)
	}
	k.close(1, seq, ack)
	t := NewTracker(Options{machineOnly: machine})
	for i := range k.out {
		s := &k.out[i]
		s.HasTimestamps, s.TSVal, s.IPID = true, uint32(s.Time/1e6), uint16(i+1)
		t.Add(s)
	}
	r := t.leaving(1, k.now+int64(time.Hour), "")
	b.ReportAllocs()
	for b.Loop() {
		l := t.teller.tell(&r)
		if recycle {
			t.teller.recycle(l)
		}
	}
	if machine != (t.teller.clean.told == 0) {
		b.Fatal("told the other way")
	}
}
