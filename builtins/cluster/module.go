// Package cluster is the script module cluster: how a script describes a cluster.
package cluster

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is the script module cluster.
var Module = module.New("cluster", `Clusters as scripts describe them: servers, services and applications in order.

A cluster is a directory with a script, cluster.star, that ends with

    composition = cluster.declare("NAME", components = components, …)

The library @std//cluster.star makes, changes and removes what is declared so, and the
commands of "provisioning cluster" run that.
`)
