package reassembly

import (
	"container/heap"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// table finds the newest conn of a FlowKey: open addressing over 64-bit slots
// (hash tag and slab index), so that the collector has nothing to follow. The
// hash is seeded per table: nobody can aim tuples at one bucket.
type table struct {
	slots []uint64 // tag<<32 | index; 0: free
	n     int
	seed  [2]uint64
}

func newTable() *table {
	return &table{slots: make([]uint64, 1<<10), seed: [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1}}
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// hash is of a key with these endpoints; low is the lower one, as in FlowKey.A.
func (t *table) hash(low, high *IP, ports, scope uint64, v6 bool) uint64 {
	h := mix(binary.LittleEndian.Uint64(low[8:])^t.seed[0], binary.LittleEndian.Uint64(high[8:])^t.seed[1])
	if v6 {
		h = mix(h^binary.LittleEndian.Uint64(low[:8]), binary.LittleEndian.Uint64(high[:8])^t.seed[0])
	}
	h = mix(h^scope, t.seed[1]^ports)
	return mix(h, t.seed[0])
}

func (t *table) hashKey(k *FlowKey) uint64 {
	return t.hash(&k.A, &k.B, uint64(k.APort)<<16|uint64(k.BPort), k.Scope, k.V6)
}

func (t *table) hashSegment(s *Segment, swapped bool, scope uint64) uint64 {
	if swapped {
		return t.hash(&s.Dst, &s.Src, uint64(s.DstPort)<<16|uint64(s.SrcPort), scope, s.V6)
	}
	return t.hash(&s.Src, &s.Dst, uint64(s.SrcPort)<<16|uint64(s.DstPort), scope, s.V6)
}

// lookup returns the slab index of the newest conn of a segment's key, 0 if
// there is none.
func (t *Tracker) lookup(h uint64, s *Segment, swapped bool, scope uint64) uint32 {
	slots := t.table.slots
	mask := uint64(len(slots) - 1)
	for p := h & mask; ; p = (p + 1) & mask {
		slot := slots[p]
		if slot == 0 {
			return 0
		}
		if slot>>32 == h>>32 && t.conn(uint32(slot)).key.is(s, swapped, scope) {
			return uint32(slot)
		}
	}
}

// put adds an index, or points the key at a newer one. rehash gives the hash
// of an index when the table grows.
func (t *table) put(h uint64, old, i uint32, rehash func(uint32) uint64) {
	if old != 0 {
		t.slots[t.slot(h, old)] = h>>32<<32 | uint64(i)
		return
	}
	if t.n*4 >= len(t.slots)*3 {
		slots := t.slots
		t.slots = make([]uint64, 2*len(slots))
		for _, s := range slots {
			if s != 0 {
				t.place(rehash(uint32(s)), uint32(s))
			}
		}
	}
	t.place(h, i)
	t.n++
}

func (t *table) place(h uint64, i uint32) {
	mask := uint64(len(t.slots) - 1)
	p := h & mask
	for t.slots[p] != 0 {
		p = (p + 1) & mask
	}
	t.slots[p] = h>>32<<32 | uint64(i)
}

func (t *table) slot(h uint64, i uint32) uint64 {
	mask := uint64(len(t.slots) - 1)
	p := h & mask
	for uint32(t.slots[p]) != i {
		p = (p + 1) & mask
	}
	return p
}

// remove takes index i out; the slots behind it move up, so that no tombstones
// pile up in a table that lives for weeks.
func (t *table) remove(h uint64, i uint32, rehash func(uint32) uint64) {
	mask := uint64(len(t.slots) - 1)
	p := t.slot(h, i)
	for q := (p + 1) & mask; t.slots[q] != 0; q = (q + 1) & mask {
		home := rehash(uint32(t.slots[q])) & mask
		if (q-home)&mask >= (q-p)&mask {
			t.slots[p] = t.slots[q]
			p = q
		}
	}
	t.slots[p] = 0
	t.n--
}

// wheel holds conns by the second of trace time in which they may expire. A
// conn's entry is only moved when its second comes, never when a packet does.
type wheel struct {
	due     secondHeap
	buckets map[int64][]uint32
}

type secondHeap []int64

func (h secondHeap) Len() int           { return len(h) }
func (h secondHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h secondHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *secondHeap) Push(x any)        { *h = append(*h, x.(int64)) }
func (h *secondHeap) Pop() any {
	o := *h
	x := o[len(o)-1]
	*h = o[:len(o)-1]
	return x
}

// second is the bucket of an expiry: the first whole second after it.
func second(at int64) int64 { return at/1e9 + 1 }

func (w *wheel) add(i uint32, at int64) int64 {
	sec := second(at)
	b, ok := w.buckets[sec]
	if !ok {
		heap.Push(&w.due, sec)
	}
	w.buckets[sec] = append(b, i)
	return sec
}

// pop takes out the earliest bucket if its second has passed.
func (w *wheel) pop(now int64) (b []uint32, sec int64, ok bool) {
	if len(w.due) == 0 || w.due[0]*1e9 > now {
		return nil, 0, false
	}
	sec = heap.Pop(&w.due).(int64)
	b = w.buckets[sec]
	delete(w.buckets, sec)
	return b, sec, true
}
