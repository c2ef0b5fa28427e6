package runtime

import (
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

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
	foreign := func(name string) bool { return script.Foreign(script.FileName(name), nil) } // where no guard knows better
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

// foreign are the files of sources that are not the user's own: where a run is executed
// elsewhere, what is on the disk there does not decide that.
func (x *execution) foreign(sources []journal.Source) []string {
	var files []string
	for _, s := range sources {
		if file := script.FileName(s.Name); x.door.Guard != nil && len(x.door.Guard.Restricted([]string{file})) > 0 {
			files = append(files, file)
		}
	}
	slices.Sort(files)
	return files
}

// mayLoad is the rule of [Guard] for a run that is executed elsewhere: it goes by the
// names of files that are not the user's own.
func mayLoad(foreign []string) func(module, from string) error {
	is := func(module string) bool { return script.Foreign(script.FileName(module), foreign) }
	return func(module, from string) error {
		if !is(from) || is(module) || strings.HasPrefix(module, "@std//") {
			return nil
		}
		return fault.New(fault.Permission, "%s, which is part of an extension, cannot load %q", script.FileName(from), module).
			WithHint("an extension loads its own files, other extensions, and @std//; what it needs from the script it takes as an argument")
	}
}
