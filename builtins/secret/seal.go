package secret

import (
	"context"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def seal(value):
    """Encrypts a secret for this machine's key.

    The result may stand in files and be seen by everyone; secret.unseal opens
    it where the key is. It is another one each time.

    Args:
      value: a secret or a string; 1 MiB at most.

    Returns:
      A string, the sealed text.

    Errors:
      config: this machine has no key.
      limit: the value is too large.

    Example:
      secret.seal(secret.get("env://DB_PASSWORD"))
    """`, &sealing{})

// sealing is the effect secret.seal.
type sealing struct {
	Value string `star:"value,secret"`
}

var _ effect.Describer = (*sealing)(nil)

func (*sealing) Describe() string { return "" } // never the value

func (s *sealing) Perform(_ context.Context, env *effect.Env) (any, error) {
	text, err := env.Run.Secrets.Expand(s.Value)
	if err != nil {
		return nil, err
	}
	if err := checkSize(text); err != nil {
		return nil, err
	}
	return seal(env, text)
}
