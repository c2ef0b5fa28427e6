package container

import (
	"context"

	"go.starlark.net/starlark"

	engine "github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def list(labels = {}, mine = False, engine = ""):
    """Lists containers, those that do not run too, sorted by name.

    Args:
      labels: only those with these labels; "" for any value.
      mine: only those that this workspace has made.
      engine: the engine; "" for the one that is found.
    Returns:
      A list of what container.inspect returns.
    Example:
      [c.name for c in container.list(mine = True) if c.state == "running"]
    """`, &list{})

type list struct {
	chosen
	on
}

// chosen are the parameters that choose things by their labels.
type chosen struct {
	Labels map[string]string `star:"labels"`
	Mine   bool              `star:"mine"`
}

func (c *chosen) filter(env *effect.Env) engine.Filter {
	f := engine.Filter{Labels: c.Labels}
	if c.Mine {
		f.Owner.Workspace = env.Run.Files.Workspace()
	}
	return f
}

var _ effect.Remote = (*list)(nil)

func (l *list) Perform(ctx context.Context, env *effect.Env) (any, error) {
	e, err := l.open(ctx, env)
	if err != nil {
		return nil, err
	}
	all, err := e.List(ctx, l.filter(env))
	if err != nil {
		return nil, err
	}
	values := make([]starlark.Value, len(all))
	for i, c := range all {
		fields := fieldsOf(c)
		fields["target"] = targetStruct(c.Name, "", l.Engine)
		values[i] = structOf(fields)
	}
	return starlark.NewList(values), nil
}
