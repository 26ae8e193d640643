package report

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/finwait/finwait/reassembly"
)

// This file counts by key in bounded memory. The keys hold no pointers and
// entries never move while they are kept: a capture has a hundred thousand
// pairs of hosts, and every connection looks up two or three of them.

const (
	tallySize  = 1 << 17 // keys that a tally holds, if Options.Hosts says nothing else
	tallyChunk = 1 << 8  // entries that are allocated at once
)

// tally counts by key. When it is full it forgets those with least, so that a
// flood of addresses does not take memory without bound. The zero value is empty.
type tally[K comparable, V interface{ weight() uint64 }] struct {
	slots     []uint64 // open addressing: hash<<32 | number of the entry, from 1; 0: free
	chunks    []*[tallyChunk]tallied[K, V]
	n         int
	forgotten uint64
}

type tallied[K comparable, V interface{ weight() uint64 }] struct {
	key   K
	value V
}

func (t *tally[K, V]) entry(i int) *tallied[K, V] { return &t.chunks[i/tallyChunk][i%tallyChunk] }

// at is the value of a key; hash is the key's, of hashIP and mix; most is how
// many keys there may be, 0: tallySize. The value is valid until the next call.
func (t *tally[K, V]) at(hash uint64, key *K, most int) *V {
	if len(t.slots) == 0 {
		t.slots = make([]uint64, 64)
	}
	tag := uint32(hash >> 32)
	mask := uint32(len(t.slots) - 1)
	p := tag & mask
	for ; t.slots[p] != 0; p = (p + 1) & mask {
		if s := t.slots[p]; uint32(s>>32) == tag {
			if e := t.entry(int(uint32(s)) - 1); e.key == *key {
				return &e.value
			}
		}
	}
	if t.n >= cmp.Or(most, tallySize) {
		t.forget()
	} else if 4*t.n >= 3*len(t.slots) {
		t.resize(2 * len(t.slots))
	}
	if t.n == len(t.chunks)*tallyChunk {
		t.chunks = append(t.chunks, new([tallyChunk]tallied[K, V]))
	}
	t.n++
	e := t.entry(t.n - 1)
	e.key = *key
	t.place(tag, uint32(t.n))
	return &e.value
}

// place takes the first free slot for a number. The tag alone says where: a
// tally never has more slots than the tag has values.
func (t *tally[K, V]) place(tag, number uint32) {
	mask := uint32(len(t.slots) - 1)
	p := tag & mask
	for t.slots[p] != 0 {
		p = (p + 1) & mask
	}
	t.slots[p] = uint64(tag)<<32 | uint64(number)
}

func (t *tally[K, V]) resize(n int) {
	old := t.slots
	t.slots = make([]uint64, n)
	for _, s := range old {
		if s != 0 {
			t.place(uint32(s>>32), uint32(s))
		}
	}
}

// forget keeps the keys that weigh more than the median.
func (t *tally[K, V]) forget() {
	weights := make([]uint64, t.n)
	for i := range weights {
		weights[i] = t.entry(i).value.weight()
	}
	slices.Sort(weights)
	median := weights[len(weights)/2]
	numbers := make([]uint32, t.n) // of the entries now, from 1; 0: forgotten
	kept := 0
	for i := range numbers {
		if e := t.entry(i); e.value.weight() > median {
			*t.entry(kept) = *e
			kept++
			numbers[i] = uint32(kept)
		}
	}
	for i := kept; i < t.n; i++ {
		*t.entry(i) = tallied[K, V]{}
	}
	t.forgotten += uint64(t.n - kept)
	t.n = kept
	old := t.slots
	t.slots = make([]uint64, len(old))
	for _, s := range old {
		if s != 0 && numbers[uint32(s)-1] != 0 {
			t.place(uint32(s>>32), numbers[uint32(s)-1])
		}
	}
}

// top gives the n entries that weigh most, and how many more keys there are.
func (t *tally[K, V]) top(n int, compare func(a, b *K) int) (list []*tallied[K, V], more uint64) {
	order := func(a, b *tallied[K, V]) int {
		return cmp.Or(-cmp.Compare(a.value.weight(), b.value.weight()), compare(&a.key, &b.key))
	}
	for i := range t.n {
		e := t.entry(i)
		if len(list) == n {
			if order(e, list[n-1]) > 0 {
				continue
			}
			list = list[:n-1]
		}
		place, _ := slices.BinarySearchFunc(list, e, order)
		list = slices.Insert(list, place, e)
	}
	return list, uint64(t.n-len(list)) + t.forgotten
}

// tallySeed makes the hashes of a process its own: nobody can aim addresses at
// one slot.
var tallySeed = [2]uint64{rand.Uint64() | 1, rand.Uint64() | 1}

// mix folds the product of two words.
func mix(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}

func hashIP(ip *reassembly.IP) uint64 {
	return mix(binary.LittleEndian.Uint64(ip[8:])^tallySeed[0], binary.LittleEndian.Uint64(ip[:8])^tallySeed[1])
}

func hashPair(a, b uint64) uint64 { return mix(a^tallySeed[1], bits.RotateLeft64(b, 32)^tallySeed[0]) }
