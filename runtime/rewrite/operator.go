package rewrite

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// A prefix is an operator with one operand: ·not ^ x.
type prefix struct {
	name  string
	apply func(x starlark.Value) (starlark.Value, error)
}

// An infix is an operator with two: ·eq ^ x is a pending, and that ^ y the result.
type infix struct {
	name  string
	apply func(x, y starlark.Value) (starlark.Value, error)
}

type pending struct {
	*infix
	x starlark.Value
}

// A right is the right operand of an augmented assignment that does the work:
// x ^= right, for a left that has no ^ of its own. An unknown on the left steps
// back, see value.Unknown.
type right struct {
	*infix
	y starlark.Value
}

var (
	_ starlark.HasBinary = (*prefix)(nil)
	_ starlark.HasBinary = (*infix)(nil)
	_ starlark.HasBinary = (*pending)(nil)
	_ value.Overrider    = (*right)(nil)
)

func (p *prefix) Binary(_ syntax.Token, y starlark.Value, _ starlark.Side) (starlark.Value, error) {
	return p.apply(y)
}

func (o *infix) Binary(_ syntax.Token, y starlark.Value, _ starlark.Side) (starlark.Value, error) {
	return &pending{o, y}, nil
}

func (p *pending) Binary(_ syntax.Token, y starlark.Value, _ starlark.Side) (starlark.Value, error) {
	return p.apply(p.x, y)
}

func (r *right) Binary(_ syntax.Token, x starlark.Value, side starlark.Side) (starlark.Value, error) {
	if side == starlark.Left {
		return nil, nil
	}
	return r.apply(x, r.y)
}

func (r *right) OverridesUnknown() {}

func (p *prefix) String() string        { return Prefix + p.name }
func (p *prefix) Type() string          { return "operator" }
func (p *prefix) Freeze()               {}
func (p *prefix) Truth() starlark.Bool  { return true }
func (p *prefix) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable: operator") }

func (o *infix) String() string        { return Prefix + o.name }
func (o *infix) Type() string          { return "operator" }
func (o *infix) Freeze()               {}
func (o *infix) Truth() starlark.Bool  { return true }
func (o *infix) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable: operator") }

// Predeclared returns the hidden operators and the honest versions of the
// universal functions. The values are the same at each call, the map is the
// caller's. A host that switches sets off must delete "set", as a predeclared
// name escapes that check.
func Predeclared() starlark.StringDict {
	d := starlark.StringDict{Prefix + "none": starlark.None}
	for _, p := range prefixOperators {
		d[Prefix+p.name] = p
	}
	for _, o := range infixOperators {
		d[Prefix+o.name] = o
	}
	for name := range augmentedOperators {
		d[Prefix+name] = augmentedOperators[name]
	}
	for name, b := range conditions {
		d[Prefix+name] = b
	}
	for name, b := range universe {
		d[name] = b
	}
	return d
}

var prefixOperators = []*prefix{
	{"not", not},
	{"value", unwrap},
	{"method", method},
	{"into", into},
	{"args", known("*args")},
	{"kwargs", known("**kwargs")},
	{"target", known("a change of a part")},
	{"key", knownDeep("an assignment to an element")},
}

var infixOperators = []*infix{
	comparison("eq", syntax.EQL), comparison("ne", syntax.NEQ),
	comparison("lt", syntax.LT), comparison("le", syntax.LE),
	comparison("gt", syntax.GT), comparison("ge", syntax.GE),
	{"in", in}, {"notin", notIn},
	mod, shl, shr,
	{"index", getIndex}, {"slice", getSlice},
	{"unpack", unpack},
}

var (
	mod = &infix{"mod", remainder}
	shl = &infix{"shl", shift(syntax.LTLT)}
	shr = &infix{"shr", shift(syntax.GTGT)}

	augmentedOperators = map[string]*prefix{"modby": by(mod), "shlby": by(shl), "shrby": by(shr)}
)

func by(o *infix) *prefix {
	return &prefix{o.name + "by", func(y starlark.Value) (starlark.Value, error) { return &right{o, y}, nil }}
}

func comparison(name string, op syntax.Token) *infix {
	return &infix{name, func(x, y starlark.Value) (starlark.Value, error) { return compare(op, x, y) }}
}

// known returns the operator that refuses an unknown.
func known(op string) func(starlark.Value) (starlark.Value, error) {
	return func(x starlark.Value) (starlark.Value, error) {
		if u, ok := x.(*value.Unknown); ok {
			return nil, &value.Undecided{Unknown: u, Op: op}
		}
		return x, nil
	}
}

// knownDeep returns the operator that refuses what holds an unknown.
func knownDeep(op string) func(starlark.Value) (starlark.Value, error) {
	return func(x starlark.Value) (starlark.Value, error) {
		if u := find(x); u != nil {
			return nil, &value.Undecided{Unknown: u, Op: op}
		}
		return x, nil
	}
}
