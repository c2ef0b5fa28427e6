// Package value holds the two kinds of Starlark values that Starlark itself
// does not have, and the conversions between Go and Starlark.
//
// An [Unknown] stands, in check mode, for something that only the real run will
// know. A [Secret] stands for text that must never be seen; see [Secrets].
package value

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

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
	// Guess is what an earlier run found in its place; nil where none did.
	Guess starlark.Value

	key string   // see Key
	of  *Unknown // what it is the negation of
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

// UnknownOf returns the unknown that an operation on operands gives. guess does
// the operation with what is guessed in place of those that are unknown; it is
// called only when there is a guess for each, and may be nil.
func UnknownOf(operands starlark.Tuple, guess func(starlark.Tuple) (starlark.Value, error), format string, args ...any) *Unknown {
	text := fmt.Sprintf(format, args...)
	u := &Unknown{Text: clip(text, 160)}
	h := sha256.New()
	io.WriteString(h, text) //nolint:errcheck // a hash takes anything
	for _, v := range operands {
		Walk(v, func(v starlark.Value) bool {
			io.WriteString(h, "\x00"+identityOf(v)) //nolint:errcheck // a hash takes anything
			return true
		})
	}
	u.key = hex.EncodeToString(h.Sum(nil)[:16])
	if guess != nil {
		u.Guess = guessOf(operands, guess)
	}
	return u
}

// identityOf tells a value from others of its type, apart from what is in it.
func identityOf(v starlark.Value) string {
	switch v := v.(type) {
	case *Unknown:
		return v.Key()
	case *starlark.List, *starlark.Dict, *starlark.Set, *starlarkstruct.Struct:
		return fmt.Sprintf("%s %d", v.Type(), starlark.Len(v))
	case starlark.Tuple:
		return fmt.Sprintf("tuple %d", len(v))
	case *starlark.Function:
		return v.Name() + " " + v.Position().String()
	}
	return v.Type() + " " + v.String()
}

// guessOf returns nil where something has no guess, or the operation fails.
func guessOf(operands starlark.Tuple, guess func(starlark.Tuple) (starlark.Value, error)) starlark.Value {
	known := make(starlark.Tuple, len(operands))
	for i, v := range operands {
		if known[i] = Guessed(v); known[i] == nil {
			return nil
		}
	}
	v, err := guess(known)
	if err != nil {
		return nil
	}
	return v
}

// Guessed returns v with guesses in place of the unknowns in it; nil where there
// is none for one of them.
func Guessed(v starlark.Value) starlark.Value {
	if u, ok := v.(*Unknown); ok {
		return u.Guess
	}
	if FindUnknown(v) == nil {
		return v
	}
	missing := false
	known, err := Map(v, func(v starlark.Value) (starlark.Value, error) {
		u, ok := v.(*Unknown)
		switch {
		case !ok:
			return v, nil
		case u.Guess == nil:
			missing = true
			return starlark.None, nil
		}
		return u.Guess, nil
	})
	if err != nil || missing {
		return nil
	}
	return known
}

// Parts are what an unknown is made of, for those who carry it to another
// process; of is what it is the negation of, or nil.
func (u *Unknown) Parts() (text, key string, guess starlark.Value, of *Unknown) {
	return u.Text, u.key, u.Guess, u.of
}

// UnknownFrom makes an unknown of its parts.
func UnknownFrom(text, key string, guess starlark.Value, of *Unknown) *Unknown {
	return &Unknown{Text: clip(text, 160), Guess: guess, key: key, of: of}
}

// Key tells unknowns apart: two that have the same are the same value, whatever
// it will turn out to be.
func (u *Unknown) Key() string {
	if u.key == "" {
		return u.Text
	}
	return u.key
}

// Not returns the negation of u, which is shown as text.
func (u *Unknown) Not(text string) *Unknown {
	n := UnknownOf(starlark.Tuple{u}, func(v starlark.Tuple) (starlark.Value, error) { return !v[0].Truth(), nil }, "%s", text)
	n.of = u
	return n
}

// Positive returns what u is the negation of, or u itself: to know the one is to
// know the other.
func (u *Unknown) Positive() (positive *Unknown, negated bool) {
	for u.of != nil {
		u, negated = u.of, !negated
	}
	return u, negated
}

// Stamp names the effect that v is the result of, so that the same text
// elsewhere is another unknown.
func Stamp(v starlark.Value, place string) {
	Walk(v, func(v starlark.Value) bool {
		if u, ok := v.(*Unknown); ok && u.key == "" {
			u.key = place + " " + u.Text
		}
		return true
	})
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
	return UnknownOf(starlark.Tuple{u}, func(x starlark.Tuple) (starlark.Value, error) {
		if x, ok := x[0].(starlark.HasAttrs); ok {
			return x.Attr(name)
		}
		return nil, nil
	}, "%s.%s", u.Text, name), nil
}

func (u *Unknown) Get(key starlark.Value) (starlark.Value, bool, error) {
	return UnknownOf(starlark.Tuple{u, key}, func(x starlark.Tuple) (starlark.Value, error) { return element(x[0], x[1]) },
		"%s[%s]", u.Text, key), true, nil
}

// element is x[key], for what x can be in a result.
func element(x, key starlark.Value) (starlark.Value, error) {
	switch x := x.(type) {
	case starlark.Mapping:
		v, _, err := x.Get(key)
		return v, err
	case starlark.Indexable:
		i, err := starlark.AsInt32(key)
		if i < 0 {
			i += x.Len()
		}
		if err == nil && i >= 0 && i < x.Len() {
			return x.Index(i), nil
		}
	}
	return nil, nil
}

func (u *Unknown) CallInternal(_ *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	operands := append(starlark.Tuple{u}, args...)
	for _, kv := range kwargs {
		operands = append(operands, kv)
	}
	return UnknownOf(operands, func(x starlark.Tuple) (starlark.Value, error) {
		method, ok := x[0].(*starlark.Builtin) // of the language, as results have no functions: it only computes
		if !ok {
			return nil, nil
		}
		named := make([]starlark.Tuple, len(kwargs))
		for i := range named {
			named[i] = x[1+len(args)+i].(starlark.Tuple)
		}
		return method.CallInternal(new(starlark.Thread), x[1:1+len(args)], named)
	}, "%s(%s)", u.Text, Arguments(args, kwargs)), nil
}

// Arguments are those of a call in the text of an unknown.
func Arguments(args starlark.Tuple, kwargs []starlark.Tuple) string {
	var texts []string
	for _, v := range args {
		texts = append(texts, Show(v))
	}
	for _, kv := range kwargs {
		texts = append(texts, string(kv[0].(starlark.String))+" = "+Show(kv[1]))
	}
	return strings.Join(texts, ", ")
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
	x, z := starlark.Value(u), y
	if side == starlark.Right {
		x, z = y, u
	}
	return UnknownOf(starlark.Tuple{x, z}, func(v starlark.Tuple) (starlark.Value, error) { return starlark.Binary(op, v[0], v[1]) },
		"%s %s %s", Show(x), op, Show(z)), nil
}

func (u *Unknown) Unary(op syntax.Token) (starlark.Value, error) {
	return UnknownOf(starlark.Tuple{u}, func(v starlark.Tuple) (starlark.Value, error) { return starlark.Unary(op, v[0]) },
		"%s%s", op, u.Text), nil
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
	if at := strings.LastIndex(s[:n], MarkOpen); at >= 0 && !strings.Contains(s[at:n], MarkClose) {
		n = at // half a marker could not be redacted
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
