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
	Dir string // such as .provisioning/environments; it need not be there
}

const (
	recordFile = "environment.json"
	lockFile   = "lock"
	logsDir    = "logs"
)

// Lease is the right to work on an environment. The operating system ends it when the
// process dies.
type Lease struct{ file *os.File }

// Release ends the lease.
func (l *Lease) Release() { _ = l.file.Close() } // closing it unlocks it

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
	f, err := os.OpenFile(filepath.Join(s.Dir, id, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot lock the environment %s", id)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, nil
	}
	return &Lease{f}, nil
}

// Save writes the record of an environment. Whoever reads it meanwhile sees the old
// one.
func (s *Store) Save(e *Environment) error {
	data, err := json.MarshalIndent(e, "", "  ")
	if err == nil {
		err = write(filepath.Join(s.Dir, e.ID, recordFile), data)
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

// List returns all records, the oldest first.
func (s *Store) List() ([]*Environment, error) {
	dirs, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot list the test environments")
	}
	var all []*Environment
	for _, d := range dirs {
		data, err := os.ReadFile(filepath.Join(s.Dir, d.Name(), recordFile))
		if errors.Is(err, fs.ErrNotExist) {
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
	slices.SortStableFunc(all, func(a, b *Environment) int { return a.CreatedAt.Compare(b.CreatedAt) })
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
			if err := os.RemoveAll(filepath.Join(s.Dir, e.ID)); err != nil {
				return fault.Wrap(fault.Failed, err, "cannot forget the test environment %s", e.ID)
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
