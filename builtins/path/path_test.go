package path

import (
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func TestValues(t *testing.T) {
	for script, want := range map[string]string{
		`path.join("/etc", "", "nginx", "../hosts")`: `"/etc/hosts"`,
		`path.join()`:                         `""`,
		`path.join("a", "/b")`:                `"a/b"`,
		`path.base("/a/b.c/")`:                `"b.c"`,
		`path.base("")`:                       `"."`,
		`path.dir("/a/b")`:                    `"/a"`,
		`path.dir("a")`:                       `"."`,
		`path.ext("a.tar.gz")`:                `".gz"`,
		`path.ext("/x.y/.bashrc")`:            `""`,
		`path.ext(".a.b")`:                    `".b"`,
		`path.ext("..")`:                      `""`,
		`path.stem("/x/a.tar.gz")`:            `"a.tar"`,
		`path.stem(".bashrc")`:                `".bashrc"`,
		`path.clean("a//b/../c/")`:            `"a/c"`,
		`path.is_abs("/a"), path.is_abs("a")`: "(True, False)",
		`path.rel("/srv/www/a", "/srv/data")`: `"../www/a"`,
		`path.rel("a", base = "a")`:           `"."`,
		`path.split("/etc/hosts")`:            `("/etc/", "hosts")`,
		`path.match("*.conf", "a.conf"), path.match("*", "a/b"), path.match("[^a]?", "bc")`: "(True, False, True)",
	} {
		f := builtintest.New(t, Module)
		if got := f.Eval("got = " + script); got != want {
			t.Errorf("%s: %s, want %s", script, got, want)
		}
		if len(f.Calls) != 0 {
			t.Errorf("%s: has an effect", script)
		}
	}
}

func TestErrors(t *testing.T) {
	for script, want := range map[string]string{
		`path.rel("/a", "b")`:    `no path leads from "b" to "/a"`,
		`path.match("[", "a")`:   "has an error",
		`path.join("a", 1)`:      "part 2 must be a string, not a int",
		`path.base(1)`:           "must be a string",
		`path.base()`:            `argument missing: "path"`,
		`path.match("a", pth=1)`: `did you mean "path"?`,
	} {
		_, err := builtintest.New(t, Module).Exec(script)
		if err == nil || !strings.Contains(err.Error(), want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", script, err)
		}
	}
}

func TestJoinUnknown(t *testing.T) {
	v, err := (&join{Parts: starlark.Tuple{starlark.String("a"), value.NewUnknown("x")}}).Compute(&effect.Env{})
	if _, ok := v.(*value.Unknown); !ok || err != nil {
		t.Error(v, err)
	}
}
