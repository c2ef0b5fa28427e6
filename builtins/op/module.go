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
changed, rc, stdout, stderr, diff, duration, error, hosts.

With a list of targets, or a pool, an operation acts on all of them at the same time
(_limit = 10: on ten), each in a branch of its own. The result has the same fields:
ok when all are, changed when one is, the first exit code that is not 0, the outputs
with the name of the machine before each line; hosts is the list of the results of
all machines, in their order. For one target it holds that one. When machines fail,
the others are finished, and then the call fails with an error that names them; with
_on_error = "continue" it returns, and results of those that failed have ok = False,
their error, and rc = -1 when there was no exit code.

Operations that follow each other in a script, on the same target and with nothing
between them that looks at their results, travel together: one round trip finds out
how all of them stand, one more is made for each that has something to do.`)
