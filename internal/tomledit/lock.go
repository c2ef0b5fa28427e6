package tomledit

import (
	"os"
	"path/filepath"
	"syscall"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Lock waits until no other process edits files in the directory of a file, and returns what
// lets the others go on. Who dies lets them, too. It is held from before the file is read
// until it is replaced: else what another one has written meanwhile would be lost.
func Lock(file string) (unlock func(), err error) {
	dir, err := os.Open(filepath.Dir(file))
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot edit %s", filepath.Base(file))
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		_ = dir.Close() // the first error is the one to report
		return nil, fault.Wrap(fault.Config, err, "cannot edit %s", filepath.Base(file))
	}
	return func() { _ = dir.Close() }, nil // which unlocks it
}
