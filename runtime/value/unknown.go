// Package value holds the two kinds of Starlark values that Starlark itself
// does not have, and the conversions between Go and Starlark.
//
// An [Unknown] stands, in check mode, for something that only the real run will
// know. A [Secret] stands for text that must never be seen; see [Secrets].
package value

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// Unknown is a value that will be known only when the run has performed a
// write. It passes through attributes, calls, arithmetic and formatting, and
// stops whoever has to decide on it with an [Undecided] error.
//
// The interpreter compares, formats and tests values without asking them, so an
// Unknown is honest only in a program that package rewrite has rewritten.
type Unknown struct {
	Text string // how the script arrived at it: exec.run(…).stdout
}

var (
	_ starlark.HasAttrs   = (*Unknown)(nil)
	_ starlark.HasBinary  = (*Unknown)(nil)
	_ starlark.HasUnary   = (*Unknown)(nil)
	_ starlark.Mapping    = (*Unknown)(nil)
	_ starlark.Callable   = (*Unknown)(nil)
	_ starlark.Comparable = (*Unknown)(nil)
)

// NewUnknown returns an unknown that is shown as the formatted text.
func NewUnknown(format string, args ...any) *Unknown {
	return &Unknown{Text: clip(fmt.Sprintf(format, args...), 160)}
}

// Undecided is the error of an operation that needs to know an unknown value.
// In check mode it ends the branch, and the plan says so.
type Undecided struct {
	Unknown *Unknown
	Op      string // what could not be done: "if", "a key of a dict"
}

func (e *Undecided) Error() string {
	return fmt.Sprintf("%s depends on %s, which is known only when the run has made it", e.Op, e.Unknown.Text)
}

func (u *Unknown) String() string        { return "«unknown " + u.Text + "»" }
func (u *Unknown) Type() string          { return "unknown" }
func (u *Unknown) Freeze()               {}
func (u *Unknown) Truth() starlark.Bool  { return true }
func (u *Unknown) Name() string          { return u.Text }
func (u *Unknown) AttrNames() []string   { return nil }
func (u *Unknown) Hash() (uint32, error) { return 0, &Undecided{u, "a key of a dict or set"} }

func (u *Unknown) Attr(name string) (starlark.Value, error) {
	return NewUnknown("%s.%s", u.Text, name), nil
}

func (u *Unknown) Get(key starlark.Value) (starlark.Value, bool, error) {
	return NewUnknown("%s[%s]", u.Text, key), true, nil
}

func (u *Unknown) CallInternal(*starlark.Thread, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return NewUnknown("%s()", u.Text), nil
}

// An Overrider is a right operand that does the operation even if the left one
// is unknown.
type Overrider interface {
	starlark.HasBinary
	OverridesUnknown()
}

func (u *Unknown) Binary(op syntax.Token, y starlark.Value, side starlark.Side) (starlark.Value, error) {
	if _, ok := y.(Overrider); ok {
		return nil, nil
	}
	if side == starlark.Left {
		return NewUnknown("%s %s %s", u.Text, op, Show(y)), nil
	}
	return NewUnknown("%s %s %s", Show(y), op, u.Text), nil
}

func (u *Unknown) Unary(op syntax.Token) (starlark.Value, error) {
	return NewUnknown("%s%s", op, u.Text), nil
}

func (u *Unknown) CompareSameType(syntax.Token, starlark.Value, int) (bool, error) {
	return false, &Undecided{u, "a comparison"}
}

// Show is the text of v within the text of an unknown.
func Show(v starlark.Value) string {
	if u, ok := v.(*Unknown); ok {
		return u.Text
	}
	return v.String()
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}

// FindUnknown returns an unknown that v is or holds, at any depth, or nil.
func FindUnknown(v starlark.Value) *Unknown {
	var found *Unknown
	Walk(v, func(v starlark.Value) bool {
		if u, ok := v.(*Unknown); ok {
			found = u
		}
		return found == nil
	})
	return found
}

// Walk calls visit for v and, as long as visit returns true, for everything in
// it. Containers are entered once, so that shared and cyclic ones end.
func Walk(v starlark.Value, visit func(starlark.Value) bool) { (&walker{visit: visit}).walk(v) }

type walker struct {
	visit func(starlark.Value) bool
	seen  map[starlark.Value]bool
}

func (w *walker) walk(v starlark.Value) bool {
	if v == nil {
		return true
	}
	if !w.visit(v) {
		return false
	}
	switch v := v.(type) {
	case *starlark.List:
		return w.enter(v) || w.sequence(v)
	case starlark.Tuple:
		return w.sequence(v)
	case *starlark.Dict:
		if w.enter(v) {
			return true
		}
		for _, kv := range v.Items() {
			if !w.walk(kv[0]) || !w.walk(kv[1]) {
				return false
			}
		}
	case *starlark.Set:
		return w.enter(v) || w.iterate(v)
	case *starlarkstruct.Struct:
		if w.enter(v) {
			return true
		}
		for _, name := range v.AttrNames() {
			field, _ := v.Attr(name)
			if !w.walk(field) {
				return false
			}
		}
	}
	return true
}

// enter notes a container and reports whether it was entered before.
func (w *walker) enter(v starlark.Value) bool {
	if w.seen[v] {
		return true
	}
	if w.seen == nil {
		w.seen = map[starlark.Value]bool{}
	}
	w.seen[v] = true
	return false
}

func (w *walker) sequence(v starlark.Indexable) bool {
	for i := range v.Len() {
		if !w.walk(v.Index(i)) {
			return false
		}
	}
	return true
}

func (w *walker) iterate(v starlark.Iterable) bool {
	iter := v.Iterate()
	defer iter.Done()
	var x starlark.Value
	for iter.Next(&x) {
		if !w.walk(x) {
			return false
		}
	}
	return true
}
