package runtime

import (
	"strings"

	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// foreignDir is the directory of the workspace whose modules are not the user's
// own, where no guard knows better.
const foreignDir = "//extensions/"

// isolates reports whether a script has to run in a process of its own: because
// that was asked for, or because it loads code that is not the user's own. Only
// the user's own modules are looked at, up to the first one that is not.
func (r *Runtime) isolates(s Start) (bool, error) {
	if r.cfg.Test != nil {
		return false, nil // its clock and its coverage are in this process
	}
	if r.cfg.Isolate {
		return true, nil
	}
	l := &script.Loader{Workspace: r.cfg.Workspace.Root, Stdlib: r.cfg.Stdlib}
	name, err := l.Name(s.Script)
	if err != nil {
		return false, err
	}
	foreign := func(name string) bool { return strings.HasPrefix(name, foreignDir) }
	if r.cfg.Guard != nil {
		files, err := sandbox.OpenFiles(r.cfg.Workspace.Root, r.cfg.Workspace.State)
		if err != nil {
			return false, err
		}
		defer files.Close()
		guard := r.cfg.Guard(files)
		foreign = func(name string) bool { return len(guard.Restricted([]string{script.FileName(name)})) > 0 }
	}
	return l.Reaches(name, foreign), nil
}
