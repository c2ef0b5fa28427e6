package exec

import "syscall"

// ownGroup keeps Ctrl-C in the terminal away from the command, and makes the
// kernel kill it when this program dies.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
