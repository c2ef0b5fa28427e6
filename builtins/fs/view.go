package fs

import (
	"io/fs"
	"path/filepath"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// In check mode the world that a script reads is that of the disk with the
// planned writes over it. In the overlay, "file:<path>" is the content of a
// file, None for a directory, nil for what was removed and an Unknown for what
// cannot be told; "filemode:<path>" is the mode that a planned write gives.

// view is what is to be found under a path.
type view struct {
	path    sandbox.Path
	kind    string
	size    int64
	mode    fs.FileMode    // permissions
	mtime   time.Time      // zero when a planned write makes the file
	planned starlark.Value // content of a planned file, with secrets as markers
	unknown *value.Unknown // then nothing else is told
}

func (v view) name() string { return filepath.Base(v.path.Abs) }

func (v view) exists() bool { return v.kind != absent }

// look looks at p; with follow, at what a link leads to.
func look(env *effect.Env, p sandbox.Path, follow bool) (view, error) {
	v, err := lookAtDisk(p, follow)
	if err != nil || !env.Run.Check {
		return v, err
	}
	planned, touched := plannedAt(env, p)
	if !touched {
		return withPlannedMode(env, v), nil
	}
	return lookAtPlan(env, v, planned)
}

func lookAtDisk(p sandbox.Path, follow bool) (view, error) {
	stat := p.Lstat
	if follow {
		stat = p.Stat
	}
	info, err := stat()
	if fault.Is(err, fault.NotFound) || isNotDir(err) {
		return view{path: p, kind: absent}, nil
	}
	if err != nil {
		return view{}, err
	}
	return view{
		path: p, kind: typeName(info.Mode()), size: info.Size(),
		mode: info.Mode().Perm(), mtime: info.ModTime(),
	}, nil
}

// isNotDir: a path that leads through a file names nothing.
func isNotDir(err error) bool {
	return err != nil && strings.HasSuffix(err.Error(), "not a directory")
}

func lookAtPlan(env *effect.Env, disk view, planned starlark.Value) (view, error) {
	v := view{path: disk.path, mode: disk.mode}
	if !disk.exists() {
		v.mode = 0o644
	}
	switch planned := planned.(type) {
	case nil:
		return view{path: disk.path, kind: absent}, nil
	case *value.Unknown:
		v.unknown = planned
		return v, nil
	case starlark.NoneType:
		v.kind = directory
		if disk.kind != directory {
			v.mode = dirMode
		}
	default:
		v.kind, v.planned = file, planned
		data, err := contentOf(env, planned)
		if err != nil {
			return v, err
		}
		v.size = int64(len(data))
	}
	return withPlannedMode(env, v), nil
}

func withPlannedMode(env *effect.Env, v view) view {
	mode, _ := env.Run.Planned.Get("filemode:" + v.path.Abs)
	if mode, ok := mode.(starlark.Int); ok && v.exists() {
		n, _ := mode.Int64() // planWrite has put it there
		v.mode = fs.FileMode(n)
	}
	return v
}

// plannedAt returns what planned writes made of p, or of a directory above it.
func plannedAt(env *effect.Env, p sandbox.Path) (v starlark.Value, touched bool) {
	if v, touched = env.Run.Planned.Get(p.Resource()); touched {
		return v, true
	}
	for dir := filepath.Dir(p.Abs); ; dir = filepath.Dir(dir) {
		v, touched = env.Run.Planned.Get("file:" + dir)
		switch v.(type) {
		case *value.Unknown:
			return v, true
		case starlark.NoneType: // a directory; it says nothing of what is in it
		default:
			if touched {
				return nil, true // nothing is in what was removed, or in a file
			}
		}
		if dir == filepath.Dir(dir) {
			return nil, false
		}
	}
}

// contentOf returns planned content as the real run would write it.
func contentOf(env *effect.Env, planned starlark.Value) ([]byte, error) {
	text, ok := starlark.AsString(planned)
	if b, isBytes := planned.(starlark.Bytes); isBytes {
		text, ok = string(b), true
	}
	if !ok {
		return nil, fault.New(fault.Internal, "a planned file holds a %s", planned.Type())
	}
	plain, err := env.Run.Secrets.Expand(text)
	return []byte(plain), err
}

// content returns the bytes of a file; at most limit, 0 for no limit.
func (v view) content(env *effect.Env, limit int64) ([]byte, error) {
	if err := v.mustBeFile("read"); err != nil {
		return nil, err
	}
	if v.planned == nil {
		return v.path.ReadFile(limit)
	}
	if limit > 0 && v.size > limit {
		return nil, fault.New(fault.TooLarge, "cannot read %q: it is larger than %d bytes", v.path.Name, limit)
	}
	return contentOf(env, v.planned)
}

// raw is the content with secrets as markers where a planned write has some.
func (v view) raw() ([]byte, error) {
	switch planned := v.planned.(type) {
	case starlark.String:
		return []byte(planned), nil
	case starlark.Bytes:
		return []byte(planned), nil
	}
	return v.path.ReadFile(0)
}

func (v view) mustBeFile(op string) error {
	switch v.kind {
	case file:
		return nil
	case absent:
		return fault.New(fault.NotFound, "cannot %s %q: no such file", op, v.path.Name)
	}
	return fault.New(fault.Invalid, "cannot %s %q: it is a %s, not a file", op, v.path.Name, v.kind)
}

// children lists a directory as a script sees it, sorted by name.
func children(env *effect.Env, dir view) ([]view, error) {
	names, err := childNames(env, dir)
	if err != nil {
		return nil, err
	}
	views := make([]view, 0, len(names))
	for _, name := range names {
		v, err := look(env, dir.path.Child(name), false)
		if err != nil {
			return nil, err
		}
		if v.unknown != nil || v.exists() {
			views = append(views, v)
		}
	}
	return views, nil
}

func childNames(env *effect.Env, dir view) ([]string, error) {
	names := map[string]bool{}
	entries, err := dir.path.ReadDir()
	if err != nil && !(env.Run.Check && (fault.Is(err, fault.NotFound) || isNotDir(err))) {
		return nil, err
	}
	for _, e := range entries {
		names[e.Name()] = true
	}
	if env.Run.Check {
		env.Run.Planned.Range(func(resource string, _ starlark.Value) {
			if name, ok := strings.CutPrefix(resource, "file:"); ok && filepath.Dir(name) == dir.path.Abs {
				names[filepath.Base(name)] = true
			}
		})
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	sort.Strings(sorted)
	return sorted, nil
}

// textOrBytes is content as a script sees it.
func textOrBytes(data []byte) starlark.Value {
	if utf8.Valid(data) {
		return starlark.String(data)
	}
	return starlark.Bytes(data)
}

// planWrite notes that a planned write leaves a file, with the directories that
// it makes on the way.
func planWrite(env *effect.Env, p sandbox.Path, content starlark.Value, mode fs.FileMode) {
	planParents(env, p)
	env.Run.Planned.Set(p.Resource(), content)
	planMode(env, p, mode)
}

func planDirectory(env *effect.Env, p sandbox.Path, mode fs.FileMode) {
	planParents(env, p)
	env.Run.Planned.Set(p.Resource(), starlark.None)
	planMode(env, p, mode)
}

func planMode(env *effect.Env, p sandbox.Path, mode fs.FileMode) {
	env.Run.Planned.Set("filemode:"+p.Abs, starlark.MakeInt(int(mode)))
}

func planParents(env *effect.Env, p sandbox.Path) {
	for _, dir := range missingParents(env, p) {
		env.Run.Planned.Set(dir.Resource(), starlark.None)
		planMode(env, dir, dirMode)
	}
}

// missingParents returns the directories above p that do not exist, outermost
// first.
func missingParents(env *effect.Env, p sandbox.Path) []sandbox.Path {
	var missing []sandbox.Path
	for !p.IsRoot() {
		p = p.Parent()
		if v, err := look(env, p, true); err != nil || v.unknown != nil || v.exists() {
			break
		}
		missing = append([]sandbox.Path{p}, missing...)
	}
	return missing
}
