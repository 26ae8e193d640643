//go:build !linux

package reassembly

import "unsafe"

// mapping is memory of the heap; the collector takes it back.
type mapping struct{ start unsafe.Pointer }

const hugePage = 2 << 20

// mapMemory gives n bytes of zeros, aligned for any type without pointers.
func mapMemory(n int, _ bool) mapping {
	return mapping{unsafe.Pointer(unsafe.SliceData(make([]uint64, (n+7)/8)))}
}

func (mapping) populate() {}

func (mapping) unmap() {}
