package repl

import (
	"errors"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime"
)

func TestScript(t *testing.T) {
	ok := func(src string) *runtime.Input { return &runtime.Input{Source: src, Value: starlark.None} }
	worth := func(src string) *runtime.Input { return &runtime.Input{Source: src, Value: starlark.MakeInt(1)} }
	got, err := Script([]*runtime.Input{
		ok("x=1"),
		{Source: "boom()", Err: errors.New("boom")},
		ok(`load("./lib/é.star", "up", d = "down")`),
		ok(`load("./lib/é.star", "up", d = "down"); y = 2 # two`),
		ok("help(fs)"),
		worth("é = 1; up('a')"),
		ok("z = _ + 1"),
		{Source: ":run //deploy.star", Bound: []string{"_x", "helper", "main"}, Value: starlark.None},
		{Source: ":run /tmp/x.star", Bound: []string{"main"}, Value: starlark.None},
		{Source: "fs.write(\"a\", \"\")", Value: starlark.MakeInt(1), Undone: true},
		ok("print(_)"),
		ok("def f():\n    # why\n    return x"),
		worth("f()"),
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `# Saved from an interactive session.

load("//lib/é.star", "up", d = "down")
load("//deploy.star", "helper", main_2 = "main")

x = 1
y = 2  # two
é = 1
_ = up("a")
z = _ + 1
main_2()

# :run /tmp/x.star
# of something that was undone: print(_)
def f():
    # why
    return x

f()
`
	if string(got) != want {
		t.Errorf("got:\n%s", got)
	}
}
