// Package taskserv is the script module taskserv: how a script describes a service.
package taskserv

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is the script module taskserv.
var Module = module.New("taskserv", `Services as scripts describe them.

A taskserv is a directory with a script, taskserv.star, that ends with

    recipe = taskserv.declare("NAME", install = install, …)

The library @std//taskserv.star installs, updates and removes what is declared so, and
the commands of "provisioning taskserv" run that.
`)
