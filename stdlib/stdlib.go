// Package stdlib holds the standard library: modules in Starlark that scripts
// load with load("@std//…"). The folder commands has the scripts that commands of the
// program run.
package stdlib

import "embed"

// FS are the files of the standard library.
//
//go:embed *.star commands/*.star
var FS embed.FS
