package sandbox

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Path is a file name that was checked against the roots.
type Path struct {
	Name string // as the script wrote it
	Abs  string // absolute, cleaned, without following links
	rel  string // below the root
	root *root
}

// Real is the absolute path with all links followed, as far as it exists.
func (p Path) Real() string { return real(p.Abs) }

// Resource is the name of the file for effect.Toucher.
func (p Path) Resource() string { return "file:" + p.Abs }

// Child is the path of an entry of the directory p.
func (p Path) Child(name string) Path {
	return Path{
		Name: keepSlashes(p.Name, filepath.Join(p.Name, name)),
		Abs:  filepath.Join(p.Abs, name),
		rel:  filepath.Join(p.rel, name),
		root: p.root,
	}
}

// Parent is the directory of p. That of a root is the root itself.
func (p Path) Parent() Path {
	if p.IsRoot() {
		return p
	}
	name := keepSlashes(p.Name, filepath.Dir(p.Name))
	return Path{Name: name, Abs: filepath.Dir(p.Abs), rel: filepath.Dir(p.rel), root: p.root}
}

// keepSlashes: "//" means the workspace, and cleaning makes it "/".
func keepSlashes(name, cleaned string) string {
	if strings.HasPrefix(name, "//") {
		return "/" + cleaned
	}
	return cleaned
}

// Sibling is another entry of the directory of p.
func (p Path) Sibling(name string) Path { return p.Parent().Child(name) }

// IsRoot reports whether p is the workspace itself, or a granted directory.
func (p Path) IsRoot() bool { return p.rel == "." }

// SameRoot reports whether p can be renamed to q.
func (p Path) SameRoot(q Path) bool { return p.root == q.root }

// Contains reports whether q is p or lies in it, by name.
func (p Path) Contains(q Path) bool {
	_, ok := below(p.Abs, q.Abs)
	return ok
}

func (p Path) Open() (*os.File, error) { return p.OpenFile(os.O_RDONLY, 0) }

func (p Path) OpenFile(flag int, mode fs.FileMode) (*os.File, error) {
	return at(p, "open", follow, func(dir *os.Root, name string) (*os.File, error) {
		open := openSame
		if p.root.state == "" {
			open = (*os.Root).OpenFile
		}
		if flag&os.O_CREATE == 0 {
			return open(dir, name, flag, mode)
		}
		_, missing := dir.Lstat(name)
		f, err := open(dir, name, flag, mode)
		if err == nil && missing != nil {
			syncNames(dir, name)
		}
		return f, err
	})
}

// syncNames makes the names in the directory of name durable: what a run has
// recorded as done must not be taken back by a loss of power. Some file systems
// cannot; the change stands all the same.
func syncNames(dir *os.Root, name string) {
	if d, err := dir.Open(filepath.Dir(name)); err == nil {
		_ = d.Sync() // see above
		d.Close()
	}
}

// change does something to the name of p that is durable when it returns.
func (p Path) change(what string, op func(*os.Root, string) error) error {
	return p.do(what, noFollow, func(dir *os.Root, name string) error {
		err := op(dir, name)
		if err == nil {
			syncNames(dir, name)
		}
		return err
	})
}

// ReadFile reads at most limit bytes; a larger file is an error. limit 0 means
// no limit.
func (p Path) ReadFile(limit int64) ([]byte, error) {
	// Not blocking: opening a pipe would wait for somebody to write into it.
	f, err := p.OpenFile(os.O_RDONLY|syscall.O_NONBLOCK, 0)
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
	if !info.Mode().IsRegular() {
		return nil, fault.New(fault.Invalid, "cannot read %q: it is no regular file", p.Name)
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
		return nil, fault.New(fault.TooLarge, "cannot read %q: it is larger than %d bytes", p.Name, limit)
	}
	return data, nil
}

// WriteFile replaces the file in one step: whoever reads it, and whatever
// crashes, sees the old content or the new one. The new content is durable when
// WriteFile returns.
func (p Path) WriteFile(data []byte, mode fs.FileMode) error {
	return p.WriteFrom(bytes.NewReader(data), mode)
}

// WriteFrom is WriteFile for content that need not fit into memory.
func (p Path) WriteFrom(r io.Reader, mode fs.FileMode) error {
	return p.WriteVia(p.Sibling("."+filepath.Base(p.Abs)+"."+rand.Text()[:10]+".tmp"), r, mode)
}

// WriteVia is WriteFrom by way of an entry of the same directory that nobody
// else uses. What an interrupted attempt has left there is replaced, so that a
// crash does not litter. Where via is p, the file is not replaced in one step.
func (p Path) WriteVia(via Path, r io.Reader, mode fs.FileMode) error {
	_, err := at(p, "write", noFollow, func(dir *os.Root, name string) (struct{}, error) {
		parent, _ := filepath.Split(name)
		tmp := parent + filepath.Base(via.Abs)
		if err := dir.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return struct{}{}, err
		}
		if err := writeNew(dir, tmp, r, mode); err != nil {
			return struct{}{}, err
		}
		if err := dir.Rename(tmp, name); err != nil {
			_ = dir.Remove(tmp) // the first error is the one to report
			return struct{}{}, err
		}
		syncNames(dir, name)
		return struct{}{}, nil
	})
	return err
}

func writeNew(dir *os.Root, name string, r io.Reader, mode fs.FileMode) error {
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	err = errors.Join(err, f.Chmod(mode.Perm()), f.Sync(), f.Close())
	if err != nil {
		_ = dir.Remove(name)
	}
	return err
}

func (p Path) Stat() (fs.FileInfo, error) { return at(p, "stat", follow, (*os.Root).Stat) }

func (p Path) Lstat() (fs.FileInfo, error) { return at(p, "stat", noFollow, (*os.Root).Lstat) }

// ReadDir lists a directory, sorted by name. The state directory is not shown.
func (p Path) ReadDir() ([]fs.DirEntry, error) {
	f, err := p.Open()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	if err != nil {
		return nil, p.fault("list", err)
	}
	shown := entries[:0]
	for _, e := range entries {
		if e.IsDir() && p.Child(e.Name()).isState() {
			continue
		}
		shown = append(shown, e)
	}
	sort.Slice(shown, func(i, j int) bool { return shown[i].Name() < shown[j].Name() })
	return shown, nil
}

func (p Path) Readlink() (string, error) {
	return at(p, "read the link", noFollow, (*os.Root).Readlink)
}

func (p Path) Symlink(target string) error {
	return p.change("link", func(dir *os.Root, name string) error { return dir.Symlink(target, name) })
}

func (p Path) Mkdir(mode fs.FileMode) error {
	return p.change("make", func(dir *os.Root, name string) error { return dir.Mkdir(name, mode) })
}

// MkdirAll makes p and the directories above it that are missing.
func (p Path) MkdirAll(mode fs.FileMode) error {
	err := p.Mkdir(mode)
	if fault.Is(err, fault.NotFound) && !p.IsRoot() {
		if err := p.Parent().MkdirAll(mode); err != nil {
			return err
		}
		err = p.Mkdir(mode)
	}
	if fault.Is(err, fault.Exists) {
		if info, statErr := p.Stat(); statErr == nil && info.IsDir() {
			// Another branch may have just made it, and not come to the sync.
			return p.change("make", func(*os.Root, string) error { return nil })
		}
	}
	return err
}

func (p Path) Chmod(mode fs.FileMode) error {
	return p.do("change the mode of", follow, func(dir *os.Root, name string) error {
		if err := dir.Chmod(name, mode); err != nil {
			return err
		}
		if info, err := dir.Stat(name); err != nil || !info.Mode().IsRegular() && !info.IsDir() {
			return nil
		}
		if f, err := dir.Open(name); err == nil { // one that may not be read cannot be made durable
			_ = f.Sync()
			f.Close()
		}
		return nil
	})
}

func (p Path) Remove() error { return p.change("remove", (*os.Root).Remove) }

// RemoveAll removes p and everything in it, if it exists. What holds the state directory is
// not removed.
func (p Path) RemoveAll() error {
	if p.HoldsState() {
		return fault.New(fault.Permission, "cannot remove %q: the state directory is in it", p.Name)
	}
	err := p.change("remove", (*os.Root).RemoveAll)
	if fault.Is(err, fault.NotFound) { // a directory above it is missing
		return nil
	}
	return err
}

// Rename moves p to the path to, which must lie in the same root.
func (p Path) Rename(to Path) error {
	if p.root != to.root {
		return fault.New(fault.Invalid, "cannot move %q to %q: they are in different granted directories", p.Name, to.Name)
	}
	if p.HoldsState() {
		return fault.New(fault.Permission, "cannot move %q: the state directory is in it", p.Name)
	}
	return p.change("move", func(from *os.Root, oldName string) error {
		if p.root.state == "" {
			err := from.Rename(p.rel, to.rel)
			if err == nil {
				syncNames(from, to.rel)
			}
			return err
		}
		return to.change("move to", func(into *os.Root, newName string) error {
			return renameBetween(from, oldName, into, newName)
		})
	})
}

// fault says op and the path, and the reason without the system call's name.
func (p Path) fault(op string, err error) error {
	if err == nil || fault.As(err) != nil {
		return err
	}
	kind := fault.Failed
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = fault.NotFound
	case errors.Is(err, fs.ErrExist):
		kind = fault.Exists
	case errors.Is(err, fs.ErrPermission):
		kind = fault.Permission
	case errors.Is(err, errEscapes) || strings.Contains(err.Error(), "path escapes from parent"):
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

// MissingParents returns the directories above p that do not exist, outermost
// first, as absolute names.
func (p Path) MissingParents() []string {
	var missing []string
	for dir := p.Parent(); !dir.IsRoot(); dir = dir.Parent() {
		if _, err := dir.Lstat(); !fault.Is(err, fault.NotFound) {
			break
		}
		missing = append([]string{dir.Abs}, missing...)
	}
	return missing
}

// RemoveEmpty removes directories that were made on the way to something,
// innermost first, unless something else is in them by now: then they are in use.
func (f *Files) RemoveEmpty(made []string) error {
	for i := len(made) - 1; i >= 0; i-- {
		p, err := f.Resolve(made[i])
		if err != nil {
			return err
		}
		entries, err := p.ReadDir()
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil || len(entries) > 0 {
			return err
		}
		if err := p.Remove(); err != nil {
			return err
		}
	}
	return nil
}
