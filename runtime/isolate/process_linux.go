package isolate

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// executable is this program, also when the file has another content by now.
func executable() (string, error) { return "/proc/self/exe", nil }

// attributes keep the signals of a terminal from the process, and end it with
// this one.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// dataInUse is what the system counts for RLIMIT_DATA so far.
func dataInUse() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("VmData:"))
	fields := bytes.Fields(rest)
	if len(fields) == 0 {
		return 0
	}
	kb, _ := strconv.ParseInt(string(fields[0]), 10, 64)
	return kb << 10
}

// resident is the memory that a process has now, in bytes.
func resident(pid int) int64 {
	statm, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	fields := bytes.Fields(statm)
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// peak is the most memory that a process had, in bytes.
func peak(u *syscall.Rusage) int64 { return u.Maxrss << 10 }

// group is a control group (version 2) with one process in it. It exists where
// this process may make one: below its own group, or beside it.
type group struct {
	dir string
	fd  *os.File
}

const groupRoot = "/sys/fs/cgroup"

var groups atomic.Int64

// newGroup returns nil where there are no groups to be made; the other limits
// hold all the same.
func newGroup(memory int64) *group {
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	_, path, ok := strings.Cut(string(own), "0::")
	if _, err := os.Stat(groupRoot + "/cgroup.controllers"); err != nil || !ok {
		return nil
	}
	path, _, _ = strings.Cut(path, "\n")
	return newGroupIn(memory, filepath.Join(groupRoot, path), filepath.Join(groupRoot, filepath.Dir(path)))
}

func newGroupIn(memory int64, parents ...string) *group {
	for _, parent := range parents {
		dir := filepath.Join(parent, fmt.Sprintf("provisioning-%d-%d", os.Getpid(), groups.Add(1)))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		g := &group{dir: dir}
		err := g.set("memory.max", memory)
		if err == nil {
			_ = g.set("memory.swap.max", 0) // not where there is no swap
			_ = g.set("pids.max", 256)      // threads
			g.fd, err = os.Open(dir)
		}
		if err == nil {
			return g
		}
		g.remove()
	}
	return nil
}

func (g *group) set(name string, n int64) error {
	f, err := os.OpenFile(filepath.Join(g.dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strconv.FormatInt(n, 10))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// join makes a process start in the group.
func (g *group) join(a *syscall.SysProcAttr) {
	if g != nil {
		a.UseCgroupFD, a.CgroupFD = true, int(g.fd.Fd())
	}
}

// killed reports whether the group has killed a process for its memory.
func (g *group) killed() bool {
	if g == nil {
		return false
	}
	events, err := os.ReadFile(filepath.Join(g.dir, "memory.events"))
	_, rest, found := bytes.Cut(events, []byte("oom_kill "))
	return err == nil && found && !bytes.HasPrefix(rest, []byte("0"))
}

func (g *group) remove() {
	if g == nil {
		return
	}
	if g.fd != nil {
		g.fd.Close()
	}
	_ = os.Remove(g.dir) // an empty group costs next to nothing
}
