package rewrite

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// find is value.FindUnknown, fast for what most operands are.
func find(v starlark.Value) *value.Unknown {
	switch v := v.(type) {
	case *value.Unknown:
		return v
	case *starlark.List:
		for i := range v.Len() {
			if !isScalar(v.Index(i)) {
				return value.FindUnknown(v)
			}
		}
		return nil
	case starlark.Tuple:
		for _, x := range v {
			if !isScalar(x) {
				return value.FindUnknown(v)
			}
		}
		return nil
	}
	if isScalar(v) {
		return nil
	}
	return value.FindUnknown(v)
}

// findAll is find for the arguments of a call.
func findAll(args starlark.Tuple, kwargs []starlark.Tuple) *value.Unknown {
	for _, v := range args {
		if u := find(v); u != nil {
			return u
		}
	}
	for _, kv := range kwargs {
		if u := find(kv[1]); u != nil {
			return u
		}
	}
	return nil
}

// findShallow returns an argument that is itself unknown.
func findShallow(args starlark.Tuple, kwargs []starlark.Tuple) *value.Unknown {
	for _, v := range args {
		if u, ok := v.(*value.Unknown); ok {
			return u
		}
	}
	for _, kv := range kwargs {
		if u, ok := kv[1].(*value.Unknown); ok {
			return u
		}
	}
	return nil
}

func isScalar(v starlark.Value) bool {
	switch v.(type) {
	case starlark.String, starlark.Int, starlark.Bool, starlark.NoneType, starlark.Float, starlark.Bytes:
		return true
	}
	return false
}

func isUnknown(v starlark.Value) bool {
	_, ok := v.(*value.Unknown)
	return ok
}
