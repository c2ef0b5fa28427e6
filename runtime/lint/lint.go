// Package lint finds mistakes in a script without running it, and formats it.
//
// A [Finding] that would fail at run time is an error; one that is only
// suspicious is a warning. Every finding has a code that does not change, and
// a comment on its line silences it:
//
//	fs.read(path)  # lint: ignore=top-level-effect
//
// Only one file is looked at. Of those that it loads, no more is asked than
// whether they have the names.
package lint

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/module"
)

// Options say what the script may use. The zero value is a loaded file that
// sees nothing but the language itself.
type Options struct {
	Main        bool             // the file given to run: if, for, effects and reassignment at top level
	Predeclared []string         // names that scripts see, besides the modules
	Modules     []*module.Module // the builtins
	// Module returns the text of what the script loads under a name; known is
	// false when that cannot be told without running it. Nil: loads are not looked
	// at.
	Module func(spec string) (src []byte, known bool, err error)
}

// Finding is one thing that is wrong, or looks so.
type Finding struct {
	File    string `json:"file"`
	Line    int    `json:"line"` // from 1
	Col     int    `json:"col"`  // from 1, in characters
	Code    string `json:"code"`
	Warning bool   `json:"warning"` // the script may be right all the same
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Text    string `json:"text"` // the source line
}

func (f Finding) String() string {
	return fmt.Sprintf("%s:%d:%d: %s [%s]", f.File, f.Line, f.Col, f.Message, f.Code)
}

// file is one script and what the checks share about it.
type file struct {
	opts    Options
	name    string
	tree    *syntax.File
	lines   []string
	modules map[string]*module.Module
	bare    map[string]*module.Func // builtins without a prefix
	names   names
	found   []Finding
}

// Source checks a script and returns what it found, by position. name is what
// findings call the file; it is not opened.
func Source(name string, src []byte, opts Options) []Finding {
	f := &file{opts: opts, name: name, lines: strings.Split(string(src), "\n")}
	f.index()
	if !f.parse(src) {
		return f.found
	}
	f.resolve()
	f.names.collect(f.tree)
	for _, check := range []func(){
		f.checkLoads, f.checkNames, f.checkShadowing, f.checkCalls, f.checkEffects,
		f.checkUnreachable, f.checkDuplicates, f.checkMain, f.checkBreakpoints,
	} {
		check()
	}
	return f.result()
}

func (f *file) index() {
	f.modules, f.bare = map[string]*module.Module{}, map[string]*module.Func{}
	for _, m := range f.opts.Modules {
		if m.Name != "" {
			f.modules[m.Name] = m
			continue
		}
		for _, fn := range m.Funcs() {
			f.bare[fn.Short()] = fn
		}
	}
}

// predeclared are all names that the script sees without defining them.
func (f *file) predeclared() []string {
	all := slices.Clone(f.opts.Predeclared)
	for _, m := range f.opts.Modules {
		if m.Name != "" {
			all = append(all, m.Name)
			continue
		}
		all = append(all, members(m)...)
	}
	return all
}

// members are the names of the functions and constants of a module.
func members(m *module.Module) []string {
	var all []string
	for _, fn := range m.Funcs() {
		all = append(all, fn.Short())
	}
	for _, fact := range m.Facts() {
		all = append(all, fact.Name)
	}
	return all
}

func (f *file) report(pos syntax.Position, code Code, hint, format string, args ...any) {
	f.found = append(f.found, Finding{
		File: f.name, Line: int(pos.Line), Col: int(pos.Col), Text: f.text(int(pos.Line)),
		Code: string(code), Warning: warnings[code], Message: fmt.Sprintf(format, args...), Hint: hint,
	})
}

func (f *file) text(line int) string {
	if line < 1 || line > len(f.lines) {
		return ""
	}
	return strings.TrimRight(f.lines[line-1], "\r")
}

// result sorts the findings and leaves out those that a comment silences or
// that repeat what a more telling one says of the same place.
func (f *file) result() []Finding {
	told := map[[2]int]bool{}
	for _, x := range f.found {
		if x.Code == string(DuplicateFunction) || x.Code == string(AssignedLoad) {
			told[[2]int{x.Line, x.Col}] = true
		}
	}
	kept := slices.DeleteFunc(f.found, func(x Finding) bool {
		repeats := x.Code == string(Reassigned) && told[[2]int{x.Line, x.Col}]
		return repeats || slices.Contains(ignored(x.Text), x.Code)
	})
	slices.SortStableFunc(kept, func(a, b Finding) int {
		return cmp.Or(a.Line-b.Line, a.Col-b.Col, strings.Compare(a.Code, b.Code))
	})
	return slices.Compact(kept)
}

var ignoreComment = regexp.MustCompile(`#\s*lint:\s*ignore=([a-z,\s-]+)`)

// ignored are the codes that a comment on the line silences.
func ignored(line string) []string {
	m := ignoreComment.FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	return strings.FieldsFunc(m[1], func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

func isUniversal(name string) bool { return starlark.Universe.Has(name) }
