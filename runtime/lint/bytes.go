package lint

import (
	"bytes"
	"fmt"
	"slices"

	"go.starlark.net/syntax"
)

// hideBytes puts names in the place of literals such as b"x", which the
// formatter does not know; restore puts them back.
func hideBytes(tree *syntax.File, src []byte) (hidden []byte, restore func([]byte) []byte) {
	var literals []*syntax.Literal
	syntax.Walk(tree, func(n syntax.Node) bool {
		if lit, ok := n.(*syntax.Literal); ok && lit.Token == syntax.BYTES {
			literals = append(literals, lit)
		}
		return n != nil
	})
	if len(literals) == 0 {
		return src, func(out []byte) []byte { return out }
	}
	prefix := freshPrefix(src)
	name := func(i int) []byte { return fmt.Appendf(nil, "%s%d_", prefix, i) }
	lines := bytes.SplitAfter(src, []byte("\n"))
	for i, lit := range slices.Backward(literals) { // so that positions before stay true
		lines = replaceAt(lines, lit, name(i))
	}
	return bytes.Join(lines, nil), func(out []byte) []byte {
		for i, lit := range slices.Backward(literals) {
			out = bytes.ReplaceAll(out, name(i), []byte(lit.Raw))
		}
		return out
	}
}

// freshPrefix returns the beginning of a name that the script does not use.
func freshPrefix(src []byte) string {
	prefix := "_bytes_"
	for bytes.Contains(src, []byte(prefix)) {
		prefix += "_"
	}
	return prefix
}

// replaceAt puts name where the literal stands.
func replaceAt(lines [][]byte, lit *syntax.Literal, name []byte) [][]byte {
	row := int(lit.TokenPos.Line) - 1
	start := offset(lines[row], lit.TokenPos.Col)
	rest := bytes.Join(lines[row:], nil)
	// A copy, because the lines share the memory of the source.
	text := slices.Concat(rest[:start], name, rest[start+len(lit.Raw):])
	return append(slices.Clone(lines[:row]), bytes.SplitAfter(text, []byte("\n"))...)
}
