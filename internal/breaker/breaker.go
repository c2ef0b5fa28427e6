// Package breaker keeps what is known of machines that do not answer, as files in
// the state directory of a workspace: so every run, and every process, knows it, and
// a person can look at it and reset it.
//
// After [Limit] failures in a row an endpoint is left alone for [Pause]; then one
// attempt is made. A file is there only for endpoints that have failed lately.
package breaker

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

const (
	// Limit is how many failures in a row open a breaker.
	Limit = 5
	// Pause is how long one is open before it lets an attempt through.
	Pause = 60 * time.Second
	// Stale is how long failures count that have not opened one.
	Stale = 10 * time.Minute
)

// Failures is what is known of an endpoint.
type Failures struct {
	Endpoint string    `json:"endpoint"` // "ssh://deploy@web-1:22"
	Count    int       `json:"failures"` // in a row
	Last     time.Time `json:"last"`
	Reason   string    `json:"reason"` // the last failure
}

// The states of a breaker.
const (
	Closed   = "closed"    // attempts are made
	Open     = "open"      // none is
	HalfOpen = "half-open" // one is
)

// State is what the breaker does at a moment, and for how long still, if it is open.
func (f Failures) State(now time.Time) (state string, left time.Duration) {
	switch {
	case f.Count < Limit:
		return Closed, 0
	case now.Before(f.Last.Add(Pause)):
		return Open, f.Last.Add(Pause).Sub(now)
	}
	return HalfOpen, 0
}

// current are the failures that still count.
func (f Failures) current(now time.Time) Failures {
	if f.Count < Limit && now.Sub(f.Last) > Stale {
		return Failures{Endpoint: f.Endpoint}
	}
	return f
}

// Register is the files of a state directory.
type Register struct{ dir string }

// At is the register of a workspace with the given state directory.
func At(state string) Register { return Register{filepath.Join(state, "breakers")} }

func (r Register) file(endpoint string) string {
	sum := sha256.Sum256([]byte(endpoint))
	return filepath.Join(r.dir, hex.EncodeToString(sum[:12])+".json")
}

// Read returns what is known of an endpoint. One that nothing is known of has no
// failures; neither has one whose file is damaged, as it only saves time.
func (r Register) Read(endpoint string, now time.Time) Failures {
	f, err := read(r.file(endpoint))
	if err != nil || f.Endpoint != endpoint {
		return Failures{Endpoint: endpoint}
	}
	return f.current(now)
}

func read(file string) (f Failures, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(data, &f)
}

// Write notes failures.
func (r Register) Write(f Failures) error {
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(r.dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Close()); err == nil {
		err = os.Rename(temp.Name(), r.file(f.Endpoint))
	}
	if err != nil {
		_ = os.Remove(temp.Name()) // err is on its way
	}
	return err
}

// Reset forgets the failures of an endpoint.
func (r Register) Reset(endpoint string) error {
	if err := os.Remove(r.file(endpoint)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// All returns the endpoints that have failed lately, sorted.
func (r Register) All(now time.Time) ([]Failures, error) {
	files, err := filepath.Glob(filepath.Join(r.dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var all []Failures
	for _, file := range files {
		f, err := read(file)
		if f = f.current(now); err == nil && f.Count > 0 {
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b Failures) int { return cmp.Compare(a.Endpoint, b.Endpoint) })
	return all, nil
}

// Find returns the endpoints that a person means by a name: the whole of it, the
// host with or without user and port.
func (r Register) Find(name string, now time.Time) ([]Failures, error) {
	all, err := r.All(now)
	if err != nil {
		return nil, err
	}
	var found []Failures
	for _, f := range all {
		if slices.Contains(Names(f.Endpoint), name) {
			found = append(found, f)
		}
	}
	if len(found) == 0 {
		return nil, fault.New(fault.NotFound, "no failures of %q are known: its circuit breaker is closed", name)
	}
	return found, nil
}

// Names are how people call an endpoint: "ssh://deploy@web-1:22", "deploy@web-1:22",
// "web-1:22", "deploy@web-1", "web-1".
func Names(endpoint string) []string {
	names := []string{endpoint}
	_, rest, ok := strings.Cut(endpoint, "://")
	if !ok {
		rest = endpoint
	}
	rest, _, _ = strings.Cut(rest, " ") // by way of another machine
	rest, _, _ = strings.Cut(rest, "#") // with options of its own
	host := rest
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		host = rest[i+1:]
	}
	names = append(names, rest, host)
	for _, name := range []string{rest, host} {
		if i := strings.LastIndexByte(name, ':'); i > 0 {
			names = append(names, strings.Trim(name[:i], "[]"))
		}
	}
	return names
}
