// Package base64 is the script module base64. What is computed from a secret is
// a secret.
package base64

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is the script module base64.
var Module = module.New("base64", `Base64, encoded and decoded.

What is computed from a secret is a secret.`)
