// Package run is the module run: what a script may know of its own run.
package run

import (
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// Module is the module run.
var Module = module.New("run", `The run that executes this script.`)

var (
	_ = Module.Fact("id", "The run's identifier, the same when it is resumed.",
		func(r *effect.Run) any { return r.ID })
	_ = Module.Fact("check", "True in check mode, when writes are planned and not performed.",
		func(r *effect.Run) any { return r.Check })
	_ = Module.Fact("infra", "Name of the infrastructure that the run works on; empty without one.",
		func(r *effect.Run) any { return r.Infra })
	_ = Module.Fact("workspace", "Absolute path of the workspace; empty without one.", workspace)
	_ = Module.Fact("program", "Path of the provisioning program that executes the run.",
		func(r *effect.Run) any { return r.Program })
)

func workspace(r *effect.Run) any {
	if r.Files == nil {
		return ""
	}
	return r.Files.Workspace()
}
