package testenv

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Store keeps the environments of a workspace.
type Store struct {
	Dir  string // such as .provisioning/environments; it need not be there
	User string // where the user has copies of those of all workspaces; "": nowhere
}

const (
	recordFile = "environment.json"
	lockFile   = "lock"
	logsDir    = "logs"
	resultsDir = "results"
)

// Lease is the right to work on an environment. The operating system ends it when the
// process dies.
type Lease struct{ files []*os.File }

// Release ends the lease.
func (l *Lease) Release() {
	for _, f := range l.files {
		_ = f.Close() // closing it unlocks it
	}
}

// Owner is who makes environments: the user's directory, on this machine. Another user of
// the same engine is somebody else, and so is a container with a home of its own.
func (s *Store) Owner() string {
	host, err := os.Hostname()
	if err != nil || s.User == "" {
		return ""
	}
	return host + ":" + s.User
}

// New makes the directory of a new environment, gives it an id, and takes its lease
// before anybody can see it.
func (s *Store) New(e *Environment) (*Lease, error) {
	for {
		var id [4]byte
		_, _ = rand.Read(id[:]) // it never fails
		e.ID = hex.EncodeToString(id[:])
		if err := os.MkdirAll(s.Dir, 0o755); err != nil {
			return nil, fault.Wrap(fault.Failed, err, "cannot record the environment")
		}
		err := os.Mkdir(filepath.Join(s.Dir, e.ID), 0o755)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, fault.Wrap(fault.Failed, err, "cannot record the environment")
		}
		return s.Lease(e.ID)
	}
}

// Lease takes the lease of an environment; nil says that another process has it.
func (s *Store) Lease(id string) (*Lease, error) {
	l := &Lease{}
	if s.User != "" {
		if err := os.MkdirAll(filepath.Join(s.User, id), 0o700); err != nil {
			return nil, fault.Wrap(fault.Failed, err, "cannot lock the environment %s", id)
		}
	}
	for _, dir := range s.Dirs(id) {
		f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			l.Release()
			return nil, fault.Wrap(fault.Failed, err, "cannot lock the environment %s", id)
		}
		l.files = append(l.files, f)
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			l.Release()
			return nil, nil
		}
	}
	return l, nil
}

// Dirs are where an environment is recorded: in the workspace, and with the user.
func (s *Store) Dirs(id string) []string {
	dirs := []string{filepath.Join(s.Dir, id)}
	if s.User != "" {
		dirs = append(dirs, filepath.Join(s.User, id))
	}
	return dirs
}

// Drop forgets the user's copy of an environment. It is for one whose workspace is gone,
// or says that it is removed.
func (s *Store) Drop(id string) error {
	if s.User == "" {
		return nil
	}
	if err := os.RemoveAll(filepath.Join(s.User, id)); err != nil {
		return fault.Wrap(fault.Failed, err, "cannot forget the test environment %s", id)
	}
	return nil
}

// Count keeps others of the user from making environments until done is called, so that
// they can be counted.
func (s *Store) Count() (done func(), err error) {
	dir := cmp.Or(s.User, s.Dir)
	err = os.MkdirAll(dir, 0o700)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot count the test environments")
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot count the test environments")
	}
	return func() { _ = f.Close() }, nil
}

// imagesFile is locked while an image is made for the machines of an environment.
const imagesFile = "images.lock"

// lockPause is how often a lock is tried that somebody else has.
const lockPause = 200 * time.Millisecond

// Images keeps others of the user from making images of machines until done is called, so
// that each is made once. It calls waits when somebody is about to, and waits for that until
// ctx ends.
func (s *Store) Images(ctx context.Context, waits func()) (done func(), err error) {
	dir := cmp.Or(s.User, s.Dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot make an image")
	}
	f, err := os.OpenFile(filepath.Join(dir, imagesFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot make an image")
	}
	for first := true; ; first = false {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			_ = f.Close()
			return nil, fault.Wrap(fault.Failed, err, "cannot make an image")
		}
		if first {
			waits()
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
			_ = f.Close()
			return nil, fault.New(fault.Cancelled, "stopped while another process was making an image")
		}
	}
}

// Save writes the record of an environment, without the logs of its tests: those are with
// [Store.SaveResult]. Whoever reads it meanwhile sees the old one. Of one that is removed the
// user has no copy, and nobody its key.
func (s *Store) Save(e *Environment) error {
	data, err := json.MarshalIndent(e.withoutLogs(), "", "  ")
	if err == nil {
		err = write(filepath.Join(s.Dir, e.ID, recordFile), data)
	}
	if err == nil && e.Status == Removed {
		err = os.RemoveAll(s.KeyFile(e.ID))
	}
	if err == nil && s.User != "" {
		mine := filepath.Join(s.User, e.ID)
		if e.Status == Removed {
			err = os.RemoveAll(mine)
		} else if err = os.MkdirAll(mine, 0o700); err == nil {
			err = write(filepath.Join(mine, recordFile), data)
		}
	}
	if err != nil {
		return fault.Wrap(fault.Failed, err, "cannot record the environment %s", e.ID)
	}
	return nil
}

// write replaces a file in one step. When it returns nil, the content survives a loss of
// power, after which nobody else would know of the machines.
func write(file string, data []byte) error {
	fresh := file + ".new" // only the holder of the lease writes
	f, err := os.Create(fresh)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(fresh, file); err != nil {
		return err
	}
	dir := filepath.Dir(file)
	for _, d := range []string{dir, filepath.Dir(dir)} { // the directory may be new as well
		if f, err := os.Open(d); err == nil {
			_ = f.Sync() // some file systems cannot
			_ = f.Close()
		}
	}
	return nil
}

// Get returns the record of an environment, by its id, the beginning of it, or its name.
func (s *Store) Get(id string) (*Environment, error) {
	all, err := s.List()
	if err != nil {
		return nil, err
	}
	return one(all, id, func(e *Environment) bool { return e.begins(id) || e.Name == id && e.Status != Removed })
}

// Elsewhere returns the record of an environment of any workspace of the user. Its name is
// not asked for: others have that as well.
func (s *Store) Elsewhere(id string) (*Environment, error) {
	all, err := s.Everywhere()
	if err != nil {
		return nil, err
	}
	return one(all, id, func(e *Environment) bool { return e.begins(id) })
}

// begins reports whether part is the beginning of the id, and long enough for one.
func (e *Environment) begins(part string) bool {
	return len(part) >= 3 && strings.HasPrefix(e.ID, part)
}

// one is the environment of the id, or else the only one that matches what was given.
func one(all []*Environment, given string, matches func(*Environment) bool) (*Environment, error) {
	var found []*Environment
	for _, e := range all {
		if e.ID == given {
			return e, nil
		}
		if matches(e) {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return nil, fault.New(fault.NotFound, "there is no test environment %q", given).WithHint("see them with: provisioning test env list")
	case 1:
		return found[0], nil
	}
	ids := make([]string, len(found))
	for i, e := range found {
		ids[i] = e.ID
	}
	return nil, fault.New(fault.Usage, "%q is several test environments: %s", given, strings.Join(ids, ", "))
}

// List returns all records of the workspace, the oldest first.
func (s *Store) List() ([]*Environment, error) {
	all, broken, err := list(s.Dir)
	if err != nil || len(broken) == 0 {
		return all, err
	}
	e := broken[slices.Sorted(maps.Keys(broken))[0]]
	if s.User == "" {
		return nil, e.WithHint("remove its directory")
	}
	return nil, e.WithHint("remove its directory: then provisioning test env cleanup ID goes by the copy in %s", s.User)
}

// Unreadable are the copies that Everywhere leaves out, by their ids: of environments of
// other workspaces, whose records cannot be read.
func (s *Store) Unreadable() (map[string]*fault.Error, error) {
	if s.User == "" {
		return nil, nil
	}
	_, broken, err := list(s.User)
	for id := range broken {
		if _, serr := os.Stat(filepath.Join(s.Dir, id, recordFile)); serr == nil { // here is what it is a copy of
			delete(broken, id)
		}
	}
	return broken, err
}

// Everywhere returns the records of environments of all workspaces of the user, but for
// those that are removed, and copies that cannot be read: what power failures have left of
// them in one workspace is no matter of the others. Those of the workspace itself are among
// them.
func (s *Store) Everywhere() ([]*Environment, error) {
	all, err := s.List()
	if err != nil || s.User == "" {
		return left(all), err
	}
	copies, _, err := list(s.User)
	known := map[string]bool{}
	for _, e := range all {
		known[e.ID] = true
	}
	for _, e := range copies {
		if !known[e.ID] {
			all = append(all, e)
		}
	}
	slices.SortStableFunc(all, byAge)
	return left(all), err
}

// left leaves out those that are removed.
func left(all []*Environment) []*Environment {
	return slices.DeleteFunc(all, func(e *Environment) bool { return e.Status == Removed })
}

func byAge(a, b *Environment) int { return a.CreatedAt.Compare(b.CreatedAt) }

// list reads the records in a directory, the oldest first. Broken are those that cannot be
// read, by their ids.
func list(dir string) (all []*Environment, broken map[string]*fault.Error, err error) {
	dirs, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fault.Wrap(fault.Failed, err, "cannot list the test environments")
	}
	broken = map[string]*fault.Error{}
	for _, d := range dirs {
		file := filepath.Join(dir, d.Name(), recordFile)
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) || !d.IsDir() {
			continue // it is just being made, or was forgotten
		}
		e := &Environment{}
		if err == nil {
			err = json.Unmarshal(data, e)
		}
		if err != nil {
			broken[d.Name()] = fault.Wrap(fault.Failed, err, "cannot read the record %s of the test environment %s", file, d.Name())
			continue
		}
		all = append(all, e)
	}
	slices.SortStableFunc(all, byAge)
	return all, broken, nil
}

// Forget removes what is known of environments that were removed long ago.
func (s *Store) Forget(now time.Time) error {
	all, err := s.List()
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.Status == Removed && now.Sub(e.RemovedAt) > Keep {
			for _, dir := range s.Dirs(e.ID) {
				if err := os.RemoveAll(dir); err != nil {
					return fault.Wrap(fault.Failed, err, "cannot forget the test environment %s", e.ID)
				}
			}
		}
	}
	return nil
}

// Orphan reports whether nobody needs the containers of an environment any more whose
// lease nobody holds: it has expired, or its process has died before it had a use, or
// before it could remove it.
func (e *Environment) Orphan(now time.Time) bool {
	switch e.Status {
	case Removed:
		return false
	case Creating, Removing:
		return true
	}
	return e.AutoCleanup || now.After(e.ExpiresAt)
}
