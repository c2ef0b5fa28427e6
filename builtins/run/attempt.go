package run

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
)

var _ = Module.Control(`
def attempt():
    """Returns which call this is of the innermost retry that is going on.

    Returns:
      1 for the first call, and where there is no retry.
    Example:
      retry(lambda: print("attempt", run.attempt()))
    """`, &attempt{})

type attempt struct{}

func (*attempt) Control(thread *starlark.Thread) (any, error) {
	return branch.Of(thread).Attempt, nil
}
