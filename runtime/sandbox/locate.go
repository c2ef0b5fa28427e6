package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// An os.Root keeps a script in the workspace, but not out of a state directory
// that is part of it: a link made between a check and the use would lead there.
// So a path in such a root is walked one component at a time, each from an open
// handle of the directory before it, and links are followed here. A directory is
// entered only after its identity was compared with that of the state directory.

const (
	follow   = true
	noFollow = false
)

var (
	errEscapes = errors.New("path escapes from parent")
	errChanged = errors.New("it was replaced while it was used")
	errLinks   = errors.New("too many levels of symbolic links")
)

const maxLinks = 40 // as the kernel

// at calls op with a directory and what leads from it to p. With followLast,
// links at the end are followed. Where the state directory is near, the name has
// one component and is no link, unless someone has just made it one: then it
// leads no further than the directory.
func at[T any](p Path, what string, followLast bool, op func(*os.Root, string) (T, error)) (T, error) {
	if p.root.state == "" {
		v, err := op(p.root.os, p.rel) // which os.Root guards alone
		return v, p.fault(what, err)
	}
	w := walker{root: p.root, dirs: []dir{{Root: p.root.os}}}
	defer w.close()
	name, err := w.walk(p, followLast)
	if err != nil {
		var zero T
		return zero, p.fault(what, err)
	}
	v, err := op(w.top().Root, name)
	return v, p.fault(what, err)
}

func (p Path) do(what string, followLast bool, op func(*os.Root, string) error) error {
	_, err := at(p, what, followLast, func(dir *os.Root, name string) (struct{}, error) {
		return struct{}{}, op(dir, name)
	})
	return err
}

type dir struct {
	*os.Root
	isState bool
}

type walker struct {
	root  *root
	dirs  []dir // from the root to where the walk has come
	todo  []string
	links int
}

func (w *walker) top() dir { return w.dirs[len(w.dirs)-1] }

func (w *walker) close() {
	for _, d := range w.dirs[1:] {
		d.Close()
	}
}

// walk goes to the directory of p and returns the name of p in it.
func (w *walker) walk(p Path, followLast bool) (string, error) {
	w.todo = split(p.rel)
	state, err := os.Stat(w.root.state)
	if err != nil {
		state = nil // there is none yet, and so nothing to keep apart
	}
	for len(w.todo) > 0 {
		name := w.todo[0]
		w.todo = w.todo[1:]
		last := len(w.todo) == 0
		if name == ".." {
			if err := w.up(); err != nil {
				return "", err
			}
			continue
		}
		if w.top().isState && name != "tmp" {
			return "", inState(p.Name)
		}
		info, err := w.top().Lstat(name)
		switch {
		case err != nil && last:
			return name, nil // the operation says what is wrong, or makes it
		case err != nil:
			return "", err
		case info.Mode()&fs.ModeSymlink != 0 && (!last || followLast):
			if err := w.link(name); err != nil {
				return "", err
			}
			continue
		}
		isState := state != nil && os.SameFile(info, state)
		if isState && last {
			return "", inState(p.Name)
		}
		if last {
			return name, nil
		}
		if err := w.down(name, info, isState); err != nil {
			return "", err
		}
	}
	if w.top().isState {
		return "", inState(p.Name)
	}
	return ".", nil
}

func (w *walker) up() error {
	if len(w.dirs) == 1 {
		return errEscapes
	}
	w.top().Close()
	w.dirs = w.dirs[:len(w.dirs)-1]
	return nil
}

// down enters a directory, if it is still the one that info is of.
func (w *walker) down(name string, info fs.FileInfo, isState bool) error {
	sub, err := w.top().OpenRoot(name)
	if err != nil {
		return err
	}
	w.dirs = append(w.dirs, dir{sub, isState})
	now, err := sub.Stat(".")
	if err == nil && !os.SameFile(info, now) {
		err = errChanged
	}
	return err
}

// link puts the components of a link's target before those still to do.
func (w *walker) link(name string) error {
	if w.links++; w.links > maxLinks {
		return errLinks
	}
	target, err := w.top().Readlink(name)
	if err != nil {
		return err
	}
	if filepath.IsAbs(target) {
		return errEscapes
	}
	w.todo = append(split(target), w.todo...)
	return nil
}

func split(rel string) []string {
	var parts []string
	for part := range strings.SplitSeq(filepath.ToSlash(rel), "/") {
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	return parts
}

// openSame opens a name that was found to be no link, and makes sure that it
// still is none: what was opened must be what the name says.
func openSame(dir *os.Root, name string, flag int, mode fs.FileMode) (*os.File, error) {
	before, err := dir.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) && flag&os.O_CREATE != 0 {
		f, cerr := dir.OpenFile(name, flag|os.O_EXCL, mode) // never follows a link
		if !errors.Is(cerr, fs.ErrExist) || flag&os.O_EXCL != 0 {
			return f, cerr
		}
		before, err = dir.Lstat(name) // another branch was faster: look at what it has made
	}
	if err != nil {
		return nil, err
	}
	// Truncating at the opening would destroy before the check.
	f, err := dir.OpenFile(name, flag&^os.O_TRUNC, mode)
	if err != nil {
		return nil, err
	}
	now, err := f.Stat()
	if err == nil && !os.SameFile(before, now) {
		err = errChanged
	}
	if err == nil && flag&os.O_TRUNC != 0 {
		err = f.Truncate(0)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// renameBetween moves an entry from one open directory to another, which an
// os.Root cannot: by path, a link could be put in the way.
func renameBetween(from *os.Root, oldName string, into *os.Root, newName string) error {
	a, err := from.Open(".")
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := into.Open(".")
	if err != nil {
		return err
	}
	defer b.Close()
	err = unix.Renameat(int(a.Fd()), oldName, int(b.Fd()), newName)
	if err != nil {
		return &os.LinkError{Op: "renameat", Old: oldName, New: newName, Err: err}
	}
	return nil
}

// isState reports whether p is the state directory.
func (p Path) isState() bool {
	if p.root.state == "" {
		return false
	}
	err := p.do("stat", noFollow, func(*os.Root, string) error { return nil })
	return fault.Is(err, fault.Permission)
}

// HoldsState reports whether the state directory lies in the directory p.
func (p Path) HoldsState() bool {
	if p.root.state == "" {
		return false
	}
	info, err := p.Lstat()
	for dir := p.root.state; err == nil; dir = filepath.Dir(dir) {
		if above, statErr := os.Stat(dir); statErr == nil && os.SameFile(info, above) {
			return true
		}
		if dir == p.root.dir || dir == filepath.Dir(dir) {
			return false
		}
	}
	return false
}
