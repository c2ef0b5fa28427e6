// Package toml reads TOML text.
//
// Values are built from the syntax tree of go-toml, which keeps the order of
// keys; go-toml's own decoder, which does not, then says whether the document
// keeps the rules about what may be defined where.
package toml

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

const (
	maxDepth = 500      // deeper than any document; guards the Go stack
	maxSize  = 64 << 20 // bytes of one document
)

// Decode returns the value of a document. note, which may be nil, is told the byte
// at which each key, each table and each element of an array stands.
func Decode(doc value.Document, note func(path string, offset int)) (v starlark.Value, err error) {
	if len(doc.Text) > maxSize {
		return nil, fault.New(fault.Invalid, "cannot decode TOML: the text is larger than %d MiB", maxSize>>20)
	}
	defer func() {
		// The library panics on what it takes for its own defects. A text from
		// outside must not end the program.
		if recover() != nil {
			v, err = nil, fault.New(fault.Invalid, "cannot decode TOML: not valid TOML")
		}
	}()
	b := builder{doc: doc, root: new(starlark.Dict), note: note, paths: map[starlark.Value]string{}}
	if err := b.build(); err != nil {
		return nil, err
	}
	var checked map[string]any
	if err := toml.Unmarshal([]byte(doc.Text), &checked); err != nil {
		return nil, b.refused(err)
	}
	return b.root, nil
}

// refused tells why the library's decoder took a document that was well formed
// for wrong: something is defined where the rules do not allow it.
func (b *builder) refused(err error) error {
	msg := strings.TrimPrefix(err.Error(), "toml: ")
	if b.doc.Secret || len(msg) > 200 || strings.Contains(msg, "\n") {
		msg = "something is defined twice, or where it cannot be"
	}
	var at *toml.DecodeError
	if errors.As(err, &at) {
		line, column := at.Position()
		msg = fmt.Sprintf("line %d, column %d: %s", line, column, msg)
	}
	return fault.New(fault.Invalid, "cannot decode TOML: %s", msg)
}

// failAt reports a mistake at a byte of the document.
func (b *builder) failAt(pos int, format string, args ...any) error {
	before := b.doc.Text[:min(pos, len(b.doc.Text))]
	line := strings.Count(before, "\n") + 1
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	return fault.New(fault.Invalid, "cannot decode TOML: line %d, column %d: %s", line, column, fmt.Sprintf(format, args...))
}

// syntaxError reports what the parser found.
func (b *builder) syntaxError(err error) error {
	var at *unstable.ParserError
	if !errors.As(err, &at) {
		return fault.New(fault.Invalid, "cannot decode TOML: not valid TOML")
	}
	pos := int(b.parser.Range(at.Highlight).Offset)
	if value.HasMarker(b.doc.Text[pos:min(pos+4, len(b.doc.Text))]) {
		return b.failAt(pos, "a secret stands there; within a document it needs quotes around it")
	}
	return b.failAt(pos, "%s", at.Message)
}
