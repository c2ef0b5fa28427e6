package inspect

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/lint"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

// lookAtScript reads the scripts, and evaluates that of the taskserv unless reading it
// has found mistakes: these say more than what evaluating makes of them.
func (i *inspection) lookAtScript() {
	if _, ok := i.texts[recipe.Script]; !ok {
		i.wrong(structure, i.problem(recipe.Script, 1, 0, "there is no "+recipe.Script, "it declares the taskserv: recipe = taskserv.declare(…)"))
		return
	}
	broken := false
	for _, name := range i.names(".star") {
		broken = i.lint(name) || broken
	}
	if broken {
		return
	}
	globals, err := i.tools.Evaluate(i.Place.Module)
	if err != nil {
		i.wrong(schemas, i.failed(err))
		return
	}
	if i.recipe, err = recipe.Of(globals); err != nil {
		i.wrong(schemas, i.notExported(err))
		return
	}
	i.lookAtConfig()
}

// names are those of the files with an ending, sorted.
func (i *inspection) names(ext string) []string {
	var names []string
	for name := range i.texts {
		if path.Ext(name) == ext {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// lint reports whether it has found errors.
func (i *inspection) lint(name string) bool {
	broken := false
	test := strings.HasPrefix(name, "tests/") || strings.HasSuffix(name, "_test.star")
	module := i.Place.Dir() + "/" + name
	for _, f := range lint.Source(path.Join(i.dir, name), i.texts[name], i.tools.Lint(test, module)) {
		p := i.problem(name, f.Line, f.Col, f.Message, f.Hint)
		if f.Warning {
			i.warn(schemas, p)
			continue
		}
		broken = true
		i.wrong(schemas, p)
	}
	return broken
}

var namesArgument = regexp.MustCompile(`argument "(\w+)"`)

// failed is an error of evaluating, at the line of the argument that it is about.
func (i *inspection) failed(err error) Problem {
	e := fault.As(err)
	if e == nil {
		return i.problem(recipe.Script, 1, 0, err.Error(), "")
	}
	for n, frame := range e.Stack {
		name, ours := strings.CutPrefix(strings.TrimPrefix(frame.File, "//"), i.dir+"/")
		if !ours {
			continue
		}
		at, col := frame.Line, frame.Col
		if t := i.trees[name]; n == 0 && t != nil {
			if call := t.callAt(at, col); call != nil {
				pos := t.argument(call, argumentOfError(e))
				at, col = int(pos.Line), int(pos.Col)
			}
		}
		return i.problem(name, at, col, e.Error(), e.Hint)
	}
	return i.problem(recipe.Script, 1, 0, e.Error(), e.Hint)
}

// argumentOfError is the path of the argument that an error is about; "" when it does
// not say.
func argumentOfError(e *fault.Error) string {
	if path := recipe.Argument(e); path != "" {
		return path
	}
	if m := namesArgument.FindStringSubmatch(e.Msg); m != nil {
		return m[1]
	}
	if strings.HasPrefix(e.Msg, "the default ") {
		return "default"
	}
	return ""
}

// notExported is that there is no recipe, at the line that makes one under another name.
func (i *inspection) notExported(err error) Problem {
	e := fault.As(err)
	t := i.trees[recipe.Script]
	if call := t.callOf("taskserv.declare"); call != nil {
		pos := start(call)
		return i.problem(recipe.Script, int(pos.Line), int(pos.Col), e.Msg, e.Hint)
	}
	last := 1
	if n := len(t.file.Stmts); n > 0 {
		last = int(start(t.file.Stmts[n-1]).Line)
	}
	return i.problem(recipe.Script, last, 0, e.Msg, e.Hint)
}

// schema is that of the configuration; nil without one.
func (i *inspection) schema() *schema.Schema {
	if i.recipe == nil {
		return nil
	}
	s, _ := i.recipe.Field("config").(*schema.Schema)
	return s
}

// lookAtConfig looks whether the profiles are what the schema allows. What is required
// may be missing in them: users give it.
func (i *inspection) lookAtConfig() {
	s := i.schema()
	profiles, _ := i.recipe.Field("profiles").(*starlark.Dict)
	if s == nil {
		if v := i.recipe.Field("config"); v != starlark.None {
			i.wrong(schemas, i.declared("config", "config must be what schema.record returns, not a "+v.Type(), ""))
		} else if profiles != nil && profiles.Len() > 0 {
			i.wrong(schemas, i.declared("profiles", "there are profiles, but no config that they are of", ""))
		}
		return
	}
	for _, p := range i.profiles() {
		_, report, err := s.Validate(i.thread(), p.given, nil)
		if err != nil {
			i.wrong(schemas, i.declared("profiles."+p.name, err.Error(), ""))
			continue
		}
		for _, x := range report.Problems {
			if x.Found == "" && strings.Contains(x.Message, " is required: ") {
				continue
			}
			argument := "profiles." + p.name
			if x.Path != "" {
				argument += "." + x.Path
			}
			if p.name == "" {
				argument = "config"
			}
			i.wrong(schemas, i.declared(argument, p.in(x.Message), ""))
		}
	}
}

// profile is a configuration that the recipe has itself; the first one has no name, and
// is nothing but the defaults.
type profile struct {
	name  string
	given starlark.Value
}

func (p profile) in(message string) string {
	if p.name == "" {
		return message
	}
	return "profile " + p.name + ": " + message
}

func (i *inspection) profiles() []profile {
	all := []profile{{given: new(starlark.Dict)}}
	profiles, _ := i.recipe.Field("profiles").(*starlark.Dict)
	if profiles == nil {
		return all
	}
	for _, kv := range profiles.Items() {
		name, _ := starlark.AsString(kv[0])
		all = append(all, profile{name, kv[1]})
	}
	return all
}

func (i *inspection) thread() *starlark.Thread { return &starlark.Thread{Name: i.Place.Name} }
