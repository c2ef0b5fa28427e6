// Package path is the module path: it takes names of files apart and puts them
// together. It never looks at a file.
package path

import (
	gopath "path"
	"strings"

	"github.com/provisioning-systems/provisioning/runtime/module"
)

// Module is the module path.
var Module = module.New("path", `Names of files, with / between their parts.

These functions only compute; module fs looks at files.`)

// splitExt cuts the extension off a base name. A leading dot begins a hidden
// file and no extension.
func splitExt(base string) (stem, ext string) {
	hidden := len(base) - len(strings.TrimLeft(base, "."))
	ext = gopath.Ext(base[hidden:])
	return base[:len(base)-len(ext)], ext
}
