package json

import (
	stdjson "encoding/json"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/document/json"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func TestValues(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{`got = json.encode({"b": 1, "a": [True, None, 1.0]})`, `"{\"b\":1,\"a\":[true,null,1.0]}"`},
		{`got = json.encode(struct(b = 1, a = ()))`, `"{\"a\":[],\"b\":1}"`},
		{`got = json.encode({}) + json.encode([])`, `"{}[]"`},
		{`got = json.encode([1, {"a": 2}], indent = "  ")`, `"[\n  1,\n  {\n    \"a\": 2\n  }\n]"`},
		{`got = json.encode("é\t\"\x01 😀")`, `"\"é\\t\\\"\\u0001 😀\""`},
		{`got = json.encode(1 << 70)`, `"1180591620717411303424"`},
		{`got = json.decode("1180591620717411303424") == 1 << 70`, `True`},
		{`got = json.decode(' {"b":1,\n"a":[1e2, -0.5, "\\u00e9\\ud83d\\ude00"]} ')`, `{"b": 1, "a": [100.0, -0.5, "é😀"]}`},
		{`got = json.decode(b"true")`, `True`},
		{`got = json.decode("{", default = 7)`, `7`},
		{`a = [1]; got = json.encode([a, a])`, `"[[1],[1]]"`},
	} {
		if got := builtintest.New(t, Module).Eval(c.script); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.script, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{`json.encode(b"x")`, "cannot encode JSON: value is bytes"},
		{`json.encode({"a": [1, len]})`, `value["a"][1] is a builtin_function_or_method, which JSON has no form for`},
		{`json.encode({1: 2})`, "has a key that is a int; keys must be strings"},
		{`json.encode(float("nan"))`, "not finite"},
		{`a = []; a.append(a); json.encode(a)`, "contains itself"},
		{"a = [1]\nfor _ in range(60): a = [a, a]\njson.encode(a)", "larger than 64 MiB"},
		{`json.encode("é"[:1])`, "not valid UTF-8"},
		{`json.encode(1, indent = "xx")`, "indent must be"},
		{`json.encode(1, ident = "")`, `did you mean "indent"?`},
		{`json.decode(1)`, `must be a string or bytes, not the int 1`},
		{`json.decode("")`, "line 1, column 1: expected a value"},
		{`json.decode('{\n  "é": [1,\n    x]}')`, `line 3, column 5: expected a value in value["é"][1]`},
		{`json.decode('{"a":1,"a":2}')`, `line 1, column 8: the same key again in value["a"]`},
		{`json.decode('{"a" 1}')`, `column 6: expected : after the key`},
		{`json.decode('[1 2]')`, `column 4: expected a comma or ]`},
		{`json.decode('[1]]')`, `column 4: more text after the end`},
		{`json.decode('[01]')`, `column 3: expected a comma or ]`},
		{`json.decode('"\\ud83d"')`, `column 2: half of a surrogate pair`},
		{`json.decode('"a\nb"')`, `column 3: a control character`},
		{`json.decode('1e999')`, `too large for a float`},
		{`json.decode('[' * 501)`, `column 501: nested deeper than 500 levels`},
		{`json.decode('[' * 1000000)`, `nested deeper`},
	} {
		_, err := builtintest.New(t, Module).Exec(c.script)
		if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s\n got %v\nwant %s", c.script, err, c.want)
		}
	}
}

func TestSecrets(t *testing.T) {
	const plain = "a\"b\\c\n<ü>"
	f := builtintest.New(t, Module)
	secret, _ := f.Run.Secrets.Add("db", plain)
	for _, v := range []starlark.Value{secret, starlark.String("x" + secret.String() + "y")} {
		text, err := encodeText(starlark.NewList([]starlark.Value{v}), "")
		if err != nil || strings.Contains(text, plain) {
			t.Fatal(text, err)
		}
		back, err := json.Decode(document(t, f, text), nil)
		if eq, _ := starlark.Equal(back, starlark.NewList([]starlark.Value{v})); err != nil || !eq {
			t.Errorf("decode(encode(%v)) = %v, %v", v, back, err)
		}
		expanded, err := f.Run.Secrets.Expand(text)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		if err := stdjson.Unmarshal([]byte(expanded), &got); err != nil {
			t.Fatalf("%s: %v", expanded, err)
		}
		if want := strings.ReplaceAll(v.(interface{ String() string }).String(), secret.String(), plain); got[0] != want && got[0] != "x"+plain+"y" {
			t.Errorf("got %q, want %q", got[0], want)
		}
	}
	_, err := json.Decode(document(t, f, `{"a": `+secret.String()+`}`), nil)
	if e := fault.As(err); e == nil || !strings.Contains(e.Hint, "quotes") {
		t.Errorf("a secret without quotes: %v", err)
	}
}

func TestSecretDocument(t *testing.T) {
	f := builtintest.New(t, Module)
	secret, _ := f.Run.Secrets.Add("creds", `{"user": "joe-secret", "port": 5}`)
	v, err := json.Decode(document(t, f, secret.String()), nil)
	if err != nil {
		t.Fatal(err)
	}
	user, _, _ := v.(*starlark.Dict).Get(starlark.String("user"))
	if s, ok := user.(*value.Secret); !ok || f.Run.Secrets.Plain(s) != "joe-secret" || s.Name != "creds (json)" {
		t.Errorf("user is %v", user)
	}
	bad, _ := f.Run.Secrets.Add("bad", `{"hidden": oops}`)
	if _, err := json.Decode(document(t, f, bad.String()), nil); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("the error shows the document: %v", err)
	}
}

func document(t testing.TB, f *builtintest.Fixture, text string) value.Document {
	t.Helper()
	doc, err := f.Run.Secrets.Document(text, "json")
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// FuzzDecode checks that nothing panics, that valid texts are those of
// encoding/json, and that what was decoded survives another round.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5e3,"x\u00e9",null,true]}`, `[[],{},-0,1e-7]`, `"\ud83d\ude00"`, "\uFEFF1", `{"a":1,"a":2}`, `[1,`} {
		f.Add(seed)
	}
	secrets := value.NewSecrets([]byte("test"))
	f.Fuzz(func(t *testing.T, text string) {
		doc, err := secrets.Document(text, "json")
		if err != nil {
			return
		}
		v, err := json.Decode(doc, nil)
		if err != nil {
			return
		}
		if !stdjson.Valid([]byte(strings.TrimPrefix(text, "\uFEFF"))) {
			t.Fatalf("took %q, which is not JSON", text)
		}
		for _, indent := range []string{"", "  "} {
			again, err := encodeText(v, indent)
			if err != nil {
				t.Fatalf("cannot encode what was decoded: %v", err)
			}
			doc, _ := secrets.Document(again, "json")
			back, err := json.Decode(doc, nil)
			if err != nil {
				t.Fatalf("%s: %v", again, err)
			}
			if eq, err := starlark.EqualDepth(v, back, 2000); err != nil || !eq {
				t.Fatalf("%s became %s (%v)", v, back, err)
			}
		}
	})
}
