package language_test

import (
	"strings"
	"testing"

	"go.lsp.dev/protocol"
)

var workspaceFiles = map[string]string{
	"config/provisioning.toml": "",
	"lib/web.star":             "\"\"\"Web servers.\"\"\"\n\ndef deploy(host, port = 80):\n    \"\"\"Deploys to a host.\n\n    Args:\n      host: name of the host.\n    \"\"\"\n    pass\n\nPORTS = [80, 443]\n_private = 1\n",
	"lib/db.star":              "load(\"./web.star\", \"PORTS\")\n\nNAME = \"db\"\n",
}

func TestCompletion(t *testing.T) {
	e := start(t, workspaceFiles)
	for _, c := range []struct {
		name, text string
		want       string // "a, b": exactly these; "…a, b": these among others
		without    string
	}{
		{"members", "fs.|", "read, root", ""},
		{"members of what is typed", "x = fs.re|", "read", ""},
		{"in a broken script", "def f(:\n  x = [\n\ndef g():\n    y = fs.|\n\ndef h(", "read, root", ""},
		{"arguments", "fs.read(|", "…path =, limit =, sep =, _timeout =, fs, join, len", ""},
		{"arguments that are left", `fs.read("x", sep = "", |`, "…limit =", "path =, sep ="},
		{"no commands, no _sudo", "fs.read(_|", "…_timeout =, _retries =", "_sudo ="},
		{"arguments of a function", "def f(a, *, b = 1): pass\nf(|)", "…a =, b =, f", ""},
		{"the value of an argument", "fs.read(path = |", "…fs, join", "limit ="},
		{"names in scope", "limit = 1\ndef f(line):\n    left = 1\n    l|\n\ndef g():\n    later = 1\n", "…left, line, limit, len", "later"},
		{"nearest first", "liz = 1\ndef f():\n    lix = 1\n    li|", "…lix, liz, list", ""},
		{"comprehension", "x = [item for item in [] if it|]", "…item", ""},
		{"statement", "de|", "…def", ""},
		{"expression", "x = (|", "…lambda", "def, return"},
		{"comment", "x = 1 # fs.|", "", ""},
		{"string", `x = "fs.|"`, "", ""},
		{"number", "x = 12|", "", ""},
		{"name of a function", "def f|", "", ""},
		{"string methods", `"a".up|`, "isupper, upper", ""},
		{"methods of a variable", "text = \"\"\ntext.starts|", "startswith", ""},
		{"methods of a default", "def f(x = []):\n    x.app|", "append", ""},
		{"fields", "server = struct(name = \"web\", port = 1)\nserver.|", "name, port", ""},
		{"unknown value", "x = f()\nx.|", "", ""},
		{"alias", "r = fs.read\nr(|", "…path =", ""},
		{"load paths", `load("|`, "./, //, @std//", ""},
		{"standard library", `load("@std//|")`, "@std//lists.star", ""},
		{"workspace", `load("//|`, "//config/, //lib/", ""},
		{"below a directory", `load("//lib/w|")`, "//lib/web.star", ""},
		{"beside", `load("./lib/|")`, "./lib/db.star, ./lib/web.star", ""},
		{"outside", `load("../|")`, "", ""},
		{"loaded names", `load("//lib/web.star", "|")`, "PORTS, deploy", ""},
		{"loaded names, unfinished", `load("@std//lists.star", "|`, "chunks", ""},
		{"loaded already", `load("//lib/web.star", "deploy", "|")`, "PORTS", ""},
		{"what is loaded", "load(\"//lib/web.star\", ship = \"deploy\")\nship(|", "…host =, port =, ship", ""},
		{"non-ASCII", "größe = \"😀\"; grö|", "…größe", ""},
		{"no such file", `load("//gone.star", "|")`, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			e.t = t
			got := labels(e.complete(e.open("main.star", c.text)))
			want, some := strings.CutPrefix(c.want, "…")
			if !some && got != want {
				t.Fatalf("%s\nwant %s", got, want)
			}
			from := 0
			for _, label := range strings.Split(want, ", ") {
				i := strings.Index((", " + got + ", ")[from:], ", "+label+", ")
				if some && i < 0 {
					t.Fatalf("%s\nhas no %q in this order", got, label)
				}
				from += max(i, 0)
			}
			for _, label := range strings.Split(c.without, ", ") {
				if label != "" && strings.Contains(", "+got+", ", ", "+label+", ") {
					t.Errorf("%s\nhas %q", got, label)
				}
			}
		})
	}
}

// TestCompletionItem: what an editor shows of a candidate, and what it inserts.
func TestCompletionItem(t *testing.T) {
	e := start(t, workspaceFiles)
	item := e.complete(e.open("a.star", `😀 = "😀"; fs.re|ad`))[0]
	edit := item.TextEdit.(*protocol.TextEdit)
	if edit.NewText != "read" || edit.Range.Start.Character != 14 || edit.Range.End.Character != 16 {
		t.Errorf("the edit is %+v", edit)
	}
	if d, _ := item.Detail.Get(); d != `fs.read(path, limit = 0, *, sep = "\n")` {
		t.Errorf("the detail is %q", d)
	}
	if doc := e.documentation(item); !strings.Contains(doc, "Reads a file.") || !strings.Contains(doc, "- limit (int): how many bytes at most.") {
		t.Errorf("the documentation is %s", doc)
	}
	item = e.complete(e.open("a.star", "fs.read(lim|"))[0]
	if edit := item.TextEdit.(*protocol.TextEdit); edit.NewText != "limit = " {
		t.Errorf("the edit is %+v", edit)
	}
	if d, _ := item.Detail.Get(); d != "limit = 0: int" {
		t.Errorf("the detail is %q", d)
	}
	item = e.complete(e.open("a.star", "fs.read(_timeo|"))[0]
	if !strings.Contains(e.documentation(item), "Time that one attempt may take") {
		t.Errorf("%+v", item)
	}
	item = e.complete(e.open("a.star", `load("//lib/|web.star")`))[1]
	if edit := item.TextEdit.(*protocol.TextEdit); item.Label != "//lib/web.star" || edit.Range.Start.Character != 6 || edit.Range.End.Character != 12 {
		t.Errorf("%s %+v", item.Label, edit)
	}
	item = e.complete(e.open("a.star", "sorte|"))[0]
	if !strings.Contains(e.documentation(item), "sorted list") {
		t.Errorf("%+v", item)
	}
}
