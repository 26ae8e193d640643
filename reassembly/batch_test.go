package reassembly

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPresumedPlaces: wherever a segment's connection is presumed, the same is
// told: a place may be that of another connection, of an earlier incarnation, of
// one that retired, or of one that came after it.
func TestPresumedPlaces(t *testing.T) {
	for seed := range uint64(6) {
		segments := longTalk(seed % 3)
		end := segments[len(segments)-1].Time + 300e9
		want := lives(Options{}, segments, end)
		var got []*Lifecycle
		tr := NewTracker(Options{Emit: func(l *Lifecycle) { got = append(got, l) }})
		r := rand.New(rand.NewPCG(seed, 2))
		places, right := map[FlowKey]uint32{}, 0
		for i := range segments {
			s := &segments[i]
			tr.Advance(s.Time)
			tr.one.fill(s, &tr.o, tr.table)
			presumed := uint32(r.IntN(int(tr.used) + 1))
			if seed >= 3 {
				presumed = places[tr.one.key]
			}
			place := tr.add(&tr.one, presumed)
			if place == presumed && place != 0 {
				right++
			}
			places[tr.one.key] = place
		}
		tr.Advance(end)
		tr.Close()
		if diff := cmp.Diff(words(want), words(got)); diff != "" {
			t.Fatalf("seed %d, want -, got +:\n%s", seed, diff)
		}
		if right == 0 || right == len(segments) {
			t.Errorf("seed %d: %d places of %d were presumed rightly: the test is not what it says", seed, right, len(segments))
		}
	}
}

// TestBatchesKnowPlaces: a batch that comes back tells where its connections
// are, and the next one presumes them there.
func TestBatchesKnowPlaces(t *testing.T) {
	const n = batchLen
	tr := NewTracker(Options{})
	batches := [2]*Batch{tr.NewBatch(), tr.NewBatch()}
	for round, flags := range []uint8{FlagSYN, FlagACK, FlagACK} {
		b := batches[round%2]
		for i := range uint32(n) {
			s := b.Next()
			*s = Segment{}
			tuple(s, i)
			s.Flags, s.Time, s.Packet = flags, int64(ms)*int64(round*n+int(i)+1), Packet(round*n+int(i)+1)
			b.Add()
		}
		known := 0
		for i, place := range b.places {
			if place == uint32(i)+1 {
				known++
			}
		}
		// The other batch has not been filled again when the second round is.
		if want := round == 2; known > 0 != want || want && known < n*9/10 {
			t.Errorf("round %d: %d places of %d are known", round, known, n)
		}
		tr.AddBatch(b)
	}
}
