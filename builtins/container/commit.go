package container

import (
	"context"
	"time"

	"go.starlark.net/starlark"

	engine "github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def commit(container, image, changes = [], labels = {}, engine = ""):
    """Makes an image of what was written in a container.

    The container stands still meanwhile, if it runs. What is on its volumes and in its
    memory is not in the image. The image gets its name when all of it is there. Labels
    that only the container has are empty in the image. Undo gives the name back to the
    image that had it, if any.

    Args:
      container: its name, or what container.create has returned.
      image: name of the image.
      changes: lines of a Dockerfile, such as "CMD /sbin/init" and "USER root"; what they
        do not say is as it is in the container.
      labels: labels beside that of the workspace.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations; changed is True.
    Errors:
      not_found when there is no such container; invalid when the engine does not know a
      change.
    Example:
      box = container.create("debian:12", name = "box", command = ["sleep", "600"])
      target.run(box.target, "apt-get update && apt-get install -y nginx", shell = True)
      container.commit(box, "web:base", changes = ['CMD ["nginx", "-g", "daemon off;"]'])
    """`, &commit{}, effect.Approximate)

type commit struct {
	renamed
	Container starlark.Value    `star:"container"`
	Changes   []string          `star:"changes"`
	Labels    map[string]string `star:"labels"`
}

var (
	_ effect.Validator  = (*commit)(nil)
	_ effect.Describer  = (*commit)(nil)
	_ effect.Predictor  = (*commit)(nil)
	_ effect.Toucher    = (*commit)(nil)
	_ effect.Undoer     = (*commit)(nil)
	_ effect.Repeatable = (*commit)(nil)
	_ effect.Remote     = (*commit)(nil)
)

func (c *commit) Repeatable() bool { return true }

// from is the container. It may name the engine, which then is that of the image as well.
func (c *commit) from() *of {
	o := &of{c.Container, c.on}
	o.name()
	c.on = o.on
	return o
}

func (c *commit) Validate() error {
	if err := c.from().Validate(); err != nil {
		return err
	}
	return c.renamed.Validate()
}

func (c *commit) Describe() string { return c.Image + " of " + c.from().name() }

func (c *commit) Touches(env *effect.Env) []string {
	c.from()
	return c.renamed.Touches(env)
}

func (c *commit) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	o := c.from()
	e, err := c.open(ctx, env)
	if err != nil {
		return nil, err
	}
	// The run is not a label of it, as with images that are built: it stays.
	mine := engine.Owner{Workspace: owner(env).Workspace}
	if _, err := e.Commit(ctx, o.name(), engine.CommitSpec{Tag: c.Image, Changes: c.Changes, Labels: c.Labels}, mine); err != nil {
		return nil, err
	}
	return changed(c.Image, true, c.diff("made of "+o.name()), began), nil
}

func (c *commit) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	o := c.from()
	if _, err := o.needed(ctx, env); err != nil {
		return effect.Prediction{}, err
	}
	_, found, err := c.look(ctx, env)
	if err != nil {
		return effect.Prediction{}, err
	}
	return c.predicted(env, found, "made of "+o.name()), nil
}

func (c *commit) Remember(ctx context.Context, env *effect.Env) (any, error) {
	c.from()
	return c.renamed.Remember(ctx, env)
}

func (c *commit) Undo(ctx context.Context, env *effect.Env, past effect.Past) error {
	c.from()
	return c.renamed.Undo(ctx, env, past)
}
