package machine

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Local is this machine.
type Local struct {
	Dir string // where lines are executed; "": the home directory
}

var _ Conn = Local{}

func (l Local) Name() string { return "local" }
func (l Local) Close() error { return nil }

// grace is how long what a line has started may take to end by SIGTERM.
const grace = 5 * time.Second

// Exec runs the line in a process group of its own, which SIGTERM ends when ctx
// does, and SIGKILL 5 seconds later.
func (l Local) Exec(ctx context.Context, line string, s Streams) (Exit, error) {
	if ctx.Err() != nil {
		return Exit{}, Stopped(ctx, true)
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", line)
	cmd.Stdout, cmd.Stderr = s.Stdout, s.Stderr
	cmd.Dir = l.Dir
	if cmd.Dir == "" {
		cmd.Dir, _ = os.UserHomeDir() // without one: where this program is
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	err := start(cmd, s.Stdin)
	if err != nil {
		e := fault.Wrap(fault.Failed, err, "cannot start sh")
		e.Unsent = true
		return Exit{}, e
	}
	err = cmd.Wait()
	if ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what is left of its group, if anything
		return Exit{}, Stopped(ctx, false)
	}
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) && !errors.Is(err, exec.ErrWaitDelay) {
		return Exit{}, &fault.Error{Kind: fault.KindOf(err), Msg: err.Error(), Cause: err, InDoubt: true}
	}
	return exitOf(cmd.ProcessState), nil
}

// start starts a command and feeds it. What feeds it may go on after its end, which
// Wait of the package exec would wait for.
func start(cmd *exec.Cmd, stdin io.Reader) error {
	if stdin == nil {
		return cmd.Start()
	}
	to, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return errors.Join(err, to.Close())
	}
	go func() {
		_, _ = io.Copy(to, stdin) // a command need not read what it is given
		_ = to.Close()            // Wait may have done it before
	}()
	return nil
}

func exitOf(state *os.ProcessState) Exit {
	status, ok := state.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return Exit{Code: 128 + int(status.Signal()), Signal: signalName(status.Signal())}
	}
	return Exit{Code: state.ExitCode()}
}

// Stopped is the error of a line whose context has ended, before it was sent or
// while it ran.
func Stopped(ctx context.Context, unsent bool) error {
	cause := context.Cause(ctx)
	e := &fault.Error{Kind: fault.KindOf(cause), Msg: "it was stopped: " + cause.Error(), Cause: cause, Unsent: unsent, InDoubt: !unsent}
	switch {
	case errors.Is(cause, context.DeadlineExceeded):
		e.Kind = fault.Timeout
	case errors.Is(cause, context.Canceled):
		e.Kind = fault.Cancelled
	}
	return e
}

func signalName(s syscall.Signal) string {
	names := map[syscall.Signal]string{
		syscall.SIGHUP: "HUP", syscall.SIGINT: "INT", syscall.SIGQUIT: "QUIT", syscall.SIGABRT: "ABRT", syscall.SIGKILL: "KILL",
		syscall.SIGSEGV: "SEGV", syscall.SIGPIPE: "PIPE", syscall.SIGTERM: "TERM", syscall.SIGBUS: "BUS", syscall.SIGILL: "ILL",
	}
	return names[s]
}
