package reassembly

import (
	"runtime"
	"unsafe"
)

// This file: the memory of the tables. What they hold has no pointers, so the
// collector need not know of it: a heap of hundreds of megabytes that it does
// not count does not double before it collects, and its pages can be large ones
// (mapping them costs a tenth of the time of small ones).

// memory is what a Tracker has mapped.
type memory struct{ maps []mapping }

// free gives all of it back. Nothing that it held may be used afterwards.
func (m *memory) free() {
	for _, b := range m.maps {
		b.unmap()
	}
	m.maps = nil
}

const (
	chunkBits = 16 // the units of as many logs fill a large page
	chunkLen  = 1 << chunkBits
)

// chunks is an array that grows without moving. T must hold no pointers.
type chunks[T any] struct {
	mem  *memory
	list [][]T
}

func (c *chunks[T]) at(i uint32) *T { return &c.list[i>>chunkBits][i&(chunkLen-1)] }

// reach makes room for index i.
func (c *chunks[T]) reach(i uint32) {
	for int(i>>chunkBits) >= len(c.list) {
		var t T
		b := mapMemory(chunkLen*int(unsafe.Sizeof(t)), len(c.list) > 0)
		c.mem.maps = append(c.mem.maps, b)
		c.list = append(c.list, unsafe.Slice((*T)(b.start), chunkLen))
	}
}

// newMemory makes the memory of a Tracker, which goes with it.
func newMemory(t *Tracker) *memory {
	m := new(memory)
	runtime.AddCleanup(t, (*memory).free, m)
	return m
}
