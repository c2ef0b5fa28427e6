package inspect

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/render"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// use is a place of a script that renders a template.
type use struct {
	file string // of the template
	vars *syntax.DictExpr
}

// lookAtTemplates reads the templates, and looks whether the scripts give them the
// variables that they use. Those that have nothing but the configuration in them are
// rendered: with the defaults, and with every profile.
func (i *inspection) lookAtTemplates() {
	uses := i.uses()
	var files []string
	for name := range i.texts {
		if strings.HasPrefix(name, "templates/") || slices.ContainsFunc(uses, func(u use) bool { return u.file == name }) {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	for _, name := range files {
		names, err := render.Names(name, string(i.texts[name]))
		if err != nil {
			i.wrong(templates, i.inTemplate(name, err))
			continue
		}
		for _, u := range uses {
			if u.file == name && u.vars != nil {
				i.lookAtUse(u, names)
			}
		}
	}
}

// uses are the calls of template.string with a text that is loaded.
func (i *inspection) uses() []use {
	var found []use
	for _, name := range i.names(".star") {
		t := i.trees[name]
		if t == nil {
			continue
		}
		loaded := i.loadedTexts(name, t)
		t.calls(func(c *syntax.CallExpr) {
			if dotted(c.Fn) != "template.string" || len(c.Args) == 0 {
				return
			}
			file := loaded[dotted(c.Args[0])]
			if file == "" {
				return
			}
			u := use{file: file}
			_, given := argumentOf(c, "vars")
			if len(c.Args) > 1 && given == nil {
				given = c.Args[1]
			}
			u.vars, _ = given.(*syntax.DictExpr)
			found = append(found, u)
		})
	}
	return found
}

// loadedTexts are the files of the taskserv that a script loads as text, by the names
// that it gives to them.
func (i *inspection) loadedTexts(name string, t *tree) map[string]string {
	texts := map[string]string{}
	for _, stmt := range t.file.Stmts {
		load, ok := stmt.(*syntax.LoadStmt)
		if !ok || script.IsScript(load.ModuleName()) {
			continue
		}
		module, err := script.ModuleName(load.ModuleName(), i.Place.Dir()+"/"+name)
		if err != nil {
			continue
		}
		file, ours := strings.CutPrefix(module, i.Place.Dir()+"/")
		if _, there := i.texts[file]; ours && there {
			for n := range load.To {
				texts[load.To[n].Name] = file
			}
		}
	}
	return texts
}

// lookAtUse looks whether a script gives a template what it uses.
func (i *inspection) lookAtUse(u use, names []render.Name) {
	given, config := map[string][]string{}, true
	for _, x := range u.vars.List {
		entry := x.(*syntax.DictEntry)
		lit, ok := entry.Key.(*syntax.Literal)
		if !ok || lit.Token != syntax.STRING {
			return // which variables there are is not written down
		}
		at, is := configPath(entry.Value)
		config = config && is
		given[lit.Value.(string)] = at
	}
	missing := false
	for _, n := range names {
		at, ok := given[n.Path[0]]
		message, hint := "", ""
		switch {
		case n.Optional:
			continue
		case !ok:
			message = fmt.Sprintf("%q is not among the variables that the template gets%s", n.Path[0], near(n.Path[0], keys(given)))
			hint = "there are " + strings.Join(keys(given), ", ")
		case at != nil && i.schema() != nil:
			message = i.unknownPath(append(slices.Clone(at[1:]), n.Path[1:]...), n)
		}
		if message != "" {
			missing = true
			i.wrong(templates, i.problem(u.file, n.Line, n.Col, message, hint))
		}
	}
	if config && !missing {
		i.renderAll(u.file, given)
	}
}

// configPath is what of the configuration an expression is: config, port for
// ctx.config.port, or for config.port in a function that takes the configuration.
func configPath(e syntax.Expr) ([]string, bool) {
	_, rest, ok := strings.Cut("."+dotted(e)+".", ".config.")
	if !ok {
		return nil, false
	}
	return append([]string{"config"}, strings.FieldsFunc(rest, func(r rune) bool { return r == '.' })...), true
}

// unknownPath says which part of a path the configuration does not have; "" when it has
// all of it, as far as the schema knows.
func (i *inspection) unknownPath(steps []string, n render.Name) string {
	at := i.schema().JSONSchema()
	for _, step := range steps {
		properties, _ := lookup(at, "properties").(*starlark.Dict)
		if properties == nil {
			return "" // a map, or one of several: what is in it is not known
		}
		next, _ := lookup(properties, step).(*starlark.Dict)
		if next == nil {
			var known []string
			for _, k := range properties.Keys() {
				name, _ := starlark.AsString(k)
				known = append(known, name)
			}
			return fmt.Sprintf("{{ %s }}: the configuration has no %q%s", n.Text, step, near(step, known))
		}
		at = next
	}
	return ""
}

func lookup(d *starlark.Dict, key string) starlark.Value {
	v, found, err := d.Get(starlark.String(key))
	if !found || err != nil {
		return nil
	}
	return v
}

func near(name string, known []string) string {
	if n := spell.Nearest(name, known); n != "" {
		return fmt.Sprintf(" (did you mean %q?)", n)
	}
	return ""
}

func keys[V any](m map[string]V) []string {
	var all []string
	for name := range m {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// renderAll renders a template with the defaults, and with every profile that is whole.
func (i *inspection) renderAll(file string, given map[string][]string) {
	s := i.schema()
	if s == nil {
		return
	}
	for _, p := range i.profiles() {
		v, report, err := s.Validate(i.thread(), p.given, nil)
		if err != nil || !report.OK() {
			continue
		}
		vars := new(starlark.Dict)
		for name, at := range given {
			one := v
			for _, step := range at[1:] {
				if x, ok := one.(starlark.HasAttrs); ok {
					one, _ = x.Attr(step) // it has it: the path was looked at
				}
			}
			if one == nil {
				return
			}
			_ = vars.SetKey(starlark.String(name), one) // a fresh dict takes strings
		}
		if _, err := render.Text(context.Background(), string(i.texts[file]), vars, render.Options{Strict: true}); err != nil {
			x := i.inTemplate(file, err)
			x.Message = p.in(x.Message)
			i.wrong(templates, x)
		}
	}
}

var ofTemplate = regexp.MustCompile(`^\S+:\d+:\d+: `)

// inTemplate is an error of rendering, which knows its line.
func (i *inspection) inTemplate(name string, err error) Problem {
	e := fault.As(err)
	at, _ := e.Details["line"].(int)
	col, _ := e.Details["column"].(int)
	message, _, _ := strings.Cut(ofTemplate.ReplaceAllString(e.Msg, ""), "\n")
	return i.problem(path.Clean(name), max(at, 1), col, message, e.Hint)
}
