package time

import (
	"context"
	gotime "time"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def since(t):
    """Returns how long ago a time was.

    Args:
      t: a time, such as time.now() gives.

    Returns:
      A duration; negative for a time to come.

    Example:
      start = time.now()
      time.since(start).seconds
    """`, &since{})

// since is the effect time.since.
type since struct {
	T gotime.Time `star:"t"`
}

func (*since) Volatile() {}
func (*since) Inner()    {}

func (s *since) Perform(_ context.Context, env *effect.Env) (any, error) {
	return clock(env).Sub(s.T), nil
}
