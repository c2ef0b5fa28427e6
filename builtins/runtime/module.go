// Package runtime is the module runtime: the container runtimes of this machine, and
// their commands. Containers themselves are made by the module container, which
// speaks to the API of the engine.
package runtime

import (
	"context"
	"slices"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/cmdline"
	"github.com/provisioning-systems/provisioning/runtime/command"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/operation"
	"github.com/provisioning-systems/provisioning/runtime/target"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Module is what scripts see as runtime.
var Module = module.New("runtime", `Container runtimes of this machine: Docker, Podman, nerdctl, OrbStack, Colima.

One counts when its command is there and its engine answers. For what can be done
with containers see the module container.`)

var _ = Module.Read(`
def detect(preferred = ""):
    """Names the container runtime that is used.

    Args:
      preferred: the one to take if it answers.
    Returns:
      Its name, such as "docker".
    Errors:
      not_found when none is installed; unavailable when none answers.
    Example:
      attempt(runtime.detect).value
    """`, &detect{})

type detect struct {
	Preferred string `star:"preferred"`
}

func (d *detect) Perform(ctx context.Context, _ *effect.Env) (any, error) {
	r, err := find(ctx, d.Preferred)
	return r.Name, err
}

var _ = Module.Read(`
def info(preferred = ""):
    """Describes the container runtime that is used.

    Args:
      preferred: the one to take if it answers.
    Returns:
      A struct with name, command (its path), version, socket (of its API), storage
      (the driver), rootless, compose (the version of its compose, or ""), default,
      running, error.
    Errors:
      not_found when none is installed; unavailable when none answers.
    Example:
      attempt(runtime.info).ok
    """`, &info{})

type info struct {
	Preferred string `star:"preferred"`
}

func (i *info) Perform(ctx context.Context, _ *effect.Env) (any, error) {
	return find(ctx, i.Preferred)
}

var _ = Module.Read(`
def list():
    """Lists the container runtimes whose command is there.

    Returns:
      A list of structs as that of runtime.info. Of one that does not answer, running
      is False and error says why.
    Example:
      [r.name for r in runtime.list() if r.running]
    """`, &list{})

type list struct{}

func (*list) Perform(ctx context.Context, _ *effect.Env) (any, error) {
	return search("").Runtimes(ctx)
}

func search(preferred string) container.Search {
	return container.Search{Preferred: preferred, Places: container.Here()}
}

func find(ctx context.Context, preferred string) (container.Runtime, error) {
	s := search(preferred)
	all, err := s.Runtimes(ctx)
	if err != nil {
		return container.Runtime{}, err
	}
	return s.Detect(all)
}

var _ = Module.Write(`
def exec(argv, name = "", stdin = "", timeout = "10m", check = True, quiet = False, terminal = False):
    """Runs a command of the container runtime.

    Args:
      argv: the arguments of its command, as a list: ["ps", "-a"].
      name: the runtime, such as "podman"; "" for the one that is used.
      stdin: text that the command reads. Without it, it reads nothing.
      timeout: time that the command may take; 0 for no limit. _timeout goes first.
      check: whether an exit code that is not 0 is an error.
      quiet: do not show what the command prints.
      terminal: give the command the terminal of the person who runs the script, as
        a shell in a container wants it. Of what is typed and shown there nothing is
        recorded, and there is no limit of time but _timeout.
    Returns:
      The struct of operations, as that of target.run.
    Errors:
      not_found and unavailable without a runtime; unavailable when nobody is at a
      terminal that is asked for; those of target.run.
    Note:
      When the program is killed meanwhile, nobody knows how far the command came, and
      the run waits for an answer. With _once = True it leaves a marker, as described
      in target.run.
    Example:
      if attempt(runtime.detect).ok:
          runtime.exec(["version"], quiet = True, check = False)
    """`, &execute{}, effect.Blind)

type execute struct {
	Argv []string `star:"argv"`
	behaviour
}

var _ = Module.Write(`
def compose(file, argv, name = "", stdin = "", timeout = "10m", check = True, quiet = False, terminal = False):
    """Runs compose of the container runtime.

    Args:
      file: the compose file, in the workspace.
      argv: the arguments of compose, as a list: ["up", "-d"].
      name: the runtime, such as "podman"; "" for the one that is used.
      stdin: text that the command reads. Without it, it reads nothing.
      timeout: time that the command may take; 0 for no limit. _timeout goes first.
      check: whether an exit code that is not 0 is an error.
      quiet: do not show what the command prints.
      terminal: give the command the terminal of the person who runs the script, as
        a shell in a container wants it. Of what is typed and shown there nothing is
        recorded, and there is no limit of time but _timeout.
    Returns:
      The struct of operations, as that of target.run.
    Errors:
      not_found when there is no such file, no runtime, or the runtime has no compose;
      those of runtime.exec.
    Note:
      As with runtime.exec.
    Example:
      if fs.exists("compose.yaml"):
          runtime.compose("compose.yaml", ["up", "-d"])
    """`, &compose{}, effect.Blind)

type compose struct {
	File string   `star:"file"`
	Argv []string `star:"argv"`
	behaviour
}

// behaviour is by which runtime both are run, and how they are watched and judged.
type behaviour struct {
	Name     string        `star:"name"`
	Stdin    string        `star:"stdin"`
	Timeout  time.Duration `star:"timeout,tuning"`
	Check    bool          `star:"check"`
	Quiet    bool          `star:"quiet,tuning"`
	Terminal bool          `star:"terminal"`
}

var (
	_ effect.Validator = (*execute)(nil)
	_ effect.Describer = (*execute)(nil)
	_ effect.Predictor = (*execute)(nil)
	_ effect.Asker     = (*execute)(nil)
	_ effect.Assumer   = (*execute)(nil)
	_ effect.Commander = (*execute)(nil)
	_ effect.Leaver    = (*execute)(nil)

	_ effect.Validator = (*compose)(nil)
	_ effect.Describer = (*compose)(nil)
	_ effect.Predictor = (*compose)(nil)
	_ effect.Asker     = (*compose)(nil)
	_ effect.Assumer   = (*compose)(nil)
	_ effect.Commander = (*compose)(nil)
	_ effect.Leaver    = (*compose)(nil)
	_ effect.Looker    = (*compose)(nil)
)

func (behaviour) RunsCommand() {}
func (behaviour) Assume() any  { return operation.Result{Host: here().Host(), OK: true, Changed: true} }

// Left notes the marker of this machine.
func (behaviour) Left(env *effect.Env) { here().Left(env) }

// here is this machine, on which runtimes are called.
func here() *command.On { return &command.On{Target: target.Make("local", "local", nil)} }

// job runs a program. Runtimes are called in the workspace, where their files are.
func (b behaviour) job(env *effect.Env, argv []string) (*command.Job, error) {
	own := *env
	if own.Options.Cwd == "" {
		own.Options.Cwd = env.Run.Files.Workspace()
	}
	c := command.Behaviour{Stdin: b.Stdin, Timeout: b.Timeout, OKCodes: []int{0}, Check: b.Check, Quiet: b.Quiet}
	j, err := command.New(&own, *here(), c, words(argv), false)
	if j != nil {
		j.Unnamed = true // it is always this machine
	}
	return j, err
}

// perform runs a program, over the terminal where it is to have that.
func (b behaviour) perform(ctx context.Context, env *effect.Env, argv []string) (any, error) {
	if b.Terminal {
		return b.attached(ctx, env, argv)
	}
	j, err := b.job(env, argv)
	if err != nil {
		return nil, err
	}
	return j.Perform(ctx, env)
}

// happened asks for the marker of a command, which is found by the effect alone.
func (b behaviour) happened(ctx context.Context, env *effect.Env, argv []string) (effect.Answer, error) {
	j, err := b.job(env, argv)
	if err != nil {
		return effect.Answer{}, err
	}
	return j.Happened(ctx, env)
}

// named is the runtime of a name, or the one that is used.
func named(ctx context.Context, name string) (container.Runtime, error) {
	s := search("")
	if name != "" {
		s.Order = []string{name}
	}
	all, err := s.Runtimes(ctx)
	if err != nil {
		return container.Runtime{}, err
	}
	return s.Detect(all)
}

func words(argv []string) *starlark.List {
	list := make([]starlark.Value, len(argv))
	for i, word := range argv {
		list[i] = starlark.String(word)
	}
	return starlark.NewList(list)
}

func described(argv []string) string { return cmdline.Describe(words(argv), false) }

func (b behaviour) valid(argv []string) error {
	if len(argv) == 0 {
		return fault.New(fault.Invalid, "there are no arguments").WithHint("as in: [\"ps\", \"-a\"]")
	}
	if b.Timeout < 0 {
		return fault.New(fault.Invalid, "the timeout is negative")
	}
	if b.Terminal && b.Stdin != "" {
		return fault.New(fault.Invalid, "a command with the terminal reads that, and no stdin")
	}
	return nil
}

func (x *execute) Validate() error  { return x.valid(x.Argv) }
func (x *execute) Describe() string { return described(x.Argv) }

func (x *execute) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Result: value.NewUnknown("runtime.exec(%s)", x.Describe()), Change: effect.Act}, nil
}

// program is what is run: the command of the runtime, and its arguments.
func (x *execute) program(ctx context.Context) ([]string, error) {
	r, err := named(ctx, x.Name)
	if err != nil {
		return nil, fault.Before(err)
	}
	return slices.Concat(r.Driver(), x.Argv), nil
}

func (x *execute) Perform(ctx context.Context, env *effect.Env) (any, error) {
	argv, err := x.program(ctx)
	if err != nil {
		return nil, err
	}
	return x.perform(ctx, env, argv)
}

func (x *execute) Happened(ctx context.Context, env *effect.Env, _ effect.Past) (effect.Answer, error) {
	return x.happened(ctx, env, x.Argv)
}

func (c *compose) Validate() error {
	if c.File == "" {
		return fault.New(fault.Invalid, "the file is empty")
	}
	return c.valid(c.Argv)
}

func (c *compose) Describe() string { return c.File + ": " + described(c.Argv) }

// Looks names the file: a plan is another one when it changes.
func (c *compose) Looks(env *effect.Env) []string {
	p, err := env.Run.Files.Resolve(c.File)
	if err != nil {
		return nil
	}
	return []string{p.Resource()}
}

func (c *compose) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Result: value.NewUnknown("runtime.compose(%s)", c.Describe()), Change: effect.Act}, nil
}

func (c *compose) program(ctx context.Context, env *effect.Env) ([]string, error) {
	p, err := env.Run.Files.Resolve(c.File)
	if err != nil {
		return nil, err
	}
	if _, err := p.Stat(); err != nil {
		return nil, fault.Before(err)
	}
	r, err := named(ctx, c.Name)
	if err != nil {
		return nil, fault.Before(err)
	}
	if r.Compose == "" {
		return nil, fault.Before(fault.New(fault.NotFound, "%s has no compose", r.Name).
			WithHint("install it: apt-get install docker-compose-v2, or podman-compose"))
	}
	return slices.Concat(r.Driver(), []string{"compose", "-f", p.Abs}, c.Argv), nil
}

func (c *compose) Perform(ctx context.Context, env *effect.Env) (any, error) {
	argv, err := c.program(ctx, env)
	if err != nil {
		return nil, err
	}
	return c.perform(ctx, env, argv)
}

func (c *compose) Happened(ctx context.Context, env *effect.Env, _ effect.Past) (effect.Answer, error) {
	return c.happened(ctx, env, c.Argv)
}
