package template

import (
	"context"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/render"
)

var _ = Module.Read(`
def file(path, vars = {}, roots = None, strict = True, autoescape = False):
    """Renders a template file of the workspace.

    The file can include, extend and import other templates, by a path relative
    to itself, to the first template, or to one of the roots. They must lie in
    the directory of the template, or below one of the roots.

    Args:
      path: the template, relative to the workspace; 1 MiB at most.
      vars: the variables, by name; values are what JSON can hold, and structs.
      roots: list of further directories of the workspace whose templates may be
        included.
      strict: a variable, a key or an index that does not exist is an error;
        False prints nothing for it.
      autoescape: escape &, <, >, and quotes in variables, as HTML needs it.

    Returns:
      The text, a string.

    Errors:
      not_found: the file, or one that it includes, does not exist.
      permission: it is outside of the workspace, or includes what lies outside
        of its directory and of the roots.
      invalid: a template has an error, or names something that is not defined;
        the message says in which file, line and column.
      limit: a template, or what it makes, is too large.

    Example:
      template.file("templates/nginx.conf", {"port": 80})
    """`, &file{})

// file is the effect template.file.
type file struct {
	Path       string         `star:"path"`
	Vars       *starlark.Dict `star:"vars"`
	Roots      []string       `star:"roots"`
	Strict     bool           `star:"strict"`
	Autoescape bool           `star:"autoescape"`
}

var (
	_ effect.Toucher   = (*file)(nil)
	_ effect.Describer = (*file)(nil)
)

func (f *file) Describe() string { return f.Path }

// Touches names the template itself. What it includes is known only after it
// was read.
func (f *file) Touches(env *effect.Env) []string {
	p, err := env.Run.Files.Resolve(f.Path)
	if err != nil {
		return nil // Perform says what is wrong
	}
	return []string{p.Resource()}
}

func (f *file) Perform(ctx context.Context, env *effect.Env) (any, error) {
	return render.File(ctx, env.Run.Files, f.Path, f.Vars, render.Options{Strict: f.Strict, Autoescape: f.Autoescape, Roots: f.Roots})
}
