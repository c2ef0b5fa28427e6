package env

import (
	"context"
	"os"
	"strings"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def all(prefix = ""):
    """Returns environment variables.

    Args:
      prefix: only those whose name begins with it.

    Returns:
      A dict of names, with the prefix, to values, in the order of the names.
      Values are strings, and secrets where the name speaks of one.

    Example:
      env.all("LC_").keys()
    """`, &all{})

// all is the effect env.all.
type all struct {
	Prefix string `star:"prefix"`
}

func (a *all) Perform(_ context.Context, env *effect.Env) (any, error) {
	vars := map[string]any{}
	for _, kv := range os.Environ() {
		name, text, ok := strings.Cut(kv, "=")
		if ok && name != "" && strings.HasPrefix(name, a.Prefix) {
			vars[name] = valueOf(env, name, text)
		}
	}
	return vars, nil
}
