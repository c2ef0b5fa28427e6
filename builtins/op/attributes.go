package op

import (
	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

// Attributes are the parameters of operations that make a file.
type Attributes struct {
	Mode  *int    `star:"mode"`
	Owner *string `star:"owner"`
	Group *string `star:"group"`
}

func (a Attributes) valid() error {
	if err := validMode(a.Mode); err != nil {
		return err
	}
	if err := validName("owner", a.Owner); err != nil {
		return err
	}
	return validName("group", a.Group)
}

// on are the attributes that something has after it got these. Owners may be
// given as numbers.
func (a Attributes) on(s fact.FileState) fact.FileState {
	if a.Mode != nil {
		s.Mode = uint32(*a.Mode)
	}
	if a.Owner != nil && *a.Owner != s.UID {
		s.Owner = *a.Owner
	}
	if a.Group != nil && *a.Group != s.GID {
		s.Group = *a.Group
	}
	return s
}

// newFile is what a file is that nothing was said of.
func newFile() fact.FileState {
	return fact.FileState{Type: "file", Mode: 0o644, Sum: sum(nil), Known: true}
}

// Edited are the parameters of operations that change a part of a file.
type Edited struct {
	Path     string `star:"path"`
	Create   bool   `star:"create"`
	Backup   bool   `star:"backup"`
	Validate string `star:"validate"`
	Attributes
}

func (e *Edited) valid() error {
	if err := below(e.Path); err != nil {
		return err
	}
	if err := validCommand(e.Validate); err != nil {
		return err
	}
	return e.Attributes.valid()
}

func (e *Edited) fact() fact.Fact { return fact.Content.Of(e.Path) }

// plan changes the text of the file.
func (e *Edited) plan(b *operation.Base, w *fact.World, edit func(text string) (string, error)) (*operation.Change, error) {
	now := fact.Get[fact.FileState](w, e.fact())
	if !now.Exists() && !e.Create {
		return nil, fault.New(fault.NotFound, "there is no file %s on %s", e.Path, b.On()).
			WithHint("op.file makes one, and so does create = True")
	}
	if now.Planned && now.Type == "file" {
		return e.later(now), nil
	}
	if err := editable(b, e.Path, now); err != nil {
		return nil, err
	}
	text, err := edit(string(now.Content))
	if err != nil {
		return nil, at(b, e.Path, err)
	}
	if len(text) > fact.MaxContent {
		return nil, fault.New(fault.TooLarge, "%s on %s would have more than %d bytes", e.Path, b.On(), fact.MaxContent)
	}
	then := now
	if !now.Exists() {
		then = newFile()
	}
	then = e.Attributes.on(withContent(then, []byte(text)))
	return placement{
		path: e.Path, now: now, then: then, validate: e.Validate, backup: e.Backup, secret: b.Secret(then.Content),
	}.change(), nil
}

// later is the change of a file whose content only the run will know.
func (e *Edited) later(now fact.FileState) *operation.Change {
	then := e.Attributes.on(now)
	then.Sum = ""
	return &operation.Change{
		Kind: effect.Update, Unsure: "what is in " + e.Path, After: known(e.Path, then),
		Diff: attributesDiff(e.Path, now, then) + e.Path + ": edited, when it is there\n",
	}
}

// unforeseen is the error of an operation on something of which only the run will know
// what it is; check mode says that it depends on the writes before it.
func unforeseen(path, on string) error {
	return fault.New(fault.NotFound, "what is at %s on %s is not known before the run", path, on)
}

func withContent(s fact.FileState, content []byte) fact.FileState {
	s.Content, s.Known, s.Size, s.Sum, s.Planned = content, true, int64(len(content)), sum(content), false
	return s
}

// editable refuses what cannot be changed as a text.
func editable(b *operation.Base, path string, now fact.FileState) error {
	switch {
	case now.Type == "link":
		return fault.New(fault.Invalid, "%s on %s is a link to %s", path, b.On(), now.Target).
			WithHint("name the file that it leads to, or remove the link first: op.link(…, state = \"absent\")")
	case now.Exists() && now.Type != "file":
		return fault.New(fault.Invalid, "%s on %s is a %s", path, b.On(), described(now))
	case now.Exists() && now.Sum == "":
		return fault.New(fault.Permission, "%s on %s cannot be read", path, b.On()).WithHint("read it as root: _sudo = True")
	case now.Exists() && !now.Known:
		return fault.New(fault.TooLarge, "%s on %s has %d bytes, more than %d", path, b.On(), now.Size, fact.MaxContent)
	}
	return nil
}

// at says in which file something is wrong.
func at(b *operation.Base, path string, err error) error {
	e := fault.As(err)
	if e == nil {
		return err
	}
	copied := *e
	copied.Msg = path + " on " + b.On() + ": " + e.Msg
	return &copied
}
