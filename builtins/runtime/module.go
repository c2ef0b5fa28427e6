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
def exec(argv, stdin = "", timeout = "10m", check = True, quiet = False):
    """Runs a command of the container runtime.

    Args:
      argv: the arguments of its command, as a list: ["ps", "-a"].
      stdin: text that the command reads. Without it, it reads nothing.
      timeout: time that the command may take; 0 for no limit. _timeout goes first.
      check: whether an exit code that is not 0 is an error.
      quiet: do not show what the command prints.
    Returns:
      The struct of operations, as that of target.run.
    Errors:
      not_found and unavailable without a runtime; those of target.run.
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
def compose(file, argv, stdin = "", timeout = "10m", check = True, quiet = False):
    """Runs compose of the container runtime.

    Args:
      file: the compose file, in the workspace.
      argv: the arguments of compose, as a list: ["up", "-d"].
      stdin: text that the command reads. Without it, it reads nothing.
      timeout: time that the command may take; 0 for no limit. _timeout goes first.
      check: whether an exit code that is not 0 is an error.
      quiet: do not show what the command prints.
    Returns:
      The struct of operations, as that of target.run.
    Errors:
      not_found when there is no such file, no runtime, or the runtime has no compose;
      those of target.run.
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

// behaviour is how both are watched and judged.
type behaviour struct {
	Stdin   string        `star:"stdin"`
	Timeout time.Duration `star:"timeout,tuning"`
	Check   bool          `star:"check"`
	Quiet   bool          `star:"quiet,tuning"`
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
	return command.New(&own, *here(), c, words(argv), false)
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
	return nil
}

func (x *execute) Validate() error  { return x.valid(x.Argv) }
func (x *execute) Describe() string { return described(x.Argv) }

func (x *execute) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Result: value.NewUnknown("runtime.exec(%s)", x.Describe()), Change: effect.Act}, nil
}

func (x *execute) job(ctx context.Context, env *effect.Env) (*command.Job, error) {
	r, err := find(ctx, "")
	if err != nil {
		return nil, fault.Before(err)
	}
	return x.behaviour.job(env, slices.Concat(r.Driver(), x.Argv))
}

func (x *execute) Perform(ctx context.Context, env *effect.Env) (any, error) {
	j, err := x.job(ctx, env)
	if err != nil {
		return nil, err
	}
	return j.Perform(ctx, env)
}

func (x *execute) Happened(ctx context.Context, env *effect.Env, _ effect.Past) (effect.Answer, error) {
	j, err := x.job(ctx, env)
	if err != nil {
		return effect.Answer{}, err
	}
	return j.Happened(ctx, env)
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

func (c *compose) job(ctx context.Context, env *effect.Env) (*command.Job, error) {
	p, err := env.Run.Files.Resolve(c.File)
	if err != nil {
		return nil, err
	}
	if _, err := p.Stat(); err != nil {
		return nil, fault.Before(err)
	}
	r, err := find(ctx, "")
	if err != nil {
		return nil, fault.Before(err)
	}
	if r.Compose == "" {
		return nil, fault.Before(fault.New(fault.NotFound, "%s has no compose", r.Name).
			WithHint("install it: apt-get install docker-compose-v2, or podman-compose"))
	}
	return c.behaviour.job(env, slices.Concat(r.Driver(), []string{"compose", "-f", p.Abs}, c.Argv))
}

func (c *compose) Perform(ctx context.Context, env *effect.Env) (any, error) {
	j, err := c.job(ctx, env)
	if err != nil {
		return nil, err
	}
	return j.Perform(ctx, env)
}

func (c *compose) Happened(ctx context.Context, env *effect.Env, _ effect.Past) (effect.Answer, error) {
	j, err := c.job(ctx, env)
	if err != nil {
		return effect.Answer{}, err
	}
	return j.Happened(ctx, env)
}
