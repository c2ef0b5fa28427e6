package assert

import (
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var (
	_ = Module.Pure(orderStub("lt", "less than", "1, 2"), &lt{})
	_ = Module.Pure(orderStub("le", "at most", "2, 2"), &le{})
	_ = Module.Pure(orderStub("gt", "more than", "2, 1"), &gt{})
	_ = Module.Pure(orderStub("ge", "at least", "2, 2"), &ge{})
)

func orderStub(name, relation, example string) string {
	return strings.NewReplacer("NAME", name, "RELATION", relation, "EXAMPLE", example).Replace(`
def NAME(got, bound, message = ""):
    """Fails unless a value is RELATION another one.

    Args:
      got: what there is.
      bound: what it is compared with.
      message: what it is about; it comes first in the failure.
    Returns:
      None
    Errors:
      assertion: it is not.
      invalid: the two have no order.
    Example:
      assert.NAME(EXAMPLE)
    """`)
}

type order struct {
	Got     starlark.Value `star:"got"`
	Bound   starlark.Value `star:"bound"`
	Message string         `star:"message"`
}

type (
	lt struct{ order }
	le struct{ order }
	gt struct{ order }
	ge struct{ order }
)

func (a *lt) Compute(*effect.Env) (any, error) { return a.check(syntax.LT, "less than") }
func (a *le) Compute(*effect.Env) (any, error) { return a.check(syntax.LE, "at most") }
func (a *gt) Compute(*effect.Env) (any, error) { return a.check(syntax.GT, "more than") }
func (a *ge) Compute(*effect.Env) (any, error) { return a.check(syntax.GE, "at least") }

func (a *order) check(op syntax.Token, relation string) (any, error) {
	ok, err := starlark.Compare(op, a.Got, a.Bound)
	if err != nil {
		return nil, fault.New(fault.Invalid, "cannot compare %s with %s: %v", show(a.Got), show(a.Bound), err)
	}
	if !ok {
		return nil, failed(a.Message, "got %s, want %s %s", show(a.Got), relation, show(a.Bound))
	}
	return nil, nil
}
