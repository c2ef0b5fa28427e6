package time

import (
	gotime "time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def from_timestamp(seconds, nanoseconds = 0):
    """Returns the time that a Unix timestamp stands for.

    Args:
      seconds: seconds since the first of January 1970, UTC.
      nanoseconds: to be added, less than a second.

    Returns:
      A time, in UTC.

    Errors:
      invalid: the year would not be within 0 and 9999, or nanoseconds is out
        of range.

    Example:
      time.from_timestamp(1700000000).year
    """`, &fromTimestamp{})

// fromTimestamp is the function time.from_timestamp.
type fromTimestamp struct {
	Seconds     int64 `star:"seconds"`
	Nanoseconds int64 `star:"nanoseconds"`
}

func (f *fromTimestamp) Compute(*effect.Env) (any, error) {
	if f.Nanoseconds < 0 || f.Nanoseconds >= 1e9 {
		return nil, fault.New(fault.Invalid, "nanoseconds must be within 0 and 999999999, not %d", f.Nanoseconds)
	}
	t := gotime.Unix(f.Seconds, f.Nanoseconds).UTC()
	if y := t.Year(); y < 0 || y > 9999 { // RFC 3339 cannot write others
		return nil, fault.New(fault.Invalid, "seconds is out of range: %d", f.Seconds).
			WithHint("a timestamp in milliseconds has to be divided by 1000")
	}
	return t, nil
}
