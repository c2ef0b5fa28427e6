package control

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
)

var _ = Module.Control(`
def breakpoint(when = True):
    """Stops here and lets the person at the terminal look around.

    The prompt shows the calls and the variables, and evaluates expressions; it acts
    on nothing. The run goes on with ":continue" and stops with ":quit" or Ctrl-D,
    after which it can be resumed. Other branches go on meanwhile.

    Where there is no terminal, as in continuous integration, it prints a line and
    goes on. It is no effect: it can be added or taken out while a run is open. A run
    that is planned, replayed or resumed does not stop at those that it has passed.

    Args:
      when: stop only if this is true.
    Returns:
      None
    Example:
      breakpoint(when = server == "web-3")
    """`, &breakpoint{})

type breakpoint struct {
	When starlark.Value `star:"when"`
}

func (p *breakpoint) Control(thread *starlark.Thread) (any, error) {
	b := branch.Of(thread)
	switch {
	case b.Tree.Check || b.Tree.Replay || !bool(p.When.Truth()):
		return nil, nil
	case b.Tree.Break == nil:
		return nil, b.Tree.Host.Log(b, "warn", "the breakpoint at "+branch.Position(thread)+" is passed: the script is executed away from the terminal")
	}
	return nil, b.Tree.Break(thread)
}
