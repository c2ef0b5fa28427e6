package module

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/rewrite"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// unpacking puts the arguments of one call into the fields of a struct. It is
// our own because starlark.UnpackArgs suggests names from the first half of the
// parameters only, loses the types of errors, and knows no unknowns.
type unpacking struct {
	f       *Func
	thread  *starlark.Thread // nil: no script is being executed
	spec    *spec
	check   bool // look for unknown values
	secrets *value.Secrets
	given   []starlark.Value
	options effect.Options
	under   []starlark.Tuple // the options as they were given
	unknown *value.Unknown
}

func (u *unpacking) unpack(dst reflect.Value, args starlark.Tuple, kwargs []starlark.Tuple) error {
	s := u.spec
	u.given = make([]starlark.Value, len(s.params))
	u.options = effect.NoOptions
	if err := u.positional(dst, args); err != nil {
		return err
	}
	if err := u.keywords(dst, kwargs); err != nil {
		return err
	}
	for i := range s.params {
		p := &s.params[i]
		v := u.given[i]
		if v == nil {
			if p.standard == nil {
				return u.missing()
			}
			v = p.standard
		} else if u.check && u.f.callsBack && p.field.typ.Kind() == reflect.Interface {
			var err error // the script's function gets what is unknown in it
			if v, err = u.sample(p, v); err != nil {
				return err
			}
		} else if u.check && u.setUnknown(v) {
			continue
		} else if p.field.secret {
			v = u.conceal(i, v)
		}
		if err := u.set(dst, p, v); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacking) positional(dst reflect.Value, args starlark.Tuple) error {
	s := u.spec
	max := 0
	for max < len(s.params) && !s.params[max].kwOnly {
		max++
	}
	n := min(len(args), max)
	copy(u.given, args[:n])
	if s.varargs != nil {
		dst.FieldByIndex(s.varargs.index).Set(reflect.ValueOf(args[n:]))
	} else if len(args) > max {
		return u.misused("takes at most %d positional %s, not %d", max, plural(max, "argument"), len(args))
	}
	return nil
}

func (u *unpacking) keywords(dst reflect.Value, kwargs []starlark.Tuple) error {
	var rest []starlark.Tuple
	for _, kv := range kwargs {
		name := string(kv[0].(starlark.String))
		if i, ok := u.spec.byName[name]; ok {
			if u.given[i] != nil {
				return u.misused("the argument %q is given twice", name)
			}
			u.given[i] = kv[1]
		} else if name == rewrite.More {
			u.options.More = true
		} else if u.spec.kwargs != nil {
			rest = append(rest, kv)
		} else if u.f.decl != nil && strings.HasPrefix(name, "_") {
			v, err := u.option(name, kv[1])
			if err != nil {
				return err
			}
			u.under = append(u.under, starlark.Tuple{kv[0], v})
		} else {
			return u.unexpected(name)
		}
	}
	if u.spec.kwargs != nil && len(rest) > 0 {
		dst.FieldByIndex(u.spec.kwargs.index).Set(reflect.ValueOf(rest))
	}
	return nil
}

// set converts one argument. None is taken for "not given" where that is what
// the stub's default says.
func (u *unpacking) set(dst reflect.Value, p *param, v starlark.Value) error {
	if v == starlark.None && p.standard == starlark.None && p.field.typeName != "any" {
		return nil
	}
	if err := p.field.set(dst.FieldByIndex(p.field.index), v); err != nil {
		return u.fail("the argument %q %s", p.name, err)
	}
	return nil
}

// conceal makes a secret of a plain text that is given for a secret argument, so
// that neither the journal nor anybody who looks sees it.
func (u *unpacking) conceal(i int, v starlark.Value) starlark.Value {
	text, ok := starlark.AsString(v)
	if !ok || text == "" || value.HasMarker(text) || u.secrets == nil {
		return v
	}
	s, _ := u.secrets.Add(u.f.name+" "+u.spec.params[i].name, text)
	u.given[i] = s
	return s
}

// setUnknown notes that an argument is not known, or holds something that is not.
func (u *unpacking) setUnknown(v starlark.Value) bool {
	switch v.(type) {
	case starlark.Callable:
		if _, ok := v.(*value.Unknown); !ok {
			return false
		}
	}
	found := value.FindUnknown(v)
	if found != nil && u.unknown == nil {
		u.unknown = found
	}
	return found != nil
}

// sample puts a list of unknowns in place of an unknown that is iterated over: as
// many as the arm of the plan says.
func (u *unpacking) sample(p *param, v starlark.Value) (starlark.Value, error) {
	unknown, ok := v.(*value.Unknown)
	if !ok || p.field.typ != reflect.TypeFor[starlark.Iterable]() {
		return v, nil
	}
	n, err := rewrite.Ask(u.thread, &value.Undecided{Unknown: unknown, Op: "for"})
	if err != nil {
		return nil, err
	}
	elems := make([]starlark.Value, n)
	for i := range elems {
		elems[i], _, _ = unknown.Get(starlark.MakeInt(i)) // gives an unknown
	}
	return starlark.NewList(elems), nil
}

// ErrMisused is the cause of an error that says that a function does not take such
// arguments: too few, too many, or unknown ones.
var ErrMisused = errors.New("the function does not take such arguments")

func (u *unpacking) misused(format string, args ...any) error {
	e := fault.As(u.fail(format, args...))
	e.Cause = ErrMisused
	return e
}

func (u *unpacking) fail(format string, args ...any) error {
	return fault.New(fault.Invalid, "%s: %s", u.f.name, fmt.Sprintf(format, args...)).
		WithHint("%s", u.f.Signature())
}

func (u *unpacking) missing() error {
	var names []string
	for i, p := range u.spec.params {
		if u.given[i] == nil && p.standard == nil {
			names = append(names, fmt.Sprintf("%q", p.name))
		}
	}
	return u.misused("%s missing: %s", plural(len(names), "argument"), strings.Join(names, ", "))
}

func (u *unpacking) unexpected(name string) error {
	names := u.f.Params()
	if u.f.decl != nil {
		names = append(names, optionNames()...)
	}
	msg := fmt.Sprintf("unexpected argument %q", name)
	if near := spell.Nearest(name, names); near != "" {
		msg += fmt.Sprintf(" (did you mean %q?)", near)
	}
	return u.misused("%s", msg)
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}
