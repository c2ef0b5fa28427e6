package value

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// This file holds what builtins that compute on text or documents share: how a
// result computed from secrets stays a secret, and how a place within a nested
// value is told.

// Derive returns f(texts), as a string. When a text has secrets in it, f gets
// the texts with the values in place, and the result is a secret named after
// them and note. Errors of f must not show the texts.
func (s *Secrets) Derive(note string, texts []string, f func(plain []string) (string, error)) (starlark.Value, error) {
	plain := make([]string, len(texts))
	var names []string
	for i, text := range texts {
		var err error
		if plain[i], err = s.Expand(text); err != nil {
			return nil, err
		}
		names = append(names, s.Names(text)...)
	}
	result, err := f(plain)
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		return starlark.String(result), nil
	}
	secret, _ := s.Add(derivedName(names, note), result)
	return secret, nil
}

func derivedName(names []string, note string) string {
	var unique []string
	for _, name := range names {
		if len(unique) == 0 || unique[len(unique)-1] != name {
			unique = append(unique, name)
		}
	}
	return strings.Join(unique, ", ") + " (" + note + ")"
}

// Back is the inverse of [Through]: text has just been decoded by layer.
func Back(text string, layer Layer) string {
	if !HasMarker(text) {
		return text
	}
	lower := string(byte(layer)) + MarkClose // upper() may have changed the case
	return strings.NewReplacer(lower, MarkClose, strings.ToUpper(lower), MarkClose).Replace(text)
}

// Document is a text on its way through a decoder.
type Document struct {
	Text string // what to decode
	// Secret says that the document as a whole is a secret: all strings in it
	// become secrets, and errors must not show its keys.
	Secret bool

	secrets *Secrets
	name    string
}

// Document prepares text for a decoder. note names the format in the names of
// secrets that come out of a document that is a secret itself.
func (s *Secrets) Document(text, note string) (Document, error) {
	d := Document{Text: text, secrets: s}
	if _, _, rest, ok := cutMarker(strings.TrimSpace(text)); !ok || rest != "" {
		return d, nil
	}
	plain, err := s.Expand(text)
	if err != nil {
		return d, err
	}
	return Document{Text: plain, Secret: true, secrets: s, name: derivedName(s.Names(text), note)}, nil
}

// String returns a string of the document as scripts see it.
func (d Document) String(text string) starlark.Value {
	if d.Secret && text != "" {
		secret, _ := d.secrets.Add(d.name, text)
		return secret
	}
	return d.secrets.Value(Back(text, LayerJSON))
}

// Value returns text as scripts see it: the secret, if it is nothing else.
func (s *Secrets) Value(text string) starlark.Value {
	if id, layers, rest, ok := cutMarker(text); ok && layers == "" && rest == "" {
		if secret := s.Lookup(id); secret != nil {
			return secret
		}
	}
	return starlark.String(text)
}

// Quote returns text as a string literal that JSON, YAML and TOML all read, with
// the encoding noted in the markers of secrets.
func Quote(text string) (string, error) {
	if !utf8.ValidString(text) {
		return "", &Misfit{Text: "is not valid UTF-8; encode it with base64 first"}
	}
	return Through(`"`+escape(text)+`"`, LayerJSON), nil
}

// escape writes text as the inside of a string that JSON, YAML and TOML read
// alike.
func escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		if short := strings.IndexRune("\"\\\b\f\n\r\t", r); short >= 0 {
			b.WriteByte('\\')
			b.WriteByte(`"\bfnrt`[short])
		} else if r < 0x20 || (r >= 0x7f && r < 0xa0) || r == 0x2028 || r == 0x2029 ||
			r == 0xfeff || r == 0xfffe || r == 0xffff { // what YAML or TOML do not take as it is
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Entry is a key of a dict, or a field of a struct, with its value.
type Entry struct{ Key, Value starlark.Value }

// Entries returns what is in a dict, in its order, or in a struct, by name. ok
// is false for other values.
func Entries(v starlark.Value) (entries []Entry, ok bool) {
	switch v := v.(type) {
	case *starlark.Dict:
		for _, kv := range v.Items() {
			entries = append(entries, Entry{kv[0], kv[1]})
		}
		return entries, true
	case *starlarkstruct.Struct:
		for _, name := range v.AttrNames() {
			field, _ := v.Attr(name)
			entries = append(entries, Entry{starlark.String(name), field})
		}
		return entries, true
	}
	return nil, false
}

// Misfit is a fault of something within a nested value. Its text continues a
// sentence that begins with the place: "is a function, …".
type Misfit struct{ Path, Text string }

func (m *Misfit) Error() string { return "value" + clip(m.Path, 100) + " " + m.Text }

// Within puts a step, a key or an index, before the path of a misfit.
func Within(err error, step any) error {
	var m *Misfit
	if !errors.As(err, &m) {
		return err
	}
	text := fmt.Sprint(step)
	switch s := step.(type) {
	case string:
		text = strconv.Quote(clip(s, 60))
	case starlark.String:
		text = strconv.Quote(clip(string(s), 60))
	}
	return &Misfit{Path: "[" + text + "]" + m.Path, Text: m.Text}
}
