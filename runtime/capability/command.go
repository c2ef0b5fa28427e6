package capability

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// A pattern for a command is a list with an entry for each word. The first, the
// program, is exact. Of the others, each is
//
//	"clone"            this word
//	"*", "v*"          a word with any characters in place of *; but never an
//	                   option: a word that begins with "-" matches only a
//	                   pattern that does, too
//	"--depth=*"        an option, with any value
//	"path:src/*"       a file, as in args.path
//	"url:https://h/p"  a URL, as in args.url
//	["clone", "fetch"] one of several
//	"**"               at the end: any number of words that are no options
//	"-**"              at the end: any number of words, options too
//
// A text for the shell matches only a pattern that is the same text, or "*".

// word is the pattern of one word of a command.
type word func(s string, paths Paths) bool

// argv is the pattern of a command.
type argv struct {
	words []word
	rest  word // what "**" and "-**" allow; nil: nothing
}

func newCommand(pattern any) (matcher, error) {
	if s, ok := pattern.(string); ok {
		return newShellText(s)
	}
	list, ok := pattern.([]any)
	if !ok || len(list) == 0 {
		return nil, errors.New("it must be a list of words, or a string for the shell")
	}
	var a argv
	for i, p := range list {
		last := i == len(list)-1
		if rest := restOf(p); rest != nil && i > 0 {
			if !last {
				return nil, fmt.Errorf("%q can only be the last word", p)
			}
			a.rest = rest
			continue
		}
		w, err := newWord(p, i == 0)
		if err != nil {
			return nil, err
		}
		a.words = append(a.words, w)
	}
	return a.match, nil
}

func restOf(p any) word {
	switch p {
	case "**":
		return func(s string, _ Paths) bool { return !strings.HasPrefix(s, "-") }
	case "-**":
		return func(string, Paths) bool { return true }
	}
	return nil
}

func newWord(p any, program bool) (word, error) {
	if alternatives, ok := p.([]any); ok {
		var words []word
		for _, p := range alternatives {
			if _, nested := p.([]any); nested {
				return nil, errors.New("a list of alternatives holds only strings")
			}
			w, err := newWord(p, program)
			if err != nil {
				return nil, err
			}
			words = append(words, w)
		}
		if len(words) == 0 {
			return nil, errors.New("a list of alternatives is empty")
		}
		return func(s string, paths Paths) bool {
			for _, w := range words {
				if w(s, paths) {
					return true
				}
			}
			return false
		}, nil
	}
	s, ok := p.(string)
	if !ok {
		return nil, fmt.Errorf("a word must be a string, not %v", p)
	}
	w, err := newStringWord(s, program)
	if err != nil {
		return nil, fmt.Errorf("the word %q: %w", s, err)
	}
	return w, nil
}

func newStringWord(s string, program bool) (word, error) {
	if !program {
		if p, ok := strings.CutPrefix(s, "path:"); ok {
			match, err := newPath(p, Paths.Forms, false)
			return func(s string, paths Paths) bool { return !strings.HasPrefix(s, "-") && match(s, paths) }, err
		}
		if p, ok := strings.CutPrefix(s, "url:"); ok {
			a, err := newAddress(p)
			return func(s string, _ Paths) bool { return a.match(s) }, err
		}
	}
	g, err := newGlob(s)
	if err != nil {
		return nil, err
	}
	if program && (!g.exact() || g[0] == "") {
		return nil, errors.New("the program must be exact")
	}
	option := strings.HasPrefix(g[0], "-")
	return func(s string, _ Paths) bool { return (option || !strings.HasPrefix(s, "-")) && g.match(s) }, nil
}

func (a argv) match(v starlark.Value, paths Paths) Verdict {
	if _, unknown := v.(*value.Unknown); unknown {
		return Maybe
	}
	words, ok := wordsOf(v)
	if !ok || len(words) < len(a.words) || len(words) > len(a.words) && a.rest == nil {
		return No
	}
	verdict := Yes
	for i, x := range words {
		w := a.rest
		if i < len(a.words) {
			w = a.words[i]
		}
		verdict = min(verdict, w.verdict(x, paths))
	}
	return verdict
}

func (w word) verdict(v starlark.Value, paths Paths) Verdict {
	switch v := v.(type) {
	case *value.Unknown:
		return Maybe
	case starlark.Int:
		return w.of(v.String(), paths)
	case starlark.String:
		return w.of(string(v), paths)
	}
	return No
}

func (w word) of(s string, paths Paths) Verdict {
	if w(s, paths) {
		return Yes
	}
	return No
}

func wordsOf(v starlark.Value) ([]starlark.Value, bool) {
	switch v := v.(type) {
	case *starlark.List:
		words := make([]starlark.Value, v.Len())
		for i := range words {
			words[i] = v.Index(i)
		}
		return words, true
	case starlark.Tuple:
		return v, true
	}
	return nil, false
}

// newShellText reads the pattern of a text for the shell. A "*" within one would
// let through "; rm -rf /", so there is none.
func newShellText(pattern string) (matcher, error) {
	if pattern == "*" {
		return known(func(v starlark.Value, _ Paths) bool { _, ok := v.(starlark.String); return ok }), nil
	}
	g, err := newGlob(pattern)
	if err != nil {
		return nil, err
	}
	if !g.exact() || g[0] == "" {
		return nil, errors.New(`a text for the shell must be exact (write \* for a star), or "*" alone for any`)
	}
	return known(func(v starlark.Value, _ Paths) bool {
		s, ok := v.(starlark.String)
		return ok && string(s) == g[0]
	}), nil
}
