package document_test

import (
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/document"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

func TestPositions(t *testing.T) {
	for _, c := range []struct {
		name, text string
		at         map[string]string
	}{
		{"a.toml", "a = 1\n[b.c]\nd = [1,\n  {e = 2}]\n[[f]]\ng = 1\n[[f]]\n\"x y\".z = 1\n", map[string]string{
			"a": "1:1", "b": "2:2", "b.c": "2:4", "b.c.d": "3:1", "b.c.d[0]": "3:6", "b.c.d[1]": "4:3", "b.c.d[1].e": "4:4",
			"f": "5:3", "f[0]": "5:3", "f[0].g": "6:1", "f[1]": "7:3", `f[1]["x y"]`: "8:1", `f[1]["x y"].z`: "8:7",
		}},
		{"a.yaml", "a: 1\nb:\n  - é: 1\n  - {c: 2, d: 3}\nbase: &x {p: 1}\nuse:\n  <<: *x\n  q: *x\n", map[string]string{
			"a": "1:1", "b": "2:1", "b[0]": "3:5", `b[0]["é"]`: "3:5", "b[1]": "4:5", "b[1].c": "4:6", "b[1].d": "4:12",
			"base": "5:1", "base.p": "5:11", "use": "6:1", "use.p": "5:11", "use.q": "8:3", "use.q.p": "5:11",
		}},
		{"a.json", "{\"a\": [1,\n {\"b\": 2}],\n\t\"c\": {}}", map[string]string{
			"a": "1:2", "a[0]": "1:8", "a[1]": "2:2", "a[1].b": "2:3", "c": "3:2",
		}},
		{"a.star", "n = 1\nmore = {\"x\": n}\nconfig = {\n  \"a\": [n, n + 1],\n  \"b\": dict(c = more),\n  \"d\": (struct(e = 1)),\n}\n", map[string]string{
			"a": "4:3", "a[0]": "4:9", "a[1]": "4:12", "b": "5:3", "b.c": "5:13", "b.c.x": "2:9", "d": "6:3", "d.e": "6:16",
		}},
		{"a.yml", "", map[string]string{}},
	} {
		doc, err := document.Read(c.name, c.text, nil)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for path, want := range c.at {
			if got := doc.At[path]; got.String() != c.name+":"+want {
				t.Errorf("%s: %s is at %s, want %s", c.name, path, got, want)
			}
		}
		for path := range doc.At {
			if _, ok := c.at[path]; !ok && path != "" {
				t.Errorf("%s: has a position of %s", c.name, path)
			}
		}
	}
}

func TestLines(t *testing.T) {
	doc, err := document.Read("a.toml", "a = 1\r\n[t]\nb = {c = 1, d = 2}\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, text, after string
		before            bool
	}{
		{"a", "a = 1", "", false},
		{"t", "[t]", "a", false},
		{"t.b.c", "b = {c = 1, d = 2}", "t.b", true},
		{"t.b.d", "b = {c = 1, d = 2}", "t.b.c", true},
	} {
		if got := doc.At[c.path]; got.Text != c.text || got.After != c.after || got.Before != c.before {
			t.Errorf("%s: got %+v, want %+v", c.path, got, c)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a.ini", "", "none of the known formats"},
		{"a.toml", "a = ", "a.toml: cannot decode TOML: line 1"},
		{"a.yaml", "a: [", "a.yaml: cannot decode YAML: line 1"},
		{"a.yaml", "a: 1\n---\nb: 2", "2 documents"},
		{"a.json", "{", "a.json: cannot decode JSON: line 1"},
		{"a.star", "config = {", "got end of file"},
		{"a.star", "config = load", "load"},
		{"a.star", "load('//x.star', 'x')\nconfig = {}", "load"},
		{"a.star", "config = 1 // 0", "division by zero"},
		{"a.star", "x = 1", "sets no config"},
		{"a.star", "def f():\n  for i in range(10000000):\n    pass\nf()\nconfig = 1", "too many steps"},
	} {
		_, err := document.Read(c.name, c.text, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || !fault.Is(err, fault.Config) {
			t.Errorf("%s %q\n got %v\nwant %s", c.name, c.text, err, c.want)
		}
	}
}

// TestSecretText: of a text that is a secret as a whole, no line is shown.
func TestSecretText(t *testing.T) {
	secrets := value.NewSecrets([]byte("k"))
	s, _ := secrets.Add("file", "a = \"hidden-in-it\"\n")
	doc, err := document.Read("a.toml", s.String(), secrets)
	if err != nil {
		t.Fatal(err)
	}
	if at := doc.At["a"]; at.Line != 1 || at.Text != "" || strings.Contains(doc.Value.String(), "hidden") {
		t.Errorf("got %+v, %s", at, doc.Value)
	}
	if _, err := document.Read("a.star", s.String(), secrets); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("got %v", err)
	}
}

// FuzzRead checks that nothing panics, and that every position is within the text.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"a.b = 1\n[[t]]\nx = [{a = 1}, 2.5]", "a: &x [1, {b: c}]\nd: {<<: [*x], e: 1}", `{"a": [1, {"b": null}]}`,
		"x = {'a': 1}\nconfig = dict(b = [x, x])", "config = [config]", "a = config\nconfig = [a, a]\n",
	} {
		for _, name := range []string{"a.toml", "a.yaml", "a.json", "a.star"} {
			f.Add(name, seed)
		}
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		doc, err := document.Read(name, text, nil)
		if err != nil {
			return
		}
		lines := strings.Count(text, "\n") + 1
		for path, at := range doc.At {
			if at.Line < 1 || at.Line > lines || at.Col < 1 || at.File != name {
				t.Fatalf("%q is at %+v of %d lines", path, at, lines)
			}
			if _, ok := doc.At[at.After]; !ok && at.After != "" {
				t.Fatalf("%q comes after %q, which is nowhere", path, at.After)
			}
		}
	})
}
