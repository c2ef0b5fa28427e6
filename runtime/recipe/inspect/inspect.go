// Package inspect finds what is wrong with a taskserv by looking at its files. No server
// is needed, and nothing is done to any.
//
//	report, err := inspect.Taskserv{Place: place, Files: os.DirFS(dir)}.Inspect("static", tools)
//
// Every problem has the line that it is about.
package inspect

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/capability"
	"github.com/provisioning-systems/provisioning/runtime/lint"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// Levels are what can be looked at: the files, what is required, that and the files, how
// health is found out, and all of it.
const (
	Static       = "static"
	Dependencies = "dependencies"
	Check        = "check"
	Health       = "health"
	All          = "all"
)

// Levels are the names of all levels.
var Levels = []string{Static, Dependencies, Check, Health, All}

// The groups of problems.
const (
	schemas      = "schemas"
	templates    = "templates"
	scripts      = "scripts"
	structure    = "structure"
	validators   = "validators"
	dependencies = "dependencies"
	health       = "health"
)

// groups are those that a level shows.
var groups = map[string][]string{
	Static:       {schemas, templates, scripts, structure, validators},
	Dependencies: {dependencies, health},
	Check:        {schemas, templates, scripts, structure, validators, dependencies, health},
	Health:       {health},
	All:          {schemas, templates, scripts, structure, validators, dependencies, health},
}

// Taskserv is what is looked at.
type Taskserv struct {
	Place recipe.Place
	Files fs.FS  // of its directory
	Disk  string // where the directory is; "" for one of the program
}

// Tools are what it takes to look.
type Tools struct {
	Find     recipe.Finder
	Evaluate func(module string) (starlark.StringDict, error) // a module
	Ask      func(script string) (starlark.StringDict, error) // the text of a script

	Lint    func(main bool, module string) lint.Options
	Effects capability.Catalog
	Library fs.FS // what scripts load below @std//

	Validators []string       // modules with rules of the workspace; empty without any
	Given      starlark.Value // the configuration that the workspace gives it, a dict; nil without one

	ShellCheck func(script []byte) ([]Problem, error) // nil when the program is not there
}

// Problem is one thing that is wrong.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Col     int    `json:"col,omitempty"`
	Text    string `json:"text"` // the line
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Group is the problems of one kind.
type Group struct {
	Name     string    `json:"name"`
	Errors   []Problem `json:"errors"`
	Warnings []Problem `json:"warnings"`
}

// Report is all that was found.
type Report struct {
	Taskserv string  `json:"taskserv"`
	Level    string  `json:"level"`
	Valid    bool    `json:"valid"` // there are no errors
	Groups   []Group `json:"groups"`
	Errors   int     `json:"errors"`
	Warnings int     `json:"warnings"`
}

// inspection is one look at a taskserv.
type inspection struct {
	Taskserv
	tools  Tools
	dir    string // as problems show it
	texts  map[string][]byte
	trees  map[string]*tree
	found  map[string]*Group
	recipe *recipe.Recipe // nil when the script does not make one
}

// Inspect looks at the taskserv. Errors are that its files cannot be read at all.
func (t Taskserv) Inspect(level string, tools Tools) (*Report, error) {
	if groups[level] == nil {
		return nil, fault.New(fault.Usage, "there is no level %q", level).WithHint("levels are %s", strings.Join(Levels, ", "))
	}
	i := &inspection{
		Taskserv: t, tools: tools, dir: strings.TrimPrefix(t.Place.Dir(), "//"),
		texts: map[string][]byte{}, trees: map[string]*tree{}, found: map[string]*Group{},
	}
	if err := i.read(); err != nil {
		return nil, err
	}
	i.lookAtScript()
	i.lookAtManifest()
	i.lookAtTemplates()
	i.lookAtShell()
	i.lookWithValidators()
	i.lookAtRequirements()
	i.lookAtHealth()
	return i.report(level), nil
}

const (
	maxFiles = 1000
	maxText  = 1 << 20 // bytes of one file
)

func (i *inspection) read() error {
	err := fs.WalkDir(i.Files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if info, err := d.Info(); err != nil || info.Size() > maxText || len(i.texts) >= maxFiles {
			return err
		}
		text, err := fs.ReadFile(i.Files, name)
		if err != nil {
			return err
		}
		i.texts[name] = text
		if path.Ext(name) == ".star" {
			i.trees[name] = parse(path.Join(i.dir, name), text)
		}
		return nil
	})
	if err != nil {
		return fault.Wrap(fault.Failed, err, "cannot read %s", i.dir)
	}
	return nil
}

func (i *inspection) group(name string) *Group {
	if i.found[name] == nil {
		i.found[name] = &Group{Name: name, Errors: []Problem{}, Warnings: []Problem{}}
	}
	return i.found[name]
}

// problem makes one that is about a line of a file of the taskserv.
func (i *inspection) problem(file string, at, col int, message, hint string) Problem {
	return Problem{File: path.Join(i.dir, file), Line: at, Col: col, Text: line(i.texts[file], at), Message: message, Hint: hint}
}

func (i *inspection) wrong(group string, p Problem) {
	g := i.group(group)
	if !slices.Contains(g.Errors, p) {
		g.Errors = append(g.Errors, p)
	}
}

func (i *inspection) warn(group string, p Problem) {
	g := i.group(group)
	g.Warnings = append(g.Warnings, p)
}

// declared makes a problem that is about an argument of taskserv.declare.
func (i *inspection) declared(argument, message, hint string) Problem {
	t := i.trees[recipe.Script]
	if t == nil {
		return i.problem(recipe.Script, 1, 0, message, hint)
	}
	call := t.callOf("taskserv.declare")
	if call == nil { // it is made in another file, and loaded
		return i.problem(recipe.Script, 1, 0, message, hint)
	}
	pos := t.argument(call, argument)
	return i.problem(recipe.Script, int(pos.Line), int(pos.Col), message, hint)
}

func (i *inspection) report(level string) *Report {
	r := &Report{Taskserv: i.Place.Name, Level: level, Groups: []Group{}}
	for _, name := range groups[level] {
		g := i.group(name)
		for _, list := range [][]Problem{g.Errors, g.Warnings} {
			slices.SortStableFunc(list, func(a, b Problem) int {
				if c := strings.Compare(a.File, b.File); c != 0 {
					return c
				}
				return a.Line - b.Line
			})
		}
		r.Groups = append(r.Groups, *g)
		r.Errors += len(g.Errors)
		r.Warnings += len(g.Warnings)
	}
	r.Valid = r.Errors == 0
	return r
}
