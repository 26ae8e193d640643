package main

import (
	"net/netip"
	"testing"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/anomaly"
	"github.com/finwait/finwait/report"
)

// TestFindingsOutliveTheLog: what a long connection's log no longer holds stays
// as it was told; nothing has shown it to be wrong.
func TestFindingsOutliveTheLog(t *testing.T) {
	told, withdrawn, kept := map[report.FindingID]int{}, map[report.FindingID]int{}, map[report.FindingID]int{}
	w := report.Watch{MinSeverity: reassembly.Info, Tell: func(e *report.Event) {
		switch e.Event {
		case report.EventFinding:
			told[e.Finding.ID]++
		case report.EventFindingWithdrawn:
			withdrawn[e.Undone]++
		}
	}}
	k := reassembly.NewTracker(reassembly.Options{Live: true, Check: anomaly.Check, Emit: func(l *reassembly.Lifecycle) {
		w.Retired(l)
		for i := range l.Findings {
			kept[report.FindingID(l.Findings[i].ID)]++
		}
	}})
	at, n := int64(1000e9), uint64(0)
	send := func(after int64, client bool, flags uint8, seq, ack, length uint32, window uint16) {
		n++
		at += after
		s := &reassembly.Segment{Time: at, Packet: reassembly.MakePacket(0, n), Src: netip.MustParseAddr("10.0.0.1").As16(),
			Dst: netip.MustParseAddr("10.0.0.2").As16(), SrcPort: 4000, DstPort: 80, Flags: flags, Seq: seq, Ack: ack, Length: length, Window: window, TTL: 64}
		if !client {
			s.Src, s.Dst, s.SrcPort, s.DstPort = s.Dst, s.Src, s.DstPort, s.SrcPort
		}
		k.Add(s)
		k.Changed(0, w.Changed)
	}
	const syn, ack = reassembly.FlagSYN, reassembly.FlagACK
	send(0, true, syn, 100, 0, 0, 60000)
	send(1e6, true, syn, 100, 0, 0, 60000) // again
	send(1e6, false, syn|ack, 500, 101, 0, 60000)
	send(1e6, true, ack, 101, 501, 0, 60000)
	seq := uint32(101)
	for i := range 20 { // lost data, duplicate ACKs, a shut window, a gap, a challenge
		send(1e7, true, ack, seq+100, 501, 100, 60000)
		for range 4 {
			send(1e6, false, ack, 501, seq, 0, 60000)
		}
		send(3e8, true, ack, seq, 501, 100, 60000)
		send(1e6, false, ack, 501, seq+200, 0, uint16(i%2)*60000)
		send(20e9, false, ack, 501, seq+200, 0, 60000)
		send(1e7, true, reassembly.FlagRST, seq+5000, 0, 0, 0)
		send(1e6, true, ack, seq+199, 501, 0, 60000) // a keep-alive
		send(1e6, false, ack, 501, seq+200, 0, 60000)
		seq += 200
	}
	early := len(told)
	for range 3000 {
		send(1e8, true, ack, seq, 501, 100, 60000)
		send(1e6, false, ack, 501, seq+100, 0, 60000)
		seq += 100
	}
	k.Close()
	const answered = "syn-unanswered" // it was answered after its copy
	if early < 4 || withdrawn[answered] != 1 {
		t.Fatalf("told %v, withdrawn %v", told, withdrawn)
	}
	for id, n := range told {
		if id != answered && (withdrawn[id] != 0 || kept[id] < n) {
			t.Errorf("%s: told %d times, withdrawn %d times although nothing refutes it, at the end there are %d", id, n, withdrawn[id], kept[id])
		}
	}
}
