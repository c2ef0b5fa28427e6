package sending

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/transfer"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

// Tree is files of the workspace, as a source and as a destination of transfers.
type Tree struct {
	Root   sandbox.Path
	staged []staged
}

// staged is a file that has come, and waits for its place.
type staged struct{ from, to sandbox.Path }

var (
	_ transfer.Source      = (*Tree)(nil)
	_ transfer.Destination = (*Tree)(nil)
)

func (t *Tree) at(name string) sandbox.Path {
	if name == "." {
		return t.Root
	}
	return t.Root.Child(name)
}

// List walks the tree. The root itself may be a link to a file or a directory.
func (t *Tree) List() ([]transfer.Entry, error) {
	info, err := t.Root.Stat()
	if fault.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []transfer.Entry
	return all, t.walk(".", info, &all)
}

func (t *Tree) walk(name string, info fs.FileInfo, all *[]transfer.Entry) error {
	e := transfer.Entry{Path: name, Mode: uint32(info.Mode().Perm()), Type: transfer.Other}
	switch {
	case info.Mode().IsRegular():
		e.Type, e.Size = transfer.File, info.Size()
	case info.IsDir():
		e.Type = transfer.Dir
	case info.Mode()&fs.ModeSymlink != 0:
		to, err := t.at(name).Readlink()
		if err != nil {
			return err
		}
		e.Type, e.Target, e.Mode = transfer.Link, to, 0o777
	}
	*all = append(*all, e)
	if e.Type != transfer.Dir {
		return nil
	}
	entries, err := t.at(name).ReadDir()
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just gone
		}
		if err != nil {
			return err
		}
		if err := t.walk(path.Join(name, entry.Name()), info, all); err != nil {
			return err
		}
	}
	return nil
}

// Open opens a file. Not blocking: something else may have taken its name.
func (t *Tree) Open(name string) (*os.File, error) {
	return t.at(name).OpenFile(os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

func (t *Tree) Mkdir(name string, mode uint32) error {
	err := t.at(name).Mkdir(fs.FileMode(mode))
	if fault.Is(err, fault.Exists) {
		if info, serr := t.at(name).Lstat(); serr == nil && info.IsDir() {
			return nil
		}
	}
	return err
}

func (t *Tree) Link(name, to string) error {
	p := t.at(name)
	temp := p.Sibling(tempName())
	if err := temp.Symlink(to); err != nil {
		return err
	}
	if err := temp.Rename(p); err != nil {
		return errors.Join(err, temp.Remove())
	}
	return nil
}

func tempName() string { return ".provisioning-" + rand.Text()[:10] }

// Write keeps a file beside its place until commit.
func (t *Tree) Write(name string, content io.Reader, mode uint32) error {
	to := t.at(name)
	from := to.Sibling(tempName())
	f, err := from.OpenFile(os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	t.staged = append(t.staged, staged{from, to})
	_, err = io.Copy(f, content)
	if cerr := errors.Join(f.Chmod(fs.FileMode(mode).Perm()), f.Close()); err == nil {
		err = cerr
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Wrap(fault.Failed, err, "cannot write %q", to.Name).WithHint("make room in the workspace; what was there before is unchanged")
	}
	return err
}

// Commit puts the files in their places.
func (t *Tree) Commit() error {
	for len(t.staged) > 0 {
		s := t.staged[0]
		if err := s.from.Rename(s.to); err != nil {
			return err
		}
		t.staged = t.staged[1:]
	}
	return nil
}

// Discard removes files that have come in vain.
func (t *Tree) Discard() {
	for _, s := range t.staged {
		_ = s.from.Remove() // the failure before is the one to report
	}
	t.staged = nil
}

func (t *Tree) Chmod(name string, mode uint32) error {
	return t.at(name).Chmod(fs.FileMode(mode).Perm())
}

func (t *Tree) Remove(name string) error { return t.at(name).RemoveAll() }
