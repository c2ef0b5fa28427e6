package container

import (
	"context"
	"slices"
	"time"

	engine "github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Write(`
def run(image, name = "", command = [], *, timeout = "10m", ok_codes = [0], check = True, quiet = False, engine = ""):
    """Runs a program in a container of its own, waits for its end, and removes it.

    What it prints is shown as it comes. When the time is over, or the run is
    stopped, the container is removed, whatever runs in it. A run that is killed
    meanwhile finds the container again, and waits for it.

    Args:
      image: name of the image. It has to be there: see container.image_pull.
      name: name of the container. "": one that is made of the run.
      command: program and arguments. []: that of the image.
      timeout: time that it may take; 0 for no limit. _timeout goes first.
      ok_codes: exit codes that mean success.
      check: whether another exit code is an error. If not, look at ok or rc.
      quiet: do not show what it prints.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations: rc, stdout and stderr are those of the program.
    Errors:
      failed for another exit code; timeout; exists when there is another container
      under that name; not_found when the engine has no such image.
    Example:
      container.run("alpine:3", command = ["uname", "-r"]).stdout.strip()
    """`, &run{}, effect.Blind)

type run struct {
	made
	Timeout time.Duration `star:"timeout,tuning"`
	OKCodes []int         `star:"ok_codes"`
	Check   bool          `star:"check"`
	Quiet   bool          `star:"quiet,tuning"`
	on
}

var (
	_ effect.Validator = (*run)(nil)
	_ effect.Describer = (*run)(nil)
	_ effect.Predictor = (*run)(nil)
	_ effect.Asker     = (*run)(nil)
	_ effect.Assumer   = (*run)(nil)
	_ effect.Undoer    = (*run)(nil)
	_ effect.Remote    = (*run)(nil)
)

func (r *run) Describe() string { return describeCommand(r.Image, r.Command) }

func (r *run) Assume() any { return operation.Result{Host: r.Image, OK: true, Changed: true} }

func (r *run) Validate() error {
	if _, err := r.spec(); err != nil {
		return err
	}
	return notNegative(r.Timeout)
}

func (r *run) Perform(ctx context.Context, env *effect.Env) (any, error) {
	s, err := r.expanded(env)
	if err != nil {
		return nil, err
	}
	e, err := r.open(ctx, env)
	if err != nil {
		return nil, err
	}
	there, mine, err := e.Create(ctx, s, owner(env))
	if err != nil {
		return nil, err
	}
	if !mine {
		return nil, fault.New(fault.Exists, "there is a container %q already", s.Name).WithHint("leave the name out, or remove that container")
	}
	if there.State == "created" {
		if _, err := e.Start(ctx, s.Name); err != nil {
			_, _ = e.Remove(context.WithoutCancel(ctx), s.Name, true, true) // it never ran
			return nil, err
		}
	}
	return r.watch(ctx, env, e, s.Name)
}

// watch follows the container to its end.
func (r *run) watch(ctx context.Context, env *effect.Env, e *engine.Engine, name string) (any, error) {
	began := time.Now()
	bound := r.Timeout
	if env.Options.Timeout > 0 {
		bound = 0 // that is in ctx already
	}
	waiting, cancel := within(ctx, bound)
	defer cancel()
	out, errs := &machine.Buffer{Max: maxOutput}, &machine.Buffer{Max: maxOutput}
	show, flush := machine.Streams{Stdout: out, Stderr: errs}, func() {}
	if !r.Quiet {
		show, flush = shown(env, r.Image, show)
	}
	err := e.Logs(waiting, name, engine.LogOptions{Follow: true}, show.Stdout, show.Stderr)
	flush()
	code := 0
	if err == nil {
		code, err = e.WaitExit(waiting, name)
	}
	if waiting.Err() != nil {
		return nil, r.overdue(ctx, e, name)
	}
	if err != nil {
		f := fault.As(err)
		f.InDoubt = true // it may well go on
		return nil, f
	}
	if _, err := e.Remove(ctx, name, true, true); err != nil {
		return nil, err
	}
	return r.judge(operation.Result{
		Host: r.Image, OK: slices.Contains(r.OKCodes, code), Changed: true, RC: code, Stdout: out.String(), Stderr: errs.String(), Duration: time.Since(began),
	})
}

// overdue removes a container that takes too long.
func (r *run) overdue(ctx context.Context, e *engine.Engine, name string) error {
	f := fault.New(fault.Timeout, "the container of %s did not end within %s", r.Image, r.Timeout)
	if ctx.Err() != nil {
		f = fault.Wrap(fault.KindOf(context.Cause(ctx)), context.Cause(ctx), "the container of %s was stopped", r.Image)
	}
	f.InDoubt = true
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), engine.Patience)
	defer cancel()
	if _, err := e.Remove(last, name, true, true); err != nil {
		return f.WithHint("it could not be removed, and may go on: %v", err)
	}
	return f
}

func (r *run) judge(result operation.Result) (any, error) {
	if r.Check && !result.OK {
		return nil, operation.Failure(result)
	}
	return result, nil
}

func (r *run) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Result: value.NewUnknown("container.run(%s)", r.Describe()), Change: effect.Act}, nil
}

// Remember keeps whose container it will be. What the program does elsewhere cannot
// be undone.
func (r *run) Remember(_ context.Context, env *effect.Env) (any, error) {
	name := r.Name
	if name == "" {
		name = owner(env).Name()
	}
	return kept{Name: name, Owner: owner(env)}, nil
}

func (r *run) Undo(ctx context.Context, env *effect.Env, past effect.Past) error {
	return (&create{on: r.on}).Undo(ctx, env, past)
}

// Happened: where the container is still there, its end tells.
func (r *run) Happened(ctx context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	var was kept
	if err := past.Remembered(&was); err != nil {
		return effect.Answer{}, err
	}
	e, err := r.open(ctx, env)
	if err != nil {
		return effect.Answer{}, err
	}
	there, found, err := e.Look(ctx, was.Name)
	switch {
	case err != nil:
		return effect.Answer{}, err
	case !found || !was.Owner.Owns(there.Labels):
		return effect.Answer{Why: "its container is gone: it was never made, or has ended and was removed"}, nil
	case there.State == "created":
		return effect.Answer{Happened: effect.No, Why: "its container was made, but never started"}, nil
	}
	result, err := r.watch(ctx, env, e, was.Name)
	if err != nil {
		return effect.Answer{}, err
	}
	return effect.Answer{Happened: effect.Yes, Result: result, Why: "its container was still there"}, nil
}
