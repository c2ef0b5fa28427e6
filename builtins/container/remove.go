package container

import (
	"context"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def remove(container, force = False, volumes = False, engine = ""):
    """Removes a container, with what was written in it. This cannot be undone.

    Args:
      container: its name, or what container.create has returned.
      force: kill it first if it runs.
      volumes: also remove volumes without a name that only it uses.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations; changed is False when there is no such container.
    Errors:
      failed when it runs and force is False.
    Example:
      container.remove("db", force = True).changed
    """`, &remove{}, effect.Exact)

type remove struct {
	of
	Force   bool `star:"force"`
	Volumes bool `star:"volumes"`
}

var (
	_ effect.Validator  = (*remove)(nil)
	_ effect.Describer  = (*remove)(nil)
	_ effect.Predictor  = (*remove)(nil)
	_ effect.Toucher    = (*remove)(nil)
	_ effect.Repeatable = (*remove)(nil)
	_ effect.Remote     = (*remove)(nil)
)

func (r *remove) Repeatable() bool { return true }

func (r *remove) diff() string { return r.name() + ": removed\n" }

func (r *remove) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	e, err := r.open(ctx, env)
	if err != nil {
		return nil, err
	}
	did, err := e.Remove(ctx, r.name(), r.Force, r.Volumes)
	return changed(r.name(), did, r.diff(), began), err
}

func (r *remove) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	was, err := r.state(ctx, env)
	switch {
	case err != nil || was == absent:
		return prediction(r.name(), effect.None, ""), err
	case alive(was) && !r.Force:
		return effect.Prediction{}, fault.New(fault.Failed, "cannot remove the container %q: it runs", r.name()).
			WithHint("stop it first, or remove it with force = True")
	}
	plan(env, containers, r.Engine, r.name(), absent)
	return prediction(r.name(), effect.Delete, r.diff()), nil
}
