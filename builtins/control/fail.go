package control

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Pure(`
def fail(message, kind = "failed", hint = "", details = {}):
    """Stops the branch with an error.

    Args:
      message: what failed and why, in lower case: "cannot X: why".
      kind: word by which a caller can tell errors apart, such as "not_found".
      hint: what to do next; shown below the message.
      details: dict with whatever a caller of attempt may want to know.
    Returns:
      Nothing: it does not return.
    Example:
      fail("no node has room for %s" % name, kind = "unavailable", hint = "add a node")
    """`, &fail{})

type fail struct {
	Message starlark.Value `star:"message"`
	Kind    string         `star:"kind"`
	Hint    string         `star:"hint"`
	Details *starlark.Dict `star:"details"`
}

// uncatchable kinds have a meaning to the host that a script must not forge.
var uncatchable = map[fault.Kind]bool{
	fault.Cancelled: true, fault.Limit: true, fault.Waiting: true, fault.Mismatch: true, fault.Journal: true,
	fault.Internal: true,
}

func (f *fail) Compute(*effect.Env) (any, error) {
	kind := fault.Kind(f.Kind)
	if uncatchable[kind] {
		return nil, fault.New(fault.Invalid, "fail: the kind %q is reserved", f.Kind)
	}
	text, ok := starlark.AsString(f.Message)
	if !ok {
		text = f.Message.String()
	}
	e := fault.New(kind, "%s", text)
	e.Hint = f.Hint
	plain, err := value.Go(f.Details)
	if err != nil {
		return nil, fault.New(fault.Invalid, "fail: details: %v", err)
	}
	e.Details, _ = plain.(map[string]any)
	return nil, e
}
