// Package hashlib is the script module hashlib: digests as hexadecimal text.
// Those of secrets are secrets.
package hashlib

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is the script module hashlib.
var Module = module.New("hashlib", `Digests of strings and bytes, as hexadecimal text.

The digest of a secret is a secret: a short one could be guessed from it.`)
