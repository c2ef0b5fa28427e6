package tester

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

// World is what a test may act on: a workspace of its own, with a journal and a
// key that nobody else has.
type World struct {
	Dir       string // holds all of it
	Workspace workspace.Workspace
	Key       *seal.Key
	lock      *os.File // nil: it belongs to nobody
}

// worldPrefix begins the names of the directories of worlds. They are not copied,
// either: the directory for temporary files may be in the workspace.
const worldPrefix = "provisioning-test-"

// notCopied are directories with the history and the state of a workspace.
var notCopied = map[string]bool{workspace.StateDir: true, ".git": true, ".hg": true, ".svn": true, ".jj": true}

// NewWorld copies a workspace, without its state, into a new directory. stop ends
// the copying of a large one.
func NewWorld(ws workspace.Workspace, stop <-chan struct{}) (*World, error) {
	dir, err := os.MkdirTemp("", worldPrefix+"*")
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot make a directory for the test")
	}
	w := &World{Dir: dir, Key: seal.KeyAt(filepath.Join(dir, "key", "age.key"))}
	root := filepath.Join(dir, "workspace")
	if w.lock, err = lock(dir); err == nil {
		err = copyTree(ws.Root, root, stop)
	}
	if err == nil {
		w.Workspace, err = workspace.At(root)
	}
	if err != nil {
		return nil, errors.Join(fault.Wrap(fault.Failed, err, "cannot copy the workspace %q for the test", ws.Root), w.Remove())
	}
	return w, nil
}

// Keep leaves the world to who wants to look at it: nobody removes it then.
func (w *World) Keep() error {
	err := os.Remove(filepath.Join(w.Dir, lockName))
	w.unlock()
	return err
}

func (w *World) unlock() {
	if w.lock != nil {
		_ = w.lock.Close() // there is nothing in it
		w.lock = nil
	}
}

// Remove removes the world, also directories that a test has closed to itself.
func (w *World) Remove() error {
	defer w.unlock()
	if os.RemoveAll(w.Dir) == nil {
		return nil
	}
	_ = filepath.WalkDir(w.Dir, func(name string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			_ = os.Chmod(name, 0o700) // what remains closed is reported below
		}
		return nil
	})
	return os.RemoveAll(w.Dir)
}

var errStopped = errors.New("interrupted")

// copyTree copies files, directories and links; sockets and devices have no
// content to copy. Never hard links: a test that writes into a file would change
// that of the user.
func copyTree(from, to string, stop <-chan struct{}) error {
	var dirs []func() error // what is done when all is in them
	err := filepath.WalkDir(from, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		select {
		case <-stop:
			return errStopped
		default:
		}
		if d.IsDir() && name != from && (notCopied[d.Name()] || strings.HasPrefix(d.Name(), worldPrefix)) {
			return filepath.SkipDir
		}
		rel, err := filepath.Rel(from, name)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		dest := filepath.Join(to, rel)
		switch {
		case d.IsDir():
			dirs = append(dirs, func() error {
				return errors.Join(os.Chmod(dest, info.Mode().Perm()), os.Chtimes(dest, info.ModTime(), info.ModTime()))
			})
			return os.Mkdir(dest, 0o700)
		case info.Mode()&fs.ModeSymlink != 0:
			return copyLink(from, to, name, dest)
		case info.Mode().IsRegular():
			return copyFile(name, dest, info)
		}
		return nil
	})
	for i := len(dirs) - 1; i >= 0 && err == nil; i-- {
		err = dirs[i]()
	}
	return err
}

// copyLink copies a link. One with an absolute path into the workspace leads into
// the copy.
func copyLink(from, to, name, dest string) error {
	target, err := os.Readlink(name)
	if err != nil {
		return err
	}
	if rest, ok := strings.CutPrefix(target, from); ok && (rest == "" || rest[0] == filepath.Separator) {
		target = to + rest
	}
	return os.Symlink(target, dest)
}

func copyFile(name, dest string, info fs.FileInfo) error {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(dest, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in) // by reference, where the file system can
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	return errors.Join(os.Chmod(dest, info.Mode().Perm()), os.Chtimes(dest, info.ModTime(), info.ModTime()))
}
