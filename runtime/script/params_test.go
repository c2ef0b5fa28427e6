package script_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

const entry = `
def main(host, count = 1, ratio = 0.5, force = False, tags = [], labels = {}, note = None, size = None, dry_run = True):
    """Deploys.

    Args:
      host: the target.
      size (int): in GiB.
    """

def open(a, **rest):
    pass

def variadic(a, *more):
    pass
`

func function(t testing.TB, name string) *starlark.Function {
	t.Helper()
	globals, err := starlark.ExecFileOptions(&syntax.FileOptions{}, new(starlark.Thread), "x.star", entry, nil)
	if err != nil {
		t.Fatal(err)
	}
	return globals[name].(*starlark.Function)
}

func TestArguments(t *testing.T) {
	type texts = map[string][]string
	type values = map[string]starlark.Value
	tests := []struct {
		name  string
		fn    string
		file  values
		flags texts
		want  string
	}{
		{"string", "main", nil, texts{"host": {"a"}}, `{"host": "a"}`},
		{"the last one counts", "main", nil, texts{"host": {"a", "b"}}, `{"host": "b"}`},
		{"int", "main", nil, texts{"host": {""}, "count": {"-0x10"}}, `{"host": "", "count": -16}`},
		{"large int", "main", nil, texts{"host": {""}, "count": {"123456789012345678901"}}, `{"host": "", "count": 123456789012345678901}`},
		{"float", "main", nil, texts{"host": {""}, "ratio": {"1e-3"}}, `{"host": "", "ratio": 0.001}`},
		{"bool", "main", nil, texts{"host": {""}, "force": {"true"}, "dry_run": {"0"}}, `{"host": "", "force": True, "dry_run": False}`},
		{"list", "main", nil, texts{"host": {""}, "tags": {"a, b", "[c,d]", ""}}, `{"host": "", "tags": ["a", "b", "c", "d"]}`},
		{"dict", "main", nil, texts{"host": {""}, "labels": {"a=1", "b=x=y", "c="}}, `{"host": "", "labels": {"a": "1", "b": "x=y", "c": ""}}`},
		{"type of the docstring", "main", nil, texts{"host": {""}, "size": {"7"}}, `{"host": "", "size": 7}`},
		{"no type at all", "main", nil, texts{"host": {""}, "note": {"7"}}, `{"host": "", "note": "7"}`},
		{"file", "main", values{"host": starlark.String("f"), "ratio": starlark.MakeInt(2), "note": starlark.None}, nil, `{"host": "f", "ratio": 2, "note": None}`},
		{"flags over file", "main", values{"host": starlark.String("f")}, texts{"host": {"a"}}, `{"host": "a"}`},
		{"kwargs", "open", values{"x": starlark.MakeInt(1)}, texts{"a": {"1"}, "y": {"2"}}, `{"x": 1, "y": "2", "a": "1"}`},
		{"varargs", "variadic", nil, texts{"a": {"1"}}, `{"a": "1"}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			args, err := script.Arguments(function(t, test.fn), test.file, test.flags)
			check(t, err)
			if got := args.String(); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

func TestArgumentsRefused(t *testing.T) {
	type texts = map[string][]string
	type values = map[string]starlark.Value
	tests := []struct {
		name  string
		fn    string
		file  values
		flags texts
		want  string
	}{
		{"missing", "main", nil, nil, "the parameter --host is missing"},
		{"unknown", "main", nil, texts{"host": {"a"}, "coutn": {"1"}}, `main has no parameter "coutn" (did you mean "count"?)`},
		{"unknown in the file", "main", values{"host": starlark.String("a"), "lables": starlark.None}, nil, `(did you mean "labels"?)`},
		{"far from all", "main", nil, texts{"host": {"a"}, "zzz": {"1"}}, `main has no parameter "zzz"`},
		{"no int", "main", nil, texts{"host": {"a"}, "count": {"many"}}, `--count must be a whole number, not "many"`},
		{"no float", "main", nil, texts{"host": {"a"}, "ratio": {"x"}}, `--ratio must be a number, not "x"`},
		{"no bool", "main", nil, texts{"host": {"a"}, "dry_run": {"maybe"}}, `--dry-run must be true or false, not "maybe"`},
		{"no dict", "main", nil, texts{"host": {"a"}, "labels": {"x"}}, `--labels must be key=value, not "x"`},
		{"wrong type in the file", "main", values{"host": starlark.String("a"), "tags": starlark.String("a")}, nil, `the parameter "tags" must be of type list, not string`},
		{"*args has no flag", "variadic", nil, texts{"a": {"1"}, "more": {"2"}}, `has no parameter "more"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := script.Arguments(function(t, test.fn), test.file, test.flags)
			if !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	_, err := script.Arguments(function(t, "main"), nil, nil)
	if want := "--host string: the target."; fault.As(err).Hint != want {
		t.Errorf("the hint is %q, want %q", fault.As(err).Hint, want)
	}
}

func TestReadSignatureAgreesWithParams(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.star")
	check(t, os.WriteFile(file, []byte(entry), 0o644))
	sig, err := script.ReadSignature(file, "")
	check(t, err)
	params := script.Params(function(t, "main"))
	if len(sig.Params) != len(params) || sig.Doc.Summary != "Deploys." {
		t.Fatalf("got %+v, want %+v", sig, params)
	}
	for i, p := range params {
		if got := sig.Params[i]; got.Name != p.Name || got.Type != p.Type || got.Help != p.Help || (got.Default == nil) != (p.Default == nil) {
			t.Errorf("got %+v, want %+v", got, p)
		}
	}
	if sig, err := script.ReadSignature(file, "variadic"); err != nil || len(sig.Params) != 1 {
		t.Errorf("got %+v, %v", sig, err)
	}
	if sig, err := script.ReadSignature(file, "none"); err != nil || sig.Params != nil {
		t.Errorf("got %+v, %v", sig, err)
	}
	if _, err := script.ReadSignature(file+"x", ""); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	check(t, os.WriteFile(file, []byte("def main(:\n"), 0o644))
	if _, err := script.ReadSignature(file, ""); !fault.Is(err, fault.Script) || len(fault.As(err).Stack) != 1 {
		t.Errorf("got %v", err)
	}
}

// The three formats give the same values.
func TestReadParams(t *testing.T) {
	texts := map[string]string{
		"p.toml": "s = \"text\"\ni = 9007199254740993\nf = 1.5\nb = true\nl = [1, \"x\", [2]]\n[d]\nz = 1\na = {k = \"v\"}\n",
		"p.json": `{"s": "text", "i": 9007199254740993, "f": 1.5, "b": true, "l": [1, "x", [2]], "d": {"z": 1, "a": {"k": "v"}}}`,
		"p.yaml": "s: text\ni: 9007199254740993\nf: 1.5\nb: true\nl: [1, x, [2]]\nd:\n  z: 1\n  a: {k: v}\n",
		"p.yml":  "{s: text, i: 9007199254740993, f: 1.5, b: true, l: [1, x, [2]], d: {z: 1, a: {k: v}}}",
	}
	want := map[string]string{
		"s": `"text"`, "i": "9007199254740993", "f": "1.5", "b": "True", "l": `[1, "x", [2]]`, "d": `{"a": {"k": "v"}, "z": 1}`,
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			got, err := script.ReadParams(write(t, name, text))
			check(t, err)
			for k, v := range want {
				if got[k] == nil || got[k].String() != v {
					t.Errorf("%s is %v, want %s", k, got[k], v)
				}
			}
			if len(got) != len(want) {
				t.Errorf("got %v", got)
			}
		})
	}
}

func write(t testing.TB, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestReadParamsOddities(t *testing.T) {
	tests := []struct{ name, text, key, want string }{
		{"p.json", `{"n": null, "big": 123456789012345678901}`, "big", "123456789012345678901"},
		{"p.json", `{"n": null}`, "n", "None"},
		{"p.json", "{\"e\": 1e3}\n\n", "e", "1000.0"},
		{"p.toml", "d = 2026-01-02", "d", `"2026-01-02"`},
		{"p.toml", "t = 2026-01-02T03:04:05Z", "t", "2026-01-02 03:04:05 +0000 UTC"},
		{"p.yaml", "x: ~", "x", "None"},
		{"p.yaml", "x: 18446744073709551615", "x", "18446744073709551615"},
	}
	for _, test := range tests {
		got, err := script.ReadParams(write(t, test.name, test.text))
		if err != nil || got[test.key] == nil || got[test.key].String() != test.want {
			t.Errorf("%s: got %v, %v; want %s", test.text, got, err, test.want)
		}
	}
	for _, bad := range [][2]string{
		{"p.json", `{"a": 1} {"b": 2}`}, {"p.json", `{"a": 1}]`}, {"p.json", `[1]`}, {"p.json", `{"a": 1e999}`}, {"p.json", `{`},
		{"p.toml", "a"}, {"p.yaml", "- a"}, {"p.yaml", "a: {1: 2}"}, {"p.yaml", "a: [b"}, {"p.txt", "a = 1"},
	} {
		if got, err := script.ReadParams(write(t, bad[0], bad[1])); !fault.Is(err, fault.Usage) || !strings.Contains(err.Error(), "the parameter file") {
			t.Errorf("%s %s: got %v, %v", bad[0], bad[1], got, err)
		}
	}
	if _, err := script.ReadParams("/missing.toml"); !fault.Is(err, fault.Usage) {
		t.Errorf("got %v", err)
	}
}

func FuzzReadParams(f *testing.F) {
	for i, text := range []string{"a = 1\n[b]\nc = 2026-01-01", `{"a": [1, 2.5, {"b": null}]}`, "a: &x [1]\nb: *x\nc: !!binary aGk="} {
		f.Add(i, text)
	}
	f.Fuzz(func(t *testing.T, format int, text string) {
		ext := []string{".toml", ".json", ".yaml"}[uint(format)%3]
		params, err := script.ReadParams(write(t, "p"+ext, text))
		if err != nil && !fault.Is(err, fault.Usage) {
			t.Errorf("an error of the kind %s: %v", fault.KindOf(err), err)
		}
		for name, v := range params {
			if v == nil || fmt.Sprint(v) == "" {
				t.Errorf("%q has no value", name)
			}
		}
	})
}
