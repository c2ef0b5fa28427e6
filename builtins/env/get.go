package env

import (
	"context"
	"os"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def get(name, default = None):
    """Returns an environment variable.

    Args:
      name: of the variable; case matters.
      default: any value, returned when there is no such variable. A variable
        that is empty is there.

    Returns:
      A string; a secret, if the name speaks of one, as DB_PASSWORD does.

    Errors:
      not_found: there is no such variable, and no default.
      invalid: the name is empty, or has an = in it.

    Example:
      env.get("LANG", "C")
    """`, &get{})

// get is the effect env.get.
type get struct {
	Name    string          `star:"name"`
	Default *starlark.Value `star:"default"` // a pointer, or the door would expand a secret in it
}

var _ effect.Validator = (*get)(nil)

func (g *get) Validate() error {
	if g.Name == "" || strings.ContainsAny(g.Name, "=\x00") {
		return fault.New(fault.Invalid, "%q cannot be the name of a variable", g.Name)
	}
	return nil
}

func (g *get) Perform(_ context.Context, env *effect.Env) (any, error) {
	if text, ok := os.LookupEnv(g.Name); ok {
		return valueOf(env, g.Name, text), nil
	}
	if g.Default != nil {
		return *g.Default, nil
	}
	e := fault.New(fault.NotFound, "there is no environment variable %q", g.Name)
	var names []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		names = append(names, name)
	}
	if near := spell.Nearest(g.Name, names); near != "" {
		return nil, e.WithHint("did you mean %q? or give a default: env.get(%q, \"…\")", near, g.Name)
	}
	return nil, e.WithHint("set it before the run, or give a default: env.get(%q, \"…\")", g.Name)
}
