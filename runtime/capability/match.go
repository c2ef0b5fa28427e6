package capability

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// matcher decides on one argument.
type matcher func(v starlark.Value, paths Paths) Verdict

// newMatcher reads the pattern of an argument: a text, number or truth value, or
// a list of which one has to match. That of a command is in command.go.
func newMatcher(c class, pattern any) (matcher, error) {
	if c == command {
		return newCommand(pattern)
	}
	if c == environ {
		return newEnviron(pattern)
	}
	if c == machines {
		return newMachines(pattern)
	}
	if c == headers {
		return newHeaders(pattern)
	}
	list, ok := pattern.([]any)
	if !ok {
		return newSingle(c, pattern)
	}
	if len(list) == 0 {
		return nil, errors.New("the list is empty")
	}
	var any []matcher
	for _, p := range list {
		m, err := newSingle(c, p)
		if err != nil {
			return nil, err
		}
		any = append(any, m)
	}
	return func(v starlark.Value, paths Paths) Verdict {
		verdict := No
		for _, m := range any {
			verdict = max(verdict, m(v, paths))
		}
		return verdict
	}, nil
}

func newSingle(c class, pattern any) (matcher, error) {
	if pattern == "*" && c == text { // also what is no text
		return func(starlark.Value, Paths) Verdict { return Yes }, nil
	}
	switch p := pattern.(type) {
	case bool:
		return equals(starlark.Bool(p), c)
	case int64:
		return equals(starlark.MakeInt64(p), c)
	case float64:
		return equals(starlark.Float(p), c)
	case string:
		match, err := newText(c, p)
		if err != nil {
			return nil, fmt.Errorf("the pattern %q: %w", p, err)
		}
		return known(func(v starlark.Value, paths Paths) bool {
			return eachText(v, func(s string) bool { return match(s, paths) })
		}), nil
	}
	return nil, fmt.Errorf("a %T is no pattern", pattern)
}

func equals(want starlark.Value, c class) (matcher, error) {
	if c != text {
		return nil, errors.New("the pattern must be a string")
	}
	return known(func(v starlark.Value, _ Paths) bool {
		if b, isBool := v.(starlark.Bool); isBool != (want.Type() == "bool") {
			return false
		} else if isBool && !bool(b) {
			return true // who may, need not
		}
		same, err := starlark.Equal(v, want)
		return err == nil && same
	}), nil
}

// known answers Maybe where the value is not known.
func known(match func(v starlark.Value, paths Paths) bool) matcher {
	return func(v starlark.Value, paths Paths) Verdict {
		if value.FindUnknown(v) != nil {
			return Maybe
		}
		if match(v, paths) {
			return Yes
		}
		return No
	}
}

// eachText asks about a text, or about every one in a list: all have to match.
func eachText(v starlark.Value, match func(string) bool) bool {
	switch v := v.(type) {
	case starlark.String:
		return match(string(v))
	case *starlark.List:
		for i := range v.Len() {
			s, ok := v.Index(i).(starlark.String)
			if !ok || !match(string(s)) {
				return false
			}
		}
		return true
	case starlark.Tuple:
		for _, x := range v {
			s, ok := x.(starlark.String)
			if !ok || !match(string(s)) {
				return false
			}
		}
		return true
	}
	return false
}

// newText reads the pattern of a text by its class.
func newText(c class, pattern string) (func(string, Paths) bool, error) {
	switch c {
	case file:
		return newPath(pattern, Paths.Forms, false)
	case written:
		return newPath(pattern, Paths.Forms, true)
	case wildcard:
		return newPath(pattern, Paths.WildForms, false)
	case address:
		a, err := newAddress(pattern)
		return func(s string, _ Paths) bool { return a.match(s) }, err
	case secret:
		return newSecret(pattern)
	}
	g, err := newGlob(pattern)
	return func(s string, _ Paths) bool { return g.match(s) }, err
}

// newSecret reads a pattern for "env://NAME", "ws://name", "file://path", or the
// name alone.
func newSecret(pattern string) (func(string, Paths) bool, error) {
	scheme, rest, hasScheme := strings.Cut(pattern, "://")
	if !hasScheme {
		c, err := newComponents(pattern)
		return func(s string, _ Paths) bool { return !strings.Contains(s, "://") && c.match(s) }, err
	}
	if strings.ContainsAny(scheme, `*\`) || scheme == "" {
		return nil, errors.New("what stands before :// must be exact")
	}
	if scheme == "file" {
		match, err := newPath(rest, Paths.Forms, false)
		return func(s string, paths Paths) bool {
			name, ok := strings.CutPrefix(s, "file://")
			return ok && match(name, paths)
		}, err
	}
	c, err := newComponents(rest)
	return func(s string, _ Paths) bool {
		name, ok := strings.CutPrefix(s, scheme+"://")
		return ok && c.match(name)
	}, err
}

// newEnviron reads a list of variables: "NAME" with any value, "NAME=pattern".
func newEnviron(pattern any) (matcher, error) {
	list, ok := pattern.([]any)
	if !ok {
		return nil, errors.New(`it must be a list of "NAME" or "NAME=pattern"`)
	}
	allowed := map[string][]glob{}
	for _, p := range list {
		s, ok := p.(string)
		name, rest, hasValue := strings.Cut(s, "=")
		if !ok || name == "" || strings.ContainsAny(name, `*\`) {
			return nil, fmt.Errorf(`%v: it must be "NAME" or "NAME=pattern", and the name exact`, p)
		}
		if !hasValue {
			rest = "*"
		}
		g, err := newGlob(rest)
		if err != nil {
			return nil, fmt.Errorf("the pattern %q: %w", s, err)
		}
		allowed[name] = append(allowed[name], g)
	}
	return func(v starlark.Value, _ Paths) Verdict {
		dict, ok := v.(*starlark.Dict)
		if !ok {
			if _, unknown := v.(*value.Unknown); unknown {
				return Maybe
			}
			return No
		}
		verdict := Yes
		for _, kv := range dict.Items() {
			verdict = min(verdict, variable(allowed, kv[0], kv[1]))
		}
		return verdict
	}, nil
}

func variable(allowed map[string][]glob, k, v starlark.Value) Verdict {
	name, _ := k.(starlark.String)
	globs := allowed[string(name)]
	if len(globs) == 0 {
		return No
	}
	if value.FindUnknown(v) != nil {
		return Maybe
	}
	s, ok := starlark.AsString(v)
	if !ok {
		s = v.String()
	}
	for _, g := range globs {
		if g.match(s) {
			return Yes
		}
	}
	return No
}
