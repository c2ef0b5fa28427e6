// Package yaml is the script module yaml: values to YAML text and back.
//
// Text is read by runtime/document/yaml. The writer is our own, because that of the
// library escapes the markers of secrets, which would lose them.
package yaml

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is the script module yaml.
var Module = module.New("yaml", `YAML text, encoded and decoded.

Dicts keep their order, strings that look like something else get quotes, and
secrets stay secret: the text has a marker in their place, which becomes the
escaped value where the text is used.`)

const (
	maxDepth = 500      // deeper than any document; guards the Go stack
	maxSize  = 64 << 20 // bytes of one text
	maxKey   = 1000     // characters of a key that needs no "? "; YAML says 1024
)
