package runtime

import (
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/interpreter"
	"github.com/provisioning-systems/provisioning/runtime/isolate"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// engine evaluates the script of an execution: in this process, or in one that
// holds nothing but the interpreter.
type engine interface {
	Ready(name string, in interpreter.Inputs) ([]branch.Line, error)
	Run() (starlark.Value, error)
	// Undo calls what on_rollback has registered for e. What that does is done by
	// x, which takes the run back; the engine is of an execution that replays it.
	Undo(e *journal.Effect, x *execution) error
	Secret(name, plain string) // says that the run has a further secret
	Close()
}

var (
	_ engine = here{}
	_ engine = apart{}
)

// undoPath is the path of the branch in which an effect is taken back by the
// script. It tells the effect.
func undoPath(e *journal.Effect) string { return "r" + strings.Replace(e.Place, "#", ":", 1) }

// here is the interpreter in this process.
type here struct {
	*interpreter.Interpreter
	door *door.Door
}

// Secret does nothing: the interpreter asks the registry of the run itself.
func (h here) Secret(string, string) {}

// Close does nothing.
func (h here) Close() {}

// Undo calls a function that was registered here.
func (h here) Undo(e *journal.Effect, x *execution) error {
	fn := h.door.Registered(e.Place)
	if fn == nil {
		return fault.New(fault.Mismatch, "the replay of the run did not register the function for %s", e.Place)
	}
	return x.star.Call(undoPath(e), fn)
}

// apart is an interpreter in another process.
type apart struct{ *isolate.Engine }

// Undo calls a function that was registered there.
func (a apart) Undo(e *journal.Effect, x *execution) error {
	return a.Engine.Undo(e.Place, undoPath(e), isolate.Acting{
		Door: x.door, Budget: x.budget, Limits: x.limits, Stop: x.stop, Tree: x.star.Tree,
	})
}

// isolate makes x evaluate its script in another process. What is left of the
// interpreter here gives that one the sources.
func (x *execution) isolate(req request, events event.Sink) {
	cfg := isolate.Config{
		Acting: isolate.Acting{Door: x.door, Budget: x.budget, Limits: x.limits, Stop: x.stop, Tree: x.star.Tree},
		Loader: x.star.Loader, Modules: x.rt.cfg.Modules, Events: events,
		Key: req.box.Key, Root: x.shared.Files.Workspace(), Halt: func(err error) { x.halt(err) }, Held: x.flush,
	}
	if away := x.rt.cfg.Elsewhere; away != nil { // also for a replay: what it has registered may act
		cfg.Lines, cfg.Spell, cfg.Fate = away.Lines, away.Spell, away.Fate
	}
	a := apart{isolate.New(cfg)}
	x.engine = a
	x.shared.Secrets.OnAdd = a.Secret
}
