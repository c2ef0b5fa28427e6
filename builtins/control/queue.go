package control

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
)

var _ = Module.Control(`
def with_queue(queue, fn, *args, **kwargs):
    """Calls a function whose effects are performed by the workers of a queue.

    It makes a difference where an engine executes the run on several machines: a
    worker that is started with --queue near the machines that it touches then does
    what is to be done there. Without such an engine the function is just called.
    An effect that names another queue with _queue goes there.

    Args:
      queue: name of the queue.
      fn: function to call.
      args: its positional arguments.
      kwargs: its keyword arguments.
    Returns:
      What fn returned.
    Example:
      with_queue("eu-1", deploy, hosts)
    """`, &withQueue{})

type withQueue struct {
	Queue  string            `star:"queue"`
	Fn     starlark.Callable `star:"fn"`
	Args   starlark.Tuple    `star:"*args"`
	Kwargs []starlark.Tuple  `star:"**kwargs"`
}

func (w *withQueue) Control(thread *starlark.Thread) (any, error) {
	if w.Queue == "" {
		return nil, fault.New(fault.Invalid, "the queue has no name")
	}
	b := branch.Of(thread)
	if b.Waiting != nil { // what was asked for before goes the old way
		if err := b.Tree.Host.Settle(thread); err != nil {
			return nil, err
		}
	}
	before := b.Queue
	b.Queue = w.Queue
	defer func() { b.Queue = before }()
	return call(thread, nil, w.Fn, w.Args, w.Kwargs)
}
