package target

import (
	"context"
	"path"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/transfer"
	"github.com/provisioning-systems/provisioning/runtime/command"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/sending"
)

var _ = Module.Write(`
def get(target, source, destination, delete = False):
    """Makes a file or a tree of the workspace like one on a machine.

    What is equal already, by its checksum, is not fetched. Files get their places
    when all of them have come, each by rename. Links are made as links.

    Args:
      target: the machine, a list of machines, or a pool.
      source: absolute path on the machine of a file or a directory.
      destination: where it goes in the workspace, with what name. When it ends with
        a slash it is the directory that source goes into, under its own name. {host}
        in it is the name of the machine; with several machines it must be there.
      delete: remove what is in the destination and not in the source.
    Returns:
      The struct of operations. diff has a line for each file that is made (+),
      replaced or changed (~), or removed (-).
    Errors:
      not_found when there is nothing at source; permission when the user may not
      read it; failed when a file changes while it is read, or the disk is full;
      network when the connection is lost for good.
    Example:
      target.get(target.local(), "/etc/hostname", "fetched/")
      target.get([target.local()], "/etc/hostname", "fetched/{host}/")
    """`, &get{}, effect.Exact)

type get struct {
	command.On
	operation.Many
	Source      string `star:"source"`
	Destination string `star:"destination"`
	Delete      bool   `star:"delete"`
}

var (
	_ effect.Validator  = (*get)(nil)
	_ effect.Describer  = (*get)(nil)
	_ effect.Predictor  = (*get)(nil)
	_ effect.Toucher    = (*get)(nil)
	_ effect.Repeatable = (*get)(nil)
	_ effect.Commander  = (*get)(nil)
	_ effect.Remote     = (*get)(nil)
	_ effect.Spreader   = (*get)(nil)
	_ effect.Divided    = (*get)(nil)
)

func (g *get) RunsCommand()     {}
func (g *get) Repeatable() bool { return true }
func (g *get) Describe() string { return g.Host() + ":" + g.Source + " -> " + g.local() }

func (g *get) Touches(env *effect.Env) []string {
	at, err := g.place(env)
	if err != nil {
		return nil
	}
	return []string{at.Resource()}
}

func (g *get) Validate() error {
	if err := g.On.Validate(); err != nil {
		return err
	}
	if g.Destination == "" {
		return fault.New(fault.Invalid, "the destination is empty")
	}
	if name := g.Host(); g.separate() && (name == "." || name == ".." || strings.ContainsAny(name, "/\x00")) {
		return fault.New(fault.Invalid, "the machine is called %q, which cannot be the name of a directory", name).
			WithHint("give it another one with name = …, or a destination without {host}")
	}
	return sending.FarPath("source", g.Source)
}

// hostWord stands for the name of the machine in a destination.
const hostWord = "{host}"

func (g *get) separate() bool { return strings.Contains(g.Destination, hostWord) }

// Divide refuses to have the files of several machines take the same places.
func (g *get) Divide() error {
	if g.separate() {
		return nil
	}
	return fault.New(fault.Invalid, "several machines would put their files into %q", g.Destination).
		WithHint("have a directory for each of them: destination = %q", path.Join(g.Destination, hostWord)+"/")
}

// local is the destination as the workspace has it.
func (g *get) local() string { return strings.ReplaceAll(g.Destination, hostWord, g.Host()) }

// place is the destination: what ends with a slash is a directory for the file.
func (g *get) place(env *effect.Env) (sandbox.Path, error) {
	at, err := env.Run.Files.Resolve(g.local())
	if err == nil && strings.HasSuffix(g.Destination, "/") {
		return at.Child(path.Base(g.Source)), nil
	}
	return at, err
}

func (g *get) plan(ctx context.Context, env *effect.Env) (*transfer.Get, *sending.Tree, error) {
	at, err := g.place(env)
	if err != nil {
		return nil, nil, err
	}
	m, err := sending.Far(ctx, env, &g.On)
	if err != nil {
		return nil, nil, err
	}
	to := &sending.Tree{Root: at}
	plan, err := m.PlanGet(ctx, path.Clean(g.Source), to, transfer.Options{Delete: g.Delete})
	return plan, to, err
}

func (g *get) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	plan, _, err := g.plan(ctx, env)
	if err != nil {
		return effect.Prediction{}, err
	}
	diff := plan.Plan.Diff(g.local())
	return effect.Prediction{Result: g.result(diff, 0), Change: sending.KindOf(plan.Plan), Diff: diff}, nil
}

func (g *get) result(diff string, took time.Duration) operation.Result {
	return operation.Result{Host: g.Host(), OK: true, Changed: diff != "", Diff: diff, Duration: took}
}

func (g *get) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	plan, to, err := g.plan(ctx, env)
	if err != nil {
		return nil, fault.Before(err)
	}
	if plan.Plan.Empty() {
		return g.result("", time.Since(began)), nil
	}
	if err := to.Root.Parent().MkdirAll(0o755); err != nil {
		return nil, fault.Before(err)
	}
	defer to.Discard()
	if err := plan.Do(ctx, to.Commit); err != nil {
		return nil, err
	}
	return g.result(plan.Plan.Diff(g.local()), time.Since(began)), nil
}
