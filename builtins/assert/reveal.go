package assert

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// same reports whether two values are equal. Two secrets are when their values
// are, whatever their names.
func same(env *effect.Env, x, y starlark.Value) (bool, error) {
	if env.Run.Secrets == nil || env.Run.Secrets.Empty() {
		return starlark.Equal(x, y)
	}
	return starlark.Equal(reveal(env, x), reveal(env, y))
}

// reveal puts values in the place of secrets. What it returns is for comparisons
// only. A secret is still something else than a text.
func reveal(env *effect.Env, v starlark.Value) starlark.Value {
	switch v := v.(type) {
	case *value.Secret:
		return starlark.Tuple{starlark.String(v.Type()), starlark.String(env.Run.Secrets.Plain(v))}
	case starlark.String:
		if plain, err := env.Run.Secrets.Expand(string(v)); err == nil {
			return starlark.String(plain)
		}
	case *starlark.List:
		return starlark.NewList(revealAll(env, v))
	case starlark.Tuple:
		return starlark.Tuple(revealAll(env, v))
	case *starlark.Dict:
		d := starlark.NewDict(v.Len())
		for _, kv := range v.Items() {
			if d.SetKey(kv[0], reveal(env, kv[1])) != nil {
				return v
			}
		}
		return d
	}
	return v
}

func revealAll(env *effect.Env, list starlark.Iterable) []starlark.Value {
	var elems []starlark.Value
	for x := range starlark.Elements(list) {
		elems = append(elems, reveal(env, x))
	}
	return elems
}
