package value

import (
	"sort"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// Map returns v with every part that is not a container replaced by what change
// makes of it. Containers are made anew.
func Map(v starlark.Value, change func(starlark.Value) (starlark.Value, error)) (starlark.Value, error) {
	return mapValue(v, change, 0)
}

func mapValue(v starlark.Value, change func(starlark.Value) (starlark.Value, error), depth int) (starlark.Value, error) {
	if depth > maxDepth {
		return nil, &tooDeep{}
	}
	switch v := v.(type) {
	case *starlark.List:
		elems, err := mapSequence(v, change, depth)
		return starlark.NewList(elems), err
	case starlark.Tuple:
		elems, err := mapSequence(v, change, depth)
		return starlark.Tuple(elems), err
	case *starlark.Set:
		return mapSet(v, change, depth)
	case *starlark.Dict:
		return mapDict(v, change, depth)
	case *starlarkstruct.Struct:
		return mapStruct(v, change, depth)
	}
	return change(v)
}

type tooDeep struct{}

func (*tooDeep) Error() string { return "a value is nested too deeply, or contains itself" }

func mapSequence(seq starlark.Indexable, change func(starlark.Value) (starlark.Value, error), depth int) ([]starlark.Value, error) {
	elems := make([]starlark.Value, seq.Len())
	for i := range elems {
		var err error
		if elems[i], err = mapValue(seq.Index(i), change, depth+1); err != nil {
			return nil, err
		}
	}
	return elems, nil
}

func mapSet(set *starlark.Set, change func(starlark.Value) (starlark.Value, error), depth int) (starlark.Value, error) {
	out := starlark.NewSet(set.Len())
	iter := set.Iterate()
	defer iter.Done()
	var x starlark.Value
	for iter.Next(&x) {
		elem, err := mapValue(x, change, depth+1)
		if err != nil {
			return nil, err
		}
		if err := out.Insert(elem); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func mapDict(d *starlark.Dict, change func(starlark.Value) (starlark.Value, error), depth int) (starlark.Value, error) {
	out := starlark.NewDict(d.Len())
	for _, kv := range d.Items() {
		k, err := mapValue(kv[0], change, depth+1)
		if err != nil {
			return nil, err
		}
		v, err := mapValue(kv[1], change, depth+1)
		if err != nil {
			return nil, err
		}
		if err := out.SetKey(k, v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func mapStruct(s *starlarkstruct.Struct, change func(starlark.Value) (starlark.Value, error), depth int) (starlark.Value, error) {
	names := s.AttrNames()
	sort.Strings(names)
	fields := make(starlark.StringDict, len(names))
	for _, name := range names {
		field, err := s.Attr(name)
		if err != nil {
			return nil, err
		}
		if fields[name], err = mapValue(field, change, depth+1); err != nil {
			return nil, err
		}
	}
	return starlarkstruct.FromStringDict(s.Constructor(), fields), nil
}
