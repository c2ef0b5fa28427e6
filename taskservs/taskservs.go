// Package taskservs holds the taskservs that come with the program: a directory for
// each, <category>/<name>, with extension.toml, taskserv.star and the files that it
// loads. Scripts load them with load("@std//taskservs/<category>/<name>/taskserv.star", …).
package taskservs

import "embed"

// FS are the files of the taskservs.
//
//go:embed */*
var FS embed.FS
