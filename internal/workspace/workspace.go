// Package workspace finds the workspace that a command works in, and the user's
// own directories.
//
// A workspace is a directory that holds config/provisioning.toml. What the
// program keeps about it is in .provisioning, which does not belong into version
// control.
package workspace

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/pelletier/go-toml/v2"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Marker is the file that makes a directory a workspace.
const Marker = "config/provisioning.toml"

// StateDir is the directory with the journal and other state.
const StateDir = ".provisioning"

// Workspace is a directory with configuration, scripts and state.
type Workspace struct {
	Root  string // absolute, without symbolic links
	State string
}

// At returns the workspace with the given root, which need not have a marker.
func At(root string) (Workspace, error) {
	abs, err := filepath.Abs(root)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return Workspace{}, fault.Wrap(fault.Config, err, "cannot open the workspace %q", root)
	}
	return Workspace{abs, filepath.Join(abs, StateDir)}, nil
}

// Select returns the workspace called for: the named directory, else the one
// that the working directory is in, else the one that file is in ("" for none).
func Select(named, file string) (Workspace, error) {
	if named != "" {
		if !isWorkspace(named) {
			return Workspace{}, fault.New(fault.Config, "%q is not a workspace: it has no %s", named, Marker).
				WithHint("make it one with: mkdir -p %s/config && touch %s/%s", named, named, Marker)
		}
		return open(named)
	}
	if dir, ok := Enclosing("."); ok {
		return open(dir)
	}
	if file != "" {
		if dir, ok := Enclosing(filepath.Dir(file)); ok {
			return open(dir)
		}
	}
	return Workspace{}, fault.New(fault.Config, "neither the working directory nor the script is in a workspace").
		WithHint("name one with -W DIR, or make this directory one with: mkdir -p config && touch %s", Marker)
}

// open is At for a directory with a marker, which has to be TOML.
func open(dir string) (Workspace, error) {
	data, err := os.ReadFile(filepath.Join(dir, Marker))
	if err != nil {
		return Workspace{}, fault.Wrap(fault.Config, err, "cannot read the configuration of the workspace")
	}
	var settings map[string]any
	if err := toml.Unmarshal(data, &settings); err != nil {
		e := fault.New(fault.Config, "cannot read %s: it is not valid TOML", filepath.Join(dir, Marker))
		var bad *toml.DecodeError
		if errors.As(err, &bad) { // its text would show the line, which may hold a secret
			row, col := bad.Position()
			e.Msg = fmt.Sprintf("%s:%d:%d: %v", filepath.Join(dir, Marker), row, col, bad)
		}
		return Workspace{}, e
	}
	return At(dir)
}

// Enclosing returns the workspace that a directory is in.
func Enclosing(dir string) (root string, ok bool) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", false
	}
	for ; ; abs = filepath.Dir(abs) {
		if isWorkspace(abs) {
			return abs, true
		}
		if abs == filepath.Dir(abs) {
			return "", false
		}
	}
}

func isWorkspace(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, Marker))
	return err == nil && !info.IsDir()
}

// KeyFile is the user's age key. PROVISIONING_HOME overrides the directory.
func KeyFile() (string, error) {
	dir, err := configDir()
	return filepath.Join(dir, "age.key"), err
}

// HistoryFile is where the interactive shell keeps its history.
func HistoryFile() (string, error) {
	dir, err := configDir()
	return filepath.Join(dir, "repl_history"), err
}

func configDir() (string, error) {
	if dir := os.Getenv("PROVISIONING_HOME"); dir != "" {
		return dir, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fault.New(fault.Config, "there is no place for the user's key: %v", err).
			WithHint("set HOME, or PROVISIONING_HOME to a directory of your own")
	}
	return filepath.Join(dir, "provisioning"), nil
}

// CacheDir is where compiled scripts are kept; "" where there is no such place.
func CacheDir() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "provisioning", "scripts")
}

// Scratch is the workspace of an interactive session outside of all
// workspaces: the working directory, with its state among that of the user.
func Scratch() (Workspace, error) {
	w, err := At(".")
	if err != nil {
		return w, err
	}
	state, err := stateDir()
	if err != nil {
		return w, fault.New(fault.Config, "there is no place for the state of the session: %v", err).
			WithHint("set HOME, or work within a workspace")
	}
	w.State = filepath.Join(state, "scratch")
	return w, nil
}

// LargeDir is where large values of runs are kept that are executed by a server on this
// machine; "" where there is no such place. PROVISIONING_HOME overrides it.
func LargeDir() string { return ofUser("large") }

// EnvironmentsDir is where it is kept which test environments the user has in any
// workspace; "" where there is no such place. PROVISIONING_HOME overrides it.
func EnvironmentsDir() string { return ofUser("environments") }

func ofUser(name string) string {
	if dir := os.Getenv("PROVISIONING_HOME"); dir != "" {
		if abs, err := filepath.Abs(dir); err == nil {
			dir = abs
		}
		return filepath.Join(dir, name)
	}
	dir, err := stateDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, name)
}

// stateDir is where the user's state is kept.
func stateDir() (string, error) {
	if dir := os.Getenv("XDG_STATE_HOME"); dir != "" {
		return filepath.Join(dir, "provisioning"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, ".local", "state", "provisioning"), nil
}
