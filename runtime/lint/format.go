package lint

import (
	"bytes"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/bazelbuild/buildtools/build"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Format lays a script out in the one style. It changes white space, quotes and
// parentheses only; the meaning, the order and the comments stay. A script that
// is not Starlark is an error of kind Script, with the position.
func Format(name string, src []byte) ([]byte, error) {
	src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n")) // as the interpreter reads it
	if !utf8.Valid(src) {
		return nil, fault.New(fault.Script, "cannot format %q: it is not UTF-8", name)
	}
	// The formatter accepts more than we run, such as types of parameters.
	before, err := parseAny(name, src)
	if err != nil {
		return nil, syntaxFault(name, src, err)
	}
	readable := enclosed(before, src)
	tree, err := parseAny(name, readable)
	if err != nil {
		return nil, syntaxFault(name, src, err)
	}
	hidden, restore := hideBytes(tree, readable)
	f, err := build.ParseDefault(name, hidden)
	if err != nil {
		return nil, syntaxFault(name, src, err)
	}
	doubleQuotes(f)
	// Not build.Format: its rewriting sorts loads, moves them to the top and
	// indents docstrings, which changes what the script says.
	out := restore(build.FormatWithoutRewriting(f))
	after, err := parseAny(name, out)
	if err != nil || !same(reflect.ValueOf(before.Stmts), reflect.ValueOf(after.Stmts)) {
		return nil, fault.New(fault.Internal, "cannot format %q: the result would mean something else", name).
			WithHint("please report it, with the script; the file is as it was")
	}
	return out, nil
}

// doubleQuotes gives strings double quotes, where that needs no escape. The
// printer would do so too, but writes "é" in octal then.
func doubleQuotes(f *build.File) {
	build.Walk(f, func(e build.Expr, _ []build.Expr) {
		s, ok := e.(*build.StringExpr)
		if !ok || !strings.HasPrefix(s.Token, "'") {
			return
		}
		quotes := 1
		if s.TripleQuote {
			quotes = 3
		}
		body := s.Token[quotes : len(s.Token)-quotes]
		if !strings.Contains(body, `"`) {
			mark := strings.Repeat(`"`, quotes)
			s.Token = mark + body + mark
		}
	})
}

func parseAny(name string, src []byte) (*syntax.File, error) {
	return (&syntax.FileOptions{Set: true, While: true, TopLevelControl: true}).Parse(name, src, 0)
}

func syntaxFault(name string, src []byte, err error) error {
	frame := fault.Frame{File: name, Line: 1, Col: 1}
	msg := err.Error()
	var ours syntax.Error
	var theirs build.ParseError
	switch {
	case errors.As(err, &ours):
		frame.Line, frame.Col, msg = int(ours.Pos.Line), int(ours.Pos.Col), ours.Msg
	case errors.As(err, &theirs):
		frame.Line, frame.Col, msg = theirs.Pos.Line, theirs.Pos.LineRune, theirs.Message
	}
	if lines := strings.Split(string(src), "\n"); frame.Line >= 1 && frame.Line <= len(lines) {
		frame.Text = strings.TrimRight(lines[frame.Line-1], "\r")
	}
	e := fault.New(fault.Script, "cannot format: %s", msg)
	e.Cause, e.Stack = err, []fault.Frame{frame}
	return e
}

var (
	positionType = reflect.TypeFor[syntax.Position]()
	parenType    = reflect.TypeFor[*syntax.ParenExpr]()
	literalType  = reflect.TypeFor[syntax.Literal]()
	bigIntType   = reflect.TypeFor[*big.Int]()
)

// same reports whether two syntax trees mean the same: all but positions,
// comments, parentheses and the spelling of literals.
func same(a, b reflect.Value) bool {
	a, b = plain(a), plain(b)
	if a.IsValid() != b.IsValid() || a.IsValid() && a.Type() != b.Type() {
		return false
	}
	if !a.IsValid() || a.Type() == positionType {
		return true
	}
	if a.Type() == bigIntType {
		return a.Interface().(*big.Int).Cmp(b.Interface().(*big.Int)) == 0
	}
	switch a.Kind() {
	case reflect.Pointer:
		return a.IsNil() == b.IsNil() && (a.IsNil() || same(a.Elem(), b.Elem()))
	case reflect.Slice:
		return sameElements(a, b)
	case reflect.Struct:
		return sameFields(a, b)
	}
	return a.Equal(b)
}

// plain looks through interfaces and parentheses.
func plain(v reflect.Value) reflect.Value {
	for v.IsValid() {
		switch {
		case v.Kind() == reflect.Interface:
			v = v.Elem()
		case v.Type() == parenType && !v.IsNil():
			v = v.Elem().FieldByName("X")
		default:
			return v
		}
	}
	return v
}

func sameElements(a, b reflect.Value) bool {
	if a.Len() != b.Len() {
		return false
	}
	for i := range a.Len() {
		if !same(a.Index(i), b.Index(i)) {
			return false
		}
	}
	return true
}

func sameFields(a, b reflect.Value) bool {
	for i := range a.NumField() {
		field := a.Type().Field(i)
		// The unexported field is the comments; Raw is how a literal is spelt.
		if !field.IsExported() || a.Type() == literalType && field.Name == "Raw" {
			continue
		}
		if !same(a.Field(i), b.Field(i)) {
			return false
		}
	}
	return true
}
