//go:build !linux

package isolate

import (
	"os"
	"syscall"
)

// executable is this program.
func executable() (string, error) { return os.Executable() }

// attributes keep the signals of a terminal from the process. It ends with its
// parent because nobody is at the other end of the pipe.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func dataInUse() int64 { return 0 }

// resident is not known here.
func resident(int) int64 { return 0 }

// peak is the most memory that a process had, in bytes.
func peak(u *syscall.Rusage) int64 { return u.Maxrss }

// group is for systems that have control groups.
type group struct{}

func newGroup(int64) *group                { return nil }
func (g *group) join(*syscall.SysProcAttr) {}
func (g *group) killed() bool              { return false }
func (g *group) remove()                   {}
