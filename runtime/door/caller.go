package door

import (
	"fmt"
	"iter"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
)

// Caller is who asks for an effect: a place in a script that is being executed,
// in this process or in another one.
type Caller interface {
	Branch() *branch.Branch
	Position() string            // "file:line:col", see [branch.Position]
	Functions() iter.Seq[string] // the functions of the script that led to it, innermost first
	Modules() []string           // the files of all code that led to it, see [branch.Modules]
	Trail() string               // the positions of the calls that led to it, innermost first
}

// onThread is a caller in this process.
type onThread struct{ thread *starlark.Thread }

var _ Caller = onThread{}

func (c onThread) Branch() *branch.Branch { return branch.Of(c.thread) }
func (c onThread) Position() string       { return branch.Position(c.thread) }
func (c onThread) Modules() []string      { return branch.Modules(c.thread) }

func (c onThread) Functions() iter.Seq[string] {
	return func(yield func(string) bool) {
		for depth := 1; depth < c.thread.CallStackDepth(); depth++ {
			name := c.thread.DebugFrame(depth).Callable().Name()
			if !strings.HasPrefix(name, "·") && !yield(name) {
				return
			}
		}
	}
}

// Trail leaves out the bottom of a deep stack: the language has no recursion.
func (c onThread) Trail() string {
	var b strings.Builder
	for depth := 1; depth < min(c.thread.CallStackDepth(), 64); depth++ {
		f := c.thread.CallFrame(depth)
		if f.Pos.Filename() != "<builtin>" && !strings.HasPrefix(f.Name, "·") {
			fmt.Fprintf(&b, "%s:%d:%d ", f.Pos.Filename(), f.Pos.Line, f.Pos.Col)
		}
	}
	return b.String()
}

// On is the caller that is the builtin which runs on thread.
func On(thread *starlark.Thread) Caller { return onThread{thread} }
