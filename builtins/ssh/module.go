// Package ssh is the module ssh: machines that are reached over SSH.
package ssh

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is what scripts see as ssh.
var Module = module.New("ssh", `Machines that are reached over SSH.`)
