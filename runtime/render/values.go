package render

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/flosch/pongo2/v6"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// markup is a text that a macro or a block made: autoescape leaves it as it is.
type markup string

// orders are the keys of dicts in their order, which the Go maps that pongo2
// needs do not have; a map is known by its address.
type orders map[uintptr][]string

// adopt notes the order of all dicts in v, whose plain form is g, and makes
// bytes text, which is all that a template can do with them.
func (o orders) adopt(v starlark.Value, g any) any {
	switch g := g.(type) {
	case []byte:
		return string(g)
	case map[string]any:
		switch v := v.(type) {
		case *starlark.Dict:
			keys := make([]string, 0, v.Len())
			for _, kv := range v.Items() {
				k, _ := starlark.AsString(kv[0]) // value.Go has refused all others
				keys = append(keys, k)
				g[k] = o.adopt(kv[1], g[k])
			}
			o[address(g)] = keys
		case *starlarkstruct.Struct:
			for k := range g {
				field, _ := v.Attr(k)
				g[k] = o.adopt(field, g[k])
			}
		}
	case []any:
		if seq, ok := v.(starlark.Iterable); ok {
			iter := seq.Iterate()
			defer iter.Done()
			var x starlark.Value
			for i := 0; i < len(g) && iter.Next(&x); i++ {
				g[i] = o.adopt(x, g[i])
			}
		}
	}
	return g
}

func address(m map[string]any) uintptr { return reflect.ValueOf(m).Pointer() }

// keys returns the keys of m in the order of the dict, or sorted.
func (o orders) keys(m map[string]any) []string {
	if keys, ok := o[address(m)]; ok {
		return slices.Clone(keys)
	}
	return slices.Sorted(maps.Keys(m))
}

// text is how a template prints v: as Starlark prints it, but None is nothing,
// as in pongo2.
func (o orders) text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case markup:
		return string(v)
	}
	return o.repr(v)
}

func (o orders) repr(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		if value.HasMarker(v) { // quoting would damage it
			return `"` + v + `"`
		}
		return starlark.String(v).String()
	case float64:
		return starlark.Float(v).String()
	case time.Time:
		return v.String()
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, k := range o.keys(v) {
			parts = append(parts, o.repr(k)+": "+o.repr(v[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	if rv := reflect.ValueOf(v); rv.Kind() == reflect.Slice {
		parts := make([]string, rv.Len())
		for i := range parts {
			parts[i] = o.repr(open(rv.Index(i).Interface()))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return pongo2.AsValue(v).String()
}

// open takes a value out of pongo2's wrapping.
func open(v any) any {
	switch v := v.(type) {
	case *pongo2.Value:
		return plain(v)
	case pongo2.Context: // its own variable pongo2
		return map[string]any(v)
	}
	return v
}

func plain(v *pongo2.Value) any {
	if v == nil {
		return nil
	}
	return open(v.Interface())
}

// kindName says what v is, in Starlark's words.
func kindName(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case string, markup:
		return "a string"
	case float64:
		return "a float"
	case map[string]any:
		return "a dict"
	case time.Time:
		return "a time"
	case macroFunc:
		return "a macro"
	}
	switch rv := reflect.ValueOf(v); {
	case rv.Kind() == reflect.Slice:
		return "a list"
	case rv.CanInt():
		return "an int"
	}
	return "a value"
}

// show is __show: what a tag {{ … }} prints.
func (r *render) show(_ *pongo2.ExecutionContext, args ...*pongo2.Value) (*pongo2.Value, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	v := plain(args[len(args)-1])
	text := r.order.text(v)
	if r.moved += len(text); len(text) > maxOutput || r.moved > maxMoved {
		return nil, r.limit("the strings of the template are too large")
	}
	if _, ok := v.(markup); ok {
		return pongo2.AsSafeValue(text), nil
	}
	return pongo2.AsValue(text), nil
}

// raw is show for what a filter has marked as HTML.
func (r *render) raw(ctx *pongo2.ExecutionContext, args ...*pongo2.Value) (*pongo2.Value, error) {
	v, err := r.show(ctx, args...)
	if err != nil {
		return nil, err
	}
	return pongo2.AsSafeValue(v.Interface()), nil
}

// at is __at: it notes where the rendering is.
func (r *render) at(_ *pongo2.ExecutionContext, args ...*pongo2.Value) (*pongo2.Value, error) {
	r.pos = r.refs[args[0].Integer()]
	return pongo2.AsValue(0), nil
}

// joinFilter replaces pongo2's, which prints floats with six digits.
func joinFilter(in, sep *pongo2.Value) (*pongo2.Value, *pongo2.Error) {
	rv := reflect.ValueOf(plain(in))
	if rv.Kind() == reflect.String {
		rv = reflect.ValueOf(strings.Split(rv.String(), ""))
	}
	if rv.Kind() != reflect.Slice {
		return in, nil
	}
	parts := make([]string, rv.Len())
	size := 0
	for i := range parts {
		parts[i] = orders{}.text(open(rv.Index(i).Interface()))
		size += len(parts[i]) + len(sep.String())
		if size > maxOutput {
			return nil, &pongo2.Error{Sender: "filter:join", OrigError: errTooLarge}
		}
	}
	return pongo2.AsValue(strings.Join(parts, sep.String())), nil
}
