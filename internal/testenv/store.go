package testenv

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
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
	dir := s.User
	if dir == "" {
		dir = s.Dir
	}
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

// Save writes the record of an environment. Whoever reads it meanwhile sees the old
// one. Of one that is removed the user has no copy, and nobody its key.
func (s *Store) Save(e *Environment) error {
	data, err := json.MarshalIndent(e, "", "  ")
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

func write(file string, data []byte) error {
	fresh := file + ".new" // only the holder of the lease writes
	if err := os.WriteFile(fresh, data, 0o644); err != nil {
		return err
	}
	return os.Rename(fresh, file)
}

// Get returns the record of an environment, by its id, the beginning of it, or its name.
func (s *Store) Get(id string) (*Environment, error) {
	all, err := s.List()
	if err != nil {
		return nil, err
	}
	var found []*Environment
	for _, e := range all {
		if e.ID == id {
			return e, nil
		}
		if strings.HasPrefix(e.ID, id) && len(id) >= 3 || e.Name == id && e.Status != Removed {
			found = append(found, e)
		}
	}
	switch len(found) {
	case 0:
		return nil, fault.New(fault.NotFound, "there is no test environment %q", id).WithHint("see them with: provisioning test env list")
	case 1:
		return found[0], nil
	}
	ids := make([]string, len(found))
	for i, e := range found {
		ids[i] = e.ID
	}
	return nil, fault.New(fault.Usage, "%q is several test environments: %s", id, strings.Join(ids, ", "))
}

// List returns all records of the workspace, the oldest first.
func (s *Store) List() ([]*Environment, error) { return list(s.Dir) }

// Everywhere returns the records of environments of all workspaces of the user, but for
// those that are removed. Those of the workspace itself are among them.
func (s *Store) Everywhere() ([]*Environment, error) {
	all, err := s.List()
	if err != nil || s.User == "" {
		return left(all), err
	}
	copies, err := list(s.User)
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

func list(dir string) ([]*Environment, error) {
	dirs, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot list the test environments")
	}
	var all []*Environment
	for _, d := range dirs {
		data, err := os.ReadFile(filepath.Join(dir, d.Name(), recordFile))
		if errors.Is(err, fs.ErrNotExist) || !d.IsDir() {
			continue // it is just being made, or was forgotten
		}
		e := &Environment{}
		if err == nil {
			err = json.Unmarshal(data, e)
		}
		if err != nil {
			return nil, fault.Wrap(fault.Failed, err, "cannot read the record of the test environment %s", d.Name())
		}
		all = append(all, e)
	}
	slices.SortStableFunc(all, byAge)
	return all, nil
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

// SaveLogs writes the logs of nodes, by the names of their files.
func (s *Store) SaveLogs(id string, logs map[string]string) error {
	dir := s.LogsDir(id)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.Wrap(fault.Failed, err, "cannot keep the logs of the environment %s", id)
	}
	for name, text := range logs {
		if err := write(filepath.Join(dir, name), []byte(text)); err != nil {
			return fault.Wrap(fault.Failed, err, "cannot keep the logs of the environment %s", id)
		}
	}
	return nil
}

// LogsDir is where the logs of an environment are.
func (s *Store) LogsDir(id string) string { return filepath.Join(s.Dir, id, logsDir) }

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
