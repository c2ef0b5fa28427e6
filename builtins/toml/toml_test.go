package toml

import (
	"strings"
	"testing"

	gotoml "github.com/pelletier/go-toml/v2"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/document/toml"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func TestDecode(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", `{}`},
		{"z = 1\na.b = 2\na.c = 3\n[t.u]\nx = {p = 1, q.r = 2}\n[t]\ny = 1", `{"z": 1, "a": {"b": 2, "c": 3}, "t": {"u": {"x": {"p": 1, "q": {"r": 2}}}, "y": 1}}`},
		{"[[a]]\nx = 1\n[a.b]\ny = 2\n[[a]]\nx = 3", `{"a": [{"x": 1, "b": {"y": 2}}, {"x": 3}]}`},
		{"a = [0x1f, 0o17, 0b11, 1_000, +5, -6]\nb = [1.5, 1e3, inf, -inf]", `{"a": [31, 15, 3, 1000, 5, -6], "b": [1.5, 1000.0, +inf, -inf]}`},
		{"a = 2024-01-02\nb = 2024-01-02T03:04:05\nc = 03:04:05\nd = 2024-01-02 03:04:05Z", `{"a": "2024-01-02", "b": "2024-01-02T03:04:05", "c": "03:04:05", "d": 2024-01-02 03:04:05 +0000 UTC}`},
		{"a = \"\"\"\nx\ny\"\"\"\nb = '\\n'\n\"c d\" = true", `{"a": "x\ny", "b": "\\n", "c d": True}`},
	} {
		if got := builtintest.New(t, Module).Eval("got = toml.decode(" + starlark.String(c.text).String() + ")"); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

func TestEncode(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{`{"t": {"b": 1, "u": {"v": {}}}, "a": 1.0, "l": [[{"x": 1}], []], "c d": True}`, "a = 1.0\nl = [[{x = 1}], []]\n\"c d\" = true\n\n[t]\nb = 1\n\n[t.u.v]\n"},
		{`{"a": [{"x": 1, "b": {"y": 2}}, {}]}`, "[[a]]\nx = 1\n\n[a.b]\ny = 2\n\n[[a]]\n"},
		{`struct(s = "a\"\n\x7f")`, "s = \"a\\\"\\n\\u007f\"\n"},
		{`{"a": "x"[:0], "b": [1, {"c": 2}]}`, "a = \"\"\nb = [1, {c = 2}]\n"},
	} {
		globals, err := builtintest.New(t, Module).Exec("got = toml.encode(" + c.expr + ")")
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
		} else if got := string(globals["got"].(starlark.String)); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.expr, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{`toml.encode([1])`, "the value is a list, but a document is a table"},
		{`toml.encode({"a": [1, None]})`, `value["a"][1] is None`},
		{`toml.encode({"a": [{"b": len}]})`, `value["a"][0]["b"] is a builtin_function`},
		{`toml.encode({1: 2})`, "keys must be strings"},
		{`toml.encode({"a": 1 << 64})`, "more than 64 bits"},
		{`a = {}; a["a"] = a; toml.encode(a)`, "contains itself"},
		{`a = []; a.append(a); toml.encode({"a": a})`, "contains itself"},
		{"a = {}\nfor _ in range(60): a = {\"a\": a, \"b\": a}\ntoml.encode(a)", "larger than 64 MiB"},
		{`toml.decode(1)`, "must be a string or bytes"},
		{`toml.decode("a = 1\nb = hunter2")`, "line 2, column 5:"},
		{`toml.decode("a = 1\né = 2\n")`, "line 2, column 1:"},
		{`toml.decode("a = 1\nb = 2\na = 3")`, "line 3, column 1: the same key again"},
		{`toml.decode("[a]\n[b]\n[a]")`, "line 3, column 2:"},
		{`toml.decode("a = 1\n[a.b]")`, "line 2, column 2: the name is taken"},
		{`toml.decode("a = 1\n[[a]]")`, "line 2, column 3: the name is taken"},
		{`toml.decode("a = 99999999999999999999")`, "line 1, column 5: not an integer of 64 bits"},
		{`toml.decode("a = " + "[" * 501 + "]" * 501)`, "nested deeper than 500"},
		{`toml.decode(".".join(["a"] * 600) + " = 1")`, "nested deeper than 500"},
		{`toml.decode("a = [1,")`, "line 1, column 7:"},
	} {
		_, err := builtintest.New(t, Module).Exec(c.script)
		if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s\n got %v\nwant %s", c.script, err, c.want)
		}
	}
}

func TestSecrets(t *testing.T) {
	const plain = "a\"b\\c\n<ü> '''"
	f := builtintest.New(t, Module)
	secret, _ := f.Run.Secrets.Add("db", plain)
	v := new(starlark.Dict)
	_ = v.SetKey(starlark.String("pw"), secret)
	_ = v.SetKey(starlark.String("dsn"), starlark.String("x"+secret.String()))
	text, err := encodeText(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, _ := f.Run.Secrets.Document(text, "toml")
	back, err := toml.Decode(doc, nil)
	if err != nil {
		t.Fatal(err)
	}
	if eq, _ := starlark.Equal(back, v); !eq {
		t.Errorf("decode(encode(%v)) = %v", v, back)
	}
	expanded, err := f.Run.Secrets.Expand(text)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Pw, Dsn string }
	if err := gotoml.Unmarshal([]byte(expanded), &got); err != nil {
		t.Fatalf("%s: %v", expanded, err)
	}
	if got.Pw != plain || got.Dsn != "x"+plain {
		t.Errorf("got %q", got)
	}
}

// FuzzDecode checks that nothing panics and that what was decoded survives
// another round.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"a.b = 1\n[t]\nx = [{a = 1}, 2.5]", "[[a]]\n[a.b]\n[[a]]", "d = 1979-05-27T07:32:00.5-07:00", "s = \"\"\"\n\\u00e9\"\"\"", "\"\" = 'x'", "a = nan"} {
		f.Add(seed)
	}
	secrets := value.NewSecrets([]byte("test"))
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := secrets.Document(text, "toml")
		if err != nil {
			return
		}
		v, err := toml.Decode(doc, nil)
		if err != nil {
			return
		}
		again, err := encodeText(v)
		if err != nil {
			t.Fatalf("cannot encode what was decoded: %v", err)
		}
		doc, _ = secrets.Document(again, "toml")
		back, err := toml.Decode(doc, nil)
		if err != nil {
			t.Fatalf("%q became\n%s\n%v", text, again, err)
		}
		if eq, err := starlark.EqualDepth(v, back, 2000); err != nil || !eq {
			t.Fatalf("%s became %s by\n%s(%v)", v, back, again, err)
		}
	})
}
