package container

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	engine "github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Write(`
def exec(container, command, shell = False, stdin = "", timeout = "10m", ok_codes = [0], check = True, quiet = False, engine = ""):
    """Runs a command in a container that runs, and waits for its end.

    What it prints is shown as it comes. When the time is over, or the run is
    stopped, the command and all that it has started get SIGTERM, and SIGKILL 5
    seconds later. This is done by the sh of the container; in one without sh, a list
    is run all the same, but goes on then.

    Args:
      container: its name, or what container.create has returned.
      command: the program and its arguments, as a list; a string when shell is
        True. It runs in the home directory; _cwd, _env, _user and _sudo change
        where and as whom, and need no sudo in the container.
      shell: have the sh of the container read the command. Do not put texts that
        others chose into such a command.
      stdin: text that the command reads. Without it, it reads nothing.
      timeout: time that it may take; 0 for no limit. _timeout goes first.
      ok_codes: exit codes that mean success.
      check: whether another exit code is an error. If not, look at ok or rc.
      quiet: do not show what it prints.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations: rc, stdout and stderr are those of the command.
    Errors:
      failed for another exit code, and when the container does not run; not_found
      when there is no such container or program; timeout; limit when it prints more
      than 64 MiB.
    Note:
      When the program is killed meanwhile, nobody knows whether the command did its
      work, and the run waits for an answer. target.run takes _once.
    Example:
      container.exec("db", ["psql", "-c", "select 1"], _user = "postgres").stdout
    """`, &execute{}, effect.Blind)

type execute struct {
	Command starlark.Value `star:"command"`
	Shell   bool           `star:"shell"`
	Stdin   string         `star:"stdin"`
	Timeout time.Duration  `star:"timeout,tuning"`
	OKCodes []int          `star:"ok_codes"`
	Check   bool           `star:"check"`
	Quiet   bool           `star:"quiet,tuning"`
	of
}

var (
	_ effect.Validator = (*execute)(nil)
	_ effect.Describer = (*execute)(nil)
	_ effect.Predictor = (*execute)(nil)
	_ effect.Assumer   = (*execute)(nil)
	_ effect.Commander = (*execute)(nil)
	_ effect.Remote    = (*execute)(nil)
)

func (x *execute) RunsCommand() {}

func (x *execute) Assume() any { return operation.Result{Host: x.name(), OK: true, Changed: true} }

func (x *execute) Describe() string {
	if text, ok := starlark.AsString(x.Command); ok {
		return x.name() + ": " + text
	}
	argv, _ := textsOf(x.Command, "the command", "words")
	return describeCommand(x.name(), argv)
}

func describeCommand(where string, argv []string) string {
	if len(argv) == 0 {
		return where
	}
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = machine.Quote(word)
	}
	return where + ": " + strings.Join(words, " ")
}

func (x *execute) Validate() error {
	if _, err := x.command(); err != nil {
		return err
	}
	if err := notNegative(x.Timeout); err != nil {
		return err
	}
	return x.of.Validate()
}

func (x *execute) command() (machine.Command, error) {
	text, isText := starlark.AsString(x.Command)
	if isText != x.Shell {
		return machine.Command{}, fault.New(fault.Invalid, "a command is a list, or a string with shell = True, not a %s", x.Command.Type())
	}
	if isText {
		return machine.Command{Script: text}, nil
	}
	argv, err := textsOf(x.Command, "the command", "words")
	if err == nil && (len(argv) == 0 || argv[0] == "") {
		err = fault.New(fault.Invalid, "the command is empty")
	}
	return machine.Command{Argv: argv}, err
}

// prepare fills in the secrets and the options.
func (x *execute) prepare(env *effect.Env) (c machine.Command, stdin string, err error) {
	if env.Options.Once {
		return c, "", fault.New(fault.Invalid, "container.exec leaves no marker in a container").
			WithHint("target.run(container.target(%q), …, _once = True) does", x.name())
	}
	if c, err = x.command(); err != nil {
		return c, "", err
	}
	expand := func(text string) string {
		plain, failed := env.Run.Secrets.Expand(text)
		err = errors.Join(err, failed)
		c.Hidden = c.Hidden || plain != text
		return plain
	}
	for i, word := range c.Argv {
		c.Argv[i] = expand(word)
	}
	c.Script, c.Dir, c.Env = expand(c.Script), env.Options.Cwd, map[string]string{}
	for name, v := range env.Options.Env {
		c.Env[name] = expand(v)
	}
	if c.As.User = env.Options.User; c.As.User == "" && env.Options.Sudo {
		c.As.User = "root"
	}
	c.Hidden = c.Hidden || !env.Run.Secrets.Empty() // arguments come with their secrets filled in
	return c, expand(x.Stdin), err
}

var errFull = errors.New("it printed too much")

func (x *execute) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	c, stdin, err := x.prepare(env)
	if err != nil {
		return nil, err
	}
	e, err := x.open(ctx, env)
	if err != nil {
		return nil, err
	}
	bound := x.Timeout
	if env.Options.Timeout > 0 {
		bound = 0 // that is in ctx already
	}
	running, cancel := within(ctx, bound)
	defer cancel()
	running, stop := context.WithCancelCause(running)
	defer stop(nil)
	out, errs := newBounded(stop), newBounded(stop)
	s, flush := machine.Streams{Stdout: out, Stderr: errs}, func() {}
	if !x.Quiet {
		s, flush = shown(env, x.name(), s)
	}
	exit, err := x.execute(running, e, c, stdin, s)
	flush()
	if err != nil {
		return nil, x.stoppedFault(running, err)
	}
	r := operation.Result{
		Host: x.name(), OK: slices.Contains(x.OKCodes, exit.Code), Changed: true, RC: exit.Code,
		Stdout: out.String(), Stderr: errs.String(), Duration: time.Since(began),
	}
	if x.Check && !r.OK {
		return nil, operation.Failure(r)
	}
	return r, nil
}

// execute has the container's sh run the command; without one, a list is run by the
// engine itself.
func (x *execute) execute(ctx context.Context, e *engine.Engine, c machine.Command, stdin string, s machine.Streams) (machine.Exit, error) {
	input := func() machine.Streams {
		if s.Stdin = nil; stdin != "" {
			s.Stdin = strings.NewReader(stdin)
		}
		return s
	}
	exit, err := machine.Run(ctx, e.Conn(x.name(), ""), c, input())
	if f := fault.As(err); f == nil || f.Kind != fault.NotFound || !strings.Contains(f.Msg, engine.NoSuchProgram) || len(c.Argv) == 0 {
		return exit, err
	}
	env := make([]string, 0, len(c.Env))
	for name, v := range c.Env {
		env = append(env, name+"="+v)
	}
	slices.Sort(env)
	return e.Exec(ctx, x.name(), engine.Exec{Argv: c.Argv, User: c.As.User, Dir: c.Dir, Env: env}, input())
}

// stoppedFault says why a command was stopped.
func (x *execute) stoppedFault(ctx context.Context, err error) error {
	f := fault.As(err)
	switch cause := context.Cause(ctx); {
	case f == nil || ctx.Err() == nil:
		return err
	case errors.Is(cause, errFull):
		f.Kind, f.Msg = fault.Limit, x.Describe()+" printed more than 64 MiB, and was stopped"
	case errors.Is(cause, context.DeadlineExceeded):
		f.Kind, f.Msg = fault.Timeout, x.Describe()+" was stopped after "+x.Timeout.String()
	}
	return f
}

// bounded keeps what is written, and stops the command when it is too much.
type bounded struct {
	machine.Buffer
	stop context.CancelCauseFunc
}

func newBounded(stop context.CancelCauseFunc) *bounded {
	return &bounded{machine.Buffer{Max: maxOutput}, stop}
}

func (b *bounded) Write(p []byte) (int, error) {
	n, err := b.Buffer.Write(p)
	if b.Full {
		b.stop(errFull)
	}
	return n, err
}

func (x *execute) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	if _, err := x.needed(ctx, env); err != nil {
		return effect.Prediction{}, err
	}
	return effect.Prediction{Result: value.NewUnknown("container.exec(%s)", x.Describe()), Change: effect.Act}, nil
}
