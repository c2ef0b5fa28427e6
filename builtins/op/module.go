// Package op is the module op: operations that bring one thing on a machine into a
// state. Each is a file of this package; what they promise together is in package
// operation.
package op

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is what scripts see as op.
var Module = module.New("op", `Operations on machines: files, packages, services, users.

An operation says how something shall be, and changes it only when it is not like
that already. All take a target first, which target.local, ssh.host,
container.target and server.create make, and return the same struct: host, ok,
changed, rc, stdout, stderr, diff, duration, error.

Operations that follow each other in a script, on the same target and with nothing
between them that looks at their results, travel together: one round trip finds out
how all of them stand, one more is made for each that has something to do.`)
