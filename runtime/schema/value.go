package schema

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/document"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// A schema is a value of scripts: it is called to validate, and has methods.
var (
	_ starlark.Callable = (*Schema)(nil)
	_ starlark.HasAttrs = (*Schema)(nil)
)

func (s *Schema) Name() string         { return "schema." + s.shape.name() }
func (s *Schema) Type() string         { return "schema" }
func (s *Schema) Truth() starlark.Bool { return true }

func (s *Schema) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: schema") }

func (s *Schema) Freeze() {
	if s.Default != nil {
		s.Default.Freeze()
	}
	for _, c := range s.Checks {
		c.Fn.Freeze()
	}
	switch shape := s.shape.(type) {
	case *Record:
		for _, f := range shape.fields {
			f.Schema.Freeze()
		}
	case *Union:
		for _, arm := range shape.Arms {
			arm.Freeze()
		}
	case *List:
		if shape.Of != nil {
			shape.Of.Freeze()
		}
	case *Map:
		for _, s := range []*Schema{shape.Values, shape.Keys} {
			if s != nil {
				s.Freeze()
			}
		}
	}
}

// String is the call that makes such a schema; of a record it names the fields.
func (s *Schema) String() string {
	args := s.shape.limits()
	if s.Default != nil {
		text := s.Default.String()
		if s.sensitive() {
			text = "«secret»"
		}
		args = append(args, "default = "+text)
	}
	if s.Deprecated != "" {
		args = append(args, "deprecated = "+strconv.Quote(s.Deprecated))
	}
	text := s.Name() + "(" + strings.Join(args, ", ") + ")"
	if s.Optional {
		return "schema.optional(" + text + ")"
	}
	return text
}

// CallInternal completes a value: s({"port": 1}), s(port = 1), or both, where the
// fields that are named count more.
func (s *Schema) CallInternal(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if len(args) > 1 {
		return nil, invalid("%s: takes one value, and fields by name", s.Name())
	}
	var v starlark.Value
	if len(args) == 1 {
		v = args[0]
	}
	if len(kwargs) > 0 {
		over := new(starlark.Dict)
		for _, kv := range kwargs {
			_ = over.SetKey(kv[0], kv[1]) // a name
		}
		if v == nil {
			v = over
		} else if u, ok := v.(*value.Unknown); ok {
			return s.unknown(u, over), nil
		} else {
			var err error
			if v, err = Merge(v, over); err != nil {
				return nil, err
			}
		}
	}
	return s.completed(thread, v)
}

// completed is Validate for scripts: problems are an error.
func (s *Schema) completed(thread *starlark.Thread, v starlark.Value) (starlark.Value, error) {
	if u, ok := v.(*value.Unknown); ok {
		return s.unknown(u), nil
	}
	out, report, err := s.Validate(thread, v, nil)
	if err != nil {
		return nil, err
	}
	if err := report.Fault(fault.Invalid, "the value"); err != nil {
		return nil, err
	}
	return out, nil
}

// unknown is what becomes of a value that nothing is known of.
func (s *Schema) unknown(layers ...starlark.Value) *value.Unknown {
	return value.UnknownOf(layers, func(known starlark.Tuple) (starlark.Value, error) {
		v := known[0]
		if len(known) > 1 {
			var err error
			if v, err = Merge(known...); err != nil {
				return nil, err
			}
		}
		c := &checking{secrets: s.Secrets, trial: true}
		out := s.complete(c, nil, v)
		if len(c.problems) > 0 {
			return nil, invalid("%s", c.problems[0].Message)
		}
		return out, nil
	}, "%s(%s)", s.Name(), value.Arguments(layers, nil))
}

// method is what scripts call on a schema.
type method struct {
	params string // for the message
	call   func(s *Schema, thread *starlark.Thread, args starlark.Tuple) (starlark.Value, error)
	least  int
	most   int // -1: any number
	help   string
}

var methods = map[string]method{
	"validate":    {"value", validate, 1, 1, "Returns the completed value; all mistakes are one error."},
	"parse":       {"text, name", parse, 2, 2, "Decodes the text of a file by the ending of its name, and returns the completed value; mistakes show the lines."},
	"errors":      {"value", problems, 1, 1, "Returns the mistakes in a value, as a list of structs."},
	"warnings":    {"value", warnings, 1, 1, "Returns what is deprecated in a value, as a list of structs."},
	"merge":       {"*values", mergeAll, 1, -1, "Merges values, the strongest last, and returns the completed one."},
	"dict":        {"value", dict, 1, 1, "Returns the completed value as dicts, in the order of the fields."},
	"defaults":    {"", defaults, 0, 0, "Returns what applies when nothing is given."},
	"doc":         {"", doc, 0, 0, "Returns a text that explains the fields."},
	"example":     {"format", example, 1, 1, "Returns the defaults as a commented file, \"toml\" or \"yaml\"."},
	"json_schema": {"", jsonSchema, 0, 0, "Returns the schema as JSON Schema, a dict."},
}

func (s *Schema) AttrNames() []string {
	names := make([]string, 0, len(methods))
	for name := range methods {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func (s *Schema) Attr(name string) (starlark.Value, error) {
	m, ok := methods[name]
	if !ok {
		e := fault.New(fault.Script, "a schema has no %q", name)
		if near := spell.Nearest(name, s.AttrNames()); near != "" {
			e.Msg += fmt.Sprintf(" (did you mean %q?)", near)
		}
		return nil, e.WithHint("it has %s", strings.Join(s.AttrNames(), ", "))
	}
	return &bound{s, name, m}, nil
}

// bound is a method of one schema.
type bound struct {
	s    *Schema
	name string
	m    method
}

var (
	_ starlark.Callable = (*bound)(nil)
	_ starlark.HasAttrs = (*bound)(nil)
)

func (b *bound) Name() string          { return b.name }
func (b *bound) String() string        { return "<method " + b.signature() + " of " + b.s.Name() + ">" }
func (b *bound) Type() string          { return "builtin_function_or_method" }
func (b *bound) Freeze()               { b.s.Freeze() }
func (b *bound) Truth() starlark.Bool  { return true }
func (b *bound) Hash() (uint32, error) { return starlark.String(b.name).Hash() }
func (b *bound) AttrNames() []string   { return []string{"doc"} }

func (b *bound) signature() string { return b.name + "(" + b.m.params + ")" }

// Attr gives the documentation, as that of builtins.
func (b *bound) Attr(name string) (starlark.Value, error) {
	if name == "doc" {
		return starlark.String(b.Help()), nil
	}
	return nil, nil
}

// Help is what help() prints.
func (b *bound) Help() string { return b.signature() + "\n\n" + b.m.help }

// Help is what help() prints.
func (s *Schema) Help() string {
	return s.Explain() + "\na schema with " + strings.Join(s.AttrNames(), ", ")
}

func (b *bound) CallInternal(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	names := strings.Split(b.m.params, ", ")
	for _, kv := range kwargs {
		name, _ := starlark.AsString(kv[0])
		if len(args) >= len(names) || name != names[len(args)] {
			return nil, hinted(invalid("%s: unexpected argument %q", b.name, name), b.signature())
		}
		args = append(args[:len(args):len(args)], kv[1])
	}
	if len(args) < b.m.least || b.m.most >= 0 && len(args) > b.m.most {
		return nil, hinted(invalid("%s: %d arguments given", b.name, len(args)), b.signature())
	}
	return b.m.call(b.s, thread, args)
}

func validate(s *Schema, thread *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
	return s.completed(thread, args[0])
}

func parse(s *Schema, thread *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
	for _, v := range args {
		if u, ok := v.(*value.Unknown); ok {
			return value.UnknownOf(args, nil, "%s.parse(%s)", s.Name(), u.Text), nil
		}
	}
	text := args[0].String()
	switch v := args[0].(type) {
	case starlark.String:
		text = string(v)
	case *value.Secret: // its text is the marker
	default:
		return nil, invalid("parse: the text must be a string, not a %s", v.Type())
	}
	name, ok := starlark.AsString(args[1])
	if !ok {
		return nil, invalid("parse: the name must be a string, not a %s", args[1].Type())
	}
	doc, err := document.Read(name, text, s.Secrets)
	if err != nil {
		e := *fault.As(err)
		e.Kind = fault.Invalid
		return nil, &e
	}
	out, report, err := s.Validate(thread, doc.Value, doc.At)
	if err != nil {
		return nil, err
	}
	if err := report.Fault(fault.Invalid, name); err != nil {
		return nil, err
	}
	return out, nil
}

func problems(s *Schema, thread *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
	return s.list(thread, args[0], func(r *Report) []Problem { return r.Problems })
}

func warnings(s *Schema, thread *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
	return s.list(thread, args[0], func(r *Report) []Problem { return r.Warnings })
}

// list is what a validation finds; unknown where that is nothing so far, and parts
// of the value are not known.
func (s *Schema) list(thread *starlark.Thread, v starlark.Value, which func(*Report) []Problem) (starlark.Value, error) {
	_, report, err := s.Validate(thread, v, nil)
	if err != nil {
		return nil, err
	}
	found := value.Of(which(report))
	if starlark.Len(found) > 0 || value.FindUnknown(v) == nil {
		return found, nil
	}
	guess := func(starlark.Tuple) (starlark.Value, error) { return found, nil }
	return value.UnknownOf(starlark.Tuple{v}, guess, "%s.errors(%s)", s.Name(), value.Show(v)), nil
}

func mergeAll(s *Schema, thread *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
	for _, v := range args {
		if _, ok := v.(*value.Unknown); ok {
			return s.unknown(args...), nil
		}
	}
	v, err := Merge(args...)
	if err != nil {
		return nil, err
	}
	return s.completed(thread, v)
}

func dict(s *Schema, thread *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
	v, err := s.completed(thread, args[0])
	if err != nil {
		return nil, err
	}
	if _, ok := v.(*value.Unknown); ok {
		return v, nil
	}
	return s.Plain(v), nil
}

func defaults(s *Schema, _ *starlark.Thread, _ starlark.Tuple) (starlark.Value, error) {
	if v := s.Defaults(); v != nil {
		return v, nil
	}
	return starlark.None, nil
}

func doc(s *Schema, _ *starlark.Thread, _ starlark.Tuple) (starlark.Value, error) {
	return starlark.String(s.Explain()), nil
}

func example(s *Schema, _ *starlark.Thread, args starlark.Tuple) (starlark.Value, error) {
	format, _ := starlark.AsString(args[0])
	text, err := s.Example(format)
	return starlark.String(text), err
}

func jsonSchema(s *Schema, _ *starlark.Thread, _ starlark.Tuple) (starlark.Value, error) {
	return s.JSONSchema(), nil
}
