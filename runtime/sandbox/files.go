// Package sandbox bounds what a script can use up (see [Limits]) and which files
// it can reach (see [Files]).
package sandbox

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Files are the files that a script may reach: those of the workspace, without
// the state directory, and those below the granted directories. The confinement
// is that of [os.Root]: neither "..", nor an absolute path, nor a symbolic link
// leads out, whatever else changes the tree meanwhile. A state directory inside
// the workspace is kept apart by its identity, whichever way leads to it.
//
// Relative paths, and paths that begin with "//", are relative to the
// workspace. Errors are faults of kind not_found, exists, permission or failed.
type Files struct {
	workspace string
	state     string
	roots     []*root // the workspace first
}

type root struct {
	dir   string
	os    *os.Root
	state string // the state directory, when it lies in this root
}

// OpenFiles opens the workspace and the granted directories. state is the
// directory inside the workspace that scripts must not touch, but for its
// subdirectory "tmp"; it may be elsewhere, and then no script reaches it.
func OpenFiles(workspace, state string, grants ...string) (*Files, error) {
	f := &Files{state: real(state)}
	for i, dir := range append([]string{workspace}, grants...) {
		opened, err := os.OpenRoot(dir)
		if err != nil {
			f.Close()
			return nil, fault.Wrap(fault.Config, err, "cannot open the directory %q", dir)
		}
		r := &root{dir: real(dir), os: opened}
		if _, ok := below(r.dir, f.state); ok {
			r.state = f.state
		}
		f.roots = append(f.roots, r)
		if i == 0 {
			f.workspace = r.dir
		}
	}
	return f, nil
}

// Named knows the name of a workspace, and reaches no file of it.
func Named(workspace string) *Files { return &Files{workspace: workspace} }

// real is the absolute path of name without links, also when its end does not
// exist yet.
func real(name string) string {
	abs, err := filepath.Abs(name)
	if err != nil { // there is no working directory; then relative names mean nothing
		return name
	}
	for p := abs; ; p = filepath.Dir(p) {
		if found, err := filepath.EvalSymlinks(p); err == nil {
			rest, _ := filepath.Rel(p, abs) // p is a prefix of abs
			return filepath.Join(found, rest)
		}
		if p == filepath.Dir(p) {
			return abs
		}
	}
}

// below returns what leads from dir to path, if path is dir or lies in it.
func below(dir, path string) (rel string, ok bool) {
	rel, err := filepath.Rel(dir, path)
	return rel, err == nil && filepath.IsLocal(rel)
}

// Close releases the directories.
func (f *Files) Close() {
	for _, r := range f.roots {
		r.os.Close()
	}
}

// Workspace is the absolute path of the workspace.
func (f *Files) Workspace() string { return f.workspace }

const maxPath = 4096 // bytes; longer names no system takes

// Resolve finds the root that a name lies in. The name need not exist.
func (f *Files) Resolve(name string) (Path, error) {
	if name == "" {
		return Path{}, fault.New(fault.Invalid, "the path is empty")
	}
	if strings.ContainsRune(name, 0) {
		return Path{}, fault.New(fault.Invalid, "the path %q has a zero byte in it", name)
	}
	abs := name
	if rest, ok := strings.CutPrefix(name, "//"); ok {
		abs = filepath.Join(f.workspace, rest)
	} else if !filepath.IsAbs(name) {
		abs = filepath.Join(f.workspace, name)
	}
	abs = filepath.Clean(abs)
	if len(abs) > maxPath {
		return Path{}, fault.New(fault.Invalid, "the path %.60q… is longer than %d bytes", name, maxPath)
	}
	for _, r := range f.roots {
		rel, ok := below(r.dir, abs)
		if !ok {
			continue
		}
		if f.inState(abs) || f.inState(real(abs)) {
			return Path{}, inState(name)
		}
		return Path{Name: name, Abs: abs, rel: rel, root: r}, nil
	}
	return Path{}, fault.New(fault.Permission, "%q is outside of the workspace %s", name, f.workspace).
		WithHint("grant its directory with --allow-path %s", filepath.Dir(abs))
}

// inState reports whether abs lies in the state directory, outside of its tmp.
// It serves an early, clear answer; what keeps scripts out is [Path.locate].
func (f *Files) inState(abs string) bool {
	rel, ok := below(f.state, abs)
	return ok && rel != "tmp" && !strings.HasPrefix(rel, "tmp"+string(filepath.Separator))
}

func inState(name string) error {
	return fault.New(fault.Permission, "%q is in the state directory, which scripts cannot touch", name)
}
