// Package sandbox bounds what a script can use up (see [Limits]) and which files
// it can reach (see [Files]).
package sandbox

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Files are the files that a script may reach: those of the workspace, without
// the state directory, and those below the granted directories. The confinement
// is that of [os.Root]: neither "..", nor an absolute path, nor a symbolic link
// leads out, whatever else changes the tree meanwhile.
//
// Relative paths, and paths that begin with "//", are relative to the
// workspace. Errors are faults of kind not_found, exists, permission or failed.
type Files struct {
	workspace string
	state     string
	roots     []root // the workspace first
}

type root struct {
	dir string
	os  *os.Root
}

// OpenFiles opens the workspace and the granted directories. state is the
// directory inside the workspace that scripts must not touch, but for its
// subdirectory "tmp"; it may be elsewhere, and then no script reaches it.
func OpenFiles(workspace, state string, grants ...string) (*Files, error) {
	f := &Files{}
	for i, dir := range append([]string{workspace}, grants...) {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil {
			real, err = filepath.Abs(real)
		}
		if err != nil {
			return nil, fault.Wrap(fault.Config, err, "cannot open the directory %q", dir)
		}
		r, err := os.OpenRoot(real)
		if err != nil {
			return nil, fault.Wrap(fault.Config, err, "cannot open the directory %q", dir)
		}
		f.roots = append(f.roots, root{real, r})
		if i == 0 {
			f.workspace = real
		}
	}
	f.state = state
	if real, err := filepath.EvalSymlinks(state); err == nil {
		f.state = real
	}
	return f, nil
}

// Close releases the directories.
func (f *Files) Close() {
	for _, r := range f.roots {
		r.os.Close()
	}
}

// Workspace is the absolute path of the workspace.
func (f *Files) Workspace() string { return f.workspace }

// Path is a file name that was checked against the roots.
type Path struct {
	Name string // as the script wrote it
	Abs  string // absolute, cleaned, without following links
	rel  string // below the root
	root *os.Root
}

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
	for _, r := range f.roots {
		rel, err := filepath.Rel(r.dir, abs)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		if f.inState(abs) {
			return Path{}, fault.New(fault.Permission, "%q is in the state directory, which scripts cannot touch", name)
		}
		return Path{Name: name, Abs: abs, rel: rel, root: r.os}, nil
	}
	return Path{}, fault.New(fault.Permission, "%q is outside of the workspace %s", name, f.workspace).
		WithHint("grant its directory with --allow-path %s", filepath.Dir(abs))
}

// inState reports whether abs lies in the state directory, also by way of links.
func (f *Files) inState(abs string) bool {
	within := func(p string) bool {
		rel, err := filepath.Rel(f.state, p)
		return err == nil && filepath.IsLocal(rel) && rel != "tmp" && !strings.HasPrefix(rel, "tmp"+string(filepath.Separator))
	}
	if within(abs) {
		return true
	}
	for p := abs; ; p = filepath.Dir(p) { // the nearest ancestor that exists
		if real, err := filepath.EvalSymlinks(p); err == nil {
			rest, _ := filepath.Rel(p, abs)
			return within(filepath.Join(real, rest))
		}
		if p == filepath.Dir(p) {
			return false
		}
	}
}

// Resource is the name of the file for effect.Toucher.
func (p Path) Resource() string { return "file:" + p.Abs }

// Child is the path of an entry of the directory p.
func (p Path) Child(name string) Path {
	return Path{
		Name: filepath.Join(p.Name, name),
		Abs:  filepath.Join(p.Abs, name),
		rel:  filepath.Join(p.rel, name),
		root: p.root,
	}
}

// IsRoot reports whether p is the workspace itself, or a granted directory.
func (p Path) IsRoot() bool { return p.rel == "." }

func (p Path) Open() (*os.File, error) { return opened(p.root.Open(p.rel))(p, "open") }

func (p Path) OpenFile(flag int, mode fs.FileMode) (*os.File, error) {
	return opened(p.root.OpenFile(p.rel, flag, mode))(p, "open")
}

func opened(f *os.File, err error) func(Path, string) (*os.File, error) {
	return func(p Path, op string) (*os.File, error) { return f, p.fault(op, err) }
}

// ReadFile reads at most limit bytes; a larger file is an error. limit 0 means
// no limit.
func (p Path) ReadFile(limit int64) ([]byte, error) {
	f, err := p.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, p.fault("read", err)
	}
	if info.IsDir() {
		return nil, fault.New(fault.Invalid, "cannot read %q: it is a directory", p.Name)
	}
	var r io.Reader = f
	if limit > 0 {
		r = io.LimitReader(f, limit+1)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, p.fault("read", err)
	}
	if limit > 0 && int64(len(data)) > limit {
		return nil, fault.New(fault.Limit, "cannot read %q: it is larger than %d bytes", p.Name, limit)
	}
	return data, nil
}

// WriteFile replaces the file in one step: whoever reads it, and whatever
// crashes, sees the old content or the new one. The new content is durable when
// WriteFile returns.
func (p Path) WriteFile(data []byte, mode fs.FileMode) error {
	dir := Path{Name: filepath.Dir(p.Name), rel: filepath.Dir(p.rel), root: p.root}
	tmp := dir.Child("." + filepath.Base(p.rel) + "." + rand.Text()[:10] + ".tmp")
	if err := tmp.writeNew(data, mode); err != nil {
		return p.fault("write", err)
	}
	if err := p.root.Rename(tmp.rel, p.rel); err != nil {
		_ = p.root.Remove(tmp.rel) // the first error is the one to report
		return p.fault("write", err)
	}
	if d, err := p.root.Open(dir.rel); err == nil { // make the new name durable
		_ = d.Sync() // some file systems cannot; the rename stands all the same
		d.Close()
	}
	return nil
}

func (p Path) writeNew(data []byte, mode fs.FileMode) error {
	f, err := p.root.OpenFile(p.rel, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode.Perm()), f.Sync(), f.Close())
	if err != nil {
		_ = p.root.Remove(p.rel)
	}
	return err
}

func (p Path) Stat() (fs.FileInfo, error) {
	info, err := p.root.Stat(p.rel)
	return info, p.fault("stat", err)
}

func (p Path) Lstat() (fs.FileInfo, error) {
	info, err := p.root.Lstat(p.rel)
	return info, p.fault("stat", err)
}

// ReadDir lists a directory, sorted by name.
func (p Path) ReadDir() ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(p.root.FS(), filepath.ToSlash(p.rel))
	return entries, p.fault("list", err)
}

func (p Path) Readlink() (string, error) {
	target, err := p.root.Readlink(p.rel)
	return target, p.fault("read the link", err)
}

func (p Path) Symlink(target string) error { return p.fault("link", p.root.Symlink(target, p.rel)) }

func (p Path) Mkdir(mode fs.FileMode) error { return p.fault("make", p.root.Mkdir(p.rel, mode)) }

func (p Path) MkdirAll(mode fs.FileMode) error {
	return p.fault("make", p.root.MkdirAll(p.rel, mode))
}

func (p Path) Chmod(mode fs.FileMode) error {
	return p.fault("change the mode of", p.root.Chmod(p.rel, mode))
}

func (p Path) Remove() error { return p.fault("remove", p.root.Remove(p.rel)) }

func (p Path) RemoveAll() error { return p.fault("remove", p.root.RemoveAll(p.rel)) }

// Rename moves p to the path to, which must lie in the same root.
func (p Path) Rename(to Path) error {
	if p.root != to.root {
		return fault.New(fault.Invalid, "cannot move %q to %q: they are in different granted directories", p.Name, to.Name)
	}
	return p.fault("move", p.root.Rename(p.rel, to.rel))
}

// fault says op and the path, and the reason without the system call's name.
func (p Path) fault(op string, err error) error {
	if err == nil {
		return nil
	}
	kind := fault.Failed
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = fault.NotFound
	case errors.Is(err, fs.ErrExist):
		kind = fault.Exists
	case errors.Is(err, fs.ErrPermission):
		kind = fault.Permission
	case strings.Contains(err.Error(), "path escapes from parent"):
		return fault.New(fault.Permission, "cannot %s %q: a link in it leads out of the workspace", op, p.Name)
	}
	reason := err
	var pe *fs.PathError
	var le *os.LinkError
	if errors.As(err, &pe) {
		reason = pe.Err
	} else if errors.As(err, &le) {
		reason = le.Err
	}
	return &fault.Error{Kind: kind, Msg: fmt.Sprintf("cannot %s %q: %v", op, p.Name, reason), Cause: err}
}
