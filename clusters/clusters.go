// Package clusters holds the clusters that come with the program: a directory for each,
// <category>/<name>, with extension.toml and cluster.star. Scripts load them with
// load("@std//clusters/<category>/<name>/cluster.star", …).
package clusters

import "embed"

// FS are the files of the clusters.
//
//go:embed */*
var FS embed.FS
