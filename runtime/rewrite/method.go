package rewrite

import (
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// guarded are the names of methods of the language that do not ask their
// arguments. x.name is guarded if name is one of them, whatever x is.
var guarded = map[string]bool{}

// guards are what containers do with unknowns. The methods of strings and bytes
// all give an unknown; only some write a better text.
var (
	textGuards = map[string]guard{"format": formatMethod, "join": joinMethod}
	listGuards = map[string]guard{
		"extend": needs(0, "list.extend"), "insert": needs(0, "list.insert"), "pop": needs(0, "list.pop"),
		"index": listIndex, "remove": listRemove,
	}
	dictGuards = map[string]guard{
		"get": dictGet, "pop": needsDeep("dict.pop"), "setdefault": needsDeep("dict.setdefault"), "update": update,
	}
	setGuards = map[string]guard{
		"add": needsDeep("set.add"), "remove": needsDeep("set.remove"), "discard": needsDeep("set.discard"), "update": update,
		"union": anyUnknown, "intersection": anyUnknown, "difference": anyUnknown, "symmetric_difference": anyUnknown,
		"issubset": anyUnknown, "issuperset": anyUnknown,
	}
)

func init() {
	for _, name := range append(starlark.String("").AttrNames(), starlark.Bytes("").AttrNames()...) {
		if textGuards[name] == nil {
			textGuards[name] = anyUnknown
		}
	}
	for _, guards := range []map[string]guard{textGuards, listGuards, dictGuards, setGuards} {
		for name := range guards {
			guarded[name] = true
		}
	}
}

// A guard makes the call if an unknown has no part in it. It is asked only if
// the arguments, or a list that is the receiver, hold one.
type guard func(*invocation) (starlark.Value, error)

type invocation struct {
	thread *starlark.Thread
	plain  *starlark.Builtin
	args   starlark.Tuple
	kwargs []starlark.Tuple
}

func (c *invocation) run() (starlark.Value, error) {
	return c.plain.CallInternal(c.thread, c.args, c.kwargs)
}

func (c *invocation) unknown() *value.Unknown {
	name := c.plain.Name()
	if recv := c.plain.Receiver(); recv != nil {
		name = recv.String() + "." + name
	}
	operands := c.args
	for _, kv := range c.kwargs {
		operands = append(operands[:len(operands):len(operands)], kv)
	}
	recv := c.plain.Receiver()
	if recv != nil {
		operands = append(operands[:len(operands):len(operands)], recv)
	}
	return value.UnknownOf(operands, func(v starlark.Tuple) (starlark.Value, error) {
		return c.again(v[:len(c.args)], v[len(c.args):len(c.args)+len(c.kwargs)])
	}, "%s(%s)", name, value.Arguments(c.args, c.kwargs))
}

// again makes the call with known arguments, where it cannot call back into the
// script.
func (c *invocation) again(args, named starlark.Tuple) (starlark.Value, error) {
	if recv := c.plain.Receiver(); recv != nil && find(recv) != nil {
		return nil, nil
	}
	kwargs := make([]starlark.Tuple, len(named))
	for i, kv := range named {
		kwargs[i] = kv.(starlark.Tuple)
		if _, ok := kwargs[i][1].(starlark.Callable); ok {
			return nil, nil
		}
	}
	return c.plain.CallInternal(new(starlark.Thread), args, kwargs)
}

func (c *invocation) undecided(u *value.Unknown, op string) (starlark.Value, error) {
	return nil, &value.Undecided{Unknown: u, Op: op}
}

// A boundMethod is a method of the language with its guard. To a script and in
// a backtrace it looks like the method.
type boundMethod struct {
	*starlark.Builtin
	guard guard
}

var _ starlark.Callable = (*boundMethod)(nil)

func (m *boundMethod) CallInternal(thread *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	if findAll(args, kwargs) == nil {
		list, ok := m.Receiver().(*starlark.List)
		if !ok || find(list) == nil {
			return m.Builtin.CallInternal(thread, args, kwargs)
		}
	}
	return m.guard(&invocation{thread, m.Builtin, args, kwargs})
}

// method guards the value of x.name.
func method(v starlark.Value) (starlark.Value, error) {
	b, ok := v.(*starlark.Builtin)
	if !ok {
		return v, nil
	}
	if g := guardOf(b); g != nil {
		return &boundMethod{b, g}, nil
	}
	return v, nil
}

func guardOf(b *starlark.Builtin) guard {
	switch b.Receiver().(type) {
	case starlark.String, starlark.Bytes:
		return textGuards[b.Name()]
	case *starlark.List:
		return listGuards[b.Name()]
	case *starlark.Dict:
		return dictGuards[b.Name()]
	case *starlark.Set:
		return setGuards[b.Name()]
	}
	return nil
}

func anyUnknown(c *invocation) (starlark.Value, error) { return c.unknown(), nil }

// needs refuses an argument that is itself unknown.
func needs(i int, op string) guard {
	return func(c *invocation) (starlark.Value, error) {
		if i < len(c.args) {
			if u, ok := c.args[i].(*value.Unknown); ok {
				return c.undecided(u, op)
			}
		}
		return c.run()
	}
}

// needsDeep refuses a key, the first argument, that holds an unknown.
func needsDeep(op string) guard {
	return func(c *invocation) (starlark.Value, error) {
		if len(c.args) > 0 {
			if u := find(c.args[0]); u != nil {
				return c.undecided(u, op)
			}
		}
		return c.run()
	}
}

func dictGet(c *invocation) (starlark.Value, error) {
	if len(c.args) > 0 && find(c.args[0]) != nil {
		return c.unknown(), nil
	}
	return c.run()
}

// update is that of a dict or a set: values may be unknown, keys not.
func update(c *invocation) (starlark.Value, error) {
	op := c.plain.Receiver().Type() + ".update"
	if u := findShallow(c.args, nil); u != nil {
		return c.undecided(u, op)
	}
	v, err := c.run()
	if u := findAll(c.args, c.kwargs); err != nil && isKeyError(err, u) {
		return c.undecided(u, op)
	}
	return v, err
}

// isKeyError finds the error of u.Hash in one that the interpreter has turned
// into text.
func isKeyError(err error, u *value.Unknown) bool {
	_, hashErr := u.Hash()
	what, _, _ := strings.Cut(hashErr.Error(), u.Text)
	return strings.Contains(err.Error(), what)
}
