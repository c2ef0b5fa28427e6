// Package ssh is the module ssh: machines that are reached over SSH.
package ssh

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is what scripts see as ssh.
var Module = module.New("ssh", `Machines over SSH.

ssh.host names one. The connection is made when the first effect needs it, shared by
all that have the same target, and kept until the run ends. The machine has to show a
host key that is known: there is no way to do without.`)
