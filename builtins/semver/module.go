// Package semver is the script module semver: semantic versions.
package semver

import "github.com/provisioning-systems/provisioning/runtime/module"

// Module is the script module semver.
var Module = module.New("semver", `Semantic versions: parsed, compared, matched with constraints.`)
