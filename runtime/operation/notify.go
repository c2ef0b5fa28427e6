package operation

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Parameters are those that all operations have.
func (b *Base) Parameters() string {
	return `
def operation(*, notify = None):
    """
    Args:
      notify: name of a handler, or a list of names, that a change calls at the end of
        the scope; see op.handler.
    """`
}

// Notifies are the names under which a change is noted.
func (b *Base) Notifies() []string {
	names, _ := b.notifies() // Validate has refused what is none
	return names
}

func (b *Base) notifies() ([]string, error) {
	switch v := b.Notify.(type) {
	case nil, starlark.NoneType:
		return nil, nil
	case starlark.String:
		return []string{string(v)}, nil
	case starlark.Iterable:
		var names []string
		for name := range starlark.Elements(v) {
			text, ok := starlark.AsString(name)
			if !ok {
				return nil, fault.New(fault.Invalid, "notify has a %s among its names, which must be strings", name.Type())
			}
			names = append(names, text)
		}
		return names, nil
	default:
		return nil, fault.New(fault.Invalid, "notify must be a name or a list of names, not a %s", v.Type())
	}
}

// Assume is the result where a person says that the operation was done.
func (b *Base) Assume() any { return Result{Host: b.On(), OK: true, Changed: true} }
