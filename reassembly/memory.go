package reassembly

import (
	"runtime"
	"slices"
	"unsafe"
)

// This file: the memory of the tables. What they hold has no pointers, so the
// collector need not know of it: a heap of hundreds of megabytes that it does
// not count does not double before it collects, and its pages can be large ones
// (mapping them costs a tenth of the time of small ones).

// memory is what a Tracker has mapped.
type memory struct {
	maps  []mapping
	ahead bool // another goroutine has the kernel fill what will be used next
}

// free gives all of it back. Nothing that it held may be used afterwards.
func (m *memory) free() {
	for _, b := range m.maps {
		b.unmap()
	}
	m.maps = nil
}

const (
	chunkBits = 16 // as many log blocks fill two large pages
	chunkLen  = 1 << chunkBits
)

// chunks is an array that grows without moving. T must hold no pointers.
type chunks[T any] struct {
	mem  *memory
	list [][]T
	next []T // the chunk after those in the list, if there is one already
}

func (c *chunks[T]) at(i uint32) *T { return &c.list[i>>chunkBits][i&(chunkLen-1)] }

// reach makes room for index i.
func (c *chunks[T]) reach(i uint32) {
	for int(i>>chunkBits) >= len(c.list) {
		if c.next == nil {
			c.next, _ = c.chunk(len(c.list) > 0)
		}
		c.list, c.next = append(c.list, c.next), nil
		if c.mem.ahead && len(c.list) > 1 {
			// The kernel clears pages as they are first touched, which can take
			// longer than all that is done with them.
			var m mapping
			c.next, m = c.chunk(true)
			go m.populate()
		}
	}
}

func (c *chunks[T]) chunk(large bool) ([]T, mapping) {
	var t T
	m := mapMemory(chunkLen*int(unsafe.Sizeof(t)), large)
	c.mem.maps = append(c.mem.maps, m)
	return unsafe.Slice((*T)(m.start), chunkLen), m
}

// words gives n words of zeros, on large pages where they fill some.
func (m *memory) words(n int) []uint64 {
	if 8*n < hugePage {
		return make([]uint64, n)
	}
	one := mapMemory(8*n, true)
	m.maps = append(m.maps, one)
	return unsafe.Slice((*uint64)(one.start), n)
}

// release gives back what words gave.
func (m *memory) release(words []uint64) {
	i := slices.IndexFunc(m.maps, func(one mapping) bool { return one.start == unsafe.Pointer(unsafe.SliceData(words)) })
	if i >= 0 {
		m.maps[i].unmap()
		m.maps = slices.Delete(m.maps, i, i+1)
	}
}

// newMemory makes the memory of a Tracker, which goes with it.
func newMemory(t *Tracker) *memory {
	m := new(memory)
	runtime.AddCleanup(t, (*memory).free, m)
	return m
}

// room makes room in s for n more, twice as much as there was: append adds a
// quarter to a large slice, so that one that grows to a million leaves five times
// its memory to the collector.
func room[T any](s []T, n int) []T {
	if cap(s)-len(s) >= n {
		return s
	}
	return slices.Grow(s, max(n, cap(s)))
}
