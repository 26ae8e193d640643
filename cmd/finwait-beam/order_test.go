package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"slices"
	"testing"
	"time"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/record"
)

// TestOrder: segments of several files, whose clocks run backwards now and then,
// come out in the order in which the merge of whole files gives them, whatever
// batches they came in, in memory and through a temporary file.
func TestOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	type frame struct {
		place
		time int64
	}
	for round := range 200 {
		files := make([][]frame, 1+r.IntN(4))
		for f := range files {
			at := int64(r.IntN(20))
			for i := range r.IntN(60) {
				at += int64(r.IntN(4))
				x := frame{time: at - int64(r.IntN(2)*r.IntN(9))}
				x.place = place{clock: x.time, first: x.time, file: f, ordinal: uint64(i + 1)}
				if i > 0 {
					last := files[f][i-1]
					x.clock, x.first = max(last.clock, x.time), files[f][0].time
				}
				files[f] = append(files[f], x)
			}
		}
		// As capture.Reader takes them: of the next frames the oldest; of equals
		// that of the file that begins first.
		var want []frame
		next := make([]int, len(files))
		for {
			best := -1
			for f := range files {
				if next[f] == len(files[f]) {
					continue
				}
				if best < 0 || cmp.Or(cmp.Compare(files[f][next[f]].time, files[best][next[best]].time), cmp.Compare(files[f][0].time, files[best][0].time)) < 0 {
					best = f
				}
			}
			if best < 0 {
				break
			}
			want = append(want, files[best][next[best]])
			next[best]++
		}
		var batches [][]byte
		for _, list := range files {
			for len(list) > 0 {
				n := 1 + r.IntN(len(list))
				var e record.Encoder
				for _, x := range list[:n] {
					s := reassembly.Segment{Time: x.time, Seq: uint32(x.ordinal), Packet: reassembly.MakePacket(0, x.ordinal)}
					e.Segment(&s, x.clock)
				}
				batches = append(batches, appendBatch(nil, list[0].place, e.Bytes()))
				list = list[n:]
			}
		}
		s := shelf{limit: []int{1 << 20, 50}[round%2]}
		for _, i := range r.Perm(len(batches)) {
			if err := s.add(batches[i]); err != nil {
				t.Fatal(err)
			}
		}
		var got []frame
		if err := s.each(func(seg *reassembly.Segment, clock int64, file int) {
			got = append(got, frame{place{clock, files[file][0].time, file, uint64(seg.Seq)}, seg.Time})
		}); err != nil {
			t.Fatal(err)
		}
		s.clear()
		if !slices.Equal(got, want) {
			t.Fatalf("round %d: got %v\nwant %v", round, got, want)
		}
	}
}

// TestOrderDamage: bytes that are no batch are an error.
func TestOrderDamage(t *testing.T) {
	var e record.Encoder
	var seg reassembly.Segment
	e.Segment(&seg, 0)
	good := appendBatch(nil, place{clock: 5}, e.Bytes())
	for cut := range good {
		s := shelf{limit: 1 << 20}
		err := s.add(good[:cut])
		n := 0
		if err == nil {
			err = s.each(func(*reassembly.Segment, int64, int) { n++ })
		}
		if n > 0 || err == nil && cut > 5 {
			t.Errorf("cut at %d: %d segments, %v", cut, n, err)
		}
	}
}

// elephant gives the batches of one transfer, made as they are asked for, each
// 32 kB; files of 100,000 segments, of which two overlap at any time.
func elephant(segments int) (next func(*[]byte) bool) {
	const perFile = 100_000
	var e record.Encoder
	var out []byte
	n, at := 0, int64(1_700_000_000_000_000_000)
	s := reassembly.Segment{Src: reassembly.IP{15: 1}, Dst: reassembly.IP{15: 2}, SrcPort: 40000, DstPort: 443, V6: true,
		Flags: reassembly.FlagACK, Window: 500, TTL: 64, Length: 1448, Wire: 1514, HasTimestamps: true}
	return func(b *[]byte) bool {
		if n >= segments {
			return false
		}
		e.Reset()
		begin := place{clock: at, first: at, file: n / perFile, ordinal: uint64(n%perFile + 1)}
		for n < segments && e.Len() < batchMost {
			s.Packet = reassembly.MakePacket(0, uint64(n%perFile+1))
			s.Time = at
			s.Seq += s.Length
			s.TSVal = uint32(n / 100)
			e.Segment(&s, at)
			n++
			at += 1000 + int64(n*7919%977)
			if n%perFile == 0 {
				break
			}
		}
		out = appendBatch(out[:0], begin, e.Bytes())
		*b = out
		return true
	}
}

// elephantMemory is the memory that README.md states for one flow, whatever its
// length: the limit of FlowMemory twice, while its slice grows, and as much again
// for the Tracker, the merge and what the collector has not collected yet.
const elephantMemory = 4 * defaultFlowMemory

// TestElephant judges one flow of five million segments and measures the heap.
func TestElephant(t *testing.T) {
	segments := 5_000_000
	if testing.Short() {
		segments = 500_000
	}
	s := Settings{Shards: 1, FlowMemory: defaultFlowMemory, MSL: 30 * time.Second, HalfOpen: time.Minute, Idle: time.Hour, HalfClosed: time.Hour}
	f := &flowFn{Settings: s}
	if err := f.Setup(); err != nil {
		t.Fatal(err)
	}
	packets := uint64(0)
	f.world = &world{Captures: 50, End: 2_000_000_000_000_000_000}
	f.StartBundle(t.Context(), nil, nil, nil)
	f.names.tell = func(l *reassembly.Lifecycle) {
		packets += l.Packets
		f.tell(l)
	}
	f.emit = func(int, []byte) {}
	runtime.GC()
	before := inUse()
	most := uint64(0)
	next := elephant(segments)
	calls := 0
	err := f.judge([]byte("flow"), func(b *[]byte) bool {
		if calls++; calls%50 == 0 {
			most = max(most, inUse())
		}
		return next(b)
	})
	most = max(most, inUse())
	if err != nil {
		t.Fatal(err)
	}
	spilled := f.shelf.size
	f.shelf.clear()
	if packets != uint64(segments) {
		t.Errorf("%d packets of %d were told", packets, segments)
	}
	used := int64(most - min(most, before))
	t.Log(fmt.Sprintf("%d segments, %d bytes in the temporary file, heap at most %.1f MB above the beginning (stated: %.0f MB)",
		segments, spilled, float64(used)/1e6, float64(elephantMemory)/1e6))
	if used > elephantMemory {
		t.Errorf("%d bytes, more than %d", used, elephantMemory)
	}
	if spilled == 0 {
		t.Error("the flow was not long enough to need the temporary file")
	}
}

// inUse is the memory of the heap with what was not yet collected.
func inUse() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}
