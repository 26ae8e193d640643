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
		key  FlowKey
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
		if !k.c.is(&k.key) {
			t.Fatalf("%+v is not %+v any more", k.c, k.key)
		}
	}
	lone := 0
	upTo := func(sizes ...uint) uint64 { return r.Uint64() >> (64 - sizes[r.IntN(len(sizes))]) }
	for range 300_000 {
		k := &all[r.IntN(len(all))]
		if k.c.packets == 0 && k.c.logged == 0 {
			k.key = someKey(r)
			k.c.setKey(&k.key, 0)
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
		var h hints
		if k.c.v6() {
			one.bits |= recV6
		} else {
			h = k.c.hints[x]
			one.ipid = uint16(r.Uint32())
		}
		like := r.Uint32() // what is as the log expects it, and what is in the unit that it prefers
		if like&1 != 0 {
			one.win = h.win
		}
		if like&2 != 0 && !k.c.v6() {
			one.ipid = h.ipid + 1
		}
		if like&4 != 0 && one.len != 0 {
			one.len = h.len
		}
		if like&8 != 0 {
			one.at = k.c.last + 1000*int64(upTo(1, 8, 9, 16, 17, 24, 25, 32, 33, 50))
		}
		if had := d.bits&csTS != 0; had == (like&0x70 != 0) {
			one.bits |= recTS
			one.tsval = d.ts + uint32(upTo(1, 8, 9, 16, 17, 32))*(like>>7&1)
			one.tsecr = [...]uint32{p.ts, h.tsecr, p.ts - uint32(upTo(1, 16, 17)), r.Uint32()}[like>>8&3]
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

func someKey(r *rand.Rand) FlowKey {
	k := FlowKey{V6: r.IntN(2) == 0, APort: uint16(r.Uint32()), BPort: uint16(r.Uint32()), Scope: r.Uint64() * (r.Uint64() & 1)}
	for _, ip := range []*IP{&k.A, &k.B} {
		if !k.V6 {
			ip[10], ip[11] = 0xff, 0xff
		}
		for i := range ip {
			if k.V6 || i >= 12 {
				ip[i] = uint8(r.Uint32())
			}
		}
	}
	return k
}

// TestConnKey: a conn is of its key and of no other, and tells the endpoints.
func TestConnKey(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	for range 1000 {
		k := someKey(r)
		var c conn
		c.setKey(&k, 0)
		c.swapped = r.IntN(2) == 0
		x := c.sideOf(false)
		if a, b := c.endpoint(x), c.endpoint(1-x); a != addrPort(k.A, k.APort, k.V6) || b != addrPort(k.B, k.BPort, k.V6) || c.port(x) != k.APort {
			t.Fatalf("%+v: %v and %v", k, a, b)
		}
		others := map[string]func(o *FlowKey){
			"ports": func(o *FlowKey) { o.APort ^= 1 << r.IntN(16) },
			"port":  func(o *FlowKey) { o.BPort ^= 1 << r.IntN(16) },
			"A":     func(o *FlowKey) { o.A[15-r.IntN(4)] ^= 1 << r.IntN(8) },
			"B":     func(o *FlowKey) { o.B[15-r.IntN(4)] ^= 1 << r.IntN(8) },
			"scope": func(o *FlowKey) { o.Scope ^= 1 << r.IntN(64) },
			"IP":    func(o *FlowKey) { o.V6 = !o.V6 },
		}
		if k.V6 {
			others["A's network"] = func(o *FlowKey) { o.A[r.IntN(12)] ^= 1 << r.IntN(8) }
			others["B's network"] = func(o *FlowKey) { o.B[r.IntN(12)] ^= 1 << r.IntN(8) }
		}
		for name, change := range others {
			o := k
			if change(&o); c.is(&o) || !c.is(&k) {
				t.Fatalf("%+v is taken for %+v (%s)", k, o, name)
			}
		}
	}
}

// TestEntryBytes: what the segments of a usual connection take in its log.
func TestEntryBytes(t *testing.T) {
	const us = 1000
	type step struct {
		what  string
		bytes [2]int // IPv4, IPv6
		after int64  // ns since the one before
		r     rec    // a seq of 0 is the next
	}
	for v, v6 := range []bool{false, true} {
		tr := NewTracker(Options{})
		key := FlowKey{V6: v6}
		var c conn
		c.setKey(&key, 0)
		id := [2]uint16{40000, 0}
		for i, s := range []step{
			{"SYN", [2]int{0, 0}, 1e18, rec{flags: FlagSYN, win: 64240, tsval: 5000, seq: 1e9}},
			{"SYN-ACK, and the SYN once it needs a log", [2]int{24 + 31, 24 + 29}, 300 * us, rec{flags: FlagSYN | FlagACK, bits: 1, win: 65160, tsval: 77000, seq: 2e9}},
			{"ACK of the client", [2]int{7, 7}, 30 * us, rec{flags: FlagACK, win: 502, tsval: 5001}},
			{"request", [2]int{5, 8}, 30 * us, rec{flags: FlagACK | FlagPSH, win: 502, len: 200, tsval: 5001}},
			{"ACK", [2]int{7, 7}, 200 * us, rec{flags: FlagACK, bits: 1, win: 509, tsval: 77001}},
			{"response", [2]int{7, 9}, 20 * us, rec{flags: FlagACK, bits: 1, win: 509, len: 1448, tsval: 77002}},
			{"more of it", [2]int{4, 9}, 10 * us, rec{flags: FlagACK, bits: 1, win: 509, len: 1448, tsval: 77002}},
			{"in a capture of ns", [2]int{5, 10}, 10*us + 1, rec{flags: FlagACK, bits: 1, win: 509, len: 1448, tsval: 77002}},
			{"the client's window opens", [2]int{8, 8}, 300 * us, rec{flags: FlagACK, win: 600, tsval: 5003}},
			{"FIN", [2]int{6, 8}, 300 * us, rec{flags: FlagACK | FlagFIN, bits: 1, win: 509, tsval: 77009}},
		} {
			r := s.r
			x := r.side()
			d, p := &c.side[x], &c.side[1-x]
			r.at, r.pkt, r.bits, r.ttl = c.last+s.after, c.lastPkt+1, r.bits|recTS, 64
			if r.seq == 0 {
				r.seq = d.end
			}
			if i > 0 {
				r.ack, r.tsecr = p.end, p.ts
			}
			if v6 {
				r.bits |= recV6
			} else {
				id[x]++
				r.ipid = id[x]
			}
			before := c.logged
			tr.logs.add(&c, &r, true, synOptions{})
			c.pass(&r)
			c.follow(&r)
			if n := int(c.logged - before); n != s.bytes[v] {
				t.Errorf("IPv6 %v: %s takes %d bytes, not %d", v6, s.what, n, s.bytes[v])
			}
		}
	}
}
