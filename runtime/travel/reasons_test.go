package travel

import (
	"context"
	"strings"
	"testing"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/branch"
)

// TestReasons looks for the reasons of the place that § marks.
func TestReasons(t *testing.T) {
	for _, c := range []struct{ name, src, want string }{
		{"nothing", "x = 1\nf§()", ""},
		{"if", "if a == 1:\n  f§()", "if a == 1"},
		{"else", "if a:\n  pass\nelse:\n  f§()", "not if a"},
		{"elif", "if a:\n  pass\nelif b:\n  f§()", "not if a; if b"},
		{"condition", "if f§():\n  pass", ""},
		{"for", "for i, x in enumerate(l):\n  if x: f§()", "for i, x in enumerate(l); if x"},
		{"over", "for x in f§(): pass", ""},
		{"guard", "if not a: fail(\"no\")\nif b: pass\nf§()", "not if not a: fail(\"no\")"},
		{"guard in a loop", "for x in l:\n  if x == 1: continue\n  f§(x)", "for x in l; not if x == 1: continue"},
		{"later guard", "f§()\nif a: fail(\"no\")", ""},
		{"conditional", "y = f§() if a else 2", "if a"},
		{"its other arm", "y = 1 if a else f§()", "not if a"},
		{"its condition", "y = 1 if f§() else 2", ""},
		{"comprehension", "[f§(x) for x in l if x > 1]", "for x in l; if x > 1"},
		{"and", "y = a and f§()", "a and"},
		{"or", "y = a or f§()", "not a or"},
		{"several lines", "if (a and\n    b):\n  f§()", "if (a and b)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, rest, _ := strings.Cut(c.src, "§")
			tree, err := dialect.Parse("x.star", before+rest+"\n", 0)
			if err != nil {
				t.Fatal(err)
			}
			s := &source{tree: tree}
			for line := range strings.SplitSeq(before+rest, "\n") {
				s.lines = append(s.lines, []rune(line))
			}
			lines := strings.Split(before, "\n")
			file := "x.star"
			pos := syntax.MakePosition(&file, int32(len(lines)), int32(len([]rune(lines[len(lines)-1]))+1))
			var got []string
			for _, r := range s.reasons(tree.Stmts, pos) {
				text := r.text
				if !r.held {
					text = "not " + text
				}
				got = append(got, text)
			}
			if joined := strings.Join(got, "; "); joined != c.want {
				t.Errorf("the reasons are %q, not %q", joined, c.want)
			}
		})
	}
}

func TestRelation(t *testing.T) {
	text, n := func(s string) starlark.Value { return starlark.String(s) }, func(i int) starlark.Value { return starlark.MakeInt(i) }
	for _, c := range []struct {
		v, from starlark.Value
		want    string
	}{
		{text("linux"), text("linux\n"), "is"},
		{text("x"), text("x"), ""}, // found anywhere
		{text("/srv/linux/x"), text("linux"), "contains"},
		{text("/srv/abc/x"), text("abc"), ""},
		{text("10.0.0.7"), text("web 10.0.0.7\ndb 10.0.0.8"), "is part of"},
		{text("10"), text("10.0.0.7"), ""},
		{n(8080), n(8080), "is"},
		{n(1), n(1), ""},
		{n(8080), text("8080"), ""},
		{starlark.True, starlark.True, ""},
		{starlark.Bytes("secret"), text("secret"), "is"},
		{starlark.None, starlark.None, ""},
	} {
		if got, _ := relation(c.v, c.from); got != c.want {
			t.Errorf("%v %q %v, not %q", c.v, got, c.from, c.want)
		}
	}
}

func TestOriginsPutTheNearestFirst(t *testing.T) {
	from := []candidate{
		{leaf: leaf{".stdout", starlark.String("linux")}, what: "0#1", place: "0#1", number: 1},
		{leaf: leaf{"", starlark.String("a linux box")}, what: "0#2", place: "0#2", number: 2},
		{leaf: leaf{".stdout", starlark.String("linux\n")}, what: "0#3", place: "0#3", number: 3},
	}
	list := starlark.NewList([]starlark.Value{starlark.String("linux"), starlark.True})
	var got []string
	for _, o := range originsOf(list, from) {
		got = append(got, o.Relation+" "+o.What)
	}
	if want := "is 0#3.stdout; is 0#1.stdout; is part of 0#2"; strings.Join(got, "; ") != want {
		t.Errorf("the origins are %q, not %q", got, want)
	}
}

// TestEditHoldsOnce applies edits, and executes what comes of them.
func TestEditHoldsOnce(t *testing.T) {
	const src = `
def f(items):
    out = []
    for x in items:
        if x == 3:
            y = "three"
        elif x > 0:
            out.append(x)
        else:
            y = 0
    return out
result = f([1, 2, 3, 4])
`
	file := "x.star"
	all := edits{
		{file: file, pos: syntax.MakePosition(&file, 8, 13), name: "x", expr: "x * 10", path: "0", nth: 2},
		{file: file, pos: syntax.MakePosition(&file, 8, 13), name: "x", expr: "x + 1", path: "0", nth: 2},
		{file: file, pos: syntax.MakePosition(&file, 7, 9), name: "x", expr: "100", path: "0", nth: 3},
		{file: file, pos: syntax.MakePosition(&file, 7, 9), name: "x", expr: "1000", path: "0.1", nth: 1},
	}
	all.reset()
	tree, err := dialect.Parse(file, src, 0)
	if err != nil {
		t.Fatal(err)
	}
	all.apply(tree)
	names := all.names(newHold(nil))
	prog, err := starlark.FileProgram(tree, names.Has)
	if err != nil {
		t.Fatal(err)
	}
	thread := &starlark.Thread{}
	branch.NewRoot(context.Background(), "0", &branch.Tree{}).Attach(thread)
	globals, err := prog.Init(thread, names)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := globals["result"].String(), "[1, 21, 100]"; got != want {
		t.Errorf("the changed script gives %s, not %s", got, want)
	}
}
