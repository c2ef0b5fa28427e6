package op

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def file(target, path, content = None, source = None, mode = None, owner = None, group = None, validate = "", backup = False, state = "present"):
    """Makes a file be there, with a content, a mode and an owner.

    The file is replaced as a whole: others see the old one or the new one. What is
    not given stays as it is; a new file is empty, has the mode 0o644 and belongs to
    the user that makes it. A file that is a mount point, as /etc/hosts and
    /etc/resolv.conf are in containers, cannot be replaced and is written over; others
    may see a part of it for a moment.

    Args:
      target: the machine.
      path: absolute path of the file. Its directory has to be there.
      content: text or bytes. Secrets in it are filled in on their way, and are shown
        nowhere. None: whatever it is.
      source: a file of the workspace that has the content, of any size.
      mode: permission bits, such as 0o640.
      owner: name or number of the user that owns it.
      group: name or number of its group.
      validate: command that has to accept the new content before it takes the place
        of the old one; %s in it is the path of the new file. It is read by sh.
      backup: keep a copy of the former file beside it, as PATH.XXXXXXXX.bak, where the
        eight characters depend on its content.
      state: "present" or "absent".

    Returns:
      The struct of operations.

    Errors:
      invalid when there is something at path that is no file; permission when it
      cannot be read; failed when the machine refuses, or the command does; network
      when it cannot be reached.

    Example:
      op.file(web, "/etc/motd", content = "Welcome.\\n", mode = 0o644)
      op.file(web, "/etc/sudoers.d/deploy", source = "files/deploy.sudo", mode = 0o440, validate = "visudo -cf %s")
      op.file(web, "/etc/nginx/sites-enabled/default", state = "absent")
    """`, &file{}, effect.Exact)

type file struct {
	operation.Base
	Path    string  `star:"path"`
	Content *[]byte `star:"content"`
	Source  *string `star:"source"`
	Attributes
	Check  string `star:"validate"`
	Backup bool   `star:"backup"`
	State  string `star:"state"`

	sent *source // what Source is
}

var _ operation.Preparer = (*file)(nil)

func (f *file) Describe() string { return f.On() + ": " + f.Path }

func (f *file) Validate() error {
	if err := f.Base.Validate(); err != nil {
		return err
	}
	if err := below(f.Path); err != nil {
		return err
	}
	if f.Content != nil && f.Source != nil {
		return fault.New(fault.Invalid, "content and source are given, and only one can be")
	}
	if err := f.Attributes.valid(); err != nil {
		return err
	}
	if err := validCommand(f.Check); err != nil {
		return err
	}
	return validState(f.State, "present", "absent")
}

// validCommand checks a command that has to accept a file.
func validCommand(command string) error {
	if command != "" && !strings.Contains(command, "%s") {
		return fault.New(fault.Invalid, "the command of validate does not say where the new file goes").
			WithHint("write %%s for its path: validate = \"visudo -cf %%s\"")
	}
	return nil
}

// Prepare looks at the file of the workspace.
func (f *file) Prepare(_ context.Context, env *effect.Env) (err error) {
	if f.Source != nil && f.State == "present" {
		f.sent, err = openSource(env, *f.Source)
	}
	return err
}

func (f *file) Facts() []fact.Fact { return []fact.Fact{fact.Content.Of(f.Path)} }

func (f *file) Plan(w *fact.World) (*operation.Change, error) {
	now := fact.Get[fact.FileState](w, fact.Content.Of(f.Path))
	if now.Type == "directory" || now.Type == "other" && f.State == "present" {
		return nil, fault.New(fault.Invalid, "%s on %s is a %s", f.Path, f.On(), described(now)).
			WithHint("op.directory(…, state = \"absent\") removes a directory")
	}
	if f.State == "absent" {
		return removal(f.Path, now), nil
	}
	if now.Type == "link" {
		return nil, editable(&f.Base, f.Path, now)
	}
	p := placement{path: f.Path, now: now, then: f.wanted(now), validate: f.Check, backup: f.Backup}
	p.secret = f.Content != nil && f.Secret(*f.Content)
	switch {
	case f.sent != nil && f.sent.content == nil:
		p.input = f.sent.open
	case f.Content == nil && f.sent == nil && now.Exists(): // only its attributes count
		if p.now.Sum == "" {
			p.now.Sum, p.then.Sum = "unread", "unread"
			return p.changeOf(now), nil
		}
	}
	return p.change(), nil
}

// wanted is what shall be at the path.
func (f *file) wanted(now fact.FileState) fact.FileState {
	then := now
	if !now.Exists() {
		then = newFile()
	}
	switch {
	case f.Content != nil:
		then = withContent(then, *f.Content)
	case f.sent != nil:
		then.Content, then.Known, then.Size, then.Sum, then.Planned = f.sent.content, f.sent.content != nil, f.sent.size, f.sent.sum, false
	}
	return f.Attributes.on(then)
}

// source is a file of the workspace that is sent to a machine.
type source struct {
	size    int64
	sum     string
	content []byte // nil when it is too large to be held
	open    func() (io.ReadCloser, error)
}

// ofWorkspace says where the source of something is looked for, of which one may
// think that it were beside the script, or on the machine.
func ofWorkspace(err error) error {
	if e := fault.As(err); e != nil && e.Kind == fault.NotFound && e.Hint == "" {
		return e.WithHint("it is looked for in the workspace: below the directory that has config/provisioning.toml")
	}
	return err
}

func openSource(env *effect.Env, name string) (*source, error) {
	p, err := env.Run.Files.Resolve(name)
	if err != nil {
		return nil, err
	}
	info, err := p.Stat()
	if err != nil {
		return nil, ofWorkspace(err)
	}
	s := &source{open: func() (io.ReadCloser, error) { return p.Open() }}
	if info.Size() <= fact.MaxContent {
		if s.content, err = p.ReadFile(fact.MaxContent); err != nil {
			return nil, err
		}
		s.size, s.sum = int64(len(s.content)), sum(s.content)
		if s.content == nil {
			s.content = []byte{}
		}
		return s, nil
	}
	r, err := p.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	hash := sha256.New()
	if s.size, err = io.Copy(hash, r); err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot read %q", name)
	}
	s.sum = hex.EncodeToString(hash.Sum(nil))
	return s, nil
}

func sum(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}
