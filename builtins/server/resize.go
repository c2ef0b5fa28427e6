package server

import (
	"context"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/providers"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def resize(name, plan, allow_downtime = False, provider = "local"):
    """Gives a server another plan.

    Args:
      name: its name.
      plan: its new size, in the words of the provider.
      allow_downtime: stop the server and start it again where the provider cannot
        do it otherwise. Without it that is an error.
      provider: who has made it.
    Returns:
      The struct of servers.
    Errors:
      not_found when there is none of that name; invalid for a plan that is none, and
      when the server would have to be stopped.
    Example:
      server.resize("web-1", "2xCPU-4GB")
    """`, &resize{}, effect.Exact)

type resize struct {
	subject
	Plan     string `star:"plan"`
	Downtime bool   `star:"allow_downtime"`
}

var (
	_ effect.Validator  = (*resize)(nil)
	_ effect.Describer  = (*resize)(nil)
	_ effect.Predictor  = (*resize)(nil)
	_ effect.Toucher    = (*resize)(nil)
	_ effect.Undoer     = (*resize)(nil)
	_ effect.Repeatable = (*resize)(nil)
)

func (r *resize) Describe() string { return r.Name + " to " + r.Plan }

func (r *resize) Validate() error {
	if r.Plan == "" {
		return fault.New(fault.Invalid, "the plan is empty")
	}
	return r.subject.Validate()
}

func (r *resize) Perform(ctx context.Context, env *effect.Env) (any, error) {
	p, now, err := r.now(ctx, env)
	if err != nil {
		return nil, err
	}
	if err := r.possible(p, now); err != nil {
		return nil, fault.Before(err)
	}
	before := now.Plan
	if err := r.change(ctx, p, now, r.Plan); err != nil {
		return nil, err
	}
	if now, err = p.GetServer(ctx, now.ID); err != nil {
		return nil, err
	}
	return resultOf(env, now, key{}, now.Plan != before), nil
}

func (r *resize) possible(p providers.Provider, s providers.Server) error {
	if r.Downtime || s.Status != providers.Running || p.Info().Capabilities.ResizeInPlace || s.Plan == r.Plan {
		return nil
	}
	return fault.New(fault.Invalid, "the provider %s resizes only servers that are off, and %q is running", r.Provider, s.Name).
		WithHint("allow_downtime = True stops it and starts it again")
}

// change resizes, with the server off where that is needed.
func (r *resize) change(ctx context.Context, p providers.Provider, s providers.Server, plan string) error {
	off := !p.Info().Capabilities.ResizeInPlace && s.Status == providers.Running && s.Plan != plan
	if off {
		if err := p.StopServer(ctx, s.ID); err != nil {
			return err
		}
		if _, err := settled(ctx, p, s.ID, providers.Stopped); err != nil {
			return err
		}
	}
	err := p.ResizeServer(ctx, s.ID, plan)
	if !off {
		return err
	}
	if serr := p.StartServer(ctx, s.ID); err == nil { // also when it could not be resized
		err = serr
	}
	if err == nil {
		_, err = ready(ctx, p, s.ID, startTime)
	}
	return err
}

// startTime is how long a server may take to answer after it was resized.
const startTime = 5 * time.Minute

func (r *resize) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	p, now, err := r.now(ctx, env)
	if err != nil {
		return effect.Prediction{}, err
	}
	if err := r.possible(p, now); err != nil {
		return effect.Prediction{}, err
	}
	if now.Plan == r.Plan {
		return effect.Prediction{Result: resultOf(env, now, key{}, false), Change: effect.None}, nil
	}
	diff := "plan: " + now.Plan + " -> " + r.Plan + "\n"
	now.Plan = r.Plan
	return effect.Prediction{Result: resultOf(env, now, key{}, true), Change: effect.Update, Diff: diff}, nil
}

func (r *resize) Undo(ctx context.Context, env *effect.Env, past effect.Past) error {
	w, p, found, err := r.before(ctx, env, past)
	if err != nil || !found {
		return err
	}
	now, err := p.GetServer(ctx, w.ID)
	if err != nil {
		return err
	}
	return r.change(ctx, p, now, w.Plan)
}
