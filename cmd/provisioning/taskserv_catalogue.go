package main

import (
	"path"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/recipe"
	"github.com/provisioning-systems/provisioning/taskservs"
)

// taskservType is what the manifest of an extension says that is a taskserv.
const taskservType = "taskserv"

// catalogue is the taskservs of the infrastructure that was chosen, of the workspace, and
// of the program; nearest come before all of them. done ends its use.
func (a *app) catalogue(nearest ...recipe.Place) (c *recipe.Catalogue, done func(), err error) {
	_, extensions, err := a.nearby()
	if err != nil {
		return nil, nil, err
	}
	places := nearest
	for _, e := range extensions {
		if e.Err == nil && e.Manifest.Extension.Type == taskservType {
			places = append(places, recipe.Place{Name: e.Name, Module: "//" + path.Join(e.Dir, recipe.Script), Source: originOf(e.Dir)})
		}
	}
	places = append(places, recipe.BuiltIn(taskservs.FS, "@std//"+taskservsDir)...)
	rt, in, done, err := a.unwatched()
	if err != nil {
		return nil, nil, err
	}
	return recipe.NewCatalogue(places, func(module string) (starlark.StringDict, error) { return rt.Evaluate(in, module) }), done, nil
}
