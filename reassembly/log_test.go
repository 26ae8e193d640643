package reassembly

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// TestSizes: what the documentation says of memory.
func TestSizes(t *testing.T) {
	for name, n := range map[string][2]uintptr{
		"conn": {unsafe.Sizeof(conn{}), 128}, "packed": {unsafe.Sizeof(packed{}), 32}, "full": {unsafe.Sizeof(full{}), 64},
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
	}
	var all [40]kept
	check := func(k *kept) {
		t.Helper()
		v := l.view()
		if diff := cmp.Diff(k.recs, v.unpack(&k.c, nil), cmp.AllowUnexported(rec{})); diff != "" {
			t.Fatalf("want -, got +:\n%s", diff)
		}
	}
	for range 200_000 {
		k := &all[r.IntN(len(all))]
		if len(k.recs) == 100 {
			check(k)
			l.release(&k.c)
			*k = kept{}
		}
		one := rec{at: k.c.last + int64(r.IntN(1e9)), pkt: k.c.lastPkt + Packet(r.IntN(1000)), seq: r.Uint32(), ack: r.Uint32(),
			tsval: r.Uint32(), tsecr: r.Uint32(), len: r.Uint32N(1460), win: uint16(r.Uint32()), ipid: uint16(r.Uint32()),
			flags: uint8(r.Uint32()), bits: uint8(r.Uint32()) &^ (recNext | recOld | recICMP), ttl: 64, tag: 3}
		own := true
		switch r.IntN(12) { // now and then what does not fit one unit
		case 0:
			one.at = k.c.last - int64(r.IntN(1e9))
		case 1:
			one.at += 1 << 32
		case 2:
			one.at = k.c.last + markLeast - 2 + int64(r.IntN(5))
		case 3:
			one.pkt = k.c.lastPkt - 1
		case 4:
			one.pkt += 1 << 32
		case 5:
			one.len = r.Uint32()
		case 6:
			one.ttl = uint8(r.Uint32())
		case 7:
			one.tag = uint8(r.Uint32())
		case 8:
			one.sack[r.IntN(2)].Left = r.Uint32()
		case 9:
			one.bits |= recNext
			own = false
		}
		k.recs = append(k.recs, one)
		l.add(&k.c, &one, own)
		if own {
			if k.c.packets++; k.c.packets == 1 {
				k.c.last = one.at
			}
			k.c.last, k.c.lastPkt = max(k.c.last, one.at), one.pkt
		}
		if r.IntN(100) == 0 {
			k.c.last += int64(r.IntN(1e12))
			l.setLast(&k.c)
			l.adopt(&k.c)
			for i := range k.recs {
				k.recs[i].bits &^= recNext
			}
			check(k)
		}
	}
	for i := range all {
		if all[i].c.units > 0 {
			check(&all[i])
		}
	}
}
