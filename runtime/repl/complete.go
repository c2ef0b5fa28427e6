package repl

import (
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// Scope is what completion knows.
type Scope struct {
	Names starlark.StringDict
	Files func(prefix string) []string // for commands that take a file; may be nil
}

// Keywords of expressions, and those that can be only outside of them.
var (
	keywords   = []string{"and", "else", "for", "if", "in", "lambda", "not", "or"}
	statements = []string{"break", "continue", "def", "elif", "load(", "pass", "return"}
)

// Complete completes the word at the end of text, which is a statement or a
// command as far as it goes. The candidates replace the text from start on.
func Complete(text string, scope Scope) (start int, candidates []string) {
	if strings.HasPrefix(strings.TrimSpace(text), ":") {
		if start, candidates, ok := completeCommand(text, scope); ok {
			return start, candidates
		}
	}
	at := scan(text)
	if at.inText {
		return len(text), nil
	}
	start = wordStart(text)
	word := text[start:]
	if start > 0 && text[start-1] == '.' {
		return start, attributes(text[:start-1], word, scope)
	}
	if word != "" && word[0] >= '0' && word[0] <= '9' {
		return start, nil
	}
	candidates = keywordArguments(text, start, at, scope)
	if word != "" || len(candidates) == 0 {
		candidates = append(candidates, names(word, at, scope)...)
	}
	return start, candidates
}

// completeCommand completes commands and the files that they take.
func completeCommand(text string, scope Scope) (start int, candidates []string, ok bool) {
	lead := len(text) - len(strings.TrimLeft(text, " "))
	name, arg, hasArg := strings.Cut(text[lead:], " ")
	if !hasArg {
		for _, c := range commands {
			if strings.HasPrefix(c.name, name) {
				candidates = append(candidates, strings.TrimSpace(c.name+" "+strings.Repeat(" ", min(len(c.arg), 1))))
			}
		}
		return lead, candidates, true
	}
	for _, c := range commands {
		if c.name == name && c.file && scope.Files != nil {
			candidates = scope.Files(arg)
		}
	}
	// A plan is one of a statement, too.
	return len(text) - len(arg), candidates, name != ":plan" || len(candidates) > 0
}

// names are the names of the session, of the language, and its keywords.
func names(prefix string, at position, scope Scope) []string {
	var found []string
	for name, v := range scope.Names {
		if strings.HasPrefix(name, prefix) && !script.Hidden(name) {
			found = append(found, name+suffix(v))
		}
	}
	for name, v := range starlark.Universe {
		if strings.HasPrefix(name, prefix) && !scope.Names.Has(name) {
			found = append(found, name+suffix(v))
		}
	}
	words := keywords
	if !at.inside {
		words = slices.Concat(keywords, statements)
	}
	for _, name := range words {
		if strings.HasPrefix(name, prefix) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// suffix is what will come after a name anyway.
func suffix(v starlark.Value) string {
	switch v.(type) {
	case *module.Namespace:
		return "."
	case starlark.Callable:
		return "("
	}
	return ""
}

// attributes are those of the value that the expression at the end of text has.
func attributes(text, prefix string, scope Scope) []string {
	v := valueAt(text, scope)
	attrs, ok := v.(starlark.HasAttrs)
	if !ok {
		return nil
	}
	var found []string
	for _, name := range attrs.AttrNames() {
		if !strings.HasPrefix(name, prefix) {
			continue
		}
		a := attribute(attrs, name)
		if a == nil {
			a = starlark.None
		}
		found = append(found, name+suffix(a))
	}
	slices.Sort(found)
	return found
}

// valueAt is the value of the expression at the end of text, as far as that is
// known without evaluating anything; nil when it is not.
func valueAt(text string, scope Scope) starlark.Value {
	if text == "" {
		return nil
	}
	switch text[len(text)-1] {
	case '"', '\'':
		return starlark.String("")
	case ']':
		if i := strings.LastIndexByte(text, '['); i == 0 || i > 0 && !isWord(text[i-1]) && text[i-1] != ')' && text[i-1] != ']' {
			return new(starlark.List)
		}
		return nil
	case '}':
		return new(starlark.Dict)
	}
	path := pathAt(text)
	if path == "" {
		return nil
	}
	parts := strings.Split(path, ".")
	v := scope.Names[parts[0]]
	if v == nil {
		v = starlark.Universe[parts[0]]
	}
	for _, name := range parts[1:] {
		attrs, ok := v.(starlark.HasAttrs)
		if !ok {
			return nil
		}
		v = attribute(attrs, name)
	}
	return v
}

func attribute(v starlark.HasAttrs, name string) starlark.Value {
	a, err := v.Attr(name)
	if err != nil {
		return nil
	}
	return a
}

// pathAt is the dotted name at the end of text; "" where there is none, or where
// it is only the end of a larger expression.
func pathAt(text string) string {
	i := len(text)
	for i > 0 && (isWord(text[i-1]) || text[i-1] == '.') {
		i--
	}
	path := text[i:]
	if path == "" || path[0] == '.' || path[0] >= '0' && path[0] <= '9' || strings.Contains(path, "..") || strings.HasSuffix(path, ".") {
		return ""
	}
	return path
}

// keywordArguments are the arguments that the call around the end of text takes
// and does not have yet.
func keywordArguments(text string, start int, at position, scope Scope) []string {
	if at.call == nil || strings.TrimSpace(text[at.call.argument:start]) != "" {
		return nil
	}
	var all []string
	switch fn := valueAt(at.call.callee, scope).(type) {
	case *module.Func:
		all = append(fn.Params(), optionsOf(fn)...)
	case *starlark.Function:
		all = paramsOf(fn)
	}
	var found []string
	for _, name := range all {
		if strings.HasPrefix(name, text[start:]) && !slices.Contains(at.call.given, name) {
			found = append(found, name+" = ")
		}
	}
	return found
}

func optionsOf(fn *module.Func) []string {
	var all []string
	for _, o := range fn.Options() {
		all = append(all, o.Name)
	}
	return all
}

// paramsOf are the parameters of a function without *args and **kwargs, which
// come last.
func paramsOf(fn *starlark.Function) []string {
	n := fn.NumParams()
	if fn.HasVarargs() {
		n--
	}
	if fn.HasKwargs() {
		n--
	}
	all := make([]string, n)
	for i := range n {
		all[i], _ = fn.Param(i)
	}
	return all
}
