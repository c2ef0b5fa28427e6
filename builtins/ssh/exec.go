package ssh

import (
	"context"
	"errors"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/cmdline"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
	"github.com/provisioning-systems/provisioning/runtime/target"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Write(`
def exec(target, command, shell = False, stdin = "", timeout = "10m", check = False, quiet = False):
    """Runs a command on a machine, or on all of a pool, and returns how it ended.

    It is target.run for those who look at exit codes themselves: one that is not 0
    is no error. A machine that cannot be reached is one; with several machines
    _on_error = "continue" makes that a result, too.

    Args:
      target: the machine, a list of machines, or a pool.
      command: the program and its arguments, as a list; a string when shell is
        True.
      shell: have the machine's sh read the command, for pipes and redirections.
        Do not put texts that others chose into such a command.
      stdin: text that the command reads. Without it, it reads nothing.
      timeout: time that the command may take; 0 for no limit. _timeout goes first.
      check: whether an exit code that is not 0 is an error.
      quiet: do not show what the command prints.
    Returns:
      The struct of operations: host, ok, changed, rc (128 + n when signal n ended
      the command), stdout, stderr, diff, duration, error, hosts. With several
      machines hosts has a result for each.
    Errors:
      network when a machine cannot be reached; timeout when the command was ended
      after its time; limit when it printed more than 64 MiB; failed for another
      exit code than 0, with check.
    Note:
      When the connection is cut, or the program killed, nobody knows how far the
      command came, and the run waits for an answer. target.run can leave a marker
      (_once).
    Example:
      ssh.exec(pool, ["systemctl", "is-active", "nginx"]).ok
      [h.host for h in ssh.exec(pool, "df / | grep -q 9.%", shell = True).hosts if h.ok]
    """`, &execute{}, effect.Blind)

type execute struct {
	operation.Many
	Target  starlark.Value `star:"target"`
	Command starlark.Value `star:"command"`
	Shell   bool           `star:"shell"`
	Stdin   string         `star:"stdin"`
	Timeout time.Duration  `star:"timeout,tuning"`
	Check   bool           `star:"check"`
	Quiet   bool           `star:"quiet,tuning"`
}

var (
	_ effect.Validator = (*execute)(nil)
	_ effect.Describer = (*execute)(nil)
	_ effect.Predictor = (*execute)(nil)
	_ effect.Assumer   = (*execute)(nil)
	_ effect.Commander = (*execute)(nil)
	_ effect.Remote    = (*execute)(nil)
	_ effect.Spreader  = (*execute)(nil)
)

func (x *execute) RunsCommand() {}

func (x *execute) host() string {
	if t, err := target.Parse(x.Target); err == nil {
		return t.Name
	}
	return "?"
}

// Endpoint is what the circuit breaker counts by.
func (x *execute) Endpoint() string {
	if t, err := target.Parse(x.Target); err == nil {
		return t.ID
	}
	return ""
}

func (x *execute) Describe() string { return x.host() + ": " + cmdline.Describe(x.Command, x.Shell) }
func (x *execute) Assume() any      { return operation.Result{Host: x.host(), OK: true, Changed: true} }

func (x *execute) Validate() error {
	if _, err := target.Parse(x.Target); err != nil {
		return err
	}
	if x.Timeout < 0 {
		return fault.New(fault.Invalid, "the timeout is negative")
	}
	_, err := cmdline.Argv(x.Command, x.Shell)
	return err
}

func (x *execute) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Result: value.NewUnknown("ssh.exec(%s)", x.Describe()), Change: effect.Act}, nil
}

// command is what the machine is told. Where the run knows secrets, the command may
// have one in it, which the list of processes must not show.
func (x *execute) command(env *effect.Env, t *target.Target) (machine.Command, error) {
	argv, err := cmdline.Argv(x.Command, x.Shell)
	if err != nil {
		return machine.Command{}, err
	}
	c := machine.Command{Argv: argv, As: t.As(env), Env: env.Options.Env, Dir: env.Options.Cwd, Hidden: !env.Run.Secrets.Empty()}
	if x.Shell { // the machine reads a line anyway
		c.Argv, c.Script = nil, argv[2]
	}
	return c, nil
}

// errFull is why a command that prints too much is ended.
var errFull = errors.New("too much output")

// Perform runs the command. It does not outlive the connection.
func (x *execute) Perform(ctx context.Context, env *effect.Env) (any, error) {
	t, err := target.Parse(x.Target)
	if err != nil {
		return nil, err
	}
	c, err := x.command(env, t)
	if err != nil {
		return nil, err
	}
	conn, err := target.Open(ctx, env, t)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if x.Timeout > 0 && env.Options.Timeout == 0 { // _timeout is in ctx already
		var release func()
		ctx, release = context.WithTimeout(ctx, x.Timeout)
		defer release()
	}
	printer := &cmdline.Printer{}
	defer printer.Close()
	if !x.Quiet && env.Output != nil {
		printer.Out = func(stream, line string) { env.Output(stream, t.Name+": "+line) }
	}
	full := func() { cancel(errFull) }
	out, errs := cmdline.NewCollector("stdout", printer, full), cmdline.NewCollector("stderr", printer, full)
	began := time.Now()
	exit, stopped, err := machine.RunHeld(ctx, conn, c, x.Stdin, machine.Streams{Stdout: out, Stderr: errs})
	out.Flush()
	errs.Flush()
	switch {
	case err != nil:
		return nil, err
	case out.Full || errs.Full:
		return nil, fault.New(fault.Limit, "on %s, the command was ended: it printed more than %d MiB", t.Name, cmdline.MaxOutput>>20).
			WithHint("write its output to a file on the machine, or filter it")
	case stopped:
		return nil, x.stopped(ctx, t, time.Since(began))
	}
	r := operation.Result{
		Host: t.Name, OK: exit.Code == 0, Changed: true, RC: exit.Code, Stdout: out.String(), Stderr: errs.String(), Duration: time.Since(began),
	}
	if x.Check && !r.OK {
		return nil, operation.Failure(r)
	}
	return r, nil
}

// stopped is the error of a command that was ended. After a stop of the run nobody
// knows how far it came.
func (x *execute) stopped(ctx context.Context, t *target.Target, took time.Duration) error {
	took = took.Round(10 * time.Millisecond)
	cause := context.Cause(ctx)
	e := fault.New(fault.Timeout, "on %s, the command was ended after %s", t.Name, took).WithHint("give it more time with timeout, if it needs it")
	if !errors.Is(cause, context.DeadlineExceeded) && !fault.Is(cause, fault.Timeout) {
		e = fault.New(fault.Cancelled, "on %s, the command was ended after %s because the run was stopped", t.Name, took)
		e.InDoubt = true
	}
	e.Cause = cause
	return e
}
