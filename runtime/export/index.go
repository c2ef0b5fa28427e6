package export

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/runtime/codec"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// index knows which values the script has by name where it has come to.
type index struct {
	e       *exporter
	byKey   map[string][]*origin // whole values
	texts   []*origin            // texts that are looked for within others, longest first
	secrets map[string][]*origin // by id
	named   map[string]*origin   // parameters, by name
	given   map[string]bool      // keys of all that effects were given so far
	corpus  strings.Builder      // the short texts among them
}

func newIndex(e *exporter) *index {
	return &index{
		e: e, byKey: map[string][]*origin{}, secrets: map[string][]*origin{},
		named: map[string]*origin{}, given: map[string]bool{},
	}
}

const (
	minWithin = 8        // bytes of a result that is looked for within a text
	minText   = 4        // bytes of a result that has more than letters in it
	minNumber = 10000    // below, equal numbers are a coincidence
	minParam  = 3        // bytes of a parameter, which is named and so more likely
	maxEcho   = 200      // bytes of a text that, given once, no result gives
	maxCorpus = 16 << 10 // bytes of a text in which values are looked for that were given before
	maxFound  = 2000     // values of one result that are looked at
)

// key is the same for equal values; "" for those that cannot be compared.
func key(v starlark.Value) string {
	data, err := new(codec.Codec).Encode(v)
	if err != nil {
		return ""
	}
	return string(data)
}

// distinctive reports whether a value that occurs twice hardly does so by chance.
func distinctive(v starlark.Value) bool {
	switch v := v.(type) {
	case *value.Secret, time.Time:
		return true
	case starlark.String:
		return len(v) >= minWithin || len(v) >= minText && strings.ContainsFunc(string(v), notLetter)
	case starlark.Bytes:
		return len(v) >= minWithin
	case starlark.Int:
		n, ok := v.Int64()
		return !ok || n >= minNumber || n <= -minNumber
	case *starlark.List, starlark.Tuple, *starlark.Dict, *starlark.Set, *starlarkstruct.Struct:
		found := false
		value.Walk(v, func(x starlark.Value) bool {
			switch x.(type) {
			case starlark.String, starlark.Bytes, starlark.Int, *value.Secret, time.Time:
				found = found || distinctive(x)
			}
			return !found
		})
		return found
	}
	return false
}

func notLetter(r rune) bool { return !unicode.IsLetter(r) && r != '_' }

// param makes a parameter known.
func (ix *index) param(p *param) {
	if p.seen == nil {
		return
	}
	o := &origin{v: p.seen, param: p}
	ix.named[p.name] = o
	text, isText := p.seen.(starlark.String)
	switch {
	case isText && len(text) >= minParam:
		ix.texts = append(ix.texts, o)
		slices.SortStableFunc(ix.texts, longerFirst)
	case !isText && distinctive(p.seen):
	default:
		return
	}
	if k := key(p.seen); k != "" {
		ix.byKey[k] = append(ix.byKey[k], o)
	}
}

func longerFirst(a, b *origin) int {
	return len(b.v.(starlark.String)) - len(a.v.(starlark.String))
}

// argument finds out where an argument comes from.
func (ix *index) argument(s *step, a *argument) (expr, error) {
	if o := ix.named[a.name]; o != nil && key(o.v) != "" && key(o.v) == key(a.value) {
		return refer{to: o}, nil // even a small number: it has the name of the parameter
	}
	return ix.build(a.value, s.path())
}

// whole is the origin of a value in the branch at.
func (ix *index) whole(v starlark.Value, at string) *origin {
	k := key(v)
	if k == "" {
		return nil
	}
	for _, o := range ix.byKey[k] {
		if ix.visible(o, at) {
			return o
		}
	}
	return nil
}

// visible reports whether the branch at could know what o is: the branches of one
// fork do not know of one another.
func (ix *index) visible(o *origin, at string) bool {
	if o.step == nil {
		return true
	}
	x, y := strings.Split(o.step.path(), "."), strings.Split(at, ".")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			a, b := ix.e.forkOf[strings.Join(x[:i+1], ".")], ix.e.forkOf[strings.Join(y[:i+1], ".")]
			return a != b
		}
	}
	return true
}

// split takes a plain text apart into known texts, the longest first, and what
// is between them.
func (ix *index) split(s, at string) []expr {
	for _, o := range ix.texts {
		text := string(o.v.(starlark.String))
		if len(text) > len(s) || !ix.visible(o, at) {
			continue
		}
		i := within(s, text)
		if i < 0 {
			continue
		}
		var parts []expr
		if i > 0 {
			parts = ix.split(s[:i], at)
		}
		parts = append(parts, refer{to: o})
		if end := i + len(text); end < len(s) {
			parts = append(parts, ix.split(s[end:], at)...)
		}
		return parts
	}
	return []expr{literal{starlark.String(s)}}
}

// within is where text is in s as words of its own; -1: nowhere.
func within(s, text string) int {
	for from := 0; ; {
		i := strings.Index(s[from:], text)
		if i < 0 {
			return -1
		}
		i += from
		before, _ := utf8.DecodeLastRuneInString(s[:i])
		first, size := utf8.DecodeRuneInString(text)
		last, _ := utf8.DecodeLastRuneInString(text)
		after, _ := utf8.DecodeRuneInString(s[i+len(text):])
		if (i == 0 || !isWord(before) || !isWord(first)) && (i+len(text) == len(s) || !isWord(last) || !isWord(after)) {
			return i
		}
		from = i + size
	}
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' }

// learn makes the result of a step known: what of it no effect was given before.
// An effect that only says what it was told gives nothing.
func (ix *index) learn(s *step) {
	for _, a := range s.args {
		ix.give(a.value)
	}
	if !s.gives() {
		return
	}
	found := finding{ix: ix, step: s}
	found.walk(s.effect.Gave, "", 0)
}

func (ix *index) give(v starlark.Value) {
	value.Walk(v, func(x starlark.Value) bool {
		if text, ok := x.(starlark.String); ok && len(text) <= maxCorpus {
			ix.corpus.WriteString(string(text))
			ix.corpus.WriteByte(0)
		}
		ix.given[key(x)] = true
		return true
	})
}

// finding looks through one result.
type finding struct {
	ix   *index
	step *step
	n    int
}

func (f *finding) walk(v starlark.Value, path string, depth int) {
	if f.n++; f.n > maxFound || depth > 6 {
		return
	}
	f.add(v, path)
	switch v := v.(type) {
	case starlark.String:
		if stripped := starlark.String(strings.TrimSpace(string(v))); stripped != v {
			f.add(stripped, path+".strip()")
		}
	case *starlarkstruct.Struct:
		for _, name := range v.AttrNames() {
			if field, err := v.Attr(name); err == nil {
				f.walk(field, path+"."+name, depth+1)
			}
		}
	case *starlark.Dict:
		for _, kv := range v.Items() {
			if name, ok := kv[0].(starlark.String); ok && writable(string(name)) {
				f.walk(kv[1], path+"["+quote(string(name))+"]", depth+1)
			}
		}
	case *starlark.List:
		f.elems(v, path, depth)
	case starlark.Tuple:
		f.elems(v, path, depth)
	}
}

// elems looks at what is in a list. The plain elements of one with several are
// not taken: who chose among them is the person, not their position.
func (f *finding) elems(v starlark.Indexable, path string, depth int) {
	for i := range v.Len() {
		x := v.Index(i)
		switch x.(type) {
		case *starlarkstruct.Struct, *starlark.Dict, *value.Secret:
		default:
			if v.Len() > 1 {
				continue
			}
		}
		f.walk(x, path+"["+starlark.MakeInt(i).String()+"]", depth+1)
	}
}

// add makes v known, unless it is nothing special, or something old.
func (f *finding) add(v starlark.Value, path string) {
	o := &origin{v: v, step: f.step, path: path}
	if s, ok := v.(*value.Secret); ok {
		f.ix.secrets[s.ID()] = append(f.ix.secrets[s.ID()], o)
		return
	}
	k := key(v)
	if k == "" || !distinctive(v) {
		return
	}
	text, isText := v.(starlark.String)
	if long := isText && (len(text) > maxEcho || strings.Contains(strings.TrimSpace(string(text)), "\n")); !long {
		if f.ix.given[k] || isText && strings.Contains(f.ix.corpus.String(), string(text)) {
			return
		}
	}
	if isText && value.HasMarker(string(text)) {
		return // the secrets in it are found by themselves
	}
	if f.ix.whole(v, f.step.path()) != nil {
		return
	}
	f.ix.byKey[k] = append(f.ix.byKey[k], o)
	if isText && len(text) >= minWithin && !strings.HasPrefix(path, "[") {
		at, _ := slices.BinarySearchFunc(f.ix.texts, o, longerFirst)
		f.ix.texts = slices.Insert(f.ix.texts, at, o)
	}
}
