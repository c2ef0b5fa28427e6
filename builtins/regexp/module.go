// Package regexp is the script module regexp: regular expressions of RE2, which
// take linear time whatever the pattern.
package regexp

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is the script module regexp.
var Module = module.New("regexp", `Regular expressions, in the syntax of RE2 as Go has it.

They take time in proportion to the text, whatever the pattern. Positions count
bytes, like the indices of strings. Secrets are seen as their markers: a pattern
cannot look into them, and must not cut them.`)
