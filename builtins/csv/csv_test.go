package csv

import (
	stdcsv "encoding/csv"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func TestValues(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{`csv.decode("")`, `[]`},
		{`csv.decode("a,b\r\n\r\n1,\"x\r\n\"\"y\"\n")`, `[{"a": "1", "b": "x\r\n\"y"}]`},
		{`csv.decode(",\n1,", header = False)`, `[["", ""], ["1", ""]]`},
		{`csv.encode([["a\"b", " x", True, 1.5], ("", "l\n", 2, None)])`, `"\"a\"\"b\",\" x\",true,1.5\n,\"l\n\",2,\n"`},
		{`csv.encode([{"a": 1}, {}], header = ["b", "a"])`, `"b,a\n,1\n,\n"`},
		{`csv.encode([[""]])`, `"\"\"\n"`},
		{`csv.encode([struct(b = 1, a = 2)], separator = ";")`, `"a;b\n2;1\n"`},
	} {
		if got := builtintest.New(t, Module).Eval("got = " + c.expr); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.expr, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{`csv.decode(1)`, "must be a string or bytes"},
		{`csv.decode("a", separator = ",,")`, "separator must be one character"},
		{`csv.decode("a,b\n1")`, "line 2: 1 fields, but line 1 has 2"},
		{`csv.decode("a,a")`, "column 2 has the name of another one"},
		{`csv.decode("a\n1\"2")`, "line 2, column 2: a quote within a field"},
		{`csv.decode("a\n\"1")`, "line 2, column 1: a field without closing quote"},
		{`csv.decode("a\n\"1\"x")`, `line 2, column 4: expected ","`},
		{`csv.encode([1])`, "value[0] is a int; a row is a list or a dict"},
		{`csv.encode([[[1]]])`, "value[0][0] is a list, which a field cannot be"},
		{`csv.encode([[1], [1, 2]])`, "value[1] has 2 fields, not 1"},
		{`csv.encode([{"a": 1}, {"b": 1}])`, `value[1]["b"] is no column`},
	} {
		_, err := builtintest.New(t, Module).Exec(c.script)
		if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s\n got %v\nwant %s", c.script, err, c.want)
		}
	}
}

func TestSecrets(t *testing.T) {
	f := builtintest.New(t, Module)
	for _, plain := range []string{"a\"b,c\nd", "simple"} {
		secret, _ := f.Run.Secrets.Add("db", plain)
		row := starlark.NewList([]starlark.Value{secret, starlark.String("x" + secret.String())})
		text, err := (&encode{Rows: []starlark.Value{row}, Separator: ","}).Compute(f.Env())
		if err != nil {
			t.Fatal(err)
		}
		expanded, err := f.Run.Secrets.Expand(text.(string))
		if err != nil {
			t.Fatal(err)
		}
		rows, err := stdcsv.NewReader(strings.NewReader(expanded)).ReadAll()
		if err != nil || rows[0][0] != plain || rows[0][1] != "x"+plain {
			t.Errorf("got %q, %v", rows, err)
		}
	}
}

// FuzzDecode checks that nothing panics and that what was decoded survives
// another round.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2", "\"a\"\"\r\n\",b", "\n\n\"\"\n", ",", "\uFEFFa"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	env := &effect.Env{Run: &effect.Run{Secrets: value.NewSecrets([]byte("test"))}}
	f.Fuzz(func(t *testing.T, text string, header bool) {
		if value.HasMarker(text) {
			return
		}
		v, err := (&decode{[]byte(text), header, ","}).Compute(env)
		if err != nil {
			return
		}
		var rows []starlark.Value
		for x := range starlark.Elements(v.(starlark.Iterable)) {
			rows = append(rows, x)
		}
		if len(rows) == 0 {
			return // the columns are gone
		}
		again, err := (&encode{rows, nil, ","}).Compute(env)
		if err != nil {
			t.Fatalf("cannot encode what was decoded: %v", err)
		}
		back, err := (&decode{[]byte(again.(string)), header, ","}).Compute(env)
		if err != nil {
			t.Fatalf("%q became %q: %v", text, again, err)
		}
		if eq, err := starlark.Equal(v.(starlark.Value), back.(starlark.Value)); err != nil || !eq {
			t.Fatalf("%s became %s (%v)", v, back, err)
		}
	})
}
