package container

import (
	"context"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def wait(container, timeout = "10m", engine = ""):
    """Waits until a container does not run any more.

    Args:
      container: its name, or what container.create has returned.
      timeout: time that it may take; 0 for no limit.
      engine: the engine; "" for the one that is found.
    Returns:
      The exit code of its process 1.
    Errors:
      failed when it still runs after that time; not_found when there is no such
      container.
    Example:
      container.wait("migration") == 0
    """`, &wait{})

type wait struct {
	of
	Timeout time.Duration `star:"timeout,tuning"`
}

var (
	_ effect.Validator = (*wait)(nil)
	_ effect.Describer = (*wait)(nil)
	_ effect.Toucher   = (*wait)(nil)
	_ effect.Remote    = (*wait)(nil)
)

func (w *wait) Perform(ctx context.Context, env *effect.Env) (any, error) {
	e, err := w.open(ctx, env)
	if err != nil {
		return nil, err
	}
	waiting, cancel := within(ctx, w.Timeout)
	defer cancel()
	code, err := e.WaitExit(waiting, w.name())
	if err != nil && waiting.Err() != nil && ctx.Err() == nil {
		// No timeout: whoever waits again waits for as long again.
		return nil, fault.New(fault.Failed, "the container %q still runs after %s", w.name(), w.Timeout)
	}
	return code, err
}

// within bounds a wait; 0 is no bound.
func within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}
