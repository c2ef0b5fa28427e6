//go:build unix && !linux

package exec

import "syscall"

// ownGroup keeps Ctrl-C in the terminal away from the command. Only Linux can
// also kill it when this program dies.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
