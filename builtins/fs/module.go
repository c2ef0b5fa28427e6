// Package fs is the script module fs: files of the workspace and of the granted
// directories.
//
// Every name goes through [sandbox.Files]; nothing here uses package os on a
// path of a script. Reads answer in check mode as if the planned writes had been
// done (see look). Writes remember the state before them (see snapshot), so that
// rollback restores it and a resumed run can tell whether they happened:
//
//	fs.write("out/app.conf", "port = 80\n", mode = 0o640)
//	for name in fs.glob("out/**/*.conf"):
//	    print(name, fs.hash(name))
package fs

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/filemode"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

// Module is the script module fs.
var Module = module.New("fs", `Files of the workspace.

Names are relative to the workspace; "//" at the beginning says so explicitly.
Absolute names work below the workspace and below directories that were granted.
The state directory of the workspace cannot be reached.`)

// result is what writes of content return.
type result struct {
	Path    string `star:"path"`
	Changed bool   `star:"changed"`
	Bytes   int    `star:"bytes"`
}

// change is what the other writes return.
type change struct {
	Path    string `star:"path"`
	Changed bool   `star:"changed"`
}

const dirMode = 0o755 // of directories made along the way

func validPath(what, path string) error {
	if path == "" {
		return fault.New(fault.Invalid, "the %s is empty", what)
	}
	return nil
}

func validMode(mode int) error {
	if err := filemode.Check(mode); err != nil {
		return err
	}
	if mode < 0 || mode > 0o777 {
		return fault.New(fault.Invalid, "the mode 0o%o is not between 0 and 0o777", mode).
			WithHint("write it as an octal int, such as 0o644")
	}
	return nil
}

// touched returns the resources of the names that can be resolved; the others
// fail when the effect is performed, with a better message.
func touched(env *effect.Env, names ...string) []string {
	var resources []string
	for _, name := range names {
		if p, err := env.Run.Files.Resolve(name); err == nil {
			resources = append(resources, p.Resource())
		}
	}
	return resources
}

// scratch is an entry next to p that only this effect uses, under the same name
// when it is tried again.
func scratch(env *effect.Env, p sandbox.Path, purpose string) sandbox.Path {
	return p.Sibling("." + shortHash(env.IdempotencyKey()+"\x00"+p.Abs) + "." + purpose)
}

func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

// typeName is how scripts see the type of a file.
func typeName(mode fs.FileMode) string {
	switch {
	case mode.IsRegular():
		return file
	case mode.IsDir():
		return directory
	case mode&fs.ModeSymlink != 0:
		return link
	}
	return other
}

const (
	absent    = "absent"
	file      = "file"
	directory = "directory"
	link      = "link"
	other     = "other" // a device, a socket, a pipe
)
