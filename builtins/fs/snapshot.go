package fs

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

// inlineLimit is how much content one effect keeps in the journal; what is more
// goes to files below undo/ of the state directory, named by their content.
const inlineLimit = 16 << 20

// snapshot is the state of a path, complete enough to restore it.
type snapshot struct {
	Name    string     `json:"name,omitempty"` // within the directory above
	Kind    string     `json:"kind"`
	Mode    uint32     `json:"mode,omitempty"`
	Content []byte     `json:"content,omitempty"`
	Backup  string     `json:"backup,omitempty"` // file below undo/ that has the content
	Target  string     `json:"target,omitempty"` // of a link
	Entries []snapshot `json:"entries,omitempty"`
}

// keeper takes a snapshot. Small content stays inline as long as there is room.
type keeper struct {
	undo string // directory of the backups
	room int64
}

// keep takes a snapshot of p.
func keep(env *effect.Env, p sandbox.Path) (snapshot, error) {
	k := keeper{undo: undoDir(env), room: inlineLimit}
	return k.keep(p)
}

func undoDir(env *effect.Env) string { return filepath.Join(env.Run.State, "undo") }

func (k *keeper) keep(p sandbox.Path) (snapshot, error) {
	v, err := lookAtDisk(p, false)
	if err != nil {
		return snapshot{}, err
	}
	s := snapshot{Kind: v.kind, Mode: uint32(v.mode)}
	switch v.kind {
	case absent:
	case file:
		if v.size > k.room {
			s.Backup, err = k.backUp(p)
			break
		}
		s.Content, err = p.ReadFile(0)
		k.room -= int64(len(s.Content))
	case link:
		s.Target, err = p.Readlink()
	case directory:
		s.Entries, err = k.entries(p)
	default:
		err = fault.New(fault.Invalid, "cannot change %q: it is no file, directory or link, and could not be restored", p.Name)
	}
	return s, err
}

func (k *keeper) entries(p sandbox.Path) ([]snapshot, error) {
	names, err := p.ReadDir()
	if err != nil {
		return nil, err
	}
	entries := make([]snapshot, len(names))
	for i, e := range names {
		if entries[i], err = k.keep(p.Child(e.Name())); err != nil {
			return nil, err
		}
		entries[i].Name = e.Name()
	}
	return entries, nil
}

// backUp copies a file below undo/. A copy of the same content serves several
// effects; it is complete as soon as it has its name.
func (k *keeper) backUp(p sandbox.Path) (name string, err error) {
	src, err := p.Open()
	if err != nil {
		return "", err
	}
	defer src.Close()
	if err := os.MkdirAll(k.undo, 0o700); err != nil {
		return "", fault.Wrap(fault.Failed, err, "cannot back up %q", p.Name)
	}
	tmp, err := os.CreateTemp(k.undo, "new-*")
	if err != nil {
		return "", fault.Wrap(fault.Failed, err, "cannot back up %q", p.Name)
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(tmp, h), src)
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	name = hex.EncodeToString(h.Sum(nil))
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(k.undo, name))
	}
	for _, dir := range []string{k.undo, filepath.Dir(k.undo)} { // the directory may be new as well
		if d, openErr := os.Open(dir); openErr == nil {
			_ = d.Sync() // some file systems cannot
			d.Close()
		}
	}
	if err != nil {
		os.Remove(tmp.Name())
		return "", fault.Wrap(fault.Failed, err, "cannot back up %q", p.Name)
	}
	return name, nil
}

// restore makes p what it was. It is complete or has not begun: what takes more
// than one step is put together next to p first.
func (s snapshot) restore(env *effect.Env, p sandbox.Path) error {
	if s.Kind == absent {
		return discard(env, p)
	}
	if err := p.Parent().MkdirAll(dirMode); err != nil {
		return err
	}
	made := scratch(env, p, "undo")
	if err := clear(made); err != nil { // of an undo that was interrupted
		return err
	}
	if err := s.build(env, made); err != nil {
		return err
	}
	now, err := lookAtDisk(p, false)
	if err == nil && (now.kind == directory || s.Kind == directory) {
		err = discard(env, p)
	}
	if err != nil {
		return err
	}
	return made.Rename(p)
}

func (s snapshot) build(env *effect.Env, p sandbox.Path) error {
	mode := fs.FileMode(s.Mode)
	switch s.Kind {
	case link:
		return p.Symlink(s.Target)
	case directory:
		if err := p.Mkdir(0o700); err != nil {
			return err
		}
		for _, entry := range s.Entries {
			if err := entry.build(env, p.Child(entry.Name)); err != nil {
				return err
			}
		}
		return p.Chmod(mode) // last: it may forbid to add entries
	}
	if s.Backup == "" {
		return p.WriteVia(p, bytes.NewReader(s.Content), mode)
	}
	backup, err := os.Open(filepath.Join(undoDir(env), s.Backup))
	if err != nil {
		return fault.Wrap(fault.Failed, err, "cannot restore %q", p.Name)
	}
	defer backup.Close()
	return p.WriteVia(p, backup, mode)
}

// discard removes p, a directory in one step: it is renamed first, so that a
// crash leaves no half of it under its name.
func discard(env *effect.Env, p sandbox.Path) error {
	trash := scratch(env, p, "trash")
	if err := clear(trash); err != nil { // of an attempt that was interrupted
		return err
	}
	v, err := lookAtDisk(p, false)
	switch {
	case err != nil || !v.exists():
		return err
	case v.kind != directory:
		return p.Remove()
	}
	if err := p.Rename(trash); err != nil {
		return err
	}
	return clear(trash)
}

// clear removes p, and what is in it also where directories forbid that. It is
// for what has been put aside: half of it would be in the way.
func clear(p sandbox.Path) error {
	err := p.RemoveAll()
	if fault.Is(err, fault.Permission) {
		openUp(p)
		err = p.RemoveAll()
	}
	if isNotDir(err) { // nothing is below a file
		return nil
	}
	return err
}

// openUp lets the entries of directories be removed. What fails here fails in
// the removal again, and is reported there.
func openUp(p sandbox.Path) {
	if v, err := lookAtDisk(p, false); err != nil || v.kind != directory {
		return
	}
	_ = p.Chmod(0o700)
	entries, _ := p.ReadDir()
	for _, e := range entries {
		openUp(p.Child(e.Name()))
	}
}
