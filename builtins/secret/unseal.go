package secret

import (
	"context"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def unseal(text, name):
    """Opens what secret.seal has made.

    Args:
      text: the sealed text.
      name: what is shown in place of the secret.

    Returns:
      A secret.

    Errors:
      config: it was sealed for another key than this machine's, or was changed.
      invalid: the name is empty.

    Example:
      secret.unseal(secret.seal("x"), "token")
    """`, &unsealing{})

// unsealing is the effect secret.unseal.
type unsealing struct {
	Text string `star:"text"`
	Name string `star:"name"`
}

var (
	_ effect.Validator = (*unsealing)(nil)
	_ effect.Describer = (*unsealing)(nil)
)

func (u *unsealing) Validate() error  { return checkLabel(u.Name) }
func (u *unsealing) Describe() string { return u.Name }

func (u *unsealing) Perform(_ context.Context, env *effect.Env) (any, error) {
	text, err := unseal(env, `"`+u.Name+`"`, u.Text)
	if err != nil {
		return nil, err
	}
	return add(env, u.Name, text), nil
}
