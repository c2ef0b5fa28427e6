package repl

import (
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// At the prompt the result of an operation is what has happened on each machine.
func TestTextOfResults(t *testing.T) {
	one := func(host string, changed bool, fields starlark.StringDict) starlark.Value {
		fields["host"], fields["changed"] = starlark.String(host), starlark.Bool(changed)
		return starlarkstruct.FromStringDict(starlark.String("result"), fields)
	}
	failed := starlarkstruct.FromStringDict(starlark.String("error"), starlark.StringDict{"message": starlark.String("no way")})
	hosts := starlark.NewList([]starlark.Value{
		one("web-1", true, starlark.StringDict{"diff": starlark.String("-a\n+b\n"), "rc": starlark.MakeInt(0)}),
		one("web-2", false, starlark.StringDict{"stdout": starlark.String("said"), "rc": starlark.MakeInt(3)}),
		one("web-3", false, starlark.StringDict{"error": failed, "rc": starlark.MakeInt(-1)}),
	})
	all := one("web-1", true, starlark.StringDict{"hosts": hosts})
	want := "web-1: changed\n  -a\n  +b\nweb-2: unchanged, exit code 3\n  said\nweb-3: failed: no way"
	if got := text(all); got != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}
	for _, v := range []starlark.Value{starlark.None, starlark.String("x"), starlarkstruct.FromStringDict(starlarkstruct.Default,
		starlark.StringDict{"hosts": starlark.NewList([]starlark.Value{starlark.String("web-1")}), "changed": starlark.True})} {
		if got := text(v); got != v.String() {
			t.Errorf("%s is shown as %s", v, got)
		}
	}
}
