package template

import (
	"context"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/render"
)

var _ = Module.Pure(`
def string(text, vars = {}, strict = True, autoescape = False):
    """Renders a text with variables in it.

    Secrets among the variables stay secret: the text holds their markers, and
    whatever it is written to gets their values. The text cannot include other
    templates; template.file can.

    Args:
      text: the template, 1 MiB at most.
      vars: the variables, by name; values are what JSON can hold, and structs.
      strict: a variable, a key or an index that does not exist is an error;
        False prints nothing for it.
      autoescape: escape &, <, >, and quotes in variables, as HTML needs it.

    Returns:
      The text, a string.

    Errors:
      invalid: the template has an error, or names something that is not
        defined; the message says in which line and column.
      limit: the template, or what it makes, is too large.

    Example:
      template.string("listen {{ port }};", {"port": 80})
    """`, &text{})

// text is the function template.string.
type text struct {
	Text       string         `star:"text"`
	Vars       *starlark.Dict `star:"vars"`
	Strict     bool           `star:"strict"`
	Autoescape bool           `star:"autoescape"`
}

func (t *text) Compute(*effect.Env) (any, error) {
	return render.Text(context.Background(), t.Text, t.Vars, render.Options{Strict: t.Strict, Autoescape: t.Autoescape})
}
