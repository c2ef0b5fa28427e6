package assert

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var (
	_ = Module.Pure(`
def eq(got, want, message = ""):
    """Fails unless two values are equal.

    The failure shows both; texts of several lines, and long lists and dicts, line
    by line. Two secrets are equal when their values are, whatever their names.

    Args:
      got: what there is.
      want: what there should be.
      message: what it is about; it comes first in the failure.
    Returns:
      None
    Errors:
      assertion: they differ.
    Example:
      assert.eq(len([1, 2]), 2)
    """`, &eq{})
	_ = Module.Pure(`
def ne(got, unwanted, message = ""):
    """Fails when two values are equal. Secrets are when their values are.

    Args:
      got: what there is.
      unwanted: what it must not be.
      message: what it is about; it comes first in the failure.
    Returns:
      None
    Errors:
      assertion: they are equal.
    Example:
      assert.ne("web-1", "web-2")
    """`, &ne{})
)

type eq struct {
	Got     starlark.Value `star:"got"`
	Want    starlark.Value `star:"want"`
	Message string         `star:"message"`
}

func (a *eq) Compute(env *effect.Env) (any, error) {
	equal, err := same(env, a.Got, a.Want)
	if err != nil || equal {
		return nil, err
	}
	return nil, differ(a.Message, a.Got, a.Want)
}

type ne struct {
	Got      starlark.Value `star:"got"`
	Unwanted starlark.Value `star:"unwanted"`
	Message  string         `star:"message"`
}

func (a *ne) Compute(env *effect.Env) (any, error) {
	equal, err := same(env, a.Got, a.Unwanted)
	if err != nil || !equal {
		return nil, err
	}
	return nil, failed(a.Message, "got %s, which is what it must not be", show(a.Got))
}
