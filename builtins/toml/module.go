// Package toml is the script module toml: values to TOML text and back. Text is
// read by runtime/document/toml.
package toml

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is the script module toml.
var Module = module.New("toml", `TOML text, encoded and decoded.

Dicts keep their order, except that the keys of a table stand before the tables
in it. Secrets stay secret: the text has a marker in their place, which becomes
the escaped value where the text is used.`)

const (
	maxDepth = 500      // deeper than any document; guards the Go stack
	maxSize  = 64 << 20 // bytes of one document
)
