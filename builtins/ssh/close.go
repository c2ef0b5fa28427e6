package ssh

import (
	"context"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def close(forward):
    """Ends a forward of ssh.forward, and the connections that go through it.

    Ending one that has ended is fine.

    Args:
      forward: what ssh.forward returned, or its handle.
    Example:
      ssh.close(db)
    """`, &closeForward{}, effect.Exact)

type closeForward struct {
	Forward starlark.Value `star:"forward"`
}

var (
	_ effect.Validator  = (*closeForward)(nil)
	_ effect.Describer  = (*closeForward)(nil)
	_ effect.Predictor  = (*closeForward)(nil)
	_ effect.Ender      = (*closeForward)(nil)
	_ effect.Repeatable = (*closeForward)(nil)
	_ effect.Traceless  = (*closeForward)(nil)
)

func (c *closeForward) Repeatable() bool { return true }
func (c *closeForward) LeavesNoTrace()   {} // a forward lives with the run, and would have ended anyway
func (c *closeForward) Describe() string { return "close " + c.Ends() }

// Ends returns the handle of the forward.
func (c *closeForward) Ends() string {
	if handle, ok := c.Forward.(starlark.String); ok {
		return string(handle)
	}
	if f, ok := c.Forward.(starlark.HasAttrs); ok {
		v, _ := f.Attr("handle") // nil when it has none
		handle, _ := v.(starlark.String)
		return string(handle)
	}
	return ""
}

func (c *closeForward) Validate() error {
	if !strings.HasPrefix(c.Ends(), handlePrefix) {
		return fault.New(fault.Invalid, "the argument \"forward\" is not what ssh.forward returned")
	}
	return nil
}

func (c *closeForward) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Change: effect.Act}, nil
}

func (c *closeForward) Perform(_ context.Context, env *effect.Env) (any, error) {
	return nil, end(env, c.Ends())
}
