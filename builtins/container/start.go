package container

import (
	"context"
	"time"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def start(container, engine = ""):
    """Starts a container that does not run. Undo stops it.

    Args:
      container: its name, or what container.create has returned.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations; changed is False when it runs already.
    Errors:
      not_found when there is no such container; failed when the engine cannot
      start it.
    Example:
      container.start("db").changed
    """`, &start{}, effect.Exact)

type start struct{ of }

var (
	_ effect.Validator = (*start)(nil)
	_ effect.Describer = (*start)(nil)
	_ effect.Predictor = (*start)(nil)
	_ effect.Toucher   = (*start)(nil)
	_ effect.Undoer    = (*start)(nil)
	_ effect.Asker     = (*start)(nil)
	_ effect.Remote    = (*start)(nil)
)

func (s *start) diff(was string) string { return s.name() + ": " + was + " -> running\n" }

func (s *start) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	e, err := s.open(ctx, env)
	if err != nil {
		return nil, err
	}
	was, err := s.needed(ctx, env)
	if err != nil {
		return nil, err
	}
	did, err := e.Start(ctx, s.name())
	return changed(s.name(), did, s.diff(was), began), err
}

func (s *start) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	was, err := s.needed(ctx, env)
	if err != nil || was == running {
		return prediction(s.name(), effect.None, ""), err
	}
	plan(env, containers, s.Engine, s.name(), running)
	return prediction(s.name(), effect.Update, s.diff(was)), nil
}

func (s *start) Remember(ctx context.Context, env *effect.Env) (any, error) {
	was, err := s.needed(ctx, env)
	if err != nil || was == running {
		return nil, err
	}
	return kept{Name: s.name(), Was: was}, nil
}

func (s *start) Undo(ctx context.Context, env *effect.Env, _ effect.Past) error {
	e, err := s.open(ctx, env)
	if err != nil {
		return err
	}
	if _, found, err := e.Look(ctx, s.name()); err != nil || !found {
		return err
	}
	_, err = e.Stop(ctx, s.name(), -1)
	return err
}

// Happened: one that runs was started; so was one that has run since, and has ended
// by itself.
func (s *start) Happened(ctx context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	e, err := s.open(ctx, env)
	if err != nil {
		return effect.Answer{}, err
	}
	c, err := e.Inspect(ctx, s.name())
	if err != nil {
		return effect.Answer{}, err
	}
	did := c.State == running || c.Started != nil && c.Started.After(past.Begun())
	return went(did, s.name(), s.diff(stopped), "the container is "+c.State), nil
}
