package target

import (
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// PoolConstructor is what the structs of pools are made with.
const PoolConstructor = starlark.String("pool")

// MakePool makes the struct of a pool: several targets, and how many of them are
// acted on at a time (0: all).
func MakePool(hosts []starlark.Value, limit int) *starlarkstruct.Struct {
	return starlarkstruct.FromStringDict(PoolConstructor, starlark.StringDict{
		"hosts": starlark.NewList(hosts), "limit": starlark.MakeInt(limit),
	})
}

// Several takes apart a list, a tuple, a set or a pool of targets, and those within
// it; nil for anything else. A machine that is named twice is an error: two branches
// would act on it at the same time.
func Several(v starlark.Value) (*effect.Several, error) {
	if !holdsSeveral(v) {
		return nil, nil
	}
	s := &effect.Several{}
	if pool, ok := v.(*starlarkstruct.Struct); ok {
		s.Limit = poolLimit(pool)
	}
	c := collecting{seen: map[string]bool{}}
	if err := c.add(v, 0); err != nil {
		return nil, err
	}
	s.Items = c.items
	return s, nil
}

func holdsSeveral(v starlark.Value) bool {
	switch v := v.(type) {
	case *starlark.List, starlark.Tuple, *starlark.Set:
		return true
	case *starlarkstruct.Struct:
		return v.Constructor() == starlark.Value(PoolConstructor)
	}
	return false
}

func poolLimit(pool *starlarkstruct.Struct) int {
	v, err := pool.Attr("limit")
	if err != nil {
		return 0
	}
	n, err := starlark.AsInt32(v)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// collecting puts the targets of nested lists into one.
type collecting struct {
	items []starlark.Value
	seen  map[string]bool
}

// maxNested bounds lists within lists: one may hold itself.
const maxNested = 8

func (c *collecting) add(v starlark.Value, depth int) error {
	if depth > maxNested {
		return fault.New(fault.Invalid, "the targets are in lists within lists, more than %d deep", maxNested)
	}
	if pool, ok := v.(*starlarkstruct.Struct); ok && holdsSeveral(v) {
		hosts, err := pool.Attr("hosts")
		if err != nil {
			return fault.New(fault.Invalid, "a pool without hosts").WithHint("ssh.pool(…) makes pools")
		}
		return c.add(hosts, depth+1)
	}
	if !holdsSeveral(v) {
		return c.one(v)
	}
	iter := v.(starlark.Iterable).Iterate()
	defer iter.Done()
	var x starlark.Value
	for iter.Next(&x) {
		if err := c.add(x, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// inList says how a list of names becomes one of targets.
func inList(v starlark.Value, err error) error {
	text, ok := starlark.AsString(v)
	if e := fault.As(err); ok && e != nil && isHostName(text) {
		return e.WithHint("ssh.pool([%q, …]) makes targets of names", text)
	}
	return err
}

func (c *collecting) one(v starlark.Value) error {
	if _, unknown := v.(*value.Unknown); !unknown { // of a server that is only planned
		t, err := Parse(v)
		if err != nil {
			return inList(v, err)
		}
		if c.seen[t.ID] {
			return fault.New(fault.Invalid, "%s is in the list twice", t.Name).
				WithHint("two branches would act on it at the same time; name every machine once")
		}
		c.seen[t.ID] = true
	}
	c.items = append(c.items, v)
	return nil
}
