package exec

import (
	"errors"
	osexec "os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

const (
	// drainDelay is how long the output of a command that has ended is waited
	// for when something that it left in the background holds it open.
	drainDelay = 2 * time.Second
	// killGrace is the time between SIGTERM and SIGKILL.
	killGrace = 5 * time.Second
)

// process is a command that was started. It leads a process group.
type process struct {
	pid  int
	sudo bool
	done chan struct{} // closed when it has ended and its output was read
	code int           // valid when done is closed; 128 + n when signal n ended it
}

// start starts cmd. ended, if not nil, is called when it has ended, before done
// is closed.
func (c *command) start(cmd *osexec.Cmd, ended func(pid int)) (*process, error) {
	p := &process{sudo: c.sudo, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel sends Pdeathsig when the thread that started the command
		// ends, not the program; so the thread has to stay.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		_ = cmd.Wait() // the exit code says it all
		p.code = exitCode(cmd)
		if ended != nil {
			ended(p.pid)
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, c.startFault(err)
	}
	return p, nil
}

func exitCode(cmd *osexec.Cmd) int {
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return cmd.ProcessState.ExitCode()
}

// ended reports whether the process has ended.
func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// stop sends sig to the process and all that it has started, and kills what is
// left of them after grace. It returns when they are gone.
func (p *process) stop(sig syscall.Signal, grace time.Duration) {
	if p.ended() {
		return // its number may belong to another process by now
	}
	p.signal(sig)
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for p.alive() {
		select {
		case <-tick.C:
		case <-deadline.C:
			p.signal(syscall.SIGKILL)
			<-p.done
			return
		}
	}
	<-p.done
}

// alive reports whether anything of the process group is left.
func (p *process) alive() bool {
	return !errors.Is(syscall.Kill(-p.pid, 0), syscall.ESRCH)
}

func (p *process) signal(sig syscall.Signal) {
	err := syscall.Kill(-p.pid, sig)
	if p.sudo && errors.Is(err, syscall.EPERM) { // it belongs to another user
		kill := osexec.Command("sudo", "-n", "kill", "-"+strconv.Itoa(int(sig)), "--", "-"+strconv.Itoa(p.pid))
		_ = kill.Run() // stop goes on to wait, and then to SIGKILL
	}
}
