package cluster

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Pure(`
def split(config):
    """Divides a configuration into what everybody may see, and what is secret.

    Dicts are divided, key by key; a list with a secret in it is secret as a whole.

    Args:
      config: dict of values, as the method dict of a schema returns it.
    Returns:
      A struct with plain and secret, two dicts. Put together they are the configuration.
    Errors:
      invalid, when config is no dict.
    Example:
      cluster.split({"port": 80}).secret   # {}
    """`, &split{})

type split struct {
	Config *starlark.Dict `star:"config"`
}

type halves struct {
	Plain  starlark.Value `star:"plain"`
	Secret starlark.Value `star:"secret"`
}

func (s *split) Compute(*effect.Env) (any, error) {
	plain, secret := halve(s.Config)
	return halves{plain, secret}, nil
}

func halve(d *starlark.Dict) (plain, secret *starlark.Dict) {
	plain, secret = starlark.NewDict(d.Len()), new(starlark.Dict)
	for _, item := range d.Items() {
		inner, isDict := item[1].(*starlark.Dict)
		switch {
		case isDict:
			seen, hidden := halve(inner)
			_ = plain.SetKey(item[0], seen) // a key of a dict is hashable
			if hidden.Len() > 0 {
				_ = secret.SetKey(item[0], hidden)
			}
		case isSecret(item[1]):
			_ = secret.SetKey(item[0], item[1])
		default:
			_ = plain.SetKey(item[0], item[1])
		}
	}
	return plain, secret
}

// isSecret reports whether a value has a secret in it.
func isSecret(v starlark.Value) bool {
	switch v := v.(type) {
	case *value.Secret:
		return true
	case starlark.String:
		return value.HasMarker(string(v))
	case *starlark.Dict:
		_, hidden := halve(v)
		return hidden.Len() > 0
	case starlark.Iterable:
		for e := range starlark.Elements(v) {
			if isSecret(e) {
				return true
			}
		}
	}
	return false
}
