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
	slots []uint64 // tag<<32 | index; 0: free. The tag is the upper half of the hash and tells the home as well
	n     int
	seed  [2]uint64
	mem   *memory
}

func newTable(mem *memory) *table {
	return &table{slots: mem.words(1 << 10), mem: mem, seed: [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1}}
}

func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

func (t *table) hash(k *FlowKey) uint64 {
	h := mix(binary.LittleEndian.Uint64(k.A[8:])^t.seed[0], binary.LittleEndian.Uint64(k.B[8:])^t.seed[1])
	if k.V6 {
		h = mix(h^binary.LittleEndian.Uint64(k.A[:8]), binary.LittleEndian.Uint64(k.B[:8])^t.seed[0])
	}
	h = mix(h^k.Scope, t.seed[1]^(uint64(k.APort)<<16|uint64(k.BPort)))
	return mix(h, t.seed[0])
}

// lookup returns the slab index of the newest conn of a segment's key, 0 if
// there is none. presumed is where it may be, or 0.
func (t *Tracker) lookup(s *arrival, presumed uint32) uint32 {
	if presumed != 0 {
		if c := t.conn(presumed); c.used() && c.is(&s.key) && (c.links == 0 || t.links[c.links].newer == 0) {
			return presumed
		}
	}
	slots := t.table.slots
	mask := uint64(len(slots) - 1)
	tag := s.hash >> 32
	for p := t.table.home(s.hash); ; p = (p + 1) & mask {
		slot := slots[p]
		if slot == 0 {
			return 0
		}
		if slot>>32 == tag && t.conn(uint32(slot)).is(&s.key) {
			return uint32(slot)
		}
	}
}

// home is where the entry of a hash belongs; of a slot it is the same.
func (t *table) home(h uint64) uint64 { return h >> 32 & uint64(len(t.slots)-1) }

// put adds an index, or points the key at a newer one.
func (t *table) put(h uint64, old, i uint32) {
	if old != 0 {
		t.slots[t.slot(h, old)] = h>>32<<32 | uint64(i)
		return
	}
	if t.n*4 >= len(t.slots)*3 {
		slots := t.slots
		t.slots = t.mem.words(2 * len(slots))
		for _, s := range slots {
			if s != 0 {
				t.place(s)
			}
		}
		t.mem.release(slots)
	}
	t.place(h>>32<<32 | uint64(i))
	t.n++
}

func (t *table) place(slot uint64) {
	mask := uint64(len(t.slots) - 1)
	p := t.home(slot)
	for t.slots[p] != 0 {
		p = (p + 1) & mask
	}
	t.slots[p] = slot
}

func (t *table) slot(h uint64, i uint32) uint64 {
	mask := uint64(len(t.slots) - 1)
	p := t.home(h)
	for uint32(t.slots[p]) != i {
		p = (p + 1) & mask
	}
	return p
}

// remove takes index i out; the slots behind it move up, so that no tombstones
// pile up in a table that lives for weeks.
func (t *table) remove(h uint64, i uint32) {
	mask := uint64(len(t.slots) - 1)
	p := t.slot(h, i)
	for q := (p + 1) & mask; t.slots[q] != 0; q = (q + 1) & mask {
		home := t.home(t.slots[q])
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
	spare   [][]uint32 // empty buckets
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
		if n := len(w.spare); n > 0 {
			b = w.spare[n-1]
			w.spare = w.spare[:n-1]
		}
	}
	w.buckets[sec] = append(room(b, 1), i)
	return sec
}

// recycle takes back the memory of a bucket that was taken out.
func (w *wheel) recycle(b []uint32) {
	if len(w.spare) < mostSpare {
		w.spare = append(w.spare, b[:0])
	}
}

// mostSpare bounds what a wheel keeps of the memory of empty buckets.
const mostSpare = 4

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
