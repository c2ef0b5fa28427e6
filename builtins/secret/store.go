package secret

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// The store of the workspace is a directory with a sealed file for each secret.

var goodName = regexp.MustCompile(`^[a-z0-9][a-z0-9._/-]*$`)

func checkName(name string) error {
	if goodName.MatchString(name) && !strings.Contains(name, "..") && path.Clean(name) == name && len(name) < 200 {
		return nil
	}
	return fault.New(fault.Invalid, "%q cannot be the name of a secret", name).
		WithHint(`names are lower case letters, digits and . _ - /, such as "db/password"`)
}

func dir(env *effect.Env) string { return filepath.Join(env.Run.State, "secrets") }

func fileOf(env *effect.Env, name string) string { return filepath.Join(dir(env), name) }

func resource(name string) string { return "secret:" + name }

// load returns the sealed text; ok is false when there is none.
func load(env *effect.Env, name string) (sealed string, ok bool, err error) {
	data, err := os.ReadFile(fileOf(env, name))
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR):
		return "", false, nil
	case err != nil:
		return "", false, failed("read", name, err)
	}
	return string(data), true, nil
}

// store replaces the sealed text in one step, durably.
func store(env *effect.Env, name, sealed string) error {
	file := fileOf(env, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return failed("keep", name, err)
	}
	if err := os.Chmod(dir(env), 0o700); err != nil { // it may be older than this rule
		return failed("keep", name, err)
	}
	// Names are in lower case, so that of a temporary file is none.
	f, err := os.CreateTemp(filepath.Dir(file), ".TMP-*") // with mode 0600
	if err != nil {
		return failed("keep", name, err)
	}
	_, err = f.WriteString(sealed)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to report
		return failed("keep", name, err)
	}
	syncDir(filepath.Dir(file))
	return nil
}

// drop removes the sealed text, and directories that it leaves empty.
func drop(env *effect.Env, name string) error {
	file := fileOf(env, name)
	err := os.Remove(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return failed("remove", name, err)
	}
	parent := filepath.Dir(file)
	syncDir(parent)
	for parent != dir(env) && os.Remove(parent) == nil {
		parent = filepath.Dir(parent)
	}
	return nil
}

// syncDir makes a new or removed name durable. Some file systems cannot; the
// change stands all the same.
func syncDir(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		d.Close()
	}
}

func failed(op, name string, err error) error {
	reason := err
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		reason = pe.Err
	} else if le, ok := errors.AsType[*os.LinkError](err); ok {
		reason = le.Err
	}
	e := fault.New(fault.Failed, "cannot %s the secret %q: %v", op, name, reason)
	switch {
	case errors.Is(err, fs.ErrPermission):
		e.Kind = fault.Permission
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.EEXIST):
		e.Kind = fault.Invalid
		e.Hint = "a name cannot be that of a secret and also come before the / of another"
	}
	return e
}

// current is the secret called name, as planned writes leave it in check mode:
// a *value.Secret, an unknown, or nil when there is none.
func current(env *effect.Env, name string) (starlark.Value, error) {
	if env.Run.Check {
		if v, touched := env.Run.Planned.Get(resource(name)); touched {
			return v, nil
		}
	}
	sealed, ok, err := load(env, name)
	if err != nil || !ok {
		return nil, err
	}
	text, err := unseal(env, `the secret "`+name+`"`, sealed)
	if err != nil {
		return nil, err
	}
	return add(env, wsScheme+name, text), nil
}

// holds reports whether the secret called name is text.
func holds(env *effect.Env, name, text string) (exists, same bool, err error) {
	v, err := current(env, name)
	if err != nil || v == nil {
		return false, false, err
	}
	s, ok := v.(*value.Secret)
	return true, ok && equal(env.Run.Secrets.Plain(s), text), nil
}

// before is what put and remove remember: the sealed text that was there.
type before struct {
	Existed bool   `json:"existed"`
	Sealed  string `json:"sealed,omitempty"`
}

func remember(env *effect.Env, name string) (before, error) {
	sealed, ok, err := load(env, name)
	return before{ok, sealed}, err
}

// restoreUnchanged is restore for a secret that is not the one that was put: it
// must be the one from before, else somebody has changed it since.
func restoreUnchanged(env *effect.Env, name string, past effect.Past) error {
	var b before
	if err := past.Remembered(&b); err != nil {
		return err
	}
	if now, ok, err := load(env, name); err != nil || ok && b.Existed && now == b.Sealed {
		return err
	}
	return fault.New(fault.Failed, "cannot undo the change of the secret %q: it has been changed since, and undoing would lose that", name)
}

func restore(env *effect.Env, name string, past effect.Past) error {
	var b before
	if err := past.Remembered(&b); err != nil {
		return err
	}
	if !b.Existed {
		return drop(env, name)
	}
	return store(env, name, b.Sealed)
}
