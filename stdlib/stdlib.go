// Package stdlib holds the standard library: modules in Starlark that scripts
// load with load("@std//…").
package stdlib

import "embed"

// FS are the files of the standard library.
//
//go:embed *.star
var FS embed.FS
