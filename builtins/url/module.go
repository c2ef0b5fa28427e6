// Package url is the script module url: URLs taken apart and put together, with
// secrets that are encoded where they are used.
package url

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is the script module url.
var Module = module.New("url", `URLs: taken apart, put together, quoted.

Secrets in a text that is quoted stay secret: the value is quoted where the text
is used.`)
