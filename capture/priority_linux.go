package capture

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// favour lets the calling goroutine's thread go before others: it empties the
// kernel's buffer and does little else, and what it comes too late for is lost.
// Without the right to do so it stays as it is. The thread ends with the goroutine.
func favour() {
	runtime.LockOSThread()
	const self, nicer, least, most = 0, 10, -20, 99
	a, err := unix.SchedGetAttr(self, 0)
	if err != nil {
		return
	}
	// Niceness says nothing among threads of real time, as under chrt: there each runs
	// for a tenth of a second, in which the buffer overflows.
	if a.Policy == unix.SCHED_FIFO || a.Policy == unix.SCHED_RR {
		a.Priority = min(a.Priority+1, most)
		_ = unix.SchedSetAttr(self, a, 0)
		return
	}
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), max(int(a.Nice)-nicer, least))
}
