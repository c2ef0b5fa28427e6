package repl

import (
	"slices"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// look and act are a read and a write for the completion to find.
var testModule = module.New("disk", "A module for tests.")

var _ = testModule.Pure(`
def measure(path, unit = "B"):
    """Measures a path.

    Args:
      path: of a file.
      unit: of the result.
    """`, &measure{})

type measure struct {
	Path string `star:"path"`
	Unit string `star:"unit"`
}

func (*measure) Compute(*effect.Env) (any, error) { return 0, nil }

func testScope(t *testing.T) Scope {
	t.Helper()
	names := starlark.StringDict{}
	testModule.Bind(&effect.Run{}, names)
	globals, err := starlark.ExecFileOptions(SessionTestOptions, new(starlark.Thread), "t", `
def deploy(host, port = 22, *rest, tags = [], **more):
    pass
hosts = ["a"]
host_of = {}
_private = 1
`, names)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range globals {
		names[name] = v
	}
	names["web"] = starlarkstruct.FromStringDict(starlarkstruct.Default, starlark.StringDict{
		"name": starlark.String("web-1"), "disk": names["disk"],
	})
	names["·eq"] = starlark.None
	return Scope{Names: names, Files: func(prefix string) []string {
		if strings.Contains(prefix, ".") {
			return nil
		}
		return []string{prefix + "x.star"}
	}}
}

func TestComplete(t *testing.T) {
	scope := testScope(t)
	for _, c := range []struct {
		text string
		want string // what is there already, then the candidates, separated by |
	}{
		{"dis", "|disk."},
		{"x = hos", "x = |host_of|hosts"},
		{"disk.", "disk.|measure("},
		{"disk.m", "disk.|measure("},
		{"web.", "web.|disk.|name"},
		{"web.disk.me", "web.disk.|measure("},
		{"web.name.upp", "web.name.|upper("},
		{"hosts.ap", "hosts.|append("},
		{`"x".starts`, `"x".|startswith(`},
		{"[1].ins", "[1].|insert("},
		{"hosts[0].ins", "hosts[0].|"}, // not known without evaluating it
		{"f().x", "f().|"},
		{"1.", "1.|"},
		{"disk.measure(", "disk.measure(|path = |unit = "},
		{"disk.measure(u", "disk.measure(|unit = "},
		{`disk.measure(unit = "k", `, `disk.measure(unit = "k", |path = `},
		{`disk.measure("a, b(", `, `disk.measure("a, b(", |path = |unit = `},
		{"deploy(\n    tags = [1, 2],\n    po", "deploy(\n    tags = [1, 2],\n    |port = "},
		{"deploy(", "deploy(|host = |port = |tags = "},
		{"deploy(host = hos", "deploy(host = |host_of|hosts"},
		{"deploy(host == 1, ho", "deploy(host == 1, |host = |host_of|hosts"},
		{"conti", "|continue"},
		{"deploy(conti", "deploy(|"},
		{"x if y els", "x if y |else"},
		{"_pr", "|_private"},
		{`"dis`, `"dis|`},
		{"# dis", "# dis|"},
		{"x = 1 # it's\ndis", "x = 1 # it's\n|disk."},
		{`"""a` + "\n" + `dis`, `"""a` + "\n" + `dis|`},
		{`'it\'s' + dis`, `'it\'s' + |disk.`},
		{"·", "|"},
		{"nosuch.", "nosuch.|"},
		{":pl", "|:plan"},
		{":run di", ":run |dix.star"},
		{":undo di", ":undo |"},
		{":plan di", ":plan |dix.star"},
		{":plan disk.m", ":plan disk.|measure("},
	} {
		start, candidates := Complete(c.text, scope)
		got := c.text[:start] + "|" + strings.Join(trimCommands(candidates), "|")
		if got != c.want {
			t.Errorf("%q:\ngot  %q\nwant %q", c.text, got, c.want)
		}
	}
}

// trimCommands: the space after a command does not matter here.
func trimCommands(all []string) []string {
	all = slices.Clone(all)
	for i, s := range all {
		if strings.HasPrefix(s, ":") {
			all[i] = strings.TrimSpace(s)
		}
	}
	return all
}

// TestCompleteEverywhere: a person may press Tab anywhere.
func TestCompleteEverywhere(t *testing.T) {
	scope := testScope(t)
	text := "def f(a, b = \"x\"):\n    '''é'''\n    return disk.measure(path = hosts[0], unit = [{1: (2)}][0])  # end\n]})."
	for i := range len(text) + 1 {
		if start, _ := Complete(text[:i], scope); start < 0 || start > i {
			t.Errorf("%q: start %d", text[:i], start)
		}
	}
}
