// Package json is the script module json: values to JSON text and back.
//
// The encoder keeps the order of dicts and writes secrets so that the text is
// valid JSON once they are expanded. Text is read by runtime/document/json.
package json

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is the script module json.
var Module = module.New("json", `JSON text, encoded and decoded.

Integers keep all their digits, dicts their order, and secrets stay secret: the
text has a marker in their place, which becomes the escaped value where the text
is used.`)

const (
	maxDepth = 500      // deeper than any document; guards the Go stack
	maxSize  = 64 << 20 // bytes of one document
)
