package op

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Control(`
def changed():
    """Tells whether operations have changed something since it was last called.

    Those count that were called in this branch, in the present scope and in scopes that
    have ended, and those of branches that it has made: whoever called them, and
    whether or not their results were looked at. A scope is the run, a branch of
    parallel, or a call by attempt, retry, wait_until or within. In check mode changes
    that are planned count.

    Returns:
      A bool.
    Errors:
      script at the top level of a loaded module.
    Example:
      op.file(target.local(), "/tmp/greeting", content = "hello\\n")
      if op.changed():
          print("there is a greeting now")
    """`, &changes{})

type changes struct{}

func (*changes) Control(thread *starlark.Thread) (any, error) {
	if b := branch.Of(thread); b.Pure != nil {
		b.Pure.Refused.Store(true)
		return nil, fault.New(fault.Script, "op.changed cannot be used at the top level of a loaded module")
	}
	return asked(thread, effect.Anything)
}
