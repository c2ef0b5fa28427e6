package main

import (
	"io/fs"
	"strings"
	"testing/fstest"

	"github.com/provisioning-systems/provisioning/clusters"
	"github.com/provisioning-systems/provisioning/stdlib"
	"github.com/provisioning-systems/provisioning/taskservs"
)

// Below @std// there are, beside the standard library, the taskservs and clusters of the
// program, and the scripts that commands write for themselves.
const (
	taskservsDir = "taskservs/"
	clustersDir  = "clusters/"
	generatedDir = "generated/"
)

// library is the files that load finds below @std//.
type library struct {
	generated fstest.MapFS
}

var _ fs.FS = library{}

func (l library) Open(name string) (fs.File, error) {
	if rest, ok := strings.CutPrefix(name, taskservsDir); ok {
		return taskservs.FS.Open(rest)
	}
	if rest, ok := strings.CutPrefix(name, clustersDir); ok {
		return clusters.FS.Open(rest)
	}
	if rest, ok := strings.CutPrefix(name, generatedDir); ok {
		return l.generated.Open(rest)
	}
	return stdlib.FS.Open(name)
}
