package isolate

import (
	"runtime/debug"
	"syscall"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

// confine gives this process, which is an interpreter, the limits that it cannot
// lift. It has opened what it needs.
func confine(l sandbox.Limits) error {
	limits := map[int]int64{
		syscall.RLIMIT_CORE:   0, // it would have secrets in it
		syscall.RLIMIT_FSIZE:  0,
		syscall.RLIMIT_NOFILE: 32,
	}
	if l.Memory > 0 {
		// Not the address space: Go reserves far more of it than it uses.
		limits[syscall.RLIMIT_DATA] = dataInUse() + hardMemory(l.Memory)
	}
	if l.CPU > 0 {
		limits[syscall.RLIMIT_CPU] = int64((l.CPU + time.Second - 1) / time.Second)
	}
	for which, n := range limits {
		if err := lower(which, uint64(n)); err != nil {
			return fault.Wrap(fault.Failed, err, "cannot limit the process for the interpreter")
		}
	}
	debug.SetMaxStack(int(maxStackOf(l.Memory)))
	return nil
}

// lower sets a limit, unless there is a lower one.
func lower(which int, n uint64) error {
	var now syscall.Rlimit
	if err := syscall.Getrlimit(which, &now); err != nil {
		return err
	}
	n = min(n, uint64(now.Max))
	return syscall.Setrlimit(which, &syscall.Rlimit{Cur: n, Max: n})
}
