package value

import (
	"fmt"
	"math/big"
	"reflect"
	"sort"
	"strings"
	"sync"
	gotime "time"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// Of converts what a builtin returns to a Starlark value:
//
//	nil → None, bool, integers, floats, string, []byte → bytes,
//	time.Time and time.Duration → those of module time,
//	slices → list, map[string]T → dict in the order of its keys,
//	structs → struct whose fields are named by their `star` tags,
//	and Starlark values as they are.
//
// Other Go types are a defect of the builtin and panic.
func Of(v any) starlark.Value {
	switch v := v.(type) {
	case nil:
		return starlark.None
	case starlark.Value:
		return v
	case string:
		return starlark.String(v)
	case bool:
		return starlark.Bool(v)
	case int:
		return starlark.MakeInt(v)
	case []byte:
		return starlark.Bytes(v)
	case gotime.Time:
		return time.Time(v)
	case gotime.Duration:
		return time.Duration(v)
	case *big.Int:
		return starlark.MakeBigInt(v)
	}
	return ofReflect(reflect.ValueOf(v))
}

func ofReflect(rv reflect.Value) starlark.Value {
	switch rv.Kind() {
	case reflect.Pointer, reflect.Interface:
		if rv.IsNil() {
			return starlark.None
		}
		return Of(rv.Elem().Interface())
	case reflect.Bool:
		return starlark.Bool(rv.Bool())
	case reflect.String:
		return starlark.String(rv.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return starlark.MakeInt64(rv.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return starlark.MakeUint64(rv.Uint())
	case reflect.Float32, reflect.Float64:
		return starlark.Float(rv.Float())
	case reflect.Slice, reflect.Array:
		elems := make([]starlark.Value, rv.Len())
		for i := range elems {
			elems[i] = Of(rv.Index(i).Interface())
		}
		return starlark.NewList(elems)
	case reflect.Map:
		return ofMap(rv)
	case reflect.Struct:
		return ofStruct(rv)
	}
	panic(fmt.Sprintf("value: a builtin returned a %s", rv.Type()))
}

func ofMap(rv reflect.Value) starlark.Value {
	keys := rv.MapKeys()
	sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	d := starlark.NewDict(len(keys))
	for _, k := range keys {
		// A string key of a fresh dict cannot fail to be set.
		_ = d.SetKey(starlark.String(k.String()), Of(rv.MapIndex(k).Interface()))
	}
	return d
}

// ofStruct makes a struct whose constructor is named like the Go type, so that
// it prints as result(code = 0, …).
func ofStruct(rv reflect.Value) starlark.Value {
	fields := starFields(rv.Type())
	d := make(starlark.StringDict, len(fields))
	for _, f := range fields {
		d[f.name] = Of(rv.Field(f.index).Interface())
	}
	name := rv.Type().Name()
	return starlarkstruct.FromStringDict(starlark.String(strings.ToLower(name[:1])+name[1:]), d)
}

type starField struct {
	name  string
	index int
}

var starFieldCache sync.Map // reflect.Type → []starField

func starFields(t reflect.Type) []starField {
	if f, ok := starFieldCache.Load(t); ok {
		return f.([]starField)
	}
	var fields []starField
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("star"), ","); name != "" {
			fields = append(fields, starField{name, i})
		}
	}
	starFieldCache.Store(t, fields)
	return fields
}

// Go converts a Starlark value to plain Go for encoders and templates: nil,
// bool, int64 or *big.Int, float64, string, []byte, []any, map[string]any.
// Tuples and sets become []any, structs map[string]any, secrets their markers.
// A dict with a key that is not a string, an unknown or a function is an error
// that names the path to it.
func Go(v starlark.Value) (any, error) { return toGo(v, "value", 0) }

const maxDepth = 500 // deeper nesting than any document has; guards the Go stack

func toGo(v starlark.Value, path string, depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%s is nested deeper than %d levels, or contains itself", clip(path, 60), maxDepth)
	}
	switch v := v.(type) {
	case starlark.NoneType:
		return nil, nil
	case starlark.Bool:
		return bool(v), nil
	case starlark.Int:
		if i, ok := v.Int64(); ok {
			return i, nil
		}
		return v.BigInt(), nil
	case starlark.Float:
		return float64(v), nil
	case starlark.String:
		return string(v), nil
	case starlark.Bytes:
		return []byte(v), nil
	case *Secret:
		return v.marker, nil
	case time.Time:
		return gotime.Time(v), nil
	case time.Duration:
		return gotime.Duration(v).String(), nil
	case *starlark.Dict:
		return dictToGo(v, path, depth)
	case *starlarkstruct.Struct:
		m := map[string]any{}
		for _, name := range v.AttrNames() {
			field, _ := v.Attr(name)
			g, err := toGo(field, path+"."+name, depth+1)
			if err != nil {
				return nil, err
			}
			m[name] = g
		}
		return m, nil
	case *Unknown:
		return nil, &Undecided{v, path}
	case starlark.Iterable:
		return iterableToGo(v, path, depth)
	}
	return nil, fmt.Errorf("%s is a %s, which has no plain form", path, v.Type())
}

func dictToGo(d *starlark.Dict, path string, depth int) (any, error) {
	m := make(map[string]any, d.Len())
	for _, kv := range d.Items() {
		k, ok := starlark.AsString(kv[0])
		if !ok {
			return nil, fmt.Errorf("%s has the key %s, a %s; only strings can be keys here", path, kv[0], kv[0].Type())
		}
		g, err := toGo(kv[1], path+"["+kv[0].String()+"]", depth+1)
		if err != nil {
			return nil, err
		}
		m[k] = g
	}
	return m, nil
}

func iterableToGo(v starlark.Iterable, path string, depth int) (any, error) {
	out := []any{}
	iter := v.Iterate()
	defer iter.Done()
	var x starlark.Value
	for i := 0; iter.Next(&x); i++ {
		g, err := toGo(x, fmt.Sprintf("%s[%d]", path, i), depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, nil
}
