package export

import (
	"slices"
	gotime "time"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/target"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// expr is where a value comes from: one of the types below.
type expr interface{}

type (
	// literal is written as it is.
	literal struct{ v starlark.Value }
	// refer is the value of an origin, through the encodings in layers.
	refer struct {
		to     *origin
		layers string
	}
	// joined is a text put together from others.
	joined struct{ parts []expr }
	// items is a list, a tuple or a set.
	items struct {
		kind  string // "list", "tuple", "set"
		elems []expr
	}
	// pairs is a dict, or a call with arguments by name, mostly one of struct.
	pairs struct {
		kind         string // "dict", or the function
		keys, values []expr
	}
	// ofItem is the item of parallel's function, or a field of it.
	ofItem struct{ field string }
)

// origin is a value that the script has by name.
type origin struct {
	v      starlark.Value
	step   *step // the one whose result it is; or
	param  *param
	secret *secretSource
	path   string // from there: .stdout.strip()
	// What is computed from that: "base64.encode(", ")".
	before, after string
}

// references calls visit for all origins in x.
func references(x expr, visit func(*origin)) {
	switch x := x.(type) {
	case refer:
		visit(x.to)
	case joined:
		for _, p := range x.parts {
			references(p, visit)
		}
	case items:
		for _, p := range x.elems {
			references(p, visit)
		}
	case pairs:
		for i := range x.keys {
			references(x.keys[i], visit)
			references(x.values[i], visit)
		}
	}
}

const maxLiteral = 256 << 10 // bytes of one text in a script

// build makes the expression of a value; text and whole say what is known by name.
func (ix *index) build(v starlark.Value, at string) (expr, error) {
	if o := ix.whole(v, at); o != nil {
		return refer{to: o}, nil
	}
	switch v := v.(type) {
	case starlark.NoneType, starlark.Bool, starlark.Int, starlark.Float, time.Time, time.Duration:
		return literal{v}, nil
	case starlark.String:
		return ix.text(string(v), at)
	case starlark.Bytes:
		if len(v) > maxLiteral {
			return nil, tooLarge(len(v))
		}
		if pieces, err := ix.e.run.Secrets.Pieces(string(v)); err != nil || len(pieces) > 1 || len(pieces) == 1 && pieces[0].Secret != nil {
			return nil, fault.New(fault.Invalid, "it is bytes with a secret in them")
		}
		return literal{v}, nil
	case *value.Secret:
		o, err := ix.e.secretOf(v, ix, at)
		return refer{to: o}, err
	case *starlark.List:
		return ix.elems("list", v, at)
	case starlark.Tuple:
		return ix.elems("tuple", v, at)
	case *starlark.Set:
		return ix.elems("set", v, at)
	case *starlark.Dict:
		out := pairs{kind: "dict"}
		for _, kv := range v.Items() {
			if err := ix.pair(&out, kv[0], kv[1], at); err != nil {
				return nil, err
			}
		}
		return out, nil
	case *starlarkstruct.Struct:
		return ix.structure(v, at)
	case starlark.Iterable: // a range
		return ix.elems("list", v, at)
	}
	return nil, fault.New(fault.Invalid, "a %s cannot be written", v.Type())
}

func (ix *index) elems(kind string, v starlark.Iterable, at string) (expr, error) {
	out := items{kind: kind}
	iter := v.Iterate()
	defer iter.Done()
	var x starlark.Value
	for iter.Next(&x) {
		elem, err := ix.build(x, at)
		if err != nil {
			return nil, err
		}
		out.elems = append(out.elems, elem)
	}
	return out, nil
}

func (ix *index) pair(out *pairs, k, v starlark.Value, at string) error {
	key, err := ix.build(k, at)
	if err != nil {
		return err
	}
	val, err := ix.build(v, at)
	out.keys, out.values = append(out.keys, key), append(out.values, val)
	return err
}

func (ix *index) structure(v *starlarkstruct.Struct, at string) (expr, error) {
	out := pairs{kind: "struct"}
	names := v.AttrNames()
	if v.Constructor() == starlark.Value(target.Constructor) {
		out.kind, names = ofTarget(v, names)
	}
	for _, name := range names {
		field, err := v.Attr(name)
		if err != nil {
			return nil, err
		}
		val, err := ix.build(field, at)
		if err != nil {
			return nil, err
		}
		out.keys, out.values = append(out.keys, literal{starlark.String(name)}), append(out.values, val)
	}
	return out, nil
}

// targets are the functions that make targets, by kind, with the field that is the name
// where none was given.
var targets = map[string]struct{ fn, named string }{
	"local": {"target.local", ""}, "container": {"container.target", "container"}, "ssh": {"ssh.host", "address"},
}

// ofTarget is the function that makes such a target, and those of its fields that are
// arguments of it. A struct of the same fields would be no target.
func ofTarget(v *starlarkstruct.Struct, fields []string) (fn string, arguments []string) {
	text := func(field string) string {
		v, _ := v.Attr(field)
		s, _ := starlark.AsString(v)
		return s
	}
	t, ok := targets[text("kind")]
	if !ok {
		return "struct", fields
	}
	return t.fn, slices.DeleteFunc(slices.Clone(fields), func(field string) bool {
		return field == "kind" || field == "name" && (t.named == "" || text("name") == text(t.named))
	})
}

// text takes a text apart into secrets, what earlier effects gave, and the rest.
func (ix *index) text(s, at string) (expr, error) {
	if len(s) > maxLiteral {
		return nil, tooLarge(len(s))
	}
	pieces, err := ix.e.run.Secrets.Pieces(s)
	if err != nil {
		return nil, err
	}
	var parts []expr
	for _, p := range pieces {
		if p.Secret != nil {
			o, err := ix.e.secretOf(p.Secret, ix, at)
			if err != nil {
				return nil, err
			}
			parts = append(parts, refer{to: o, layers: p.Layers})
			continue
		}
		if ix.e.redact(p.Text) != p.Text {
			return nil, fault.New(fault.Invalid, "it holds a secret in another form, which cannot be written").
				WithHint("build it from the secret itself, with json.encode, url.quote or a template")
		}
		if !writable(p.Text) {
			return nil, fault.New(fault.Invalid, "it is not text")
		}
		parts = append(parts, ix.split(p.Text, at)...)
	}
	switch {
	case len(parts) == 0:
		return literal{starlark.String("")}, nil
	case len(parts) == 1:
		return parts[0], nil
	}
	return joined{parts}, nil
}

func tooLarge(n int) error {
	return fault.New(fault.TooLarge, "%d bytes are too much for a script, which takes %d", n, maxLiteral).
		WithHint("keep such content in a file of the workspace, and use fs.copy or fs.read")
}

// equal compares expressions of the same branch, or of two: then what belongs to
// the one is at the same position as what belongs to the other.
func equal(x, y expr, same func(a, b *origin) bool) bool {
	switch x := x.(type) {
	case literal:
		y, ok := y.(literal)
		return ok && key(x.v) == key(y.v)
	case refer:
		y, ok := y.(refer)
		return ok && x.layers == y.layers && same(x.to, y.to)
	case joined:
		y, ok := y.(joined)
		return ok && slices.EqualFunc(x.parts, y.parts, func(a, b expr) bool { return equal(a, b, same) })
	}
	return false
}

// durationText is how the modules read a duration.
func durationText(d time.Duration) string { return gotime.Duration(d).String() }

func timeText(t time.Time) string { return gotime.Time(t).Format(gotime.RFC3339Nano) }

// replace returns x with every part replaced by what with makes of it.
func replace(x expr, with func(expr) expr) expr {
	all := func(xs []expr) []expr {
		out := make([]expr, len(xs))
		for i, x := range xs {
			out[i] = replace(x, with)
		}
		return out
	}
	switch x := x.(type) {
	case joined:
		var parts []expr
		for _, p := range all(x.parts) {
			if inner, ok := p.(joined); ok {
				parts = append(parts, inner.parts...)
				continue
			}
			parts = append(parts, p)
		}
		return joined{parts}
	case items:
		return items{x.kind, all(x.elems)}
	case pairs:
		return pairs{x.kind, all(x.keys), all(x.values)}
	}
	return with(x)
}
