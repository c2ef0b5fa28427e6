package module

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	gotime "time"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// field is a field of an argument struct, with the conversion that fills it.
type field struct {
	index    []int
	typ      reflect.Type
	typeName string // in the words of the documentation
	tuning   bool   // `star:"name,tuning"`: does not identify the effect
	secret   bool   // `star:"name,secret"`: a string given here is a secret from then on
	set      func(dst reflect.Value, v starlark.Value) error
}

// fieldsOf returns the fields of an argument struct by parameter name; those of
// *args and **kwargs with their stars.
func fieldsOf(t reflect.Type) map[string]field {
	fields := map[string]field{}
	for _, sf := range reflect.VisibleFields(t) {
		name, opt, _ := strings.Cut(sf.Tag.Get("star"), ",")
		if name == "" {
			continue
		}
		fd := newField(sf)
		fd.tuning, fd.secret = opt == "tuning", opt == "secret"
		fields[name] = fd
	}
	return fields
}

func newField(sf reflect.StructField) field {
	f := field{index: sf.Index}
	f.typ = sf.Type
	f.typeName, f.set = converter(sf.Type)
	return f
}

var (
	valueType    = reflect.TypeFor[starlark.Value]()
	callableType = reflect.TypeFor[starlark.Callable]()
	iterableType = reflect.TypeFor[starlark.Iterable]()
	dictType     = reflect.TypeFor[*starlark.Dict]()
	durationType = reflect.TypeFor[gotime.Duration]()
	timeType     = reflect.TypeFor[gotime.Time]()
	bytesType    = reflect.TypeFor[[]byte]()
	secretType   = reflect.TypeFor[*value.Secret]()
)

// converter returns how values become a field of type t. These types are the
// whole vocabulary of builtins' arguments.
func converter(t reflect.Type) (name string, set func(reflect.Value, starlark.Value) error) {
	switch t {
	case valueType:
		return "any", func(dst reflect.Value, v starlark.Value) error {
			dst.Set(reflect.ValueOf(v))
			return nil
		}
	case callableType:
		return "function", setAs[starlark.Callable]("a function")
	case iterableType:
		return "iterable", setAs[starlark.Iterable]("a list or another iterable")
	case dictType:
		return "dict", setAs[*starlark.Dict]("a dict")
	case secretType:
		return "secret", setAs[*value.Secret]("a secret")
	case durationType:
		return "duration", setDuration
	case timeType:
		return "time", setTime
	case bytesType:
		return "string or bytes", setBytes
	case reflect.TypeFor[starlark.Tuple](), reflect.TypeFor[[]starlark.Tuple]():
		return "arguments", nil // *args and **kwargs are set as a whole
	}
	switch t.Kind() {
	case reflect.String:
		return "string", setString
	case reflect.Bool:
		return "bool", setBool
	case reflect.Int, reflect.Int64:
		return "int", setInt
	case reflect.Float64:
		return "number", setFloat
	case reflect.Pointer:
		name, inner := converter(t.Elem())
		return name, func(dst reflect.Value, v starlark.Value) error {
			if v == starlark.None {
				return nil
			}
			dst.Set(reflect.New(t.Elem()))
			return inner(dst.Elem(), v)
		}
	case reflect.Slice:
		name, inner := converter(t.Elem())
		return "list of " + name, func(dst reflect.Value, v starlark.Value) error { return setSlice(dst, v, inner) }
	case reflect.Map:
		name, inner := converter(t.Elem())
		return "dict of string to " + name, func(dst reflect.Value, v starlark.Value) error { return setMap(dst, v, inner) }
	}
	panic(fmt.Sprintf("module: an argument cannot be a %s", t))
}

func setAs[T starlark.Value](what string) func(reflect.Value, starlark.Value) error {
	return func(dst reflect.Value, v starlark.Value) error {
		if _, ok := v.(T); !ok {
			return wrongType(what, v)
		}
		dst.Set(reflect.ValueOf(v))
		return nil
	}
}

// wrongType names what was wanted and shows what came, but never a secret.
func wrongType(want string, v starlark.Value) error {
	switch v.(type) {
	case starlark.NoneType:
		return fmt.Errorf("must be %s, not None", want)
	case starlark.String, starlark.Int, starlark.Bool, starlark.Float:
		if s := v.String(); len(s) < 60 && !value.HasMarker(s) {
			return fmt.Errorf("must be %s, not the %s %s", want, v.Type(), s)
		}
	}
	return fmt.Errorf("must be %s, not a %s", want, v.Type())
}

// numberInQuotes adds how a number is written that came as a text: mode = "0644".
func numberInQuotes(err error, v starlark.Value) error {
	text, ok := starlark.AsString(v)
	if _, bad := strconv.ParseInt(text, 10, 32); !ok || bad != nil {
		return err
	}
	if octal := strings.TrimLeft(text, "0"); octal != text && octal != "" && strings.Trim(octal, "01234567") == "" {
		text = "0o" + octal
	}
	return fmt.Errorf("%w: write %s, without quotes", err, text)
}

func setString(dst reflect.Value, v starlark.Value) error {
	switch v := v.(type) {
	case starlark.String:
		dst.SetString(string(v))
	case *value.Secret:
		dst.SetString(v.String())
	default:
		return wrongType("a string", v)
	}
	return nil
}

func setBytes(dst reflect.Value, v starlark.Value) error {
	switch v := v.(type) {
	case starlark.String:
		dst.SetBytes([]byte(v))
	case starlark.Bytes:
		dst.SetBytes([]byte(v))
	case *value.Secret:
		dst.SetBytes([]byte(v.String()))
	default:
		return wrongType("a string or bytes", v)
	}
	return nil
}

func setBool(dst reflect.Value, v starlark.Value) error {
	b, ok := v.(starlark.Bool)
	if !ok {
		return wrongType("True or False", v)
	}
	dst.SetBool(bool(b))
	return nil
}

func setInt(dst reflect.Value, v starlark.Value) error {
	i, ok := v.(starlark.Int)
	if !ok {
		return numberInQuotes(wrongType("an int", v), v)
	}
	n, ok := i.Int64()
	if !ok || dst.OverflowInt(n) {
		return fmt.Errorf("is too large a number")
	}
	dst.SetInt(n)
	return nil
}

func setFloat(dst reflect.Value, v starlark.Value) error {
	f, ok := starlark.AsFloat(v)
	if !ok {
		return wrongType("a number", v)
	}
	dst.SetFloat(f)
	return nil
}

func setDuration(dst reflect.Value, v starlark.Value) error {
	switch v := v.(type) {
	case time.Duration:
		dst.SetInt(int64(v))
		return nil
	case starlark.String:
		d, err := duration.Parse(string(v))
		if err != nil {
			return err
		}
		dst.SetInt(int64(d))
		return nil
	case starlark.Int, starlark.Float:
		if f, _ := starlark.AsFloat(v); f == 0 {
			dst.SetInt(0)
			return nil
		}
	}
	return wrongType(`a duration such as "90s" or "1h30m"`, v)
}

func setTime(dst reflect.Value, v starlark.Value) error {
	t, ok := v.(time.Time)
	if !ok {
		return wrongType("a time", v)
	}
	dst.Set(reflect.ValueOf(gotime.Time(t)))
	return nil
}

func setSlice(dst reflect.Value, v starlark.Value, inner func(reflect.Value, starlark.Value) error) error {
	seq, ok := v.(starlark.Iterable)
	if _, isDict := v.(*starlark.Dict); !ok || isDict {
		return wrongType("a list", v)
	}
	out := reflect.MakeSlice(dst.Type(), 0, max(starlark.Len(v), 0))
	iter := seq.Iterate()
	defer iter.Done()
	var x starlark.Value
	for i := 0; iter.Next(&x); i++ {
		elem := reflect.New(dst.Type().Elem()).Elem()
		if err := inner(elem, x); err != nil {
			return fmt.Errorf("at index %d %w", i, err)
		}
		out = reflect.Append(out, elem)
	}
	dst.Set(out)
	return nil
}

func setMap(dst reflect.Value, v starlark.Value, inner func(reflect.Value, starlark.Value) error) error {
	d, ok := v.(*starlark.Dict)
	if !ok {
		return wrongType("a dict", v)
	}
	out := reflect.MakeMapWithSize(dst.Type(), d.Len())
	for _, kv := range d.Items() {
		k, ok := starlark.AsString(kv[0])
		if !ok {
			return fmt.Errorf("has the key %s, which must be a string", kv[0])
		}
		elem := reflect.New(dst.Type().Elem()).Elem()
		if err := inner(elem, kv[1]); err != nil {
			return fmt.Errorf("at key %q %w", k, err)
		}
		out.SetMapIndex(reflect.ValueOf(k), elem)
	}
	dst.Set(out)
	return nil
}
