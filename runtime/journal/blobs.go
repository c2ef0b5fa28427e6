package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Blobs keeps large outputs as files named by their SHA-256.
type Blobs struct{ dir string }

func (b *Blobs) path(hash [32]byte) string {
	name := hex.EncodeToString(hash[:])
	return filepath.Join(b.dir, name[:2], name[2:])
}

// Put stores data and returns when it is on disk.
func (b *Blobs) Put(data string) (hash [32]byte, err error) {
	hash = sha256.Sum256([]byte(data))
	path := b.path(hash)
	if info, err := os.Stat(path); err == nil && info.Size() == int64(len(data)) {
		return hash, nil
	}
	if err := makeDurably(filepath.Dir(path)); err != nil {
		return hash, diskFault(err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return hash, diskFault(err)
	}
	_, err = f.WriteString(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name()) //nolint:errcheck // the first error is the one to report
		return hash, diskFault(err)
	}
	syncDir(filepath.Dir(path))
	return hash, nil
}

// Get returns what Put has stored, and checks that it is still that.
func (b *Blobs) Get(hash [32]byte) (string, error) {
	data, err := os.ReadFile(b.path(hash))
	if err != nil {
		return "", fault.Wrap(fault.Failed, err, "a large output of the run is lost")
	}
	if sha256.Sum256(data) != hash {
		return "", fault.New(fault.Failed, "a large output of the run is damaged: %s", fmt.Sprintf("%x", hash[:8]))
	}
	return string(data), nil
}

// sweepAge is how old a large output must be before it can be taken for unused:
// one that was just written may not be in the database yet.
const sweepAge = time.Hour

// Sweep removes the large outputs that no run has any more.
func (j *Journal) Sweep() error {
	var unused []string
	err := filepath.WalkDir(j.Blobs.dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil || time.Since(info.ModTime()) < sweepAge {
			return err
		}
		hash, err := hex.DecodeString(filepath.Base(filepath.Dir(path)) + d.Name())
		if err != nil {
			return nil // not one of ours
		}
		used := 0
		err = j.db.QueryRow(`SELECT EXISTS (SELECT 1 FROM effects WHERE instr(result, ?1) OR instr(args, ?1))
			OR EXISTS (SELECT 1 FROM runs WHERE instr(result, ?1) OR instr(params, ?1))`, hash).Scan(&used)
		if err == nil && used == 0 {
			unused = append(unused, path)
		}
		return err
	})
	for _, path := range unused {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
