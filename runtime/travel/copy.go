package travel

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// copier copies values that can change, so that an expression of the person who
// looks cannot change those of the script.
type copier struct {
	seen map[starlark.Value]starlark.Value
}

// copy returns a value with containers of its own. Those that were shared stay
// shared, and those that contain themselves do so again.
func (c *copier) copy(v starlark.Value) starlark.Value {
	switch v := v.(type) {
	case starlark.Tuple:
		out := make(starlark.Tuple, len(v))
		for i, x := range v {
			out[i] = c.copy(x)
		}
		return out
	case *starlark.List, *starlark.Dict, *starlark.Set, *starlarkstruct.Struct:
		if copied, ok := c.seen[v]; ok {
			return copied
		}
		return c.container(v)
	case *starlark.Function:
		if name := c.closesOver(v); name != "" {
			return guarded{v, name}
		}
	}
	return v
}

func (c *copier) container(v starlark.Value) starlark.Value {
	switch v := v.(type) {
	case *starlark.List:
		out := new(starlark.List)
		c.seen[v] = out
		for i := range v.Len() {
			_ = out.Append(c.copy(v.Index(i))) // fresh, so neither frozen nor iterated over
		}
		return out
	case *starlark.Dict:
		out := starlark.NewDict(v.Len())
		c.seen[v] = out
		for _, kv := range v.Items() {
			_ = out.SetKey(c.copy(kv[0]), c.copy(kv[1])) // a copy of a key hashes as it does
		}
		return out
	case *starlark.Set:
		out := starlark.NewSet(v.Len())
		c.seen[v] = out
		iter := v.Iterate()
		defer iter.Done()
		var x starlark.Value
		for iter.Next(&x) {
			_ = out.Insert(x) // elements do not change
		}
		return out
	case *starlarkstruct.Struct:
		fields := starlark.StringDict{}
		for _, name := range v.AttrNames() {
			if field, err := v.Attr(name); err == nil {
				fields[name] = c.copy(field)
			}
		}
		out := starlarkstruct.FromStringDict(v.Constructor(), fields)
		c.seen[v] = out
		return out
	}
	return v
}

// closesOver names a value that a function can change; "" when there is none.
func (c *copier) closesOver(fn *starlark.Function) string {
	for i := range fn.NumFreeVars() {
		b, v := fn.FreeVar(i)
		switch v.(type) {
		case *starlark.List, *starlark.Dict, *starlark.Set:
			return b.Name
		}
	}
	return ""
}

// guarded is a function that is not called by who only looks.
type guarded struct {
	*starlark.Function
	over string
}

var _ starlark.Callable = guarded{}

func (g guarded) Freeze() {} // that would change what the script can do

func (g guarded) CallInternal(*starlark.Thread, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return nil, fault.New(fault.Usage, "%s is not called here: it can change %s, and the run would not be the same any more", g.Name(), g.over)
}

func (g guarded) String() string { return fmt.Sprint(g.Function) }
