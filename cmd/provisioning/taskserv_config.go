package main

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// taskservConfig is the configuration of services, by their names. The file is for the
// one that there is.
func (a *app) taskservConfig(recipes []*recipe.Recipe, file string) (*starlark.Dict, error) {
	d := starlark.NewDict(len(recipes))
	if file == "" {
		return d, nil
	}
	if len(recipes) != 1 {
		return nil, fault.New(fault.Usage, "--config is for one taskserv, not for %d", len(recipes))
	}
	return nil, fault.New(fault.Usage, "--config is not read yet")
}
