package partial_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.starlark.net/syntax"
	"golang.org/x/tools/txtar"

	"github.com/provisioning-systems/provisioning/runtime/partial"
)

const sample = `"""What the file is for."""

load("@std//lists.star", "chunks", cut = "flatten")

LIMIT = 3
a, (b, [c]) = 1, (2, [3])
d[0], e.f = 1, 2

def outer(x, y = (1, 2), *args, z = "a, b)", **kwargs):
    """Does it.

    Args:
      x: what.
    """
    total = 0
    for i, (j, _) in enumerate(x):
        total += i
    def inner(): return total
    squares = [n * n for n in x if n in y]
    key = lambda p, q = 2: p + q
    if total: once = 1; twice = 2
    return sorted(
        squares,
        key = key,
    )

last = outer(
    1,
) ; more = {k: v for k, v in {}.items()}
`

func TestRead(t *testing.T) {
	f := partial.Read(sample)
	if got, want := names(f.Top), "chunks cut LIMIT a b c outer last more k v"; got != want && !sameNames(got, want) {
		t.Errorf("the file binds %s, want %s", got, want)
	}
	def := f.Top.Inner[0].Def
	if want := `def outer(x, y = (1, 2), *args, z = "a, b)", **kwargs)`; def.Statement != want {
		t.Errorf("%s, want %s", def.Statement, want)
	}
	if !strings.HasPrefix(def.Doc, "Does it.") || f.Doc() != "What the file is for." {
		t.Errorf("docstrings %q, %q", def.Doc, f.Doc())
	}
	if got, want := names(def.Scope), "x y args z kwargs total i j _ total inner n squares p q key once twice"; !sameNames(got, want) {
		t.Errorf("outer binds %s, want %s", got, want)
	}
	if end := strings.Index(sample, "\n\nlast"); def.End != end {
		t.Errorf("outer ends at %d, want %d", def.End, end)
	}
	if l := f.Loads[0]; l.Path != "@std//lists.star" || l.Names[1].Original != "flatten" {
		t.Errorf("%+v", l)
	}
}

func names(s *partial.Scope) string {
	var all []string
	for _, b := range s.Bindings {
		all = append(all, b.Name)
	}
	return strings.Join(all, " ")
}

func sameNames(a, b string) bool {
	x, y := strings.Fields(a), strings.Fields(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(slices.Compact(x), slices.Compact(y))
}

// TestUnfinished: what is typed at one place leaves the rest as it is.
func TestUnfinished(t *testing.T) {
	const before, after = "A = 1\n\ndef f(x):\n    y = x\n    ", "\n\ndef g(z):\n    return z\n\nB = 2\n"
	for _, typed := range []string{
		"", "y.", "fs.read(", "fs.read(path = ", "z = [1, ", "load(", `"text`, "'", "if ", "for", "for q", "return (((", "def", "def h", "def h(",
		"x = {'a': ", "a b c", "class X:", ")", "lambda", "lambda p:", "=",
	} {
		f := partial.Read(before + typed + after)
		for _, want := range []string{"A", "f", "g", "B"} {
			if !strings.Contains(" "+names(f.Top)+" ", " "+want+" ") {
				t.Errorf("%q: the file binds %s, without %s", typed, names(f.Top), want)
			}
		}
		if s := f.ScopeAt(len(before + typed)); s.Def == nil || s.Def.Name != "f" && s.Def.Name != "h" {
			t.Errorf("%q: is not in f", typed)
		}
	}
}

func TestScopeAt(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"def f():\n    pass|\n", "f"},
		{"def f():\n    pass\n|\n", ""},
		{"def f():\n    pass\n  |\n", "f"},
		{"def f():\n    pass\n\n    |", "f"},
		{"def f():\n    |", "f"},
		{"def f():\n    pass\n|x = 1\n", ""},
		{"def f(): pass |\n", ""},
		{"def f():\n    def g():\n        pass\n        |", "g"},
		{"def f():\n    def g():\n        pass\n    |", "f"},
		{"def f():\n    pass\n    # note|\n", ""},
		{"|def f():\n    pass\n", ""},
		{"def f(a|):\n    pass\n", "f"},
	} {
		at := strings.Index(c.text, "|")
		got := ""
		if d := partial.Read(strings.Replace(c.text, "|", "", 1)).ScopeAt(at).Def; d != nil {
			got = d.Name
		}
		if got != c.want {
			t.Errorf("%q: in %q, want %q", c.text, got, c.want)
		}
	}
}

func TestLookup(t *testing.T) {
	const text = `x = 1
def f(x):
    y = [x for x in x if x]
    return y + x
y = 2
x = 3
print(x, y)
`
	f := partial.Read(text)
	for _, c := range []struct{ at, want int }{
		{strings.Index(text, "x for"), strings.Index(text, "x in x")},
		{strings.Index(text, "x\ny"), strings.Index(text, "x):")},
		{strings.Index(text, "y + x"), strings.Index(text, "y = [")},
		{strings.Index(text, "x, y)"), strings.Index(text, "x = 3")},
		{strings.Index(text, "y)"), strings.Index(text, "y = 2")},
	} {
		if b := f.Lookup(text[c.at:c.at+1], c.at); b == nil || b.Start != c.want {
			t.Errorf("at %d: %+v, want %d", c.at, b, c.want)
		}
	}
	if b := f.Lookup("nothing", 3); b != nil {
		t.Error(b)
	}
}

// TestAgreesWithTheParser: for every script of the repository, the functions,
// parameters, docstrings and names are those that the parser finds.
func TestAgreesWithTheParser(t *testing.T) {
	texts := map[string]string{"sample": sample}
	err := filepath.WalkDir(filepath.Join("..", ".."), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch data, err := os.ReadFile(name); filepath.Ext(name) {
		case ".star":
			texts[name] = string(data)
			return err
		case ".txtar":
			for _, file := range txtar.Parse(data).Files {
				if filepath.Ext(file.Name) == ".star" {
					texts[name+"/"+file.Name] = string(file.Data)
				}
			}
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for name, text := range texts {
		tree, err := (&syntax.FileOptions{Set: true, TopLevelControl: true, GlobalReassign: true}).Parse(name, text, 0)
		if err != nil {
			continue // one that is to show an error
		}
		compared++
		want, got := parsed(tree.Stmts), read(partial.Read(text).Top)
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(slices.Compact(want), slices.Compact(got)) {
			t.Errorf("%s:\nparser  %q\npartial %q", name, want, got)
		}
	}
	if compared < 50 {
		t.Errorf("only %d scripts were compared", compared)
	}
}

func read(s *partial.Scope) []string {
	var all []string
	for _, b := range s.Bindings {
		all = append(all, b.Name)
		if b.Role == partial.Function {
			all = append(all, fmt.Sprintf("def %s %d %q", b.Name, len(b.Def.Params), b.Def.Doc))
		}
	}
	for _, inner := range s.Inner {
		all = append(all, read(inner)...)
	}
	return all
}

func parsed(stmts []syntax.Stmt) []string {
	var all []string
	note := func(e syntax.Expr) { all = append(all, targetsOf(e)...) }
	params := func(params []syntax.Expr) int {
		n := 0
		for _, p := range params {
			switch p := p.(type) {
			case *syntax.Ident:
				note(p)
			case *syntax.BinaryExpr:
				note(p.X)
			case *syntax.UnaryExpr:
				if p.X == nil {
					all = append(all, "")
				} else {
					note(p.X)
				}
			}
			n++
		}
		return n
	}
	for _, stmt := range stmts {
		syntax.Walk(stmt, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.DefStmt:
				note(n.Name)
				doc := ""
				if s, ok := n.Body[0].(*syntax.ExprStmt); ok {
					if lit, ok := s.X.(*syntax.Literal); ok {
						doc, _ = lit.Value.(string)
					}
				}
				all = append(all, fmt.Sprintf("def %s %d %q", n.Name.Name, params(n.Params), doc))
			case *syntax.LambdaExpr:
				params(n.Params)
			case *syntax.AssignStmt:
				note(n.LHS)
			case *syntax.ForStmt:
				note(n.Vars)
			case *syntax.ForClause:
				note(n.Vars)
			case *syntax.LoadStmt:
				for _, id := range n.To {
					note(id)
				}
			}
			return true
		})
	}
	return all
}

func targetsOf(e syntax.Expr) []string {
	var all []string
	switch e := e.(type) {
	case *syntax.Ident:
		all = append(all, e.Name)
	case *syntax.ParenExpr:
		all = targetsOf(e.X)
	case *syntax.TupleExpr:
		for _, x := range e.List {
			all = append(all, targetsOf(x)...)
		}
	case *syntax.ListExpr:
		for _, x := range e.List {
			all = append(all, targetsOf(x)...)
		}
	}
	return all
}

func FuzzRead(f *testing.F) {
	f.Add(sample, 100)
	f.Add("def f(\n\"\"\"x\r\n)[{lambda:for", 7)
	f.Fuzz(func(t *testing.T, text string, at int) {
		file := partial.Read(text)
		c := file.At(at)
		for _, r := range []partial.Range{c.Word, c.Quoted} {
			if r.Start < 0 || r.Start > r.End || r.End > len(text) {
				t.Errorf("%q: the range %v", text, r)
			}
		}
		file.Lookup("x", c.Offset)
		file.PathOf(c.Receiver)
		if c.Call != nil {
			file.Path(c.Call.Callee)
		}
		for _, b := range file.Top.Bindings {
			if b.Role != partial.Loaded && b.Name != text[b.Start:b.End] {
				t.Errorf("%q: %+v", text, b)
			}
		}
		file.Exports()
		file.Doc()
	})
}
