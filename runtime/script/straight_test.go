package script

import (
	"fmt"
	"strings"
	"testing"

	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/rewrite"
)

// TestStraight marks the lines whose calls may wait for the next one.
func TestStraight(t *testing.T) {
	tests := []struct{ name, src, marked string }{
		{"one alone", "op.file(t, 'a')", ""},
		{"all but the last", "op.file(t, 'a')\nop.file(t, 'b')\nop.file(t, 'c')", "1 2"},
		{"arguments that only compute", "op.file(t, 'a %s' % x, content = '{}'.format(y), mode = d['m'])\nop.file(t, ', '.join([str(n) for n in l]))", "1"},
		{"an argument that calls", "op.file(t, 'a')\nop.file(t, name())\nop.file(t, 'c')", ""},
		{"a method of something", "op.file(t, 'a')\nop.file(t, x.name())", ""},
		{"the value is looked at", "r = op.file(t, 'a')\nop.file(t, 'b')\nop.file(t, 'c')", "2"},
		{"something between them", "op.file(t, 'a')\nn = 1\nop.file(t, 'b')", ""},
		{"another function of the module", "op.file(t, 'a')\nop.handler('n', f)\nop.file(t, 'b')", ""},
		{"blocks", "def f():\n    op.file(t, 'a')\n    op.file(t, 'b')\ndef g():\n    for x in y:\n        op.file(t, x)\n        op.file(t, x)\n    op.file(t, 'c')", "2 6"},
		{"an if between them", "op.file(t, 'a')\nif x:\n    op.file(t, 'b')\n    op.file(t, 'c')\nelse:\n    op.file(t, 'b')\nop.file(t, 'd')", "3"},
		{"arguments that are spread", "op.file(t, 'a', **d)\nop.file(t, 'b')", ""},
		{"the module is another one", "op = struct()\nop.file(t, 'a')\nop.file(t, 'b')", ""},
		{"a parameter has its name", "def f(op):\n    op.file(t, 'a')\n    op.file(t, 'b')", ""},
		{"a harmless function is another one", "def str(x):\n    return x\ndef f():\n    op.file(t, 'a')\n    op.file(t, str(1))", ""},
	}
	l := &Loader{Companion: func(name string) bool { return name == "op.file" }}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, err := Options(true).Parse("x.star", test.src, 0)
			if err != nil {
				t.Fatal(err)
			}
			l.straight(f)
			if got := marked(f); got != test.marked {
				t.Errorf("marked lines %q, want %q", got, test.marked)
			}
		})
	}
}

func marked(f *syntax.File) string {
	var lines []string
	syntax.Walk(f, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok && len(call.Args) > 0 {
			last, _ := call.Args[len(call.Args)-1].(*syntax.BinaryExpr)
			if last != nil && last.Op == syntax.EQ && last.X.(*syntax.Ident).Name == rewrite.More {
				lines = append(lines, fmt.Sprint(call.Lparen.Line))
			}
		}
		return true
	})
	return strings.Join(lines, " ")
}
