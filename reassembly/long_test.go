package reassembly

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// longTalk plays connections of some thousands of segments side by side, with
// losses, and what finds their machines at work: a tuple used again, a SYN that
// was not the sender's, an end in the midst.
func longTalk(seed uint64) []Segment {
	r := rand.New(rand.NewPCG(seed, 1))
	k := talk{now: 1e18}
	const ports = 8
	var sent [ports]uint32
	data := func(segments int) {
		for range segments {
			port := uint16(r.IntN(ports))
			n := &sent[port]
			switch r.IntN(20) {
			case 0: // sent again
				k.segment(ms, port, true, FlagACK, *n-min(*n-1, 100), 1, min(*n-1, 100))
			case 1: // the capture missed one
				*n += 100
			}
			k.segment(ms, port, true, FlagACK|FlagPSH, *n, 1, 100)
			*n += 100
			k.segment(ms, port, false, FlagACK, 1, *n, 0)
		}
	}
	for port := range sent {
		sent[port] = 1
		k.open(uint16(port))
	}
	data(8000)
	for port := range uint16(ports) {
		switch port % 4 {
		case 0: // used again behind a close
			k.close(port, sent[port], 1)
			k.now += 61e9
			k.segment(ms, port, true, FlagSYN, 1<<30, 0, 0)
			k.segment(ms, port, false, FlagSYN|FlagACK, 1<<30, 1<<30+1, 0)
			k.segment(ms, port, true, FlagACK, 1<<30+1, 1<<30+1, 0)
		case 1: // a SYN that was not the sender's, and the connection goes on
			k.segment(ms, port, true, FlagSYN, 1<<30, 0, 0)
			k.segment(ms, port, true, FlagACK|FlagPSH, sent[port], 1, 100)
			k.segment(ms, port, false, FlagACK, 1, sent[port]+100, 0)
			sent[port] += 100
		case 2:
			k.segment(ms, port, false, FlagRST|FlagACK, 1, sent[port], 0)
		case 3: // a router quotes thousands of a short connection's segments; then as in case 1
			other := port + 100
			k.open(other)
			for range 3000 {
				k.segment(ms, other, true, FlagACK|FlagPSH, 1, 1, 100)
				k.out[len(k.out)-1].Quote = ICMPQuote{Type: 3, Code: 4}
			}
			k.segment(ms, other, true, FlagSYN, 1<<30, 0, 0)
			k.segment(ms, other, true, FlagACK|FlagPSH, 1, 1, 100)
			k.segment(ms, other, false, FlagACK, 1, 101, 0)
		}
	}
	data(2000)
	return k.out
}

// words is all that is told of each.
func words(lives []*Lifecycle) (out []string) {
	for _, l := range lives {
		out = append(out, fmt.Sprintf("%+v", *l))
	}
	return out
}

// TestLongWithWorkers: workers tell of long connections what one goroutine
// tells of them.
func TestLongWithWorkers(t *testing.T) {
	for seed := range uint64(4) {
		segments := longTalk(seed)
		end := segments[len(segments)-1].Time + 300e9
		want := lives(Options{}, segments, end)
		long := 0
		for _, l := range want {
			if l.Packets > uint64(NewTracker(Options{}).longFrom()) {
				long++
			}
		}
		if long < 8 || len(want) < 10 {
			t.Fatalf("%d long ones of %d connections: the test is not what it says", long, len(want))
		}
		for _, workers := range []int{1, 3} {
			type batch struct{ list []*Lifecycle }
			var got []*Lifecycle
			o := Options{Parallel: &Parallel{
				Workers: workers,
				Batch:   func() any { return new(batch) },
				Worker: func() func(*Lifecycle, any) {
					return func(l *Lifecycle, b any) {
						kept := *l
						kept.Endpoints[0].History = append([]Step(nil), l.Endpoints[0].History...)
						kept.Endpoints[1].History = append([]Step(nil), l.Endpoints[1].History...)
						b.(*batch).list = append(b.(*batch).list, &kept)
					}
				},
				Emit: func(b any) { got, b.(*batch).list = append(got, b.(*batch).list...), nil },
			}}
			tr := NewTracker(o)
			b := tr.NewBatch()
			for i := range segments {
				*b.Next() = segments[i]
				if b.Add() {
					tr.AddBatch(b)
				}
			}
			b.Advance(end)
			tr.AddBatch(b)
			tr.Close()
			if diff := cmp.Diff(words(want), words(got)); diff != "" {
				t.Fatalf("seed %d, %d workers, want -, got +:\n%s", seed, workers, diff)
			}
		}
	}
}

// TestLongTold: to tell a long connection in between changes nothing.
func TestLongTold(t *testing.T) {
	segments := longTalk(9)
	end := segments[len(segments)-1].Time + 300e9
	want := lives(Options{}, segments, end)
	var got []*Lifecycle
	tr := NewTracker(Options{Live: true, Emit: func(l *Lifecycle) { got = append(got, l) }})
	told := 0
	for i := range segments {
		tr.Add(&segments[i])
		if i%97 == 0 {
			tr.Changed(0, func(*Lifecycle) { told++ })
		}
	}
	tr.Advance(end)
	tr.Close()
	if told < 100 {
		t.Fatalf("told %d times", told)
	}
	if diff := cmp.Diff(words(want), words(got)); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

// TestLongHoldsWhatItRemembers: between two pieces of its log the machine of a
// long connection holds what it remembers, not the room that a piece needs.
func TestLongHoldsWhatItRemembers(t *testing.T) {
	k := talk{now: 1e18}
	k.open(0)
	tr := NewTracker(Options{})
	for n := range uint32(3000) {
		k.segment(ms, 0, n%2 == 0, FlagACK|FlagPSH, 1+n/2*100, 1+(n+1)/2*100, 100)
	}
	for i := range k.out {
		tr.Add(&k.out[i])
		if len(tr.long) < 2 {
			continue
		}
		m := &tr.long[1].m
		if n := cap(m.recs) + cap(m.marks); n > 4*machineKeep || len(m.recs) < machineKeep {
			t.Fatalf("after segment %d there is room for %d, of %d", i, n/2, len(m.recs))
		}
	}
	if len(tr.long) < 2 {
		t.Fatal("no connection became long")
	}
}
