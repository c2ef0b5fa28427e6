// Package log is the module log: lines with a level, in the record of the run.
package log

import (
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Module is the module log.
var Module = module.New("log", `Lines with a level, in the record of the run.

"provisioning runs logs RUN" shows them. print has the level "print". A resumed
run does not print again what it printed before.
`)

var (
	_ = Module.Control(stub("debug", "for those who look for a mistake"), &debug{})
	_ = Module.Control(stub("info", "that things go as they should"), &info{})
	_ = Module.Control(stub("warn", "that somebody may want to look at something"), &warn{})
	_ = Module.Control(stub("error", "that something went wrong"), &failure{})
)

func stub(level, purpose string) string {
	return strings.NewReplacer("LEVEL", level, "PURPOSE", purpose).Replace(`
def LEVEL(message, **fields):
    """Writes a line that says PURPOSE.

    Args:
      message: the line.
      fields: values that belong to it; they follow the line as name=value.
    Returns:
      None
    Example:
      log.LEVEL("rendered", files = 12)
    """`)
}

type line struct {
	Message starlark.Value   `star:"message"`
	Fields  []starlark.Tuple `star:"**fields"`
}

type (
	debug   struct{ line }
	info    struct{ line }
	warn    struct{ line }
	failure struct{ line }
)

func (l *debug) Control(thread *starlark.Thread) (any, error)   { return l.write(thread, "debug") }
func (l *info) Control(thread *starlark.Thread) (any, error)    { return l.write(thread, "info") }
func (l *warn) Control(thread *starlark.Thread) (any, error)    { return l.write(thread, "warn") }
func (l *failure) Control(thread *starlark.Thread) (any, error) { return l.write(thread, "error") }

func (l *line) write(thread *starlark.Thread, level string) (any, error) {
	b := branch.Of(thread)
	text := plain(l.Message)
	for _, kv := range l.Fields {
		text += " " + plain(kv[0]) + "=" + kv[1].String()
	}
	return nil, b.Tree.Host.Log(b, level, text)
}

func plain(v starlark.Value) string {
	if s, ok := starlark.AsString(v); ok {
		return s
	}
	return value.Show(v)
}
