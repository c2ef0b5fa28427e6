package path

import (
	gopath "path"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Pure(`
def join(*parts):
    """Puts parts together with slashes, and cleans the result.

    Args:
      *parts: strings. Empty ones do not count. A part that begins with a slash is
        put below those before it all the same.

    Returns:
      A string; empty when all parts are.

    Errors:
      invalid: a part is no string.

    Example:
      path.join("/etc", "nginx", "nginx.conf")
    """`, &join{})

// join is the function path.join.
type join struct {
	Parts starlark.Tuple `star:"*parts"`
}

func (j *join) Compute(*effect.Env) (any, error) {
	parts := make([]string, len(j.Parts))
	for i, v := range j.Parts {
		switch v := v.(type) {
		case starlark.String:
			parts[i] = string(v)
		case *value.Secret:
			parts[i] = v.String()
		case *value.Unknown: // of check mode
			return value.UnknownOf(j.Parts, nil, "path.join(%s)", value.Arguments(j.Parts, nil)), nil
		default:
			return nil, fault.New(fault.Invalid, "part %d must be a string, not a %s", i+1, v.Type())
		}
	}
	return gopath.Join(parts...), nil
}
