package runtime

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

// attached runs a program that has the terminal to itself, and stays in the group of
// processes that the terminal belongs to: Ctrl-C is for the program.
func (b behaviour) attached(ctx context.Context, env *effect.Env, argv []string) (any, error) {
	o := env.Options
	if o.Sudo || o.User != "" || o.Once {
		return nil, fault.Before(fault.New(fault.Invalid, "a command with the terminal takes no _sudo, _user or _once"))
	}
	if env.Run.Terminal == nil {
		return nil, fault.Before(fault.New(fault.Unavailable, "the command wants the terminal, and nobody is at one").
			WithHint("run it in a terminal, without CI and PROVISIONING_NONINTERACTIVE; or leave out terminal, and give stdin"))
	}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env, cmd.Dir = os.Environ(), o.Cwd
	if cmd.Dir == "" {
		cmd.Dir = env.Run.Files.Workspace()
	}
	for name, v := range o.Env {
		cmd.Env = append(cmd.Env, name+"="+v)
	}
	var err error
	began := time.Now()
	env.Run.Terminal(func() { err = cmd.Run() })
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return nil, fault.Before(fault.Wrap(fault.Failed, err, "cannot run %s", filepath.Base(argv[0])))
	}
	if ctx.Err() != nil {
		e := fault.New(fault.Cancelled, "the command %q was ended because the run was stopped", filepath.Base(argv[0]))
		e.InDoubt = true
		return nil, e
	}
	r := operation.Result{Host: here().Host(), OK: err == nil, Changed: true, RC: cmd.ProcessState.ExitCode(), Duration: time.Since(began)}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		r.RC = 128 + int(ws.Signal())
	}
	if b.Check && !r.OK {
		return nil, fault.New(fault.Failed, "the command %q ended with code %d", filepath.Base(argv[0]), r.RC)
	}
	return r, nil
}
