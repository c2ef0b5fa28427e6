package cassette

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	gotime "time"
	"unicode/utf8"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// A value is written as JSON where that says all of it: None, bools, numbers
// (floats with a point or an exponent), texts, lists, and dicts whose keys are
// strings. Everything else is an object with one key that begins with "$":
//
//	{"$bytes": "…"}                      bytes
//	{"$bytes64": "…"} {"$string64": "…"} those that are no UTF-8, in base64
//	{"$tuple": […]} {"$set": […]}
//	{"$dict": [[key, value], …]}         keys that are no strings, or begin with "$"
//	{"$struct": [constructor, {…}]}
//	{"$float": "nan"} {"$time": "…"} {"$duration": "1m30s"}
//	{"$secret": "db/password"}           its name; "$secret+j" when JSON quoting has been over it
//	{"$text": ["password=", {"$secret": "db/password"}]}
//	{"$workspace": "conf/a"}             a path below the workspace
//	{"$large": ["sha256 …", 123456]}     a text above the bound, which is not here
//	{"$codec": "…"}                      what is rare: ranges, times with a zone
type format struct {
	secrets *value.Secrets
	root    string // of the workspace; "" when nothing is taken for a path in it
}

// maxText is the size above which texts are left out.
const maxText = 256 << 10

func (f *format) encode(v starlark.Value) ([]byte, error) {
	var b bytes.Buffer
	err := f.write(&b, v, 0)
	return b.Bytes(), err
}

const maxDepth = 200

func (f *format) write(b *bytes.Buffer, v starlark.Value, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("a value is nested deeper than %d levels", maxDepth)
	}
	switch v := v.(type) {
	case starlark.NoneType:
		b.WriteString("null")
	case starlark.Bool:
		b.WriteString(strconv.FormatBool(bool(v)))
	case starlark.Int:
		b.WriteString(v.String())
	case starlark.Float:
		writeFloat(b, float64(v))
	case starlark.String:
		return f.writeText(b, string(v), "")
	case starlark.Bytes:
		return f.writeText(b, string(v), "$bytes")
	case *value.Secret:
		writeSecret(b, v, "")
	case time.Duration:
		tagged(b, "$duration", quoted(gotime.Duration(v).String()))
	case time.Time:
		t := gotime.Time(v)
		if text := t.Format(gotime.RFC3339Nano); t.Location() == gotime.UTC && sameTime(text, t) {
			tagged(b, "$time", quoted(text))
			return nil
		}
		return f.writeCodec(b, v)
	case *starlark.List:
		return f.writeElems(b, v, depth)
	case starlark.Tuple:
		b.WriteString(`{"$tuple": `)
		defer b.WriteByte('}')
		return f.writeElems(b, v, depth)
	case *starlark.Set:
		b.WriteString(`{"$set": `)
		defer b.WriteByte('}')
		var elems []starlark.Value
		for x := range v.Elements() {
			elems = append(elems, x)
		}
		return f.writeElems(b, starlark.Tuple(elems), depth)
	case *starlark.Dict:
		return f.writeDict(b, v.Items(), depth)
	case *starlarkstruct.Struct:
		b.WriteString(`{"$struct": [`)
		if err := f.write(b, v.Constructor(), depth+1); err != nil {
			return err
		}
		b.WriteString(", ")
		defer b.WriteString("]}")
		var fields []starlark.Tuple
		for _, name := range v.AttrNames() {
			field, err := v.Attr(name)
			if err != nil {
				return err
			}
			fields = append(fields, starlark.Tuple{starlark.String(name), field})
		}
		return f.writeDict(b, fields, depth)
	default:
		return f.writeCodec(b, v)
	}
	return nil
}

func sameTime(text string, t gotime.Time) bool {
	again, err := gotime.Parse(gotime.RFC3339Nano, text)
	return err == nil && again.Equal(t)
}

func writeFloat(b *bytes.Buffer, x float64) {
	switch {
	case math.IsNaN(x):
		tagged(b, "$float", `"nan"`)
	case math.IsInf(x, 0):
		tagged(b, "$float", quoted(strconv.FormatFloat(x, 'g', -1, 64)))
	default:
		text := strconv.FormatFloat(x, 'g', -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		b.WriteString(text)
	}
}

func (f *format) writeElems(b *bytes.Buffer, v starlark.Indexable, depth int) error {
	b.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			b.WriteString(", ")
		}
		if err := f.write(b, v.Index(i), depth+1); err != nil {
			return err
		}
	}
	b.WriteByte(']')
	return nil
}

func (f *format) writeDict(b *bytes.Buffer, items []starlark.Tuple, depth int) error {
	plain := true
	for _, kv := range items {
		key, ok := kv[0].(starlark.String)
		plain = plain && ok && !strings.HasPrefix(string(key), "$") && utf8.ValidString(string(key)) && f.isPlain(string(key))
	}
	if !plain {
		b.WriteString(`{"$dict": `)
		defer b.WriteByte('}')
		pairs := make(starlark.Tuple, len(items))
		for i, kv := range items {
			pairs[i] = starlark.NewList(kv)
		}
		return f.writeElems(b, pairs, depth)
	}
	b.WriteByte('{')
	for i, kv := range items {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quoted(string(kv[0].(starlark.String))) + ": ")
		if err := f.write(b, kv[1], depth+1); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

func (f *format) writeCodec(b *bytes.Buffer, v starlark.Value) error {
	data, err := (&codec.Codec{Secrets: f.secrets}).Encode(v)
	if err == nil {
		tagged(b, "$codec", quoted(base64.StdEncoding.EncodeToString(data)))
	}
	return err
}

// isPlain reports whether a text is nothing but what it says.
func (f *format) isPlain(text string) bool {
	pieces := f.pieces(text)
	return len(pieces) == 0 || len(pieces) == 1 && pieces[0].Secret == nil && !pieces[0].path && pieces[0].Text == text
}

// piece is a part of a text; path says that it is a path below the workspace.
type piece struct {
	value.Piece
	path bool
}

func (f *format) pieces(text string) []piece {
	var all []piece
	pieces, err := f.secrets.Pieces(text)
	if err != nil { // a damaged marker says nothing about the value
		pieces = []value.Piece{{Text: text}}
	}
	for _, p := range pieces {
		if p.Secret == nil {
			p.Text = f.secrets.Redact(p.Text) // what quoting has made of a value
		}
		if p.Secret != nil || f.root == "" {
			all = append(all, piece{p, false})
			continue
		}
		all = f.paths(all, p.Text)
	}
	return all
}

// pathEnd are the characters that a path in a text does not go over.
const pathEnd = " \t\r\n\"'`,;:()[]{}<>|&="

// paths takes the paths below the workspace out of a text.
func (f *format) paths(all []piece, text string) []piece {
	from := 0
	for {
		i := strings.Index(text[from:], f.root)
		if i < 0 {
			break
		}
		i += from
		rest := text[i+len(f.root):]
		if rest != "" && !strings.ContainsRune("/"+pathEnd, rune(rest[0])) { // another directory, whose name begins alike
			from = i + len(f.root)
			continue
		}
		end := strings.IndexAny(rest, pathEnd)
		if end < 0 {
			end = len(rest)
		}
		if i > 0 {
			all = append(all, piece{Piece: value.Piece{Text: text[:i]}})
		}
		all = append(all, piece{value.Piece{Text: rest[:end]}, true})
		text, from = rest[end:], 0
	}
	if text != "" {
		all = append(all, piece{Piece: value.Piece{Text: text}})
	}
	return all
}

// writeText writes a text; tag is "$bytes", or "" for a string.
func (f *format) writeText(b *bytes.Buffer, text, tag string) error {
	if len(text) > maxText {
		sum := sha256.Sum256([]byte(text))
		tagged(b, "$large", fmt.Sprintf(`["sha256 %s", %d]`, hex.EncodeToString(sum[:]), len(text)))
		return nil
	}
	if !utf8.ValidString(text) {
		if !f.isPlain(text) {
			return fmt.Errorf("a text that is not UTF-8 has a secret, or the path of the workspace, in it")
		}
		data := quoted(base64.StdEncoding.EncodeToString([]byte(text)))
		if tag == "" {
			tagged(b, "$string64", data)
		} else {
			tagged(b, "$bytes64", data)
		}
		return nil
	}
	if f.isPlain(text) {
		if tag == "" {
			b.WriteString(quoted(text))
		} else {
			tagged(b, tag, quoted(text))
		}
		return nil
	}
	if tag != "" {
		b.WriteString(`{"` + tag + `": `)
		defer b.WriteByte('}')
	}
	b.WriteString(`{"$text": [`)
	for i, p := range f.pieces(text) {
		if i > 0 {
			b.WriteString(", ")
		}
		switch {
		case p.Secret != nil:
			writeSecret(b, p.Secret, p.Layers)
		case p.path:
			tagged(b, "$workspace", quoted(p.Text))
		default:
			b.WriteString(quoted(p.Text))
		}
	}
	b.WriteString("]}")
	return nil
}

func writeSecret(b *bytes.Buffer, s *value.Secret, layers string) {
	tag := "$secret"
	if layers != "" {
		tag += "+" + layers
	}
	tagged(b, tag, quoted(s.Name))
}

func tagged(b *bytes.Buffer, tag, text string) { b.WriteString(`{"` + tag + `": ` + text + `}`) }

func quoted(text string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(text) // a string can always be encoded
	return strings.TrimSuffix(b.String(), "\n")
}
