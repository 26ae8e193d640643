package html

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// TestOccupancyAgainstCounting holds the series against what each connection adds,
// for traces whose bins had to be joined several times.
func TestOccupancyAgainstCounting(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		length := int64(time.Second) << (seed % 16)
		start := time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC).UnixNano()
		end := start + length
		type stay struct{ begin, end int64 }
		var stays []stay
		var o occupancy
		for range 200 {
			begin := start + r.Int64N(length)
			s := stay{begin, begin + r.Int64N(end-begin)}
			l := &reassembly.Lifecycle{Start: begin, End: s.end}
			l.Endpoints[0].History = []reassembly.Step{
				{State: tcpstate.Established, At: begin}, {State: tcpstate.TimeWait, At: s.end}}
			if r.IntN(4) == 0 { // it lasts to the end of the trace
				l.Endpoints[0].History = l.Endpoints[0].History[:1]
				s.end = end
			}
			stays = append(stays, s)
			o.add(l)
		}
		told := o.tell(start, end)
		if told.States[0].State != tcpstate.Established.String() || told.States[0].ClientEntered != 200 {
			t.Fatalf("seed %d: %+v", seed, told.States[0])
		}
		for i, got := range told.States[0].Client {
			from := start + int64(math.Round((told.Begin+float64(i)*told.Step)*1e9))
			to := min(from+int64(told.Step*1e9), end)
			sum := 0.0
			for _, s := range stays {
				sum += float64(max(min(s.end, to)-max(s.begin, from), 0))
			}
			if want := sum / float64(to-from); math.Abs(got-want) > 0.02+want*0.001 {
				t.Fatalf("seed %d, bin %d of %d: %.3f, counted %.3f", seed, i, len(told.States[0].Client), got, want)
			}
		}
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	for _, ns := range []int64{noHandshake, 0, 1000, 999_000, 1_000_001, 5e9, math.MaxInt64} {
		h.add(ns)
	}
	if h.Count != 6 || h.Bins[0] != 2 || h.Bins[29] != 1 || h.Bins[30] != 1 || h.Bins[66] != 1 || h.Bins[len(h.Bins)-1] != 1 {
		t.Errorf("%+v", h)
	}
}

func TestWorstKeepsTheWorst(t *testing.T) {
	w := worst[int]{limit: 3}
	for _, i := range []int{5, 9, 1, 7, 3, 8, 2} {
		w.add(rank{uint64(i), 0}, i)
	}
	var got []int
	for _, i := range w.sorted() {
		got = append(got, i.value)
	}
	if len(got) != 3 || got[0] != 1 || got[1] != 2 || got[2] != 3 {
		t.Errorf("%v", got)
	}
	if w.wants(rank{4, 0}) || !w.wants(rank{0, 0}) {
		t.Error("it wants what it would not keep")
	}
}
