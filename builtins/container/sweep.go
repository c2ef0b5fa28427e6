package container

import (
	"context"
	"fmt"
	"strings"

	engine "github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def sweep(run = "", labels = {}, engine = ""):
    """Removes containers, networks, volumes and images that this workspace has made.

    Containers are removed whether they run or not, and volumes with all that is in
    them. This cannot be undone. What this workspace has not made is never touched.

    Args:
      run: only what the run with this id has made.
      labels: only what has these labels, too; "" for any value.
      engine: the engine; "" for the one that is found.
    Returns:
      A struct with containers, networks, volumes and images: lists of the names of
      what was removed.
    Errors:
      failed when something could not be removed; all else is removed first.
    Example:
      container.sweep(labels = {"purpose": "test"}).containers
    """`, &sweep{}, effect.Exact)

type sweep struct {
	Run    string            `star:"run"`
	Labels map[string]string `star:"labels"`
	on
}

var (
	_ effect.Describer  = (*sweep)(nil)
	_ effect.Predictor  = (*sweep)(nil)
	_ effect.Repeatable = (*sweep)(nil)
	_ effect.Remote     = (*sweep)(nil)
)

func (s *sweep) Repeatable() bool { return true }

func (s *sweep) Describe() string {
	if s.Run != "" {
		return "what the run " + s.Run + " has made"
	}
	return "what this workspace has made"
}

func (s *sweep) filter(env *effect.Env) engine.Filter {
	return engine.Filter{Owner: engine.Owner{Run: s.Run, Workspace: env.Run.Files.Workspace()}, Labels: s.Labels}
}

func (s *sweep) Perform(ctx context.Context, env *effect.Env) (any, error) {
	e, err := s.open(ctx, env)
	if err != nil {
		return nil, err
	}
	return e.Sweep(ctx, s.filter(env), false)
}

func (s *sweep) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	e, err := s.open(ctx, env)
	if err != nil {
		return effect.Prediction{}, err
	}
	found, err := e.Sweep(ctx, s.filter(env), true)
	if err != nil || found.Total() == 0 {
		return effect.Prediction{Result: found, Change: effect.None}, err
	}
	var diff strings.Builder
	for _, part := range []struct {
		what  string
		names []string
	}{{containers, found.Containers}, {networks, found.Networks}, {volumes, found.Volumes}, {images, found.Images}} {
		for _, name := range part.names {
			fmt.Fprintf(&diff, "%s %s: removed\n", part.what, name)
			plan(env, part.what, s.Engine, name, absent)
		}
	}
	return effect.Prediction{Result: found, Change: effect.Delete, Diff: diff.String()}, nil
}
