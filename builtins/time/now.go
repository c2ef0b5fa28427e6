package time

import (
	"context"
	gotime "time"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def now():
    """Returns the time, in UTC.

    The journal records it: a resumed or replayed run sees the same time.

    Returns:
      A time, with nanoseconds.

    Example:
      time.now().format("2006-01-02")
    """`, &now{})

// now is the effect time.now.
type now struct{}

func (*now) Volatile() {}
func (*now) Inner()    {}

func (*now) Perform(_ context.Context, env *effect.Env) (any, error) { return clock(env), nil }

// clock is the time without the reading of the monotonic clock, which means
// nothing in another process.
func clock(env *effect.Env) gotime.Time { return env.Run.Time().Now().UTC().Round(0) }
