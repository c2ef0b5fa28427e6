package container

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// remembers is how long what runtimes have said of themselves is believed.
const remembers = 5 * time.Minute

// remembered is what a file keeps of a search.
type remembered struct {
	Key      string    `json:"key"`
	At       time.Time `json:"at"`
	Runtimes []Runtime `json:"runtimes"`
}

// Recall is as Runtimes, and believes a file that says what was found less than five
// minutes ago, if no command and no choice of an engine has changed since. A search
// that finds nothing that answers is not kept.
func (s Search) Recall(ctx context.Context, file string) ([]Runtime, error) {
	key := s.key()
	var was remembered
	if data, err := os.ReadFile(file); err == nil && json.Unmarshal(data, &was) == nil {
		if age := time.Since(was.At); was.Key == key && age >= 0 && age < remembers {
			return was.Runtimes, nil
		}
	}
	found, err := s.Runtimes(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range found {
		if r.Default {
			keep(file, remembered{key, time.Now(), found})
		}
	}
	return found, nil
}

// keep writes the file. Without it the next search takes longer, and that is all.
func keep(file string, r remembered) {
	data, err := json.Marshal(r)
	if err != nil || os.MkdirAll(filepath.Dir(file), 0o700) != nil {
		return
	}
	fresh := fmt.Sprintf("%s.%d", file, os.Getpid())
	if os.WriteFile(fresh, data, 0o600) != nil || os.Rename(fresh, file) != nil {
		_ = os.Remove(fresh)
	}
}

// key is another one when something has changed that a search depends on.
func (s Search) key() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %d %q\n", s.order(), s.Places.OS, s.Places.Home, s.Places.UID, s.Places.currentContext())
	for _, name := range []string{"PATH", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "CONTAINER_HOST", "XDG_RUNTIME_DIR"} {
		fmt.Fprintf(h, "%q\n", s.Places.Env(name))
	}
	for _, name := range s.order() {
		path, err := s.look(commands[name])
		if info, serr := os.Stat(path); err == nil && serr == nil {
			fmt.Fprintf(h, "%q %d %d\n", path, info.Size(), info.ModTime().UnixNano())
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func (s Search) look(command string) (string, error) {
	if s.LookPath != nil {
		return s.LookPath(command)
	}
	return exec.LookPath(command)
}
