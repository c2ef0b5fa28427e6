package container

import (
	"context"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def kill(container, signal = "KILL", engine = ""):
    """Sends a signal to process 1 of a container that runs.

    What that does cannot be undone, nor found out afterwards: a run that is killed
    meanwhile waits for an answer.

    Args:
      container: its name, or what container.create has returned.
      signal: name of the signal, such as "HUP", or its number.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations; changed is True.
    Errors:
      not_found when there is no such container; failed when it does not run.
    Example:
      container.kill("nginx", signal = "HUP")
    """`, &kill{}, effect.Approximate)

type kill struct {
	of
	Signal string `star:"signal"`
}

var (
	_ effect.Validator = (*kill)(nil)
	_ effect.Describer = (*kill)(nil)
	_ effect.Predictor = (*kill)(nil)
	_ effect.Toucher   = (*kill)(nil)
	_ effect.Remote    = (*kill)(nil)
)

func (k *kill) Describe() string { return k.name() + " " + k.Signal }

func (k *kill) Validate() error {
	if k.Signal == "" || strings.Trim(strings.ToUpper(k.Signal), "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-") != "" {
		return fault.New(fault.Invalid, "%q is no signal", k.Signal)
	}
	return k.of.Validate()
}

func (k *kill) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	e, err := k.open(ctx, env)
	if err != nil {
		return nil, err
	}
	if err := e.Kill(ctx, k.name(), k.Signal); err != nil {
		return nil, err
	}
	return changed(k.name(), true, k.diff(), began), nil
}

func (k *kill) diff() string { return k.name() + ": signal " + k.Signal + "\n" }

func (k *kill) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	if _, err := k.needed(ctx, env); err != nil {
		return effect.Prediction{}, err
	}
	if k.Signal == "KILL" || k.Signal == "SIGKILL" || k.Signal == "9" {
		plan(env, containers, k.Engine, k.name(), stopped)
	}
	return prediction(k.name(), effect.Act, k.diff()), nil
}
