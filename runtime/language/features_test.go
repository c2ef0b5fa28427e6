package language_test

import (
	"os"
	"strings"
	"testing"

	"go.lsp.dev/protocol"
)

func TestHover(t *testing.T) {
	e := start(t, workspaceFiles)
	for _, c := range []struct{ text, want string }{
		{"f|s.read", "Files of the workspace."},
		{"fs.re|ad(1)", "fs.read(path, limit = 0, *, sep"},
		{"fs.ro|ot", "The directory of the workspace."},
		{"jo|in([])", "Joins parts."},
		{"le|n([])", "how many elements"},
		{"def f(a):\n    \"\"\"Does it.\"\"\"\nf|(1)", "Does it."},
		{"def f(a = 1):\n    \"\"\"Does it.\n\n    Args:\n      a: amount.\n    \"\"\"\n    return a|", "parameter of f, int"},
		{"def f(a = 1):\n    \"\"\"Does it.\n\n    Args:\n      a: amount.\n    \"\"\"\n\nf(a| = 2)", "amount."},
		{"fs.read(lim|it = 1)", "how many bytes at most."},
		{"fs.read(_tim|eout = 1)", "Time that one attempt may take"},
		{"load(\"//lib/web.star\", \"dep|loy\")", "Deploys to a host."},
		{"load(\"//lib/web.star\", d = \"deploy\")\nd|()", "of //lib/web.star"},
		{"load(\"//lib/web|.star\", \"deploy\")", "Web servers."},
		{"load(\"@std//lists.star\", \"chunks\")\nchu|nks()", "Cuts a list into parts."},
		{"LIMIT = 3 + 4\nLIM|IT", "LIMIT = 3 + 4"},
		{"x = 1 # len|", ""},
		{"\"len|\"", ""},
		{"nothing|", ""},
		{"fs.nothing|", ""},
		{"a, b| = 1, 2", "variable"},
		{"r = fs.read\nr|()", "Reads a file."},
		{"a = b\nb = a\na|", "a = b"},
	} {
		at := e.open("main.star", c.text)
		h, err := e.Hover(e.ctx, &protocol.HoverParams{TextDocumentPositionParams: at})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if h != nil {
			got = markdown(h.Contents)
		}
		if got != "" && c.want == "" || !strings.Contains(got, c.want) {
			t.Errorf("%q: %s\nwant %q", c.text, got, c.want)
		}
	}
}

func TestDefinition(t *testing.T) {
	e := start(t, workspaceFiles)
	for _, c := range []struct {
		text, file string
		line, col  uint32
	}{
		{"def f(): pass\nf|()", "main.star", 0, 4},
		{"x = 1\nprint(x|)", "main.star", 0, 0},
		{"def f(a):\n    return a|", "main.star", 0, 6},
		{"def f(a): pass\nf(a| = 1)", "main.star", 0, 6},
		{"load(\"//lib/web.star\", \"deploy\")\ndep|loy()", "lib/web.star", 2, 4},
		{"load(\"./lib/web.star\", p = \"PORTS\")\nprint(p|)", "lib/web.star", 10, 0},
		{"load(\"//lib/web.star\", \"deploy\")\ndeploy(por|t = 1)", "lib/web.star", 2, 17},
		{"load(\"//lib/we|b.star\", \"deploy\")", "lib/web.star", 0, 0},
		{"load(\"@std//lists.star\", \"chunks\")\nchun|ks()", "/lists.star", 2, 4},
		{"😀 = [x for x in [1] if x|]", "main.star", 0, 12},
		{"fs.re|ad()", "", 0, 0},
		{"nothing|", "", 0, 0},
		{"load(\"//gone.star\", \"x\")\nx|", "main.star", 0, 21},
	} {
		at := e.open("main.star", c.text)
		r, err := e.Definition(e.ctx, &protocol.DefinitionParams{TextDocumentPositionParams: at})
		if err != nil {
			t.Fatal(err)
		}
		l, ok := r.(*protocol.Location)
		switch {
		case !ok && c.file == "":
		case !ok || c.file == "":
			t.Errorf("%q: %v", c.text, r)
		case !strings.HasSuffix(string(l.URI), c.file) || l.Range.Start != (protocol.Position{Line: c.line, Character: c.col}):
			t.Errorf("%q: %+v", c.text, l)
		}
		if ok && strings.HasSuffix(c.file, "lists.star") {
			if data, err := os.ReadFile(l.URI.Path()); err != nil || !strings.Contains(string(data), "def chunks") {
				t.Errorf("the editor cannot open the standard library: %v", err)
			}
		}
	}
}

func TestSignatureHelp(t *testing.T) {
	e := start(t, workspaceFiles)
	for _, c := range []struct{ text, label, active string }{
		{"fs.read(|", `fs.read(path, limit = 0, *, sep = "\n")`, "path"},
		{"fs.read(1, |", `fs.read(path, limit = 0, *, sep = "\n")`, "limit = 0"},
		{"fs.read(1, 2, |", `fs.read(path, limit = 0, *, sep = "\n")`, ""},
		{"fs.read(1, sep = |", `fs.read(path, limit = 0, *, sep = "\n")`, `sep = "\n"`},
		{"fs.read(1, _timeout = |", `fs.read(path, limit = 0, *, sep = "\n", _timeout)`, "_timeout"},
		{"def f(a, *rest, b = 1, **more): pass\nf(1, 2, 3|)", "f(a, *rest, b = 1, **more)", "*rest"},
		{"def f(a, *rest, b = 1, **more): pass\nf(1, z = |)", "f(a, *rest, b = 1, **more)", "**more"},
		{"def f(a, ab, b): pass\nf(1, 2, |)", "f(a, ab, b)", "b"},
		{"print(|", `print(*args, sep = " ")`, "*args"},
		{"join(fs.read(|", `fs.read(path, limit = 0, *, sep = "\n")`, "path"},
		{"unknown(|", "", ""},
		{"x = [|", "", ""},
		{"def f(|", "", ""},
	} {
		at := e.open("main.star", c.text)
		h, err := e.SignatureHelp(e.ctx, &protocol.SignatureHelpParams{TextDocumentPositionParams: at})
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			if c.label != "" {
				t.Errorf("%q: there is none", c.text)
			}
			continue
		}
		sig := h.Signatures[0]
		active := ""
		if i, ok := h.ActiveParameter.Get(); ok && int(i) < len(sig.Parameters) {
			r := sig.Parameters[i].Label.(protocol.ParameterInformationLabelTuple)
			active = sig.Label[r[0]:r[1]]
		}
		if sig.Label != c.label || active != c.active {
			t.Errorf("%q: %s, %q\nwant %s, %q", c.text, sig.Label, active, c.label, c.active)
		}
	}
}

func TestDocumentSymbol(t *testing.T) {
	e := start(t, workspaceFiles)
	at := e.open("main.star", "A = [\n  1]\n\ndef f(x):\n    def g():\n        pass\n    y = 1\n\nA = 2\n")
	r, err := e.DocumentSymbol(e.ctx, &protocol.DocumentSymbolParams{TextDocument: at.TextDocument})
	if err != nil {
		t.Fatal(err)
	}
	got := r.(protocol.DocumentSymbolSlice)
	if len(got) != 2 || got[0].Name != "A" || got[0].Range.End.Line != 1 || got[1].Name != "f" || *got[1].Detail != "(x)" ||
		got[1].Range.End.Line != 6 || len(got[1].Children) != 1 || got[1].Children[0].Name != "g" {
		t.Errorf("%+v", got)
	}
}

func TestDiagnostics(t *testing.T) {
	e := start(t, workspaceFiles)
	e.open("main.star", "x = \"😀\" + nothing\nfs.raed(1)\n")
	found := e.diagnostics("main.star", 1)
	if len(found) != 2 || found[0].Range.Start != (protocol.Position{Line: 0, Character: 11}) || found[0].Range.End.Character != 18 ||
		found[0].Code.(protocol.String) != "undefined-name" || found[0].Severity != protocol.DiagnosticSeverityError {
		t.Errorf("%+v", found)
	}
	e.change("main.star", 2, &protocol.TextDocumentContentChangeWholeDocument{Text: "def f():\n    x = 1\n"})
	found = e.diagnostics("main.star", 2)
	if len(found) != 1 || found[0].Severity != protocol.DiagnosticSeverityWarning || found[0].Tags.Slice()[0] != protocol.DiagnosticTagUnnecessary {
		t.Errorf("%+v", found)
	}
	e.change("main.star", 3, &protocol.TextDocumentContentChangeWholeDocument{Text: "x = (\n"})
	found = e.diagnostics("main.star", 3)
	if len(found) != 1 || found[0].Code.(protocol.String) != "syntax" {
		t.Errorf("%+v", found)
	}
	e.change("main.star", 4, &protocol.TextDocumentContentChangeWholeDocument{Text: "x = 1\n"})
	if found = e.diagnostics("main.star", 4); len(found) != 0 {
		t.Errorf("%+v", found)
	}
	// A script that another one loads may not act; its loader may be unsaved.
	e.open("lib/new.star", "x = fs.read(\"a\")\n")
	if found = e.diagnostics("lib/new.star", 1); len(found) != 1 || found[0].Code.(protocol.String) != "top-level-effect" {
		t.Errorf("%+v", found)
	}
	e.open("tool.star", "x = fs.read(\"a\")\n")
	if found = e.diagnostics("tool.star", 1); len(found) != 0 {
		t.Errorf("%+v", found)
	}
	e.write("other.star", "load(\"//tool.star\", \"x\")\n")
	if err := e.DidSave(e.ctx, &protocol.DidSaveTextDocumentParams{TextDocument: protocol.TextDocumentIdentifier{URI: e.uri("other.star")}}); err != nil {
		t.Fatal(err)
	}
	if found = e.diagnostics("tool.star", 1); len(found) != 1 {
		t.Errorf("%+v", found)
	}
	// What it loads is looked for, and what an open script has counts.
	e.write("config/provisioning.toml", "")
	e.open("loads.star", "load(\"./nomod.star\", \"q\")\nload(\"//lib/new.star\", \"y\")\nload(\"//lib/new.star\", \"x\")\nprint(q, x, y)\n")
	found = e.diagnostics("loads.star", 1)
	if len(found) != 2 || found[0].Code.(protocol.String) != "unknown-module" || found[0].Range.Start.Character != 5 ||
		found[1].Code.(protocol.String) != "unknown-load" || found[1].Range.Start.Line != 1 {
		t.Errorf("%+v", found)
	}
	// Nested so deeply that the parser must not see it.
	e.open("deep.star", strings.Repeat("(", 100_000))
	if found = e.diagnostics("deep.star", 1); len(found) != 1 {
		t.Errorf("%+v", found)
	}
	if err := e.DidClose(e.ctx, &protocol.DidCloseTextDocumentParams{TextDocument: protocol.TextDocumentIdentifier{URI: e.uri("deep.star")}}); err != nil {
		t.Fatal(err)
	}
	if found = e.diagnostics("deep.star", 0); len(found) != 0 {
		t.Errorf("%+v", found)
	}
}

func TestFormatting(t *testing.T) {
	e := start(t, workspaceFiles)
	for _, c := range []struct{ text, want string }{
		{"x=1\r\ny  = 'a😀'", "x = 1\ny = \"a😀\"\n"},
		{"x = 1\n", ""},
		{"x = (", ""},
	} {
		at := e.open("main.star", c.text)
		edits, err := e.Formatting(e.ctx, &protocol.DocumentFormattingParams{TextDocument: at.TextDocument})
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case c.want == "" && len(edits) == 0:
		case len(edits) != 1 || edits[0].NewText != c.want || edits[0].Range.Start != (protocol.Position{}) || edits[0].Range.End != endOf(c.text):
			t.Errorf("%q: %+v", c.text, edits)
		}
	}
}
