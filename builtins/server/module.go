// Package server is the module server: machines that providers make and remove.
//
// What there is, the provider says: servers are found by the labels of their
// workspace, and nothing of them is kept here. A server has a target, which is what
// operations and commands take.
package server

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is what scripts see as server.
var Module = module.New("server", `Servers: machines that a provider makes and removes.

A server belongs to the workspace of the script, and has a name that is unique in it.
The provider "local" makes servers of containers on this machine, which know each
other by name on a private network. All functions return the same struct: id, name,
provider, status (creating, starting, running, stopping, stopped, rebooting, deleted,
error), plan, zone, image, network, address, addresses (dict), user, port, host_keys,
tags, created_at, changed (whether this call has changed something) and target.

The target is what op, target and ssh work on: an SSH host with the key of the server
pinned, so that nobody has to trust a first connection. It is None as long as the
server has no host key.`)
