package lint

import (
	"bytes"
	"cmp"
	"slices"

	"go.starlark.net/syntax"
)

// enclosed puts parentheses around each choice in a tuple that has none, as in
//
//	a, b = x, (y if c else z)
//
// The formatter's grammar has no choice there without them.
func enclosed(tree *syntax.File, src []byte) []byte {
	type mark struct {
		at   syntax.Position
		text string
	}
	var marks []mark
	has := map[syntax.Expr]bool{} // parentheses
	syntax.Walk(tree, func(n syntax.Node) bool {
		if paren, ok := n.(*syntax.ParenExpr); ok {
			has[paren.X] = true
		}
		if tuple, ok := n.(*syntax.TupleExpr); ok && !has[tuple] {
			for _, element := range tuple.List {
				if choice, ok := element.(*syntax.CondExpr); ok {
					start, end := choice.Span()
					marks = append(marks, mark{start, "("}, mark{end, ")"})
				}
			}
		}
		return n != nil
	})
	// From the end, so that positions before stay true.
	slices.SortStableFunc(marks, func(a, b mark) int {
		return cmp.Or(cmp.Compare(b.at.Line, a.at.Line), cmp.Compare(b.at.Col, a.at.Col))
	})
	lines := bytes.SplitAfter(src, []byte("\n"))
	for _, m := range marks {
		line := lines[m.at.Line-1]
		at := offset(line, m.at.Col)
		lines[m.at.Line-1] = slices.Concat(line[:at], []byte(m.text), line[at:])
	}
	return bytes.Join(lines, nil)
}

// offset is where a column begins in a line, in bytes. Columns count characters, from 1.
func offset(line []byte, col int32) int {
	return len(string([]rune(string(line))[:col-1]))
}
