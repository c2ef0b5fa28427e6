package value

import "go.starlark.net/starlark"

// Shown returns v as people may see it: texts without what is secret in them, and
// secrets that say no more than their names.
func (s *Secrets) Shown(v starlark.Value) starlark.Value {
	if s.Empty() {
		return v
	}
	shown, err := Map(v, func(v starlark.Value) (starlark.Value, error) {
		switch v := v.(type) {
		case starlark.String:
			return starlark.String(s.Redact(string(v))), nil
		case starlark.Bytes:
			return starlark.Bytes(s.Redact(string(v))), nil
		case *Secret:
			return &Secret{Name: v.Name, marker: s.Redact(v.marker)}, nil
		}
		return v, nil
	})
	if err != nil { // it contains itself
		return starlark.String(s.Redact(v.String()))
	}
	return shown
}
