package yaml

import (
	"strings"
	"testing"

	"go.starlark.net/starlark"
	goyaml "go.yaml.in/yaml/v3"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func TestDecode(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", `None`},
		{"b: 1\na: [x, 2.5, null, ~, true, yes]", `{"b": 1, "a": ["x", 2.5, None, None, True, "yes"]}`},
		{"- 0x1f\n- 0o17\n- 0b11\n- 0644\n- 1_000\n- 123456789012345678901234567890", `[31, 15, 3, 420, 1000, 123456789012345678901234567890]`},
		{"- .inf\n- 1e3\n- -0.5", `[+inf, 1000.0, -0.5]`},
		{"2024-01-02: 2024-01-02T03:04:05Z", `{"2024-01-02": "2024-01-02T03:04:05Z"}`},
		{"!!timestamp 2024-01-02", `2024-01-02 00:00:00 +0000 UTC`},
		{"[!!str 1, !!binary aGk=, !!float 2, '3']", `["1", b"hi", 2.0, "3"]`},
		{"a: &x {k: 1, l: 2}\nb: *x\nc: {l: 3, <<: *x, m: 4}", `{"a": {"k": 1, "l": 2}, "b": {"k": 1, "l": 2}, "c": {"l": 3, "k": 1, "m": 4}}`},
		{"a: &x {k: 1}\nb: &y {k: 2, l: 2}\nc: {<<: [*x, *y]}", `{"a": {"k": 1}, "b": {"k": 2, "l": 2}, "c": {"k": 1, "l": 2}}`},
		{"1: a\ntrue: b", `{1: "a", True: "b"}`},
		{"a: |\n  x\n   y\nb: >\n  x\n  y\n", `{"a": "x\n y\n", "b": "x y\n"}`},
	} {
		f := builtintest.New(t, Module)
		if got := f.Eval("got = yaml.decode(" + starlark.String(c.text).String() + ")"); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.text, got, c.want)
		}
	}
}

func TestEncode(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{`{"b": 1, "a": {"c": [], "d": [1, [2, 3], {"x": 1, "z": None}]}}`, "b: 1\na:\n  c: []\n  d:\n    - 1\n    - - 2\n      - 3\n    - x: 1\n      z: null\n"},
		{`["yes", "1e3", "1.2.3", "10.0.0.1", "a b", "a: b", "", "x:y", "-x", "2024-01-02", "é", "~", "a #b", " x"]`,
			"- \"yes\"\n- \"1e3\"\n- 1.2.3\n- 10.0.0.1\n- a b\n- \"a: b\"\n- \"\"\n- x:y\n- \"-x\"\n- \"2024-01-02\"\n- é\n- \"~\"\n- \"a #b\"\n- \" x\"\n"},
		{`{"a": "x\n y\n", "b": "x\n\ny", "c": "x\n\n"}`, "a: |\n  x\n   y\nb: |-\n  x\n\n  y\nc: |+\n  x\n\n"},
		{`struct(a = 1.0, b = b"hi", c = 1 << 70)`, "a: 1.0\nb: !!binary \"aGk=\"\nc: 1180591620717411303424\n"},
		{`"x\r\n"`, "\"x\\r\\n\"\n"},
	} {
		globals, err := builtintest.New(t, Module).Exec("got = yaml.encode(" + c.expr + ")")
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
		} else if got := string(globals["got"].(starlark.String)); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.expr, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	bomb := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 9 {
		prev := "*a" + string(rune('0'+i))
		bomb += "a" + string(rune('1'+i)) + ": &a" + string(rune('1'+i)) + " [" + strings.Repeat(prev+",", 10) + "]\n"
	}
	for _, c := range []struct{ script, want string }{
		{`yaml.encode(len)`, "cannot encode YAML: value is a builtin_function_or_method"},
		{`yaml.encode({"a": {(1, 2): 3}})`, `value["a"] has a key that is a tuple`},
		{`a = []; a.append(a); yaml.encode(a)`, "contains itself"},
		{"a = [1]\nfor _ in range(60): a = [a, a]\nyaml.encode(a)", "larger than 64 MiB"},
		{`yaml.decode(1)`, "must be a string or bytes"},
		{`yaml.decode("a: 1\n---\nb: 2")`, "holds 2 documents"},
		{`yaml.decode("a: 1\nb: 2\na: 3")`, "line 3, column 1: the same key again"},
		{`yaml.decode("x: 1\na: [1,\nb: }")`, "line 3: did not find expected"},
		{`yaml.decode("a: b: c")`, "line 1: mapping values are not allowed"},
		{`yaml.decode("x: 1\na: b: c")`, "line 2: mapping values are not allowed"},
		{`yaml.decode("a: *hunter2")`, "an alias refers to an anchor that is not defined"},
		{`yaml.decode("a: &x [*x]")`, "an alias within what it stands for"},
		{`yaml.decode("a: !Ref b")`, "line 1, column 4: the tag !Ref"},
		{`yaml.decode("? [a]\n: b")`, "a key that is a list"},
		{`yaml.decode("[" * 600)`, "line 1"},
		{`yaml.decode("[" * 600 + "]" * 600)`, "nested deeper than 500"},
		{`yaml.decode("a: !!int x")`, "!!int that is not one"},
		{`yaml.decode(` + starlark.String(bomb).String() + `)`, "aliases multiply"},
	} {
		_, err := builtintest.New(t, Module).Exec(c.script)
		if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s\n got %v\nwant %s", c.script, err, c.want)
		}
	}
}

func TestSecrets(t *testing.T) {
	const plain = "a\"b\\c\n: <ü> #"
	f := builtintest.New(t, Module)
	secret, _ := f.Run.Secrets.Add("db", plain)
	v := starlark.NewList([]starlark.Value{secret, starlark.String("x\n" + secret.String())})
	text, err := encodeText(v)
	if err != nil {
		t.Fatal(err)
	}
	back, err := decodeAllText(f.Run.Secrets, text)
	if err != nil {
		t.Fatal(err)
	}
	if eq, _ := starlark.Equal(back[0], v); !eq {
		t.Errorf("decode(encode(%v)) = %v", v, back[0])
	}
	expanded, err := f.Run.Secrets.Expand(text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := goyaml.Unmarshal([]byte(expanded), &got); err != nil {
		t.Fatalf("%s: %v", expanded, err)
	}
	if got[0] != plain || got[1] != "x\n"+plain {
		t.Errorf("got %q", got)
	}
}

func TestSecretDocument(t *testing.T) {
	f := builtintest.New(t, Module)
	secret, _ := f.Run.Secrets.Add("creds", "user: joe-secret\nport: 5")
	docs, err := decodeAllText(f.Run.Secrets, secret.String())
	if err != nil {
		t.Fatal(err)
	}
	user, _, _ := docs[0].(*starlark.Dict).Get(starlark.String("user"))
	if s, ok := user.(*value.Secret); !ok || f.Run.Secrets.Plain(s) != "joe-secret" {
		t.Errorf("user is %v", user)
	}
}

// FuzzDecode checks that nothing panics and that what was decoded survives
// another round.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"a: &x [1, 2.5, yes]\nb: *x", "- |\n  a\n  b\n- >-\n  c", "{<<: {a: 1}, b: !!binary aGk=}", "? a\n: b\n---\nc", "'\\n': \"\\n\\x85\"", "!!timestamp 2024-01-02", "\tx", "a:\n  - \"\tb\\n\tc\""} {
		f.Add(seed)
	}
	secrets := value.NewSecrets([]byte("test"))
	f.Fuzz(func(t *testing.T, text string) {
		docs, err := decodeAllText(secrets, text)
		if err != nil {
			return
		}
		again, err := encodeText(docs...)
		if err != nil {
			if strings.Contains(err.Error(), "UTF-8") {
				return // the library takes \xff in double quotes as it is
			}
			t.Fatalf("cannot encode what was decoded: %v", err)
		}
		back, err := decodeAllText(secrets, again)
		if err != nil {
			t.Fatalf("%q became\n%s\n%v", text, again, err)
		}
		a, b := starlark.NewList(docs), starlark.NewList(back)
		if eq, err := starlark.EqualDepth(a, b, 2000); err != nil || !eq {
			t.Fatalf("%s became %s by\n%s(%v)", a, b, again, err)
		}
	})
}
