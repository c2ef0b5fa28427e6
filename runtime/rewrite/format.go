package rewrite

import (
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// A stand stands for an unknown while the interpreter formats, so that the text
// of the result shows what is known: "http://«exec.run(…).stdout»:80".
type stand struct {
	text string
	used *bool
}

func (s stand) String() string        { *s.used = true; return s.text }
func (s stand) Type() string          { return "unknown" }
func (s stand) Freeze()               {}
func (s stand) Truth() starlark.Bool  { return true }
func (s stand) Hash() (uint32, error) { return 0, nil }

// stands replaces unknowns and what holds one, and notes if they are used.
type stands struct{ used bool }

func (s *stands) replace(v starlark.Value) starlark.Value {
	if find(v) == nil {
		return v
	}
	return stand{mark(v), &s.used}
}

// result is the formatted text, unknown if an unknown is part of it. An error is
// one whatever the unknowns are.
func (s *stands) result(v starlark.Value, err error, of starlark.Tuple, guess func(starlark.Tuple) (starlark.Value, error)) (starlark.Value, error) {
	if err != nil || !s.used {
		return v, err
	}
	return value.UnknownOf(of, guess, "%s", v), nil
}

func percent(v starlark.Tuple) (starlark.Value, error) {
	return starlark.Binary(syntax.PERCENT, v[0], v[1])
}

func mark(v starlark.Value) string {
	if u, ok := v.(*value.Unknown); ok {
		return "«" + u.Text + "»"
	}
	return v.String()
}

// remainder is x % y.
func remainder(x, y starlark.Value) (starlark.Value, error) {
	format, ok := x.(starlark.String)
	if !ok || find(y) == nil {
		return starlark.Binary(syntax.PERCENT, x, y)
	}
	if u, ok := y.(*value.Unknown); ok { // one argument, a tuple or a dict
		return formatUnknown(format, u), nil
	}
	var s stands
	var args starlark.Value
	isStand := func(int, string) bool { return true }
	switch y := y.(type) {
	case starlark.Tuple:
		t := make(starlark.Tuple, len(y))
		for i, v := range y {
			t[i] = s.replace(v)
		}
		args, isStand = t, func(i int, _ string) bool { return i < len(t) && isStandIn(t[i]) }
	case *starlark.Dict:
		d := starlark.NewDict(y.Len())
		for _, kv := range y.Items() {
			if err := d.SetKey(kv[0], s.replace(kv[1])); err != nil {
				return nil, err
			}
		}
		args, isStand = d, standsUnder(d)
	default:
		args = s.replace(y)
	}
	v, err := starlark.Binary(syntax.PERCENT, starlark.String(verbs(string(format), isStand)), args)
	return s.result(v, err, starlark.Tuple{x, y}, percent)
}

func formatUnknown(format starlark.String, u *value.Unknown) *value.Unknown {
	var s stands
	any := func(int, string) bool { return true }
	v, err := starlark.Binary(syntax.PERCENT, starlark.String(verbs(string(format), any)), s.replace(u))
	if err != nil {
		return value.UnknownOf(starlark.Tuple{format, u}, percent, "%s %% %s", format, u.Text)
	}
	return value.UnknownOf(starlark.Tuple{format, u}, percent, "%s", v)
}

func isStandIn(v starlark.Value) bool {
	_, ok := v.(stand)
	return ok
}

// standsUnder answers for %(key)s. Without a key the dict itself is the
// argument, and it holds an unknown.
func standsUnder(d *starlark.Dict) func(int, string) bool {
	return func(_ int, key string) bool {
		if key == "" {
			return true
		}
		v, _, _ := d.Get(starlark.String(key[1 : len(key)-1]))
		return isStandIn(v)
	}
}

// verbs makes %s of each conversion of a stand-in, as %d would ask what it is.
func verbs(format string, isStand func(index int, key string) bool) string {
	out := new(strings.Builder)
	for index := 0; ; {
		i := strings.IndexByte(format, '%')
		if i < 0 || i+1 == len(format) {
			break
		}
		out.WriteString(format[:i+1])
		format = format[i+1:]
		if format[0] == '%' {
			out.WriteByte('%')
			format = format[1:]
			continue
		}
		key := ""
		if format[0] == '(' {
			if end := strings.IndexByte(format, ')'); end >= 0 {
				key, format = format[:end+1], format[end+1:]
				out.WriteString(key)
			}
		}
		if format != "" && strings.IndexByte("rdioxXeEfFgGc", format[0]) >= 0 && isStand(index, key) {
			out.WriteByte('s')
			format = format[1:]
		}
		index++
	}
	return out.String() + format
}

// formatMethod is str.format.
func formatMethod(c *invocation) (starlark.Value, error) {
	var s stands
	args := make(starlark.Tuple, len(c.args))
	for i, v := range c.args {
		args[i] = s.replace(v)
	}
	kwargs := make([]starlark.Tuple, len(c.kwargs))
	for i, kv := range c.kwargs {
		kwargs[i] = starlark.Tuple{kv[0], s.replace(kv[1])}
	}
	v, err := c.plain.CallInternal(c.thread, args, kwargs)
	of := c.args
	for _, kv := range c.kwargs {
		of = append(of[:len(of):len(of)], kv)
	}
	return s.result(v, err, of, func(v starlark.Tuple) (starlark.Value, error) {
		return c.again(v[:len(c.args)], v[len(c.args):])
	})
}

// joinMethod is str.join.
func joinMethod(c *invocation) (starlark.Value, error) {
	if len(c.args) != 1 || len(c.kwargs) > 0 || isUnknown(c.args[0]) {
		return c.unknown(), nil
	}
	iterable, ok := c.args[0].(starlark.Iterable)
	if !ok {
		return c.run()
	}
	var parts []starlark.Value
	for v := range starlark.Elements(iterable) {
		if isUnknown(v) {
			v = starlark.String(mark(v))
		}
		parts = append(parts, v)
	}
	v, err := c.plain.CallInternal(c.thread, starlark.Tuple{starlark.NewList(parts)}, nil)
	if err != nil {
		return nil, err
	}
	return value.UnknownOf(c.args, func(v starlark.Tuple) (starlark.Value, error) { return c.again(v, nil) }, "%s", v), nil
}
