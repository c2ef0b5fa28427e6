package container

import (
	"context"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def wait_healthy(container, timeout = "1m", engine = ""):
    """Waits until a container is healthy: by its health check, else until it runs.

    Args:
      container: its name, or what container.create has returned.
      timeout: time that it may take; 0 for no limit.
      engine: the engine; "" for the one that is found.
    Returns:
      What container.inspect returns.
    Errors:
      failed when it is not healthy after that time, and when it ends meanwhile,
      with the last that it printed; not_found when there is no such container.
    Example:
      container.wait_healthy("db", timeout = "2m").health
    """`, &waitHealthy{})

type waitHealthy struct {
	of
	Timeout time.Duration `star:"timeout,tuning"`
}

var (
	_ effect.Validator = (*waitHealthy)(nil)
	_ effect.Describer = (*waitHealthy)(nil)
	_ effect.Toucher   = (*waitHealthy)(nil)
	_ effect.Remote    = (*waitHealthy)(nil)
)

func (w *waitHealthy) Perform(ctx context.Context, env *effect.Env) (any, error) {
	e, err := w.open(ctx, env)
	if err != nil {
		return nil, err
	}
	waiting, cancel := within(ctx, w.Timeout)
	defer cancel()
	c, err := e.WaitHealthy(waiting, w.name())
	if f := fault.As(err); f != nil && waiting.Err() != nil && ctx.Err() == nil {
		state := c.State
		if c.Health != "" {
			state = c.Health
		}
		return nil, fault.New(fault.Failed, "the container %q is not healthy after %s: it is %s", w.name(), w.Timeout, state).WithHint("%s", f.Hint)
	}
	if err != nil {
		return nil, err
	}
	fields := fieldsOf(c)
	fields["target"] = targetStruct(c.Name, "", w.Engine)
	return structOf(fields), nil
}
