package capture

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFavour: the thread goes before others of the process, however the process
// itself was started.
func TestFavour(t *testing.T) {
	requireRoot(t)
	for _, c := range []struct {
		name     string
		nice     int32
		policy   uint32
		priority uint32
		want     func(a *unix.SchedAttr) bool
	}{
		{"ordinary", 0, unix.SCHED_NORMAL, 0, func(a *unix.SchedAttr) bool { return a.Nice == -10 }},
		{"nice", 19, unix.SCHED_NORMAL, 0, func(a *unix.SchedAttr) bool { return a.Nice == 9 }},
		{"favoured already", -15, unix.SCHED_NORMAL, 0, func(a *unix.SchedAttr) bool { return a.Nice == -20 }},
		{"real time", 0, unix.SCHED_RR, 5, func(a *unix.SchedAttr) bool { return a.Policy == unix.SCHED_RR && a.Priority == 5 }},
	} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread() // the thread ends with the goroutine
			if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: c.policy, Nice: c.nice, Priority: c.priority}, 0); err != nil {
				t.Logf("%s: not permitted: %v", c.name, err)
				return
			}
			favour()
			a, err := unix.SchedGetAttr(0, 0)
			if err != nil || !c.want(a) {
				t.Errorf("%s: %+v, %v", c.name, a, err)
			}
		}()
		<-done
	}
}
