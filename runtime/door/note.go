package door

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// note tells the branch under which names an effect has changed something; all do so
// under effect.Anything. v is its value, from whatever source: the world, the journal, a
// plan, a test.
func (d *Door) note(s *site, v starlark.Value) {
	n, ok := s.call.Do.(effect.Notifier)
	if ok && changed(v) {
		s.branch.Note(append(n.Notifies(), effect.Anything)...)
	}
}

// changed reports whether the value of an effect says that it has changed something,
// or may have, where check mode does not know.
func changed(v starlark.Value) bool {
	if _, ok := v.(*value.Unknown); ok {
		return true
	}
	s, ok := v.(starlark.HasAttrs)
	if !ok {
		return false
	}
	field, err := s.Attr("changed")
	if err != nil || field == nil {
		return false
	}
	if _, ok := field.(*value.Unknown); ok {
		return true
	}
	return field == starlark.Value(starlark.True)
}
