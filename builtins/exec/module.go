// Package exec runs commands on this machine, for scripts.
//
// No command outlives the program by accident: every command leads a process
// group of its own, which is killed as a whole, and on Linux the kernel kills
// the command when the program dies.
package exec

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is what scripts see as exec.
var Module = module.New("exec", `Commands on this machine.

A command is a list, the program and its arguments, and no shell reads it:
exec.run(["tar", "-xf", archive]). Pass shell = True to have /bin/sh read a
string instead. Commands run in the workspace, unless _cwd says otherwise, and
take _env, _user, _sudo and _once. Ctrl-C does not reach them; the run stops
them itself.`)
