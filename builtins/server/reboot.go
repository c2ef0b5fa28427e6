package server

import (
	"context"
	"time"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def reboot(name, provider = "local", wait = "2m"):
    """Shuts a server down, starts it again, and waits until its SSH server answers.

    Args:
      name: its name.
      provider: who has made it.
      wait: how long it may take to answer; 0 does not wait.
    Returns:
      The struct of servers.
    Errors:
      not_found when there is none of that name; failed when it does not answer in
      time.
    Example:
      server.reboot("web-1")
    """`, &reboot{}, effect.Exact)

type reboot struct {
	subject
	Wait time.Duration `star:"wait,tuning"`
}

var (
	_ effect.Validator  = (*reboot)(nil)
	_ effect.Describer  = (*reboot)(nil)
	_ effect.Predictor  = (*reboot)(nil)
	_ effect.Toucher    = (*reboot)(nil)
	_ effect.Repeatable = (*reboot)(nil)
	_ effect.Traceless  = (*reboot)(nil)
)

// LeavesNoTrace: afterwards the server is as before.
func (r *reboot) LeavesNoTrace() {}

func (r *reboot) Perform(ctx context.Context, env *effect.Env) (any, error) {
	p, now, err := r.now(ctx, env)
	if err != nil {
		return nil, err
	}
	if err := p.RebootServer(ctx, now.ID); err != nil {
		return nil, err
	}
	return after(ctx, env, p, now.ID, r.Wait, true)
}

func (r *reboot) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	_, now, err := r.now(ctx, env)
	if err != nil {
		return effect.Prediction{}, err
	}
	return effect.Prediction{Result: resultOf(env, now, key{}, true), Change: effect.Act}, nil
}
