package table

import (
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

const rows = `rows = [{"name": "web-1", "port": 80}, {"name": "db", "port": 5432, "tags": ["a"]}, struct(name = "日本", port = None)]` + "\n"

func TestFormat(t *testing.T) {
	for args, want := range map[string]string{
		`rows`: "name   port  tags\n" +
			"web-1    80\n" +
			"db     5432  [\"a\"]\n" +
			"日本",
		`rows, ["port", "name", "nope"]`:                   "port  name   nope\n  80  web-1\n5432  db\n      日本",
		`rows, ["name"], "name"`:                           "name\ndb\nweb-1\n日本",
		`rows, ["name"], sort_by = "-port"`:                "name\ndb\nweb-1\n日本",
		`rows, ["name"], "port"`:                           "name\nweb-1\ndb\n日本",
		`[]`:                                               "",
		`[], ["a", "b"]`:                                   "a  b",
		`[{"a": "x\ny\x1b[1m", "b": True}]`:                "a       b\nx y[1m  True",
		`[{"a": 1.5}, {"a": 10}]`:                          "  a\n1.5\n 10",
		`[{"a": 2}, {"a": "1"}, {"a": 10}], sort_by = "a"`: "a\n1\n2\n10",
		`({"a": 1},)`:                                      "a\n1",
	} {
		f := builtintest.New(t, Module)
		globals, err := f.Exec(rows + "got = table.format(" + args + ")")
		if err != nil {
			t.Errorf("%s: %v", args, err)
			continue
		}
		if got := string(globals["got"].(starlark.String)); got != want {
			t.Errorf("%s\n got %q\nwant %q", args, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for script, want := range map[string]string{
		`table.format([1])`:                            "row 0 must be a dict or a struct, not a int",
		`table.format([{}, {1: 2}])`:                   "row 1 has the key 1, which is no string",
		`table.format([{"name": 1}], sort_by = "nam")`: `cannot sort by "nam": no row has it (did you mean "name"?)`,
		`table.format(1)`:                              "must be a list",
		`table.format([], colums = [])`:                `did you mean "columns"?`,
		`table.print([1])`:                             "row 0 must be",
	} {
		_, err := builtintest.New(t, Module).Exec(script)
		if err == nil || !strings.Contains(err.Error(), want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", script, err)
		}
	}
}

func TestSecrets(t *testing.T) {
	f := builtintest.New(t, Module)
	s, _ := f.Run.Secrets.Add("db/pw", "hunter22")
	d := new(starlark.Dict)
	_ = d.SetKey(starlark.String("a"), s)
	_ = d.SetKey(starlark.String("b"), starlark.String("x"+s.String()))
	_ = d.SetKey(starlark.String("c"), starlark.String("hunter22"))
	v, err := (&format{Rows: starlark.NewList([]starlark.Value{d})}).Compute(f.Env())
	want := "a               b                c\n«secret db/pw»  x«secret db/pw»  «secret db/pw»"
	if err != nil || v != want {
		t.Errorf("%q %v", v, err)
	}
}

func TestPrint(t *testing.T) {
	f := builtintest.New(t, Module)
	globals := starlark.StringDict{}
	Module.Bind(f.Run, globals)
	var printed []string
	thread := &starlark.Thread{Print: func(_ *starlark.Thread, msg string) { printed = append(printed, msg) }}
	module.SetHost(thread, f)
	got, err := starlark.EvalOptions(&syntax.FileOptions{}, thread, "t.star", `table.print([{"a": 1}])`, globals)
	if err != nil || got != starlark.None || len(printed) != 1 || printed[0] != "a\n1" {
		t.Error(got, printed, err)
	}
}

func TestCheckMode(t *testing.T) {
	f := builtintest.New(t, Module)
	f.Run.Check = true
	globals := starlark.StringDict{"u": value.NewUnknown("x")}
	Module.Bind(f.Run, globals)
	thread := new(starlark.Thread)
	module.SetHost(thread, f)
	got, err := starlark.EvalOptions(&syntax.FileOptions{}, thread, "t.star", `table.format([{"a": u}])`, globals)
	if _, ok := got.(*value.Unknown); !ok || err != nil {
		t.Error(got, err)
	}
}
