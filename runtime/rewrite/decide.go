package rewrite

import (
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// A Decider takes the place of an unknown where the script must know: a plan
// that explores all arms says here which one it is in.
type Decider interface {
	// Decide answers for an unknown in a condition (if, while, and, or) with 0 or
	// 1, and says how often a loop over one goes round (for). An unknown that it
	// is asked about twice must get the same answer.
	Decide(*value.Undecided) (int, error)
	// Pass notes that a loop over an unknown goes round for the nth time, which
	// is 1 for the first, or, with 0, that it has ended after was times.
	Pass(u *value.Undecided, n, was int)
}

const deciderKey = "rewrite.Decider"

// SetDecider sets the decider of a thread. Without one, a condition on an
// unknown, or a loop over one, is an error.
func SetDecider(thread *starlark.Thread, d Decider) { thread.SetLocal(deciderKey, d) }

var conditions = map[string]*starlark.Builtin{
	"if":    starlark.NewBuiltin(Prefix+"if", decide),
	"while": starlark.NewBuiltin(Prefix+"while", decide),
	"and":   starlark.NewBuiltin(Prefix+"and", decide),
	"or":    starlark.NewBuiltin(Prefix+"or", decide),
	"for":   starlark.NewBuiltin(Prefix+"for", loop),
	"each":  starlark.NewBuiltin(Prefix+"each", loopUnpacking),
}

// Ask asks the decider of a thread, for a host that has to know itself.
func Ask(thread *starlark.Thread, u *value.Undecided) (int, error) {
	d, _ := thread.Local(deciderKey).(Decider)
	if d == nil {
		return 0, u
	}
	return d.Decide(u)
}

// decide returns its operand, which the interpreter then tests.
func decide(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	u, ok := args[0].(*value.Unknown)
	if !ok {
		return args[0], nil
	}
	undecided := &value.Undecided{Unknown: u, Op: strings.TrimPrefix(b.Name(), Prefix)}
	choice, err := Ask(thread, undecided)
	if err != nil {
		return nil, err
	}
	truth := choice != 0
	switch {
	case undecided.Op == "or" && truth:
		return u, nil // the value of the whole; an unknown tests as true
	case undecided.Op == "and" && !truth:
		return falsy{u}, nil
	}
	return starlark.Bool(truth), nil // only tested
}

// loop prepares the operand of a for.
func loop(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	u, ok := args[0].(*value.Unknown)
	if !ok {
		return args[0], nil
	}
	undecided := &value.Undecided{Unknown: u, Op: "for"}
	n, err := Ask(thread, undecided)
	if err != nil {
		return nil, err
	}
	d := thread.Local(deciderKey).(Decider)
	return passes{u, func(n, was int) { d.Pass(undecided, n, was) }, n}, nil
}

// loopUnpacking prepares the operand of a for that unpacks what it iterates over.
func loopUnpacking(thread *starlark.Thread, b *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
	x, err := loop(thread, b, args[1:], nil)
	if err != nil {
		return nil, err
	}
	if it, ok := x.(starlark.Iterable); ok {
		return rows{it, string(args[0].(starlark.String))}, nil
	}
	return x, nil
}

// passes is what a loop over an unknown goes through: as many elements as the
// decider has chosen.
type passes struct {
	*value.Unknown
	pass func(n, was int)
	n    int
}

var _ starlark.Iterable = passes{}

func (p passes) Iterate() starlark.Iterator { return &passIterator{passes: p} }

type passIterator struct {
	passes
	done int
}

func (it *passIterator) Next(v *starlark.Value) bool {
	if it.done == it.n {
		return false
	}
	*v = elementOf(it.Unknown, it.done)
	it.done++
	it.pass(it.done, it.done-1)
	return true
}

func (it *passIterator) Done() { it.pass(0, it.done) }

// A falsy is an unknown that the decider took for false, as the left operand of
// an and. It is the value of the whole: ·value ^ (·and(u) and y) is u.
type falsy struct{ *value.Unknown }

func (falsy) Truth() starlark.Bool { return false }

func unwrap(v starlark.Value) (starlark.Value, error) {
	if f, ok := v.(falsy); ok {
		return f.Unknown, nil
	}
	return v, nil
}

func not(x starlark.Value) (starlark.Value, error) {
	if u, ok := x.(*value.Unknown); ok {
		return u.Not("not " + u.Text), nil
	}
	return !x.Truth(), nil
}

// Undecided calls act with a thread that decides nothing: a condition on an unknown
// is an error there, and no arm of the plan.
func Undecided(thread *starlark.Thread, act func()) {
	d := thread.Local(deciderKey)
	thread.SetLocal(deciderKey, nil)
	defer thread.SetLocal(deciderKey, d)
	act()
}
