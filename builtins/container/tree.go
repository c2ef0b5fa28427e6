package container

import (
	"io/fs"
	"path/filepath"

	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

// tree is a directory of the workspace as a file system: what a script cannot
// reach is not in it.
type tree struct{ root sandbox.Path }

var (
	_ fs.StatFS     = tree{}
	_ fs.ReadDirFS  = tree{}
	_ fs.ReadLinkFS = tree{}
)

func (t tree) at(name string) sandbox.Path {
	if name == "." {
		return t.root
	}
	return t.root.Child(filepath.FromSlash(name))
}

func (t tree) Open(name string) (fs.File, error)          { return t.at(name).Open() }
func (t tree) Stat(name string) (fs.FileInfo, error)      { return t.at(name).Stat() }
func (t tree) Lstat(name string) (fs.FileInfo, error)     { return t.at(name).Lstat() }
func (t tree) ReadLink(name string) (string, error)       { return t.at(name).Readlink() }
func (t tree) ReadDir(name string) ([]fs.DirEntry, error) { return t.at(name).ReadDir() }
