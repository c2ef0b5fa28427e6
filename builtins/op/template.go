package op

import (
	"context"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
	"github.com/provisioning-systems/provisioning/runtime/render"
)

var _ = Module.Write(`
def template(target, path, source, vars = {}, mode = None, owner = None, group = None, validate = "", backup = False, roots = [], strict = True):
    """Makes a file of a template of the workspace.

    It is op.file with the content that template.file gives. Secrets among the
    variables get into the file, and are shown nowhere.

    Args:
      target: the machine.
      path: absolute path of the file. Its directory has to be there.
      source: the template, relative to the workspace. It can include others of its
        directory.
      vars: the variables, by name.
      mode: permission bits, such as 0o640; those of a new file are 0o644.
      owner: name or number of the user that owns it.
      group: name or number of its group.
      validate: command that has to accept the new content before it takes the place
        of the old one; %s in it is the path of the new file. It is read by sh.
      backup: keep a copy of the former file beside it, as PATH.XXXXXXXX.bak.
      roots: further directories of the workspace whose templates may be included.
      strict: a variable that does not exist is an error; False prints nothing for it.

    Returns:
      The struct of operations.

    Errors:
      those of template.file and of op.file.

    Example:
      op.template(web, "/etc/nginx/nginx.conf", "templates/nginx.conf", {"port": 80}, validate = "nginx -t -c %s")
    """`, &template{}, effect.Exact)

type template struct {
	operation.Base
	Path   string         `star:"path"`
	Source string         `star:"source"`
	Vars   *starlark.Dict `star:"vars"`
	Attributes
	Check  string   `star:"validate"`
	Backup bool     `star:"backup"`
	Roots  []string `star:"roots"`
	Strict bool     `star:"strict"`

	content []byte
	secret  bool
}

var _ operation.Preparer = (*template)(nil)

func (t *template) Describe() string { return t.On() + ": " + t.Path + " of " + t.Source }

func (t *template) Validate() error {
	if err := t.Base.Validate(); err != nil {
		return err
	}
	if err := below(t.Path); err != nil {
		return err
	}
	if err := validCommand(t.Check); err != nil {
		return err
	}
	return t.Attributes.valid()
}

// Prepare renders the template. The text has the markers of secrets, also of those
// that are too short to be found in a text by their values.
func (t *template) Prepare(ctx context.Context, env *effect.Env) error {
	text, err := render.File(ctx, env.Run.Files, t.Source, t.Vars, render.Options{Strict: t.Strict, Roots: t.Roots})
	if err != nil {
		return ofWorkspace(err)
	}
	plain, err := env.Run.Secrets.Expand(text)
	t.content, t.secret = []byte(plain), plain != text
	return err
}

func (t *template) Facts() []fact.Fact { return []fact.Fact{fact.Content.Of(t.Path)} }

func (t *template) Plan(w *fact.World) (*operation.Change, error) {
	now := fact.Get[fact.FileState](w, fact.Content.Of(t.Path))
	if now.Type != "file" && now.Exists() {
		return nil, editable(&t.Base, t.Path, now)
	}
	then := now
	if !now.Exists() {
		then = newFile()
	}
	return placement{
		path: t.Path, now: now, then: t.Attributes.on(withContent(then, t.content)), validate: t.Check, backup: t.Backup, secret: t.secret,
	}.change(), nil
}
