package door

import (
	"crypto/sha256"
	"reflect"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// identify computes the content key of an effect: its kind, the arguments that
// identify it, and the names of the functions that led to it, but no line
// numbers, so that an edit elsewhere in the script does not change it.
func (d *Door) identify(s *site) error {
	buf := make([]byte, 0, 256)
	// What the script says identifies the effect, not which of it is known to be
	// a secret by now: that may be a matter of timing.
	plain := codec.Codec{}
	names := s.call.Decl.Params
	identifying := make([]byte, 0, 256)
	identifying = append(identifying, s.call.Decl.Kind...)
	buf = append(buf, 'm', 0) // the codec's dict of up to 127 entries
	for i, v := range s.call.Args {
		if v == nil {
			continue
		}
		start := len(buf)
		var err error
		if buf, err = plain.Append(buf, starlark.String(names[i])); err == nil {
			buf, err = plain.Append(buf, storable(v))
		}
		if err != nil {
			return fault.New(fault.Invalid, "the argument %q cannot be recorded: %v", names[i], err)
		}
		buf[1]++
		if !s.call.Decl.Tuning[i] {
			identifying = append(identifying, buf[start:]...)
		}
	}
	for _, kv := range s.call.Under {
		start := len(buf)
		var err error
		if buf, err = plain.Append(buf, kv[0]); err == nil {
			buf, err = plain.Append(buf, kv[1])
		}
		if err != nil {
			return fault.New(fault.Invalid, "the argument %s cannot be recorded: %v", kv[0], err)
		}
		buf[1]++
		if identifyingOption[string(kv[0].(starlark.String))] {
			identifying = append(identifying, buf[start:]...)
		}
	}
	s.args = buf // see Door.stored
	for name := range s.caller.Functions() {
		identifying = append(append(identifying, 0), name...)
	}
	sum := sha256.Sum256(identifying)
	s.key = sum[:16]
	return nil
}

// identifyingOption are the underscore arguments that make another effect of it.
var identifyingOption = map[string]bool{"_sudo": true, "_user": true, "_env": true, "_cwd": true, "_once": true}

// stored returns the arguments of an effect in the form that the journal keeps:
// without the values of secrets, and large ones elsewhere.
func (d *Door) stored(args []byte) ([]byte, error) {
	limit := d.Codec.Limit
	if d.Run.Secrets.Empty() && (limit == 0 || len(args) <= limit) {
		return args, nil
	}
	v, err := (&codec.Codec{Secrets: d.Run.Secrets}).Decode(args)
	if err != nil {
		return nil, err
	}
	return d.Codec.Encode(v)
}

// storable stands in for arguments that have no encoding: functions, which their
// names identify well enough.
func storable(v starlark.Value) starlark.Value {
	if fn, ok := v.(starlark.Callable); ok {
		return starlark.String("function " + fn.Name())
	}
	return v
}

// expanded returns the effect with the secrets in its arguments in the clear. It
// is a copy, so that the effect itself never holds them.
func (d *Door) expanded(do effect.Performer) (effect.Performer, error) {
	if d.Run.Secrets.Empty() {
		return do, nil
	}
	copied := reflect.New(reflect.TypeOf(do).Elem())
	copied.Elem().Set(reflect.ValueOf(do).Elem())
	if err := d.expand(copied.Elem()); err != nil {
		return nil, err
	}
	do = copied.Interface().(effect.Performer)
	if e, ok := do.(effect.Embedded); ok {
		e.Embed(do)
	}
	return do, nil
}

var starlarkValue = reflect.TypeFor[starlark.Value]()

func (d *Door) expand(v reflect.Value) error {
	switch v.Kind() {
	case reflect.String:
		return d.expandString(v)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				if err := d.expand(f); err != nil {
					return err
				}
			}
		}
	case reflect.Slice:
		return d.expandSlice(v)
	case reflect.Map:
		return d.expandMap(v)
	case reflect.Pointer:
		return d.expandPointer(v)
	case reflect.Interface:
		if v.Type() == starlarkValue && !v.IsNil() {
			sv, err := d.expandValue(v.Interface().(starlark.Value))
			if err != nil {
				return err
			}
			v.Set(reflect.ValueOf(&sv).Elem())
		}
	}
	return nil
}

func (d *Door) expandString(v reflect.Value) error {
	s := v.String()
	if !value.HasMarker(s) {
		return nil
	}
	plain, err := d.Run.Secrets.Expand(s)
	if err == nil {
		v.SetString(plain)
	}
	return err
}

// expandSlice makes a slice of its own: the old one belongs to the script.
func (d *Door) expandSlice(v reflect.Value) error {
	if v.Len() == 0 {
		return nil
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		if s := string(v.Bytes()); value.HasMarker(s) {
			plain, err := d.Run.Secrets.Expand(s)
			if err != nil {
				return err
			}
			v.SetBytes([]byte(plain))
		}
		return nil
	}
	out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
	reflect.Copy(out, v)
	for i := range out.Len() {
		if err := d.expand(out.Index(i)); err != nil {
			return err
		}
	}
	v.Set(out)
	return nil
}

// expandPointer makes a text that may be missing one of its own.
func (d *Door) expandPointer(v reflect.Value) error {
	if kind := v.Type().Elem().Kind(); v.IsNil() || kind != reflect.String && kind != reflect.Slice {
		return nil
	}
	own := reflect.New(v.Type().Elem())
	own.Elem().Set(v.Elem())
	if err := d.expand(own.Elem()); err != nil {
		return err
	}
	v.Set(own)
	return nil
}

func (d *Door) expandMap(v reflect.Value) error {
	if v.Len() == 0 {
		return nil
	}
	out := reflect.MakeMapWithSize(v.Type(), v.Len())
	for iter := v.MapRange(); iter.Next(); {
		elem := reflect.New(v.Type().Elem()).Elem()
		elem.Set(iter.Value())
		if err := d.expand(elem); err != nil {
			return err
		}
		out.SetMapIndex(iter.Key(), elem)
	}
	v.Set(out)
	return nil
}

// expandValue expands the strings in a Starlark value, building new containers
// where there is something to expand.
func (d *Door) expandValue(v starlark.Value) (starlark.Value, error) {
	marked := false
	value.Walk(v, func(v starlark.Value) bool {
		switch v := v.(type) {
		case *value.Secret:
			marked = true
		case starlark.String:
			marked = marked || value.HasMarker(string(v))
		case starlark.Bytes:
			marked = marked || value.HasMarker(string(v))
		}
		return !marked
	})
	if !marked {
		return v, nil
	}
	return value.Map(v, func(v starlark.Value) (starlark.Value, error) {
		switch v := v.(type) {
		case *value.Secret:
			return starlark.String(d.Run.Secrets.Plain(v)), nil
		case starlark.String:
			plain, err := d.Run.Secrets.Expand(string(v))
			return starlark.String(plain), err
		case starlark.Bytes:
			plain, err := d.Run.Secrets.Expand(string(v))
			return starlark.Bytes(plain), err
		}
		return v, nil
	})
}

// mismatch is the error of a script that does not follow its journal.
func (d *Door) mismatch(s *site, rec *journal.Effect) error {
	e := fault.New(fault.Mismatch, "the script does not follow its journal at %s", s.place)
	recorded := rec.Kind + " " + rec.Description + "   " + rec.Pos
	now := s.call.Decl.Kind + " " + d.Run.Secrets.Redact(s.call.Describe()) + "   " + s.caller.Position()
	why := "the journal was written by another version of the script"
	if rec.Kind == s.call.Decl.Kind {
		if err := d.Record.Details(rec); err == nil && string(rec.Args) == string(s.args) {
			why = "the functions that lead to the effect have other names"
		} else {
			why = "the arguments differ"
		}
	}
	return e.WithHint("journal: %s\nscript:  %s\n%s", recorded, now, why)
}
