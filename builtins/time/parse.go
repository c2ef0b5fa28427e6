package time

import (
	"errors"
	"fmt"
	"strings"
	gotime "time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def parse(text, format = "", location = "UTC"):
    """Reads a time from text.

    Args:
      text: the time.
      format: "rfc3339", which "" stands for; "date", 2006-01-02; "datetime",
        2006-01-02 15:04:05; or a layout of Go, which shows how the second of
        January 2006, 15:04:05, is written.
      location: time zone of a text that names none, such as "Europe/Madrid".

    Returns:
      A time.

    Errors:
      invalid: the text is not written so, or there is no such time zone.

    Example:
      time.parse("2026-11-21", "date").unix
    """`, &parse{})

// parse is the function time.parse.
type parse struct {
	Text     string `star:"text"`
	Format   string `star:"format"`
	Location string `star:"location"`
}

var layouts = map[string]string{
	"": gotime.RFC3339, "rfc3339": gotime.RFC3339, "date": gotime.DateOnly, "datetime": gotime.DateTime,
}

func (p *parse) Compute(*effect.Env) (any, error) {
	if strings.EqualFold(p.Location, "local") {
		// It would depend on the machine that the run happens to be on.
		return nil, fault.New(fault.Invalid, "the location must be the name of a time zone, not %q", p.Location).
			WithHint(`write "UTC" or a name such as "Europe/Madrid"`)
	}
	loc, err := gotime.LoadLocation(p.Location)
	if err != nil {
		return nil, fault.New(fault.Invalid, "there is no time zone %q", p.Location).
			WithHint(`names are written like "Europe/Madrid"`)
	}
	layout, named := layouts[p.Format]
	if !named {
		layout = p.Format
	}
	t, err := gotime.ParseInLocation(layout, p.Text, loc)
	if err != nil {
		return nil, fault.New(fault.Invalid, "cannot read the time %q as %q%s", p.Text, layout, reason(err))
	}
	return t, nil
}

// reason is what Go says besides repeating text and layout.
func reason(err error) string {
	e, ok := errors.AsType[*gotime.ParseError](err)
	switch {
	case !ok:
		return ""
	case e.Message != "":
		return e.Message // begins with ": "
	}
	return fmt.Sprintf(": %q is not %q", e.ValueElem, e.LayoutElem)
}
