package reassembly

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapping is memory from the kernel: start is the part that is used.
type mapping struct {
	start unsafe.Pointer
	size  int
	all   []byte
}

// hugePage is the size of a large page on the processors in use.
const hugePage = 2 << 20

// mapMemory maps n bytes of zeros. Large pages are asked for where it is known
// that they will be filled: one of them costs 2 MiB at its first byte.
func mapMemory(n int, large bool) mapping {
	size := n
	if large {
		size += hugePage // a large page begins at a multiple of its size; what is never touched costs nothing
	}
	b, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		panic(fmt.Sprintf("out of memory: mapping %d bytes: %v", size, err))
	}
	m := mapping{unsafe.Pointer(unsafe.SliceData(b)), n, b}
	if large {
		skip := -uintptr(m.start) % hugePage
		m.start = unsafe.Add(m.start, skip)
		_ = unix.Madvise(b[skip:skip+uintptr(n)], unix.MADV_HUGEPAGE) // where the kernel has none, small ones do
	}
	return m
}

// populate has the kernel provide the pages. It only saves time: that a kernel
// knows no such thing, or that the mapping has gone meanwhile, does no harm.
func (m mapping) populate() {
	_ = unix.Madvise(unsafe.Slice((*byte)(m.start), m.size), unix.MADV_POPULATE_WRITE)
}

func (m mapping) unmap() { _ = unix.Munmap(m.all) }
