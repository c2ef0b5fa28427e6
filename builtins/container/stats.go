package container

import (
	"context"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def stats(container, engine = ""):
    """Measures what a container uses. This takes a second or two.

    Args:
      container: its name, or what container.create has returned.
      engine: the engine; "" for the one that is found.
    Returns:
      A struct with cpu (processors in use: 0.5 is half of one), memory and limit
      (bytes), pids, received and sent (bytes on all networks), read and written
      (bytes from and to disks).
    Errors:
      not_found when there is no such container.
    Example:
      container.stats("db").memory / 1000000
    """`, &stats{})

type stats struct{ of }

var (
	_ effect.Validator = (*stats)(nil)
	_ effect.Describer = (*stats)(nil)
	_ effect.Toucher   = (*stats)(nil)
	_ effect.Volatile  = (*stats)(nil)
	_ effect.Remote    = (*stats)(nil)
)

func (s *stats) Volatile() {}

func (s *stats) Perform(ctx context.Context, env *effect.Env) (any, error) {
	e, err := s.open(ctx, env)
	if err != nil {
		return nil, err
	}
	return e.Stats(ctx, s.name())
}
