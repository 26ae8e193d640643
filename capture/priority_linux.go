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
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -10)
}
