package container

import (
	"context"
	"time"

	engine "github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def image_inspect(image, engine = ""):
    """Describes an image that the engine has.

    Args:
      image: its name or id.
      engine: the engine; "" for the one that is found.
    Returns:
      A struct with id, tags, digests, size, created, labels, command and arch.
    Errors:
      not_found when the engine has no such image.
    Example:
      container.image_inspect("web:dev").size
    """`, &imageInspect{})

type imageInspect struct{ anImage }

var (
	_ effect.Validator = (*imageInspect)(nil)
	_ effect.Describer = (*imageInspect)(nil)
	_ effect.Toucher   = (*imageInspect)(nil)
	_ effect.Remote    = (*imageInspect)(nil)
)

func (i *imageInspect) Perform(ctx context.Context, env *effect.Env) (any, error) {
	e, err := i.open(ctx, env)
	if err != nil {
		return nil, err
	}
	return e.InspectImage(ctx, i.Image)
}

var _ = Module.Read(`
def image_list(labels = {}, mine = False, engine = ""):
    """Lists the images that the engine has, sorted by name.

    Args:
      labels: only those with these labels; "" for any value.
      mine: only those that this workspace has built.
      engine: the engine; "" for the one that is found.
    Returns:
      A list of what container.image_inspect returns; command and arch are empty.
    Example:
      [i.tags for i in container.image_list()]
    """`, &imageList{})

type imageList struct {
	chosen
	on
}

var _ effect.Remote = (*imageList)(nil)

func (i *imageList) Perform(ctx context.Context, env *effect.Env) (any, error) {
	e, err := i.open(ctx, env)
	if err != nil {
		return nil, err
	}
	return e.Images(ctx, i.filter(env))
}

var _ = Module.Write(`
def image_remove(image, force = False, engine = ""):
    """Takes a name from an image, and removes the image with its last name.

    This cannot be undone.

    Args:
      image: its name or id.
      force: remove it although it has other names.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations; changed is False when the engine has no such image.
    Errors:
      failed when a container uses it.
    Example:
      container.image_remove("web:dev")
    """`, &imageRemove{}, effect.Exact)

type imageRemove struct {
	anImage
	Force bool `star:"force"`
}

var (
	_ effect.Validator  = (*imageRemove)(nil)
	_ effect.Describer  = (*imageRemove)(nil)
	_ effect.Predictor  = (*imageRemove)(nil)
	_ effect.Toucher    = (*imageRemove)(nil)
	_ effect.Repeatable = (*imageRemove)(nil)
	_ effect.Remote     = (*imageRemove)(nil)
)

func (i *imageRemove) Repeatable() bool { return true }

func (i *imageRemove) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	e, err := i.open(ctx, env)
	if err != nil {
		return nil, err
	}
	did, err := e.RemoveImage(ctx, i.Image, i.Force)
	return changed(i.Image, did, i.diff("removed"), began), err
}

func (i *imageRemove) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	_, found, err := i.look(ctx, env)
	if err != nil || !found {
		return prediction(i.Image, effect.None, ""), err
	}
	plan(env, images, i.Engine, i.Image, absent)
	return prediction(i.Image, effect.Delete, i.diff("removed")), nil
}

var _ = Module.Write(`
def image_tag(image, source, engine = ""):
    """Gives an image another name. Undo gives that back to the image that had it.

    Args:
      image: the new name.
      source: the image, by its name or id.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations; changed is False when it has that name.
    Errors:
      not_found when the engine has no such image.
    Example:
      container.image_tag("web:latest", "web:1.4")
    """`, &imageTag{}, effect.Exact)

type imageTag struct {
	renamed
	Source string `star:"source"`
}

var (
	_ effect.Validator  = (*imageTag)(nil)
	_ effect.Describer  = (*imageTag)(nil)
	_ effect.Predictor  = (*imageTag)(nil)
	_ effect.Toucher    = (*imageTag)(nil)
	_ effect.Undoer     = (*imageTag)(nil)
	_ effect.Repeatable = (*imageTag)(nil)
	_ effect.Remote     = (*imageTag)(nil)
)

func (i *imageTag) Repeatable() bool { return true }

func (i *imageTag) Validate() error {
	if err := engine.ValidImage(i.Source); err != nil {
		return err
	}
	return i.anImage.Validate()
}

func (i *imageTag) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	e, err := i.open(ctx, env)
	if err != nil {
		return nil, err
	}
	source, err := e.InspectImage(ctx, i.Source)
	if err != nil {
		return nil, err
	}
	was, _, err := e.LookImage(ctx, i.Image)
	if err != nil || was.ID == source.ID {
		return changed(i.Image, false, "", began), err
	}
	if err := e.TagImage(ctx, source.ID, i.Image); err != nil {
		return nil, err
	}
	return changed(i.Image, true, i.diff("is "+i.Source), began), nil
}

func (i *imageTag) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	from := anImage{i.Source, i.on}
	source, found, err := from.look(ctx, env)
	if err == nil && !found {
		err = fault.New(fault.NotFound, "the engine has no image %q", i.Source).WithHint("container.image_pull(%q) fetches one", i.Source)
	}
	if err != nil {
		return effect.Prediction{}, err
	}
	was, found, err := i.look(ctx, env)
	if err != nil || found && was.ID == source.ID && was.ID != "" {
		return prediction(i.Image, effect.None, ""), err
	}
	return i.predicted(env, found, "is "+i.Source), nil
}
