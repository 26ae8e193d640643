package reassembly

import (
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// TestSizes: what the documentation says of memory.
func TestSizes(t *testing.T) {
	for name, n := range map[string][2]uintptr{
		"conn": {unsafe.Sizeof(conn{}), 128}, "logBlock": {unsafe.Sizeof(logBlock{}), 64}, "rec": {unsafe.Sizeof(rec{}), 64},
	} {
		if n[0] != n[1] {
			t.Errorf("%s takes %d bytes, not %d", name, n[0], n[1])
		}
	}
}

// TestLogs: what goes into many logs at once comes out of each, whatever it is.
func TestLogs(t *testing.T) {
	tr := NewTracker(Options{})
	l := &tr.logs
	r := rand.New(rand.NewPCG(1, 2))
	type kept struct {
		c    conn
		recs []rec
		opts [2]synOptions
	}
	var all [40]kept
	var b []byte
	check := func(k *kept) {
		t.Helper()
		v := l.view()
		var got []rec
		var opts [2]synOptions
		got, b = v.unpack(&k.c, nil, &opts, b)
		if !slices.Equal(k.recs, got) {
			t.Fatalf("want -, got +:\n%s", cmp.Diff(k.recs, got, cmp.AllowUnexported(rec{})))
		}
		if opts != k.opts {
			t.Fatalf("options %+v, not %+v", opts, k.opts)
		}
	}
	lone := 0
	upTo := func(sizes ...uint) uint64 { return r.Uint64() >> (64 - sizes[r.IntN(len(sizes))]) }
	for range 300_000 {
		k := &all[r.IntN(len(all))]
		if len(k.recs) == 0 {
			k.c.key.V6 = r.IntN(2) == 0
		}
		if len(k.recs) == 100 {
			check(k)
			l.release(&k.c)
			*k = kept{}
			continue
		}
		x := r.IntN(2)
		d, p := &k.c.side[x], &k.c.side[1-x]
		one := rec{at: k.c.last + int64(upTo(10, 24, 25, 32, 33, 40, 41, 60)), pkt: k.c.lastPkt + Packet(upTo(4, 8, 9, 16, 17, 24, 25, 50)),
			seq: d.end, ack: p.end, len: uint32(upTo(1, 8, 9, 16, 17, 32)), win: uint16(r.Uint32()), bits: uint8(x), ttl: d.ttl, tag: d.tag}
		one.flags = [...]uint8{FlagACK, FlagACK | FlagPSH, FlagSYN, FlagSYN | FlagACK, FlagRST, uint8(r.Uint32())}[r.IntN(6)]
		if len(k.recs) == 0 && r.IntN(2) == 0 { // a SYN that needs no log, or would not but for what follows
			one.bits, one.flags, one.len = 0, FlagSYN, 0
			x, d, p = 0, &k.c.side[0], &k.c.side[1]
		}
		if k.c.key.V6 {
			one.bits |= recV6
		} else {
			one.ipid = uint16(r.Uint32())
		}
		if r.IntN(2) == 0 {
			one.bits |= recTS
			one.tsval, one.tsecr = d.ts+uint32(upTo(1, 8, 9, 16, 17, 32)), p.ts
		}
		switch r.IntN(12) { // now and then what does not follow from the one before
		case 0:
			one.at = k.c.last - int64(r.IntN(1e9))
		case 1:
			one.pkt = k.c.lastPkt - 1
		case 2:
			one.seq = r.Uint32()
		case 3:
			one.ack = r.Uint32()
		case 4:
			one.tsecr, one.bits = r.Uint32(), one.bits|recTS
		case 5:
			one.tsval, one.bits = one.tsval-1, one.bits|recTS
		case 6:
			one.ttl = uint8(r.Uint32())
		case 7:
			one.tag = uint8(r.Uint32())
		case 8:
			one.sack[0] = SACKBlock{r.Uint32(), r.Uint32()}
		case 9:
			one.sack = [2]SACKBlock{{r.Uint32(), r.Uint32()}, {r.Uint32(), r.Uint32()}}
			one.bits |= recMoreSACK
		case 10:
			one.bits |= [...]uint8{recNext, recOld, recICMP}[r.IntN(3)]
		case 11:
			one.bits |= recUnknown
		}
		own := one.bits&(recNext|recOld|recICMP) == 0
		opts := synOptions{uint16(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32())}
		if own && d.opens(&one) {
			k.opts[x] = opts
		}
		k.recs = append(k.recs, one)
		l.add(&k.c, &one, own, opts)
		if own {
			k.c.pass(&one)
			k.c.follow(&one)
		}
		if len(k.recs) == 1 {
			check(k)
			if k.c.lone() {
				lone++
				if k.c.logged > 0 {
					t.Fatal("a lone SYN has a log")
				}
			}
		}
		odds := 200
		if k.c.lone() {
			odds = 20
		}
		switch r.IntN(odds) {
		case 0: // another incarnation is folded into this one
			l.adopt(&k.c)
			for i := range k.recs {
				k.recs[i].bits &^= recNext
			}
			k.c.last += int64(r.IntN(1e12))
			k.c.side[0].end += 1000
			l.setContext(&k.c)
			check(k)
		case 1: // the log is taken
			check(k)
			l.release(&k.c)
			l.restart(&k.c)
			k.recs, k.opts = nil, [2]synOptions{}
			check(k)
		}
	}
	for i := range all {
		check(&all[i])
	}
	if lone < 300 {
		t.Errorf("%d lone SYNs: the test is not what it says", lone)
	}
}
