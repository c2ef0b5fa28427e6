package rewrite

import (
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// An answer is a truth value of which maybe depends on an unknown.
type answer int8

const (
	no answer = iota
	yes
	maybe
)

func answerOf(b bool, err error) (answer, error) {
	if b {
		return yes, err
	}
	return no, err
}

func (a answer) not() answer {
	switch a {
	case yes:
		return no
	case no:
		return yes
	}
	return maybe
}

func compare(op syntax.Token, x, y starlark.Value) (starlark.Value, error) {
	if isScalar(x) && isScalar(y) {
		ok, err := starlark.Compare(op, x, y)
		return starlark.Bool(ok), err
	}
	a, err := relate(op, x, y, starlark.CompareLimit)
	if err == nil && a == maybe && op == syntax.NEQ {
		return unknownComparison(syntax.EQL, x, y).Not(value.Show(x) + " != " + value.Show(y)), nil
	}
	if err == nil && a == maybe {
		return unknownComparison(op, x, y), nil
	}
	return starlark.Bool(a == yes), err
}

// unknownComparison is not known; of a value and its opposite, to know the one is
// to know the other.
func unknownComparison(op syntax.Token, x, y starlark.Value) *value.Unknown {
	return value.UnknownOf(starlark.Tuple{x, y}, func(v starlark.Tuple) (starlark.Value, error) {
		ok, err := starlark.Compare(op, v[0], v[1])
		return starlark.Bool(ok), err
	}, "%s %s %s", value.Show(x), op, value.Show(y))
}

// relate compares like starlark.CompareDepth, but says maybe where the answer
// depends on an unknown.
func relate(op syntax.Token, x, y starlark.Value, depth int) (answer, error) {
	if isUnknown(x) || isUnknown(y) {
		return relateUnknown(op, x, y), nil
	}
	if depth >= 1 && (isScalar(x) || isScalar(y) || unequalLength(op, x, y) || find(x) == nil && find(y) == nil) {
		return answerOf(starlark.CompareDepth(op, x, y, depth))
	}
	if depth < 1 {
		return maybe, nil
	}
	switch x := x.(type) {
	case *starlark.List:
		if y, ok := y.(*starlark.List); ok {
			return relateSequences(op, x, y, depth)
		}
	case starlark.Tuple:
		if y, ok := y.(starlark.Tuple); ok {
			return relateSequences(op, x, y, depth)
		}
	case *starlark.Dict:
		if y, ok := y.(*starlark.Dict); ok && isEquality(op) {
			return negateIf(op, func() (answer, error) { return equalDicts(x, y, depth) })
		}
	case *starlarkstruct.Struct:
		if y, ok := y.(*starlarkstruct.Struct); ok && isEquality(op) {
			return negateIf(op, func() (answer, error) { return equalStructs(x, y, depth) })
		}
	}
	return answerOf(starlark.CompareDepth(op, x, y, depth)) // different types, or no order
}

// unequalLength reports that x == y can be decided without a look inside.
func unequalLength(op syntax.Token, x, y starlark.Value) bool {
	return isEquality(op) && starlark.Len(x) != starlark.Len(y)
}

// relateUnknown knows only that a value equals itself; it need not have an
// order.
func relateUnknown(op syntax.Token, x, y starlark.Value) answer {
	if x == y && isEquality(op) {
		a, _ := answerOf(op == syntax.EQL, nil)
		return a
	}
	return maybe
}

func isEquality(op syntax.Token) bool { return op == syntax.EQL || op == syntax.NEQ }

func negateIf(op syntax.Token, equal func() (answer, error)) (answer, error) {
	a, err := equal()
	if op == syntax.NEQ {
		a = a.not()
	}
	return a, err
}

func relateSequences(op syntax.Token, x, y starlark.Indexable, depth int) (answer, error) {
	if isEquality(op) {
		return negateIf(op, func() (answer, error) { return equalSequences(x, y, depth) })
	}
	for i := range min(x.Len(), y.Len()) {
		switch a, err := relate(syntax.EQL, x.Index(i), y.Index(i), depth-1); {
		case err != nil || a == maybe:
			return maybe, err
		case a == no:
			return relate(op, x.Index(i), y.Index(i), depth-1)
		}
	}
	return answerOf(starlark.Compare(op, starlark.MakeInt(x.Len()), starlark.MakeInt(y.Len())))
}

func equalSequences(x, y starlark.Indexable, depth int) (answer, error) {
	if x.Len() != y.Len() {
		return no, nil
	}
	all := yes
	for i := range x.Len() {
		a, err := relate(syntax.EQL, x.Index(i), y.Index(i), depth-1)
		if err != nil || a == no {
			return no, err
		}
		all = max(all, a)
	}
	return all, nil
}

func equalDicts(x, y *starlark.Dict, depth int) (answer, error) {
	if x.Len() != y.Len() {
		return no, nil
	}
	all := yes
	for _, kv := range x.Items() {
		v, found, err := y.Get(kv[0])
		if err != nil || !found {
			return no, err
		}
		a, err := relate(syntax.EQL, kv[1], v, depth-1)
		if err != nil || a == no {
			return no, err
		}
		all = max(all, a)
	}
	return all, nil
}

func equalStructs(x, y *starlarkstruct.Struct, depth int) (answer, error) {
	if x.Len() != y.Len() {
		return no, nil
	}
	all, err := relate(syntax.EQL, x.Constructor(), y.Constructor(), depth-1)
	if err != nil || all == no {
		return no, err
	}
	for i := range x.Len() {
		xname, xv := x.AttrAt(i)
		yname, yv := y.AttrAt(i)
		if xname != yname {
			return no, nil
		}
		a, err := relate(syntax.EQL, xv, yv, depth-1)
		if err != nil || a == no {
			return no, err
		}
		all = max(all, a)
	}
	return all, nil
}

func in(x, y starlark.Value) (starlark.Value, error)    { return membership("in", x, y) }
func notIn(x, y starlark.Value) (starlark.Value, error) { return membership("not in", x, y) }

func membership(op string, x, y starlark.Value) (starlark.Value, error) {
	if find(x) == nil && find(y) == nil {
		return plainMembership(op, x, y)
	}
	a := maybe
	switch y := y.(type) {
	case *value.Unknown:
	case *starlark.List, starlark.Tuple:
		var err error
		if a, err = sequenceContains(y.(starlark.Indexable), x); err != nil {
			return nil, err
		}
	case *starlark.Dict:
		if find(x) == nil || y.Len() == 0 { // its keys are known
			return plainMembership(op, x, y)
		}
	}
	if a == maybe {
		in := value.UnknownOf(starlark.Tuple{x, y}, func(v starlark.Tuple) (starlark.Value, error) {
			return plainMembership("in", v[0], v[1])
		}, "%s in %s", value.Show(x), value.Show(y))
		if op == "not in" {
			return in.Not(value.Show(x) + " not in " + value.Show(y)), nil
		}
		return in, nil
	}
	return starlark.Bool((a == yes) == (op == "in")), nil
}

func plainMembership(op string, x, y starlark.Value) (starlark.Value, error) {
	v, err := starlark.Binary(syntax.IN, x, y)
	if err == nil && op == "not in" {
		v = !v.Truth()
	}
	return v, err
}

func sequenceContains(y starlark.Indexable, x starlark.Value) (answer, error) {
	any := no
	for i := range y.Len() {
		a, err := relate(syntax.EQL, y.Index(i), x, starlark.CompareLimit)
		if err != nil || a == yes {
			return a, err
		}
		any = max(any, a)
	}
	return any, nil
}
