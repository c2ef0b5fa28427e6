package scenes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

// play is a script in a workspace of its own.
type play struct {
	t    *testing.T
	dir  string
	file string

	events event.Sink // nil: nobody listens
}

// newPlay writes a script of the operations, which has the machine as m. Other files
// of the workspace may be given by name.
func newPlay(t *testing.T, machine string, operations []string, files map[string]string) *play {
	t.Helper()
	p := &play{t: t, dir: t.TempDir()}
	p.file = filepath.Join(p.dir, "ws", "play.star")
	var b strings.Builder
	fmt.Fprintf(&b, "def main():\n    m = %s\n", machine)
	b.WriteString("    return [\n")
	for _, o := range operations {
		fmt.Fprintf(&b, "        %s,\n", o)
	}
	b.WriteString("    ]\n")
	all := map[string]string{"config/provisioning.toml": "", "play.star": b.String()}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		file := filepath.Join(p.dir, "ws", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// with does something with a runtime of the workspace, as a process would.
func (p *play) with(do func(*runtime.Runtime) (*runtime.Outcome, error)) (*runtime.Outcome, error) {
	p.t.Helper()
	ws, err := workspace.At(filepath.Join(p.dir, "ws"))
	if err != nil {
		p.t.Fatal(err)
	}
	rt := runtime.New(runtime.Config{
		Workspace: ws, Modules: append([]*module.Module{sceneModule}, builtins.All...), Globals: builtins.Globals,
		Key: seal.KeyAt(filepath.Join(p.dir, "age.key")), Events: p.events,
	})
	out, err := do(rt)
	if cerr := rt.Close(); cerr != nil {
		p.t.Fatal(cerr)
	}
	return out, err
}

func (p *play) interrupt() runtime.Interrupt {
	return runtime.Interrupt{Stop: context.Background(), Cut: context.Background()}
}

func (p *play) check() (*runtime.Outcome, error) {
	return p.with(func(rt *runtime.Runtime) (*runtime.Outcome, error) {
		return rt.Check(p.interrupt(), runtime.Start{Script: p.file})
	})
}

func (p *play) run() (*runtime.Outcome, error) {
	return p.with(func(rt *runtime.Runtime) (*runtime.Outcome, error) {
		return rt.Start(p.interrupt(), runtime.Start{Script: p.file})
	})
}

// resume goes on with the last run. What waits for a person is done again: a step may
// be made twice.
func (p *play) resume() (*runtime.Outcome, error) {
	return p.with(func(rt *runtime.Runtime) (*runtime.Outcome, error) {
		answers, err := redo(rt)
		if err != nil {
			return nil, err
		}
		return rt.Resume(p.interrupt(), "last", runtime.Resume{Answers: answers})
	})
}

func redo(rt *runtime.Runtime) ([]runtime.Answer, error) {
	j, err := rt.Journal()
	if err != nil {
		return nil, err
	}
	run, err := j.Find("last")
	if err != nil {
		return nil, err
	}
	questions, err := run.Questions()
	var answers []runtime.Answer
	for _, q := range questions {
		if q.Answer == "" {
			answers = append(answers, runtime.Answer{Place: q.Place, Choice: "redo"})
		}
	}
	return answers, err
}

func (p *play) rollback() (*runtime.Outcome, error) {
	return p.with(func(rt *runtime.Runtime) (*runtime.Outcome, error) { return rt.Rollback(p.interrupt(), "last", "") })
}

// change is what check mode names, or a run reports, of one operation.
type change struct {
	kind string // of a plan; of a run: "changed", or ""
	diff string
	// vague says that a plan does not know whether it changes anything: that depends on
	// what comes before.
	vague bool
}

// named are the changes of the operations of a plan.
func named(out *runtime.Outcome) []change {
	var all []change
	for _, s := range out.Plan.Root().Steps {
		if s.Effect != nil && strings.HasPrefix(s.Effect.Kind, "op.") && s.Effect.Write {
			all = append(all, change{string(s.Effect.Change), s.Effect.Diff, s.Effect.Depends != ""})
		}
	}
	return all
}

// reported are the changes of the results that a run has returned.
func reported(t *testing.T, out *runtime.Outcome) []change {
	t.Helper()
	list, ok := out.Value.(*starlark.List)
	if !ok {
		t.Fatalf("the play returned %v", out.Value)
	}
	var all []change
	for v := range starlark.Elements(list) {
		r := v.(starlark.HasAttrs)
		c := change{}
		if attr(t, r, "changed") == starlark.True {
			c.kind = "changed"
		}
		c.diff, _ = starlark.AsString(attr(t, r, "diff"))
		if attr(t, r, "ok") != starlark.True {
			t.Errorf("a result is not ok: %v", v)
		}
		all = append(all, c)
	}
	return all
}

func attr(t *testing.T, v starlark.HasAttrs, name string) starlark.Value {
	t.Helper()
	x, err := v.Attr(name)
	if err != nil || x == nil {
		t.Fatalf("a result has no %s: %v", name, err)
	}
	return x
}

// text is an error as people see it.
func text(err error) string {
	if err == nil {
		return ""
	}
	return fault.Render(err)
}

func completed(out *runtime.Outcome) bool { return out != nil && out.State == journal.Completed }
