// Package json reads JSON text: integers keep all their digits, dicts their
// order, and a mistake is told with line, column and path, but never with the text.
package json

import (
	"fmt"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

const (
	maxDepth = 500      // deeper than any document; guards the Go stack
	maxSize  = 64 << 20 // bytes of one document
)

// Decode returns the value of a document. note, which may be nil, is told the byte
// at which each key and each element of a list stands.
func Decode(doc value.Document, note func(path string, offset int)) (starlark.Value, error) {
	if len(doc.Text) > maxSize {
		return nil, fault.New(fault.Invalid, "cannot decode JSON: the text is larger than %d MiB", maxSize>>20)
	}
	s := scanner{doc: doc, text: doc.Text, note: note}
	v, bad := s.document()
	if bad == nil {
		return v, nil
	}
	line, column := position(s.text, bad.pos)
	msg := fmt.Sprintf("line %d, column %d: %s", line, column, bad.text)
	if bad.path.Path != "" && !doc.Secret {
		msg += " in " + (&value.Misfit{Path: bad.path.Path}).Error()
	}
	e := fault.New(fault.Invalid, "cannot decode JSON: %s", msg)
	if bad.pos < len(s.text) && value.HasMarker(s.text[bad.pos:min(bad.pos+4, len(s.text))]) {
		e.WithHint("a secret stands there; within a document it needs quotes around it")
	}
	return nil, e
}

// position returns the line and the column, in characters, of a byte.
func position(text string, pos int) (line, column int) {
	line, start := 1, 0
	for i := range pos {
		if text[i] == '\n' {
			line, start = line+1, i+1
		}
	}
	return line, utf8.RuneCountInString(text[start:pos]) + 1
}
