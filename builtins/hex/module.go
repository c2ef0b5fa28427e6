// Package hex is the script module hex. What is computed from a secret is a
// secret.
package hex

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is the script module hex.
var Module = module.New("hex", `Hexadecimal text, encoded and decoded.

What is computed from a secret is a secret.`)
