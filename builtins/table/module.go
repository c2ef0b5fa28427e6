// Package table is the module table: rows of values as aligned text.
package table

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is the module table.
var Module = module.New("table", `Rows of values as text for people, in aligned columns.`)
