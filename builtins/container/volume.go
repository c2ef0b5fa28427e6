package container

import (
	"context"
	"time"

	engine "github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Write(`
def volume_create(name, driver = "", options = {}, labels = {}, engine = ""):
    """Makes a volume.

    Where there is one of that name that is made of the same, nothing changes. Undo
    removes a volume that was made, with all that is in it.

    Args:
      name: name of the volume.
      driver: what keeps it; "" for a directory of the engine's machine.
      options: options of the driver.
      labels: labels beside those of the run and the workspace.
      engine: the engine; "" for the one that is found.
    Returns:
      What container.volume_inspect returns, with changed.
    Errors:
      exists when there is another volume under that name.
    Example:
      container.volume_create("db").mountpoint
    """`, &volumeCreate{}, effect.Exact)

type volumeCreate struct {
	Name    string            `star:"name"`
	Driver  string            `star:"driver"`
	Options map[string]string `star:"options"`
	Labels  map[string]string `star:"labels"`
	on
}

var (
	_ effect.Validator  = (*volumeCreate)(nil)
	_ effect.Predictor  = (*volumeCreate)(nil)
	_ effect.Toucher    = (*volumeCreate)(nil)
	_ effect.Undoer     = (*volumeCreate)(nil)
	_ effect.Repeatable = (*volumeCreate)(nil)
	_ effect.Remote     = (*volumeCreate)(nil)
)

func (v *volumeCreate) spec() engine.VolumeSpec {
	return engine.VolumeSpec{Name: v.Name, Driver: v.Driver, Options: v.Options, Labels: v.Labels}
}

func (v *volumeCreate) Repeatable() bool { return true }
func (v *volumeCreate) Validate() error  { return v.spec().Validate() }

func (v *volumeCreate) Touches(*effect.Env) []string {
	return []string{resource(volumes, v.Engine, v.Name)}
}

func (v *volumeCreate) Perform(ctx context.Context, env *effect.Env) (any, error) {
	e, err := v.open(ctx, env)
	if err != nil {
		return nil, err
	}
	there, made, err := e.CreateVolume(ctx, v.spec(), owner(env))
	if err != nil {
		return nil, err
	}
	return withChanged(there, made), nil
}

func (v *volumeCreate) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	state := planned(env, volumes, v.Engine, v.Name)
	if state == "" {
		e, err := v.open(ctx, env)
		if err != nil {
			return effect.Prediction{}, err
		}
		there, found, err := e.LookVolume(ctx, v.Name)
		if err != nil || found {
			return effect.Prediction{Result: withChanged(there, false), Change: effect.None}, orMatches(err, v.spec().Matches(there))
		}
	}
	if state == present {
		return effect.Prediction{Result: value.NewUnknown("the volume %s", v.Name), Change: effect.None}, nil
	}
	plan(env, volumes, v.Engine, v.Name, present)
	return effect.Prediction{
		Result: unknownOf(engine.Volume{}, volumes, v.Name), Change: effect.Create, Diff: engine.Difference(v.Name, "", v.spec().Print()),
	}, nil
}

// Remember keeps whose volume it will be, unless it is there.
func (v *volumeCreate) Remember(ctx context.Context, env *effect.Env) (any, error) {
	e, err := v.open(ctx, env)
	if err != nil {
		return nil, err
	}
	if _, found, err := e.LookVolume(ctx, v.Name); err != nil || found {
		return nil, err
	}
	return kept{Name: v.Name, Owner: owner(env)}, nil
}

func (v *volumeCreate) Undo(ctx context.Context, env *effect.Env, past effect.Past) error {
	var was kept
	if err := past.Remembered(&was); err != nil {
		return err
	}
	e, err := v.open(ctx, env)
	if err != nil {
		return err
	}
	there, found, err := e.LookVolume(ctx, was.Name)
	if err != nil || !found || !was.Owner.Owns(there.Labels) {
		return err
	}
	_, err = e.RemoveVolume(ctx, was.Name)
	return err
}

var _ = Module.Write(`
def volume_remove(name, engine = ""):
    """Removes a volume and all that is in it. This cannot be undone.

    Args:
      name: name of the volume.
      engine: the engine; "" for the one that is found.
    Returns:
      The struct of operations; changed is False when there is no such volume.
    Errors:
      failed when a container uses it.
    Example:
      container.volume_remove("db")
    """`, &volumeRemove{}, effect.Exact)

type volumeRemove struct {
	Name string `star:"name"`
	on
}

var (
	_ effect.Predictor  = (*volumeRemove)(nil)
	_ effect.Toucher    = (*volumeRemove)(nil)
	_ effect.Repeatable = (*volumeRemove)(nil)
	_ effect.Remote     = (*volumeRemove)(nil)
)

func (v *volumeRemove) Repeatable() bool { return true }

func (v *volumeRemove) Touches(*effect.Env) []string {
	return []string{resource(volumes, v.Engine, v.Name)}
}

func (v *volumeRemove) Perform(ctx context.Context, env *effect.Env) (any, error) {
	began := time.Now()
	e, err := v.open(ctx, env)
	if err != nil {
		return nil, err
	}
	did, err := e.RemoveVolume(ctx, v.Name)
	return changed(v.Name, did, v.Name+": removed\n", began), err
}

func (v *volumeRemove) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	state := planned(env, volumes, v.Engine, v.Name)
	if state == "" {
		e, err := v.open(ctx, env)
		if err != nil {
			return effect.Prediction{}, err
		}
		_, found, err := e.LookVolume(ctx, v.Name)
		if err != nil {
			return effect.Prediction{}, err
		}
		if state = absent; found {
			state = present
		}
	}
	if state == absent {
		return prediction(v.Name, effect.None, ""), nil
	}
	plan(env, volumes, v.Engine, v.Name, absent)
	return prediction(v.Name, effect.Delete, v.Name+": removed\n"), nil
}

var _ = Module.Read(`
def volume_inspect(name, engine = ""):
    """Describes a volume.

    Args:
      name: name of the volume.
      engine: the engine; "" for the one that is found.
    Returns:
      A struct with name, driver, mountpoint, labels and created.
    Errors:
      not_found when there is no such volume.
    Example:
      container.volume_inspect("db").mountpoint
    """`, &volumeInspect{})

type volumeInspect struct {
	Name string `star:"name"`
	on
}

var (
	_ effect.Toucher = (*volumeInspect)(nil)
	_ effect.Remote  = (*volumeInspect)(nil)
)

func (v *volumeInspect) Touches(*effect.Env) []string {
	return []string{resource(volumes, v.Engine, v.Name)}
}

func (v *volumeInspect) Perform(ctx context.Context, env *effect.Env) (any, error) {
	e, err := v.open(ctx, env)
	if err != nil {
		return nil, err
	}
	return e.InspectVolume(ctx, v.Name)
}

var _ = Module.Read(`
def volume_list(labels = {}, mine = False, engine = ""):
    """Lists volumes, sorted by name.

    Args:
      labels: only those with these labels; "" for any value.
      mine: only those that this workspace has made.
      engine: the engine; "" for the one that is found.
    Returns:
      A list of what container.volume_inspect returns.
    Example:
      [v.name for v in container.volume_list(mine = True)]
    """`, &volumeList{})

type volumeList struct {
	chosen
	on
}

var _ effect.Remote = (*volumeList)(nil)

func (v *volumeList) Perform(ctx context.Context, env *effect.Env) (any, error) {
	e, err := v.open(ctx, env)
	if err != nil {
		return nil, err
	}
	return e.Volumes(ctx, v.filter(env))
}
