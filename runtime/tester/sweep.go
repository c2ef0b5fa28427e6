package tester

import (
	"os"
	"path/filepath"
	"syscall"
)

// lockName is a file in a world that its process holds a lock on: the world of a
// process that was killed is known by nobody holding it.
const lockName = "lock"

// lock marks a world as in use. The file gets its name when the lock is held, so
// that nobody finds it without.
func lock(dir string) (*os.File, error) {
	name := filepath.Join(dir, lockName)
	f, err := os.OpenFile(name+".new", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
		err = os.Rename(name+".new", name)
	}
	if err != nil {
		_ = f.Close() // err says more
		return nil, err
	}
	return f, nil
}

// sweep removes the worlds that killed processes have left in the directory for
// temporary files. It leaves alone what it cannot remove: nothing of this process
// depends on it.
func sweep() {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), worldPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		if f := orphan(dir); f != nil {
			_ = (&World{Dir: dir, lock: f}).Remove()
		}
	}
}

// orphan takes the lock of a world of this user that nobody holds; nil when there
// is none to be taken.
func orphan(dir string) *os.File {
	info, err := os.Lstat(dir) // a link leads to something else
	if err != nil || !info.IsDir() {
		return nil
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
		return nil
	}
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil // it is kept for somebody to look at, or is no world
	}
	if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		_ = f.Close()
		return nil
	}
	return f
}
