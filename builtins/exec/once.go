package exec

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// A marker tells a later process how far a command with _once came. No file:
// it was not started. The word below: it was. JSON: it ended, with this result.
//
// On a cluster a worker that stood still may begin what another one has taken over
// since. So each turn has a marker of its own, and whoever asks leaves a file for the
// turn first: who has made a marker looks for such a file of a later turn before
// anything runs, so that one of the two always sees the other.
const started = "started\n"

type markerState int

const (
	markerNone markerState = iota
	markerStarted
	markerEnded
)

// marker is the result in a marker. The streams are bytes, because they need
// not be UTF-8, and known secrets in them are replaced by their markers.
type marker struct {
	Code     int           `json:"code"`
	Stdout   []byte        `json:"stdout"`
	Stderr   []byte        `json:"stderr"`
	Duration time.Duration `json:"duration"`
	OK       bool          `json:"ok"`
}

// markerDir is the directory of all markers of an effect.
func markerDir(env *effect.Env) string {
	sum := sha256.Sum256([]byte(env.IdempotencyKey()))
	return filepath.Join(env.Run.State, "once", hex.EncodeToString(sum[:]))
}

// The names of the files of a turn: its marker, and that it has asked. They sort by the
// turns.
func markerName(env *effect.Env) string { return fmt.Sprintf("marker.%020d", env.Turn) }
func askedName(env *effect.Env) string  { return fmt.Sprintf("asked.%020d", env.Turn) }

func markerPath(env *effect.Env) string { return filepath.Join(markerDir(env), markerName(env)) }

// last is the file of the highest turn among those with a prefix; "" when there is none.
func last(env *effect.Env, prefix string) (string, error) {
	files, err := os.ReadDir(markerDir(env)) // sorted
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, f := range slices.Backward(files) {
		// What writeDurably has not finished has a longer name.
		if name := f.Name(); strings.HasPrefix(name, prefix) && len(name) == len(prefix)+20 {
			return name, nil
		}
	}
	return "", nil
}

func writeStarted(env *effect.Env) error {
	if !env.Options.Once {
		return nil
	}
	late := false
	err := writeDurably(markerPath(env), []byte(started))
	if err == nil {
		late, err = overtaken(env)
	}
	var f *fault.Error
	switch {
	case err != nil:
		f = fault.Wrap(fault.Failed, err, "cannot write the marker of _once")
	case late:
		f = fault.New(fault.Unavailable, "the command was not begun in time: its run has gone on without it")
	default:
		return nil
	}
	removeMarker(env)
	f.Unsent = true
	return f
}

// overtaken reports whether a later turn has asked.
func overtaken(env *effect.Env) (bool, error) {
	asked, err := last(env, "asked.")
	return asked > askedName(env), err
}

func writeResult(env *effect.Env, r Result) error {
	if !env.Options.Once {
		return nil
	}
	mark := env.Run.Secrets.Mark
	data, err := json.Marshal(marker{r.Code, []byte(mark(r.Stdout)), []byte(mark(r.Stderr)), r.Duration, r.OK})
	if err == nil {
		err = writeDurably(markerPath(env), data)
	}
	if err != nil {
		f := fault.Wrap(fault.Failed, err, "the command ended, but the marker of _once cannot be written")
		f.InDoubt = true
		return f
	}
	return nil
}

func removeMarker(env *effect.Env) {
	if env.Options.Once {
		_ = os.Remove(markerPath(env)) // if it stays, the answer is "unsure", which is safe
	}
}

// readMarker reads the marker of the last turn that has left one.
func readMarker(env *effect.Env) (markerState, Result, error) {
	if env.Turn > 0 {
		if err := writeDurably(filepath.Join(markerDir(env), askedName(env)), nil); err != nil {
			return markerNone, Result{}, fault.Wrap(fault.Failed, err, "cannot note that the marker of _once is asked for")
		}
	}
	name, err := last(env, "marker.")
	if err == nil && name == "" {
		return markerNone, Result{}, nil
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(filepath.Join(markerDir(env), name))
	}
	switch {
	case errors.Is(err, fs.ErrNotExist): // it was withdrawn just now
		return markerNone, Result{}, nil
	case err != nil:
		return markerNone, Result{}, fault.Wrap(fault.Failed, err, "cannot read the marker of _once")
	case string(data) == started:
		return markerStarted, Result{}, nil
	}
	var m marker
	if err := json.Unmarshal(data, &m); err != nil {
		return markerNone, Result{}, fault.Wrap(fault.Failed, err, "cannot read the marker of _once")
	}
	return markerEnded, Result{m.Code, string(m.Stdout), string(m.Stderr), m.Duration, m.OK}, nil
}

// writeDurably replaces a file in one step. When it returns nil, the content
// survives a loss of power.
func writeDurably(path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	tmp := path + "." + rand.Text()[:10]
	if err := writeSynced(tmp, data); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	for _, d := range []string{dir, filepath.Dir(dir), filepath.Dir(filepath.Dir(dir))} { // the directories may be new as well
		f, err := os.Open(d)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func writeSynced(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
