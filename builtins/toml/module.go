// Package toml is the script module toml: values to TOML text and back.
//
// Values are built from the syntax tree of go-toml, which keeps the order of
// keys; go-toml's own decoder, which does not, then says whether the document
// keeps the rules about what may be defined where.
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
