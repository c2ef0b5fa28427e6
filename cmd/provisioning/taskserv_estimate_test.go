package main

import (
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// took is what a run returns of a service; nil seconds is what older runs return.
func took(action string, seconds starlark.Value) starlark.Value {
	fields := starlark.StringDict{"taskserv": starlark.String("redis"), "action": starlark.String(action)}
	if seconds != nil {
		fields["seconds"] = seconds
	}
	return starlarkstruct.FromStringDict(starlarkstruct.Default, fields)
}

func TestEstimate(t *testing.T) {
	for _, c := range []struct {
		what string
		ran  []starlark.Value
		want string
	}{
		{"nothing ran", nil, ""},
		{"one", []starlark.Value{took("install", starlark.Float(12.5))}, "12.5s"},
		{"the middle one", []starlark.Value{took("install", starlark.Float(300)), took("install", starlark.Float(2)), took("install", starlark.MakeInt(3))}, "3.0s"},
		{"between two", []starlark.Value{took("install", starlark.Float(2)), took("install", starlark.Float(4))}, "3.0s"},
		{"something else was done", []starlark.Value{took("update", starlark.Float(2))}, ""},
		{"nothing was changed", []starlark.Value{took("unchanged", starlark.None)}, ""},
		{"an older program ran", []starlark.Value{took("install", nil)}, ""},
	} {
		d := durations{}
		d.add(starlark.NewList(c.ran))
		got := d.estimate("redis", "install")
		if got == nil && c.want != "" || got != nil && *got != c.want {
			t.Errorf("%s: %v, want %q", c.what, got, c.want)
		}
	}
	d := durations{}
	d.add(starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{"services": starlark.NewList([]starlark.Value{took("install", starlark.Float(1))})}))
	if d.estimate("redis", "install") == nil {
		t.Error("servers and services made as one run tell nothing")
	}
}
