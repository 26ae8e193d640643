package report

import (
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/finwait/finwait/fixtures/fuzzlimit"
	"github.com/finwait/finwait/reassembly"
	"github.com/finwait/finwait/reassembly/tcpstate"
)

// lives are connections that touch every part of a summary.
func lives(r *rand.Rand, n int) []*reassembly.Lifecycle {
	list := make([]*reassembly.Lifecycle, n)
	host := func() netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(r.IntN(3)), byte(r.IntN(40))}) }
	for i := range list {
		l := new(reassembly.Lifecycle)
		*l = *samples()[r.IntN(len(samples()))]
		l.ID, l.Reuses, l.Untold = uint64(i+1), uint64(r.IntN(2)), uint64(r.IntN(2))
		l.Client, l.Server = netip.AddrPortFrom(host(), uint16(i)), netip.AddrPortFrom(host(), uint16(80+r.IntN(2)))
		l.Start = int64(1000+r.IntN(90_000)) * second
		l.End = l.Start + int64(r.IntN(100))*second
		l.Open, l.Close = reassembly.OpenKind(r.IntN(reassembly.NumOpenKinds)), reassembly.CloseKind(r.IntN(reassembly.NumCloseKinds))
		l.OneSided, l.MPTCP, l.RoleGuessed = r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(2) == 0
		for x := range l.Endpoints {
			e := &l.Endpoints[x]
			e.Undetermined = r.IntN(3) == 0
			if r.IntN(2) == 0 {
				e.State, e.InTimeWait, e.TimeWaitMost = tcpstate.TimeWait, true, r.Int64N(60e9)
				e.History = []reassembly.Step{{State: tcpstate.TimeWait, At: l.End}}
			}
			e.Stats = reassembly.EndpointStats{Bytes: uint64(r.IntN(999)), Acked: 7, Unseen: uint64(r.IntN(3)), TTL: uint8(r.IntN(256)),
				RTT: reassembly.RTT{Samples: 1, Min: r.Int64N(1e9)}, MSS: 1460, HasScale: r.IntN(2) == 0, MaxLength: uint32(r.IntN(3000))}
		}
		list[i] = l
	}
	return list
}

// TestTotalsMerge: connections that are added up in parts, sent as bytes and
// merged in any order give the summary of one Totals.
func TestTotalsMerge(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		var whole, sum Totals
		parts := make([]Totals, 1+r.IntN(7))
		for _, l := range lives(r, r.IntN(2000)) {
			whole.Add(l)
			parts[r.IntN(len(parts))].Add(l)
		}
		for _, i := range r.Perm(len(parts)) {
			b, err := parts[i].MarshalBinary()
			if err != nil {
				t.Fatal(err)
			}
			var read Totals
			if err := read.UnmarshalBinary(b); err != nil {
				t.Fatal(err)
			}
			sum.Merge(&read)
		}
		trace := Trace{Start: 1, End: 2}
		want, _ := json.Marshal(whole.Summary(trace, 3))
		got, _ := json.Marshal(sum.Summary(trace, 3))
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Fatal(diff)
		}
	}
}

func FuzzTotals(f *testing.F) {
	var t Totals
	for _, l := range lives(rand.New(rand.NewPCG(1, 1)), 4) {
		t.Add(l)
	}
	b, err := t.MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{totalsVersion, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		defer fuzzlimit.Watch(t, len(b))()
		var a Totals
		if a.UnmarshalBinary(b) != nil {
			return
		}
		again, err := a.MarshalBinary()
		if err != nil || a.UnmarshalBinary(again) != nil {
			t.Fatalf("read once, and not again: %v", err)
		}
	})
}
