package secret

import (
	"context"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def remove(name):
    """Removes a secret from the workspace.

    Rollback puts it back.

    Args:
      name: of the secret, without "ws://".

    Returns:
      True if it was there, False if there was none.

    Errors:
      invalid: the name is not allowed.

    Example:
      secret.remove("db/password")
    """`, &remove{}, effect.Exact)

// remove is the effect secret.remove.
type remove struct {
	Name string `star:"name"`
}

var (
	_ effect.Validator  = (*remove)(nil)
	_ effect.Describer  = (*remove)(nil)
	_ effect.Toucher    = (*remove)(nil)
	_ effect.Predictor  = (*remove)(nil)
	_ effect.Undoer     = (*remove)(nil)
	_ effect.Asker      = (*remove)(nil)
	_ effect.Repeatable = (*remove)(nil)
)

func (r *remove) Validate() error              { return checkName(r.Name) }
func (r *remove) Describe() string             { return r.Name }
func (r *remove) Touches(*effect.Env) []string { return []string{resource(r.Name)} }
func (r *remove) Repeatable() bool             { return true }

func (r *remove) Perform(_ context.Context, env *effect.Env) (any, error) {
	_, existed, err := load(env, r.Name)
	if err != nil || !existed {
		return false, err
	}
	return true, drop(env, r.Name)
}

func (r *remove) Predict(_ context.Context, env *effect.Env) (effect.Prediction, error) {
	_, exists, err := load(env, r.Name)
	if v, touched := env.Run.Planned.Get(resource(r.Name)); touched {
		exists = v != nil
	}
	if err != nil || !exists {
		return effect.Prediction{Result: false, Change: effect.None}, err
	}
	env.Run.Planned.Set(resource(r.Name), nil)
	return effect.Prediction{Result: true, Change: effect.Delete}, nil
}

func (r *remove) Remember(_ context.Context, env *effect.Env) (any, error) {
	b, err := remember(env, r.Name)
	if err != nil || !b.Existed {
		return nil, err // nothing will change
	}
	return b, nil
}

func (r *remove) Undo(_ context.Context, env *effect.Env, past effect.Past) error {
	return restore(env, r.Name, past)
}

func (r *remove) Happened(_ context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	_, exists, err := load(env, r.Name)
	if err != nil || exists {
		return effect.Answer{Happened: effect.No, Why: "the secret is there"}, err
	}
	var b before
	existed := past.Remembered(&b) == nil && b.Existed // nothing was remembered when there was none
	return effect.Answer{Happened: effect.Yes, Result: existed, Why: "the secret is not there"}, nil
}
