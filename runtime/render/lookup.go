package render

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/flosch/pongo2/v6"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
)

// missing is the value of a parameter that a macro was called without.
type missing struct{}

type macroFunc = func(args ...*pongo2.Value) (*pongo2.Value, error)

// lookup is __v: it returns the value of the variable that stands at a place.
// args are the place, and what stands within brackets there.
func (r *render) lookup(ctx *pongo2.ExecutionContext, args ...*pongo2.Value) (*pongo2.Value, error) {
	at := r.refs[args[0].Integer()]
	r.pos = at
	if err := r.step(); err != nil {
		return nil, err
	}
	v, problem := r.walk(ctx, at, args[1:])
	if r.err != nil {
		return nil, r.err
	}
	switch at.mode {
	case defined:
		return pongo2.AsValue(problem == nil), nil
	case undefined:
		return pongo2.AsValue(problem != nil), nil
	}
	if problem != nil {
		if r.strict && at.mode != tolerate && at.mode != isNone && at.mode != isNotNone {
			return nil, r.fail(problem)
		}
		v = nil
	}
	switch at.mode {
	case isNone:
		return pongo2.AsValue(v == nil), nil
	case isNotNone:
		return pongo2.AsValue(v != nil), nil
	}
	return r.give(at, v)
}

// give returns the value, if it is not too much.
func (r *render) give(at *ref, v any) (*pongo2.Value, error) {
	if s, ok := v.(string); ok {
		if r.moved += len(s); len(s) > maxOutput || r.moved > maxMoved {
			return nil, r.limit("the strings of the template are too large")
		}
	}
	if at.narrow && isWide(pongo2.AsValue(v).String()) {
		return nil, r.limit("%q is larger than %d", at.text, maxWidth)
	}
	if at.printed && pongo2.AsValue(v).IsTrue() {
		switch v.(type) {
		case float64, []any, map[string]any:
			v = r.order.text(v)
		}
	}
	if m, ok := v.(markup); ok {
		return pongo2.AsSafeValue(m), nil
	}
	return pongo2.AsValue(v), nil
}

// walk goes from the name to the value. The problem is that something on the
// way is not there.
func (r *render) walk(ctx *pongo2.ExecutionContext, at *ref, args []*pongo2.Value) (any, *fault.Error) {
	root := at.parts[0].name
	v, problem := r.root(ctx, at, root)
	path := root
	for _, p := range at.parts[1:] {
		if problem != nil {
			return nil, problem
		}
		switch p.kind {
		case byName:
			v, problem = r.member(at, path, v, p.name)
			path += "." + p.name
		case byIndex:
			v, problem = r.index(at, path, v, p.n)
			path += fmt.Sprintf(".%d", p.n)
		case bySubscript:
			key := plain(args[0])
			v, problem = r.subscript(at, path, v, key)
			path += "[" + r.order.repr(key) + "]"
			args = args[1:]
		case byCall:
			v, problem = r.call(at, path, v, args[:p.n])
			path += "()"
			args = args[p.n:]
		}
	}
	if problem == nil {
		v, problem = r.implicit(at, path, v)
	}
	return v, problem
}

func (r *render) root(ctx *pongo2.ExecutionContext, at *ref, name string) (any, *fault.Error) {
	v, ok := ctx.Private[name]
	if !ok {
		v, ok = ctx.Public[name]
	}
	if len(name) > 1 && name[:2] == "__" && name != "__missing" {
		ok = false // ours
	}
	if ok {
		v = open(v)
		if _, none := v.(missing); none && name != "__missing" {
			return nil, at.fault(fault.Invalid, "the macro was called without %q", name)
		}
		return v, nil
	}
	switch name {
	case "None", "none", "nil", "null":
		return nil, nil
	case "True":
		return true, nil
	case "False":
		return false, nil
	}
	names := slices.Collect(maps.Keys(ctx.Public))
	names = slices.AppendSeq(names, maps.Keys(ctx.Private))
	return nil, at.undefined(fmt.Sprintf("%q is not defined", name), name, names)
}

// undefined is the error for a name that is not there, with the one that was
// meant, perhaps.
func (r *ref) undefined(msg, name string, names []string) *fault.Error {
	names = slices.DeleteFunc(names, func(n string) bool { return len(n) > 1 && n[:2] == "__" })
	slices.Sort(names) // so that the suggestion is the same every time
	if near := spell.Nearest(name, names); near != "" {
		msg += fmt.Sprintf(" (did you mean %q?)", near)
	}
	return r.fault(fault.Invalid, "%s", msg).
		WithHint(`give it in vars, or write {{ %s|default:"…" }}`, r.text)
}

func (r *render) member(at *ref, path string, v any, name string) (any, *fault.Error) {
	switch v := v.(type) {
	case map[string]any:
		if x, ok := v[name]; ok {
			return x, nil
		}
		return nil, at.undefined(fmt.Sprintf("%q has no %q", path, name), name, slices.Collect(maps.Keys(v)))
	case loopInfo:
		if x, ok := v.get(name); ok {
			return x, nil
		}
		return nil, at.undefined(fmt.Sprintf("forloop has no %q", name), name, loopNames)
	case interface {
		Super() (*pongo2.Value, error) // of a block
	}:
		if name == "Super" || name == "super" {
			out, err := v.Super()
			return r.made(at, out, err)
		}
	case time.Time:
		if x, ok := timeMember(v, name); ok {
			return x, nil
		}
	}
	return nil, at.fault(fault.Invalid, "%q is %s, which has no %q", path, kindName(v), name)
}

func (r *render) subscript(at *ref, path string, v, key any) (any, *fault.Error) {
	if m, ok := v.(map[string]any); ok {
		name, ok := key.(string)
		if !ok {
			return nil, at.fault(fault.Invalid, "%q has no %s: its keys are strings", path, r.order.repr(key))
		}
		return r.member(at, path, m, name)
	}
	n := pongo2.AsValue(key)
	if !n.IsInteger() {
		return nil, at.fault(fault.Invalid, "%q is %s, which has no %s", path, kindName(v), r.order.repr(key))
	}
	return r.index(at, path, v, n.Integer())
}

func (r *render) index(at *ref, path string, v any, n int) (any, *fault.Error) {
	rv := reflect.ValueOf(v)
	if s, ok := v.(string); ok {
		rv = reflect.ValueOf([]rune(s))
	}
	if !rv.IsValid() || rv.Kind() != reflect.Slice {
		return nil, at.fault(fault.Invalid, "%q is %s, which has no index %d", path, kindName(v), n)
	}
	i := n
	if i < 0 { // from the end, as in Starlark
		i += rv.Len()
	}
	if i < 0 || i >= rv.Len() {
		return nil, at.fault(fault.Invalid, "%q has no index %d: its length is %d", path, n, rv.Len())
	}
	x := rv.Index(i).Interface()
	if c, ok := x.(rune); ok {
		x = string(c)
	}
	return open(x), nil
}

func (r *render) call(at *ref, path string, v any, args []*pongo2.Value) (any, *fault.Error) {
	if m, ok := v.(markup); ok && len(args) == 0 {
		return m, nil // block.Super()
	}
	f, ok := v.(macroFunc)
	if !ok {
		return nil, at.fault(fault.Invalid, "%q is %s, not a macro", path, kindName(v))
	}
	if r.calls++; r.calls > maxCalls {
		_ = r.limit("macros call each other more than %d deep; does %q call itself?", maxCalls, path)
		return nil, r.err
	}
	defer func() { r.calls-- }()
	out, err := f(args...)
	return r.made(at, out, err)
}

// implicit calls a macro that is named without parentheses.
func (r *render) implicit(at *ref, path string, v any) (any, *fault.Error) {
	if _, ok := v.(macroFunc); ok && at.mode != defined && at.mode != undefined {
		return r.call(at, path, v, nil)
	}
	return v, nil
}

// made is the outcome of a macro or a block.
func (r *render) made(at *ref, out *pongo2.Value, err error) (any, *fault.Error) {
	if err != nil && !isNilError(err) {
		if e := fault.As(r.explain(err)); e != nil {
			_ = r.fail(e) // also when the variable may be undefined: it is not
			return nil, e
		}
	}
	r.pos = at
	return markup(out.String()), nil
}

// isNilError finds the nil *pongo2.Error that pongo2 gives out as an error.
func isNilError(err error) bool {
	e, ok := err.(*pongo2.Error)
	return ok && e == nil
}

func timeMember(t time.Time, name string) (any, bool) {
	switch name {
	case "year":
		return t.Year(), true
	case "month":
		return int(t.Month()), true
	case "day":
		return t.Day(), true
	case "hour":
		return t.Hour(), true
	case "minute":
		return t.Minute(), true
	case "second":
		return t.Second(), true
	case "nanosecond":
		return t.Nanosecond(), true
	case "unix":
		return t.Unix(), true
	}
	return nil, false
}
