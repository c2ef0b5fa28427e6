package container

import (
	"context"
	"time"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def stop(container, timeout = "10s", engine = ""):
    """Stops a container. Undo starts it.

    Its process 1 gets the signal that the container asks for, SIGTERM in most of
    them, and SIGKILL when it has not ended in time.

    Args:
      container: its name, or what container.create has returned.
      timeout: time that it may take to end, in whole seconds.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations; changed is False when it does not run.
    Errors:
      not_found when there is no such container.
    Example:
      container.stop("db", timeout = "30s")
    """`, &stop{}, effect.Exact)

type stop struct {
	of
	Timeout time.Duration `star:"timeout,tuning"`
}

var (
	_ effect.Validator  = (*stop)(nil)
	_ effect.Describer  = (*stop)(nil)
	_ effect.Predictor  = (*stop)(nil)
	_ effect.Toucher    = (*stop)(nil)
	_ effect.Undoer     = (*stop)(nil)
	_ effect.Repeatable = (*stop)(nil)
	_ effect.Remote     = (*stop)(nil)
)

func (s *stop) Repeatable() bool { return true }

func (s *stop) Validate() error {
	if err := s.of.Validate(); err != nil {
		return err
	}
	return notNegative(s.Timeout)
}

func (s *stop) diff(was string) string { return s.name() + ": " + was + " -> stopped\n" }

func (s *stop) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	e, err := s.open(ctx, env)
	if err != nil {
		return nil, err
	}
	did, err := e.Stop(ctx, s.name(), seconds(s.Timeout))
	return changed(s.name(), did, s.diff(running), began), err
}

func (s *stop) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	was, err := s.needed(ctx, env)
	if err != nil || !alive(was) {
		return prediction(s.name(), effect.None, ""), err
	}
	plan(env, containers, s.Engine, s.name(), stopped)
	return prediction(s.name(), effect.Update, s.diff(was)), nil
}

func (s *stop) Remember(ctx context.Context, env *effect.Env) (any, error) {
	was, err := s.needed(ctx, env)
	if err != nil || !alive(was) {
		return nil, err
	}
	return kept{Name: s.name(), Was: was}, nil
}

func (s *stop) Undo(ctx context.Context, env *effect.Env, _ effect.Past) error {
	e, err := s.open(ctx, env)
	if err != nil {
		return err
	}
	_, err = e.Start(ctx, s.name())
	return err
}

func alive(state string) bool {
	return state == running || state == "paused" || state == "restarting"
}
