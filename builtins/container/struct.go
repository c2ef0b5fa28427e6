package container

import (
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// fieldsOf takes a struct of Go apart, for one of a script that has more fields.
func fieldsOf(v any) starlark.StringDict {
	fields := starlark.StringDict{}
	if s, ok := value.Of(v).(*starlarkstruct.Struct); ok {
		s.ToStringDict(fields)
	}
	return fields
}

// structOf makes what scripts see of a container.
func structOf(fields starlark.StringDict) starlark.Value {
	return starlarkstruct.FromStringDict(starlark.String("container"), fields)
}

// unknownFile is a file that a planned write makes, in the overlay.
func unknownFile(name string) *value.Unknown { return value.NewUnknown("the file %s", name) }

// unknownContainer is a container that a planned write changes, in the overlay.
func unknownContainer(name string) *value.Unknown { return value.NewUnknown("the container %s", name) }
