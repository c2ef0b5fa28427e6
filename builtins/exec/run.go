package exec

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/cmdline"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Write(`
def run(command, shell = False, stdin = "", timeout = "10m", ok_codes = [0], check = True, quiet = False):
    """Runs a command on this machine and waits for its end.

    What the command prints is shown as it comes. When the time is over, or the
    run is stopped, the command and everything it has started get SIGTERM, and
    SIGKILL 5 seconds later. A program that the command leaves in the background
    may go on after it; its output is waited for 2 seconds.

    Args:
      command: the program and its arguments, as a list; a string when shell is
        True. It runs in the workspace; _cwd, _env, _user and _sudo change where
        and as whom.
      shell: have /bin/sh read the command, for pipes and redirections. Do not
        put texts that others chose into such a command.
      stdin: text that the command reads. Without it, it reads nothing.
      timeout: time that the command may take; 0 for no limit. _timeout goes first.
      ok_codes: exit codes that mean success.
      check: whether another exit code is an error. If not, look at ok or code.
      quiet: do not show what the command prints.
    Returns:
      A struct result: code (int; 128 + n when signal n ended it), stdout and
      stderr (strings), duration, and ok (whether the code is one of ok_codes).
    Errors:
      failed for another exit code, with code, stdout and stderr (their last 4 KiB)
      in details; not_found and permission when the command cannot be started;
      timeout when it was killed after its time; limit when it printed more than
      64 MiB.
    Note:
      When the program is killed meanwhile, nobody knows whether the command did
      its work, and the run waits for an answer. With _once = True a marker on
      this machine tells that it ended, and with what result. Commands that may
      safely run again are best written so that they look first.
    Example:
      exec.run(["git", "rev-parse", "HEAD"]).stdout.strip()
      exec.run("journalctl -u nginx | tail -5", shell = True)
    """`, &run{}, effect.Blind)

type run struct {
	Command starlark.Value `star:"command"`
	Shell   bool           `star:"shell"`
	Stdin   string         `star:"stdin"`
	Timeout time.Duration  `star:"timeout,tuning"`
	OKCodes []int          `star:"ok_codes"`
	Check   bool           `star:"check"`
	Quiet   bool           `star:"quiet,tuning"`
}

var (
	_ effect.Validator = (*run)(nil)
	_ effect.Describer = (*run)(nil)
	_ effect.Predictor = (*run)(nil)
	_ effect.Asker     = (*run)(nil)
	_ effect.Assumer   = (*run)(nil)
	_ effect.Commander = (*run)(nil)
	_ effect.Queued    = (*run)(nil)
)

// Result is what exec.run returns.
type Result struct {
	Code     int           `star:"code"`
	Stdout   string        `star:"stdout"`
	Stderr   string        `star:"stderr"`
	Duration time.Duration `star:"duration"`
	OK       bool          `star:"ok"`
}

func (r *run) RunsCommand()     {}
func (r *run) Describe() string { return cmdline.Describe(r.Command, r.Shell) }
func (r *run) Assume() any      { return Result{OK: true} }

func (r *run) Validate() error {
	if r.Timeout < 0 {
		return fault.New(fault.Invalid, "the timeout is negative")
	}
	_, err := cmdline.Argv(r.Command, r.Shell)
	return err
}

func (r *run) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Result: value.NewUnknown("exec.run(%s)", r.Describe()), Change: effect.Act}, nil
}

// Happened knows only of commands that left a marker.
func (r *run) Happened(_ context.Context, env *effect.Env, _ effect.Past) (effect.Answer, error) {
	if !env.Options.Once {
		return effect.Answer{Why: "a command leaves no trace of its own; with _once = True it would"}, nil
	}
	state, result, err := readMarker(env)
	switch {
	case err != nil:
		return effect.Answer{}, err
	case state == markerNone:
		return effect.Answer{Happened: effect.No, Why: "there is no marker"}, nil
	case state == markerStarted:
		return effect.Answer{Why: "its marker says that it was started, but not that it ended"}, nil
	case r.Check && !result.OK:
		return effect.Answer{Why: "its marker says that it failed, with code " + starlark.MakeInt(result.Code).String()}, nil
	}
	return effect.Answer{Happened: effect.Yes, Result: result, Why: "its marker holds the result"}, nil
}

// slots bounds the commands that run at once: each holds a thread and pipes.
var slots = make(chan struct{}, 64)

// Enter waits for a slot.
func (r *run) Enter(ctx context.Context, _ *effect.Env) (release func(), err error) {
	select {
	case slots <- struct{}{}:
		return func() { <-slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (r *run) Perform(ctx context.Context, env *effect.Env) (any, error) {
	c, err := prepare(env, r.Command, r.Shell)
	if err != nil {
		return nil, err
	}
	stdin, err := env.Run.Secrets.Expand(r.Stdin)
	if err != nil {
		return nil, err
	}
	if err := writeStarted(env); err != nil {
		return nil, err
	}
	result, err := r.execute(ctx, env, c, stdin)
	if f := fault.As(err); f != nil && f.Unsent {
		removeMarker(env)
	}
	if err != nil {
		return nil, err
	}
	if err := writeResult(env, result); err != nil {
		return nil, err
	}
	if r.Check && !result.OK {
		return nil, c.exitFault(env, result)
	}
	return result, nil
}

// errFull is why a command that prints too much is stopped.
var errFull = errors.New("too much output")

// execute starts the command and waits for its end, or ends it.
func (r *run) execute(ctx context.Context, env *effect.Env, c *command, stdin string) (Result, error) {
	ctx, cancel := r.deadline(ctx, env)
	defer cancel(nil)
	to := &cmdline.Printer{Out: env.Output}
	if r.Quiet {
		to.Out = nil
	}
	full := func() { cancel(errFull) }
	stdout, stderr := cmdline.NewCollector("stdout", to, full), cmdline.NewCollector("stderr", to, full)
	cmd := c.cmd()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if stdin != "" {
		cmd.Stdin = strings.NewReader(stdin)
	}
	begun := time.Now()
	p, err := c.start(cmd, nil)
	if err != nil {
		return Result{}, err
	}
	stopped := p.waitOrStop(ctx)
	stdout.Flush()
	stderr.Flush()
	took := time.Since(begun)
	if stopped || stdout.Full || stderr.Full {
		return Result{}, c.stoppedFault(ctx, env, took, stdout, stderr)
	}
	if err := c.sudoFault(p.code, stderr.String()); err != nil {
		return Result{}, err
	}
	return Result{
		Code: p.code, Stdout: stdout.String(), Stderr: stderr.String(),
		Duration: took, OK: slices.Contains(r.OKCodes, p.code),
	}, nil
}

// deadline applies the timeout, unless the script gave one by _timeout, which
// is in ctx already.
func (r *run) deadline(ctx context.Context, env *effect.Env) (context.Context, context.CancelCauseFunc) {
	if r.Timeout == 0 || env.Options.Timeout != 0 {
		return context.WithCancelCause(ctx)
	}
	ctx, release := context.WithTimeout(ctx, r.Timeout)
	ctx, cancel := context.WithCancelCause(ctx)
	return ctx, func(err error) { cancel(err); release() }
}

// waitOrStop waits for the end, and reports whether it had to bring it about.
func (p *process) waitOrStop(ctx context.Context) (stopped bool) {
	select {
	case <-p.done:
		return false
	case <-ctx.Done():
	}
	if p.ended() {
		return false
	}
	p.stop(syscall.SIGTERM, killGrace)
	return true
}
