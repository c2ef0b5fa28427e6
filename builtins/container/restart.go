package container

import (
	"context"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def restart(container, timeout = "10s", engine = ""):
    """Stops a container, if it runs, and starts it.

    There is nothing to undo.

    Args:
      container: its name, or what container.create has returned.
      timeout: time that it may take to end, in whole seconds.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations; changed is True.
    Errors:
      not_found when there is no such container; failed when the engine cannot
      start it.
    Example:
      container.restart("db")
    """`, &restart{}, effect.Exact)

type restart struct {
	of
	Timeout time.Duration `star:"timeout,tuning"`
}

var (
	_ effect.Validator = (*restart)(nil)
	_ effect.Describer = (*restart)(nil)
	_ effect.Predictor = (*restart)(nil)
	_ effect.Toucher   = (*restart)(nil)
	_ effect.Asker     = (*restart)(nil)
	_ effect.Traceless = (*restart)(nil)
	_ effect.Remote    = (*restart)(nil)
)

func (r *restart) LeavesNoTrace() {}

func (r *restart) Validate() error {
	if err := r.of.Validate(); err != nil {
		return err
	}
	return notNegative(r.Timeout)
}

func notNegative(d time.Duration) error {
	if d < 0 {
		return fault.New(fault.Invalid, "the timeout is negative")
	}
	return nil
}

// seconds is a time for engines, which know whole seconds: never less than was
// given.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

func (r *restart) diff() string { return r.name() + ": restarted\n" }

func (r *restart) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	e, err := r.open(ctx, env)
	if err != nil {
		return nil, err
	}
	if err := e.Restart(ctx, r.name(), seconds(r.Timeout)); err != nil {
		return nil, err
	}
	return changed(r.name(), true, r.diff(), began), nil
}

func (r *restart) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	if _, err := r.needed(ctx, env); err != nil {
		return effect.Prediction{}, err
	}
	plan(env, containers, r.Engine, r.name(), running)
	return prediction(r.name(), effect.Act, r.diff()), nil
}

// Happened: it was started after the intent.
func (r *restart) Happened(ctx context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	e, err := r.open(ctx, env)
	if err != nil {
		return effect.Answer{}, err
	}
	c, err := e.Inspect(ctx, r.name())
	if err != nil {
		return effect.Answer{}, err
	}
	did := c.Started != nil && c.Started.After(past.Begun())
	return went(did, r.name(), r.diff(), "when the container was started last"), nil
}
