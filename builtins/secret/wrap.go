package secret

import "github.com/provisioning-systems/provisioning/runtime/effect"

var _ = Module.Pure(`
def wrap(text, name):
    """Makes a secret of a text, so that it is not shown from now on.

    Args:
      text: a string; 1 MiB at most.
      name: what is shown in its place.

    Returns:
      A secret.

    Errors:
      invalid: the name is empty.
      limit: the text is too large.

    Example:
      secret.wrap("user:" + secret.get("env://PW"), "login")
    """`, &wrap{})

// wrap is the function secret.wrap.
type wrap struct {
	Text string `star:"text"`
	Name string `star:"name"`
}

func (w *wrap) Compute(env *effect.Env) (any, error) {
	if err := checkLabel(w.Name); err != nil {
		return nil, err
	}
	text, err := env.Run.Secrets.Expand(w.Text)
	if err != nil {
		return nil, err
	}
	if err := checkSize(text); err != nil {
		return nil, err
	}
	return add(env, w.Name, text), nil
}
