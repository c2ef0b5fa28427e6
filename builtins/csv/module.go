// Package csv is the script module csv: tables as CSV text (RFC 4180) and back.
//
// The reader is our own because encoding/csv changes line breaks within fields.
package csv

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is the script module csv.
var Module = module.New("csv", `Tables as CSV text, encoded and decoded.`)
