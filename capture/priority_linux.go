package capture

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// favour lets the calling goroutine's thread go before others: it empties the
// kernel's buffer and does little else, and what it comes too late for is lost.
// Without the right to do so it stays as it is. The thread ends with the goroutine.
//
// Only its niceness: of threads of real time, as under chrt, one with a higher
// priority than the others of its process would stop them for ever. The runtime
// waits for them in loops that give the processor to no lower priority.
func favour() {
	runtime.LockOSThread()
	const self, nicer, least = 0, 10, -20
	if a, err := unix.SchedGetAttr(self, 0); err == nil {
		_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), max(int(a.Nice)-nicer, least))
	}
}
