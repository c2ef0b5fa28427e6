package rewrite_test

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/runtime/rewrite"
)

var options = &syntax.FileOptions{Set: true, While: true, TopLevelControl: true, GlobalReassign: true}

// A mode is a way to run a script: plain, or rewritten.
type mode struct {
	name    string
	rewrite bool
}

var plain, rewritten = mode{"plain", false}, mode{"rewritten", true}

// run runs a script on the thread in an environment that it extends.
func (m mode) run(thread *starlark.Thread, opts *syntax.FileOptions, name, src string, env starlark.StringDict) (starlark.StringDict, error) {
	f, err := opts.Parse(name, src, 0)
	if err != nil {
		return nil, err
	}
	all := starlark.StringDict{"struct": starlark.NewBuiltin("struct", starlarkstruct.Make)}
	if m.rewrite {
		rewrite.File(f)
		for k, v := range rewrite.Predeclared() {
			all[k] = v
		}
		if !opts.Set {
			delete(all, "set")
		}
	}
	for k, v := range env {
		all[k] = v
	}
	prog, err := starlark.FileProgram(f, all.Has)
	if err != nil {
		return nil, err
	}
	globals, err := prog.Init(thread, all)
	if evalErr, ok := err.(*starlark.EvalError); ok {
		trim(evalErr)
	}
	return globals, err
}

// trim removes the frames of hidden operators from a backtrace, which then is
// that of the script as written.
func trim(err *starlark.EvalError) {
	kept := err.CallStack[:0]
	for _, fr := range err.CallStack {
		if !strings.HasPrefix(fr.Name, rewrite.Prefix) {
			kept = append(kept, fr)
		}
	}
	err.CallStack = kept
}

// outcome is what a script shows of itself.
func outcome(globals starlark.StringDict, err error) string {
	if evalErr, ok := err.(*starlark.EvalError); ok {
		return evalErr.Backtrace()
	}
	return fmt.Sprint(globals, err)
}
