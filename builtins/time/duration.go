package time

import (
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def duration(text):
    """Reads a duration from text.

    Args:
      text: numbers with units: "90s", "1h30m", "1.5h", "250ms", "2d".

    Returns:
      A duration.

    Errors:
      invalid: the text is no duration; a number needs a unit.

    Example:
      time.duration("1h30m").minutes
    """`, &length{})

// length is the function time.duration.
type length struct {
	Text string `star:"text"`
}

func (l *length) Compute(*effect.Env) (any, error) {
	d, err := duration.Parse(l.Text)
	if err != nil {
		return nil, fault.New(fault.Invalid, "the argument \"text\" %v", err)
	}
	return d, nil
}
