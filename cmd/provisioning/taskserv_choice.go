package main

import (
	"slices"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/recipe"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

// given is the configuration that a command names itself.
type given struct {
	profile string
	file    string // for the first one of what is named; "" for none
}

// chooser asks the configuration of a recipe who shall provide what it requires. The file
// of the command is for the recipe named first.
func (a *app) chooser(c *recipe.Catalogue, first string, g given) recipe.Chooser {
	return func(r *recipe.Recipe, n recipe.Need, among []string) (string, error) {
		if recipe.ChosenBy[n.Name] == "" {
			return "", nil
		}
		file, profile := "", ""
		if r.Name == first {
			file, profile = g.file, g.profile
		}
		config, err := a.effective(r, profile, file)
		if err != nil {
			return "", err
		}
		return recipe.Chosen(c, r, n, among, config)
	}
}

// effective is the configuration that a recipe would be installed with, as a dict; nil when
// it takes none, or what is given is not enough.
func (a *app) effective(r *recipe.Recipe, profile, file string) (starlark.Value, error) {
	s, ok := r.Field("config").(*schema.Schema)
	if !ok {
		return nil, nil
	}
	ws, err := a.workspace("")
	if err != nil {
		return nil, err
	}
	known, err := a.knownTaskservs()
	if err != nil {
		return nil, err
	}
	doc, err := a.merged(ws, r.Name, known, file)
	if err != nil {
		return nil, err
	}
	var over starlark.Value = new(starlark.Dict)
	if doc != nil {
		over = doc.Value
	}
	v, err := schema.Merge(r.Profile(profile), over)
	if err != nil {
		return nil, err
	}
	completed, report, err := s.Validate(&starlark.Thread{Name: r.Name}, v, nil)
	if err != nil || !report.OK() {
		return nil, err // whoever installs it says what is wrong
	}
	return fieldsOf(completed), nil
}

// fieldsOf makes a dict of what a schema has completed.
func fieldsOf(v starlark.Value) *starlark.Dict {
	if d, ok := v.(*starlark.Dict); ok {
		return d
	}
	d := new(starlark.Dict)
	s, ok := v.(starlark.HasAttrs)
	if !ok {
		return d
	}
	for _, name := range s.AttrNames() {
		if field, err := s.Attr(name); err == nil && field != nil {
			_ = d.SetKey(starlark.String(name), field) // a fresh dict takes strings
		}
	}
	return d
}

// awaitedElsewhere are the recipes of what the others need on other servers, and have to
// find well there.
func (a *app) awaitedElsewhere(recipes []*recipe.Recipe) ([]recipe.Place, error) {
	c, done, err := a.catalogue()
	if err != nil {
		return nil, err
	}
	defer done()
	var places []recipe.Place
	for _, r := range recipes {
		for _, n := range r.Requires {
			if !n.Infra || !n.Healthy || slices.ContainsFunc(recipes, func(o *recipe.Recipe) bool { return o.Meets(n) }) {
				continue
			}
			for _, name := range meeting(c, n) {
				p, err := c.Place(name)
				if err != nil {
					return nil, err
				}
				if !slices.Contains(places, p) {
					places = append(places, p)
				}
			}
		}
	}
	return places, nil
}

// meeting are the names of the recipes that meet a need.
func meeting(c *recipe.Catalogue, n recipe.Need) []string {
	names := c.Providers(n.Name)
	if r, err := c.Recipe(n.Name); err == nil {
		names = append(names, r.Name)
	}
	return names
}
