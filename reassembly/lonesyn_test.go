package reassembly

import "testing"

// TestFloodNeedsNoLog: connections of one SYN each take no log until one of them
// goes on, and are told like others.
func TestFloodNeedsNoLog(t *testing.T) {
	const n = 3 * batchLen
	told := 0
	tr := NewTracker(Options{Emit: func(l *Lifecycle) {
		told++
		if l.Open != OpenUnanswered && l.ID != 1 || l.Packets != uint64(l.Last-l.First)/n+1 || l.Endpoints[0].Stats.MSS != 1460 {
			t.Fatalf("%+v", l)
		}
	}})
	b := tr.NewBatch()
	add := func(i uint32, flags uint8) {
		s := b.Next()
		*s = Segment{}
		tuple(s, i)
		s.Flags, s.MSS, s.Time, s.Packet = flags, 1460, int64(ms)*int64(i+1), Packet(i+1)
		if flags != FlagSYN {
			s.Src, s.Dst, s.SrcPort, s.DstPort = s.Dst, s.Src, s.DstPort, s.SrcPort
			s.Ack, s.Packet = s.Seq+1, s.Packet+n
		}
		if b.Add() {
			tr.AddBatch(b)
		}
	}
	for i := range uint32(n) {
		add(i, FlagSYN)
	}
	tr.AddBatch(b)
	if tr.Open() != n || tr.logs.used != 0 {
		t.Errorf("%d connections of %d, %d blocks of logs, want none", tr.Open(), n, tr.logs.used)
	}
	add(0, FlagSYN|FlagACK)
	tr.AddBatch(b)
	if tr.logs.used == 0 {
		t.Error("the connection that was answered has no log")
	}
	tr.Close()
	if told != n {
		t.Errorf("%d told of %d", told, n)
	}
}
