package secret

import (
	"context"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Write(`
def put(name, value):
    """Keeps a secret in the workspace, sealed.

    A secret that is kept so already is left alone. Rollback puts back what was
    there before.

    Args:
      name: lower case letters, digits and . _ - /, such as "db/password".
      value: a secret, or a string; 1 MiB at most. A string is written in the
        script, and is seen there.

    Returns:
      The secret, named "ws://" and the name.

    Errors:
      invalid: the name is not allowed.
      limit: the value is too large.
      config: this machine has no key to seal with.

    Example:
      secret.put("db/password", secret.generate("db/password"))
    """`, &put{}, effect.Exact)

// put is the effect secret.put.
type put struct {
	Name  string `star:"name"`
	Value string `star:"value,secret"`
}

var (
	_ effect.Validator  = (*put)(nil)
	_ effect.Describer  = (*put)(nil)
	_ effect.Toucher    = (*put)(nil)
	_ effect.Predictor  = (*put)(nil)
	_ effect.Undoer     = (*put)(nil)
	_ effect.Asker      = (*put)(nil)
	_ effect.Repeatable = (*put)(nil)
)

func (p *put) Validate() error              { return checkName(p.Name) }
func (p *put) Describe() string             { return p.Name } // never the value
func (p *put) Touches(*effect.Env) []string { return []string{resource(p.Name)} }
func (p *put) Repeatable() bool             { return true }

// look returns the value in the clear, and whether it is kept already.
func (p *put) look(env *effect.Env) (text string, exists, same bool, err error) {
	if text, err = env.Run.Secrets.Expand(p.Value); err != nil {
		return "", false, false, err
	}
	if err = checkSize(text); err != nil {
		return "", false, false, err
	}
	exists, same, err = holds(env, p.Name, text)
	return text, exists, same, err
}

func (p *put) secret(env *effect.Env, text string) *value.Secret {
	return add(env, wsScheme+p.Name, text)
}

func (p *put) Perform(_ context.Context, env *effect.Env) (any, error) {
	text, _, same, err := p.look(env)
	if err != nil {
		return nil, err
	}
	if same {
		return p.secret(env, text), nil
	}
	sealed, err := seal(env, text)
	if err != nil {
		return nil, err
	}
	return p.secret(env, text), store(env, p.Name, sealed)
}

func (p *put) Predict(_ context.Context, env *effect.Env) (effect.Prediction, error) {
	text, exists, same, err := p.look(env)
	if err != nil {
		return effect.Prediction{}, err
	}
	s := p.secret(env, text)
	env.Run.Planned.Set(resource(p.Name), s)
	change := effect.Create
	switch {
	case same:
		change = effect.None
	case exists:
		change = effect.Update
	}
	return effect.Prediction{Result: s, Change: change}, nil
}

func (p *put) Remember(_ context.Context, env *effect.Env) (any, error) {
	if _, _, same, err := p.look(env); err == nil && same {
		return nil, nil // nothing will change
	}
	return remember(env, p.Name)
}

func (p *put) Undo(_ context.Context, env *effect.Env, past effect.Past) error {
	_, exists, same, err := p.look(env)
	if err != nil {
		return err
	}
	if exists && !same { // or it has been put back already, which restore leaves as it is
		return restoreUnchanged(env, p.Name, past)
	}
	return restore(env, p.Name, past)
}

func (p *put) Happened(_ context.Context, env *effect.Env, _ effect.Past) (effect.Answer, error) {
	text, _, same, err := p.look(env)
	if err != nil {
		return effect.Answer{}, err
	}
	if same {
		return effect.Answer{Happened: effect.Yes, Result: p.secret(env, text), Why: "the workspace keeps this value"}, nil
	}
	return effect.Answer{Happened: effect.No, Why: "the workspace does not keep this value"}, nil
}
