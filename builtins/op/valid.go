package op

import (
	"path"
	"regexp"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/filemode"
)

func validPath(p string) error {
	if !path.IsAbs(p) {
		return fault.New(fault.Invalid, "the path %q is not absolute", p).
			WithHint("a machine has no workspace: say where it is from the root on")
	}
	if p != path.Clean(p) || strings.ContainsAny(p, "\x00\n") {
		return fault.New(fault.Invalid, "the path %q is not a plain one", p).
			WithHint("write it without newlines, //, . and .., as %q", path.Clean(strings.NewReplacer("\n", "", "\x00", "").Replace(p)))
	}
	return nil
}

// below refuses the root, which cannot be made, replaced or removed.
func below(p string) error {
	if err := validPath(p); err != nil {
		return err
	}
	if p == "/" {
		return fault.New(fault.Invalid, "the path is the root of the machine")
	}
	return nil
}

func validState(state string, states ...string) error {
	for _, s := range states {
		if s == state {
			return nil
		}
	}
	return fault.New(fault.Invalid, "the state must be one of %s, not %q", strings.Join(states, ", "), state)
}

func validMode(mode *int) error {
	if mode == nil {
		return nil
	}
	return filemode.Check(*mode)
}

// validName checks what is handed to chown.
func validName(what string, name *string) error {
	if name != nil && (*name == "" || (*name)[0] == '-' || strings.ContainsAny(*name, ":/\x00\n")) {
		return fault.New(fault.Invalid, "the %s %q is not a name", what, *name)
	}
	return nil
}

// compiled compiles a regular expression that may be missing.
func compiled(name, expr string) (*regexp.Regexp, error) {
	if expr == "" {
		return nil, nil
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s is no regular expression: %s", name, strings.TrimPrefix(err.Error(), "error parsing regexp: ")).
			WithHint("it is one of RE2, as regexp.match takes it")
	}
	return re, nil
}
