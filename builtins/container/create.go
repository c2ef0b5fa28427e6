package container

import (
	"context"
	"maps"

	"go.starlark.net/starlark"

	engine "github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Write(`
def create(image, name = "", command = [], *, start = True, engine = ""):
    """Makes a container, and starts it.

    Where there is one of that name that is made of the same, nothing changes, but
    that it is started if it does not run. Undo removes a container that was made,
    with what is in it.

    Args:
      image: name of the image. It has to be there: see container.image_pull.
      name: name of the container. "": one that is made of the run.
      command: program and arguments. []: that of the image.
      start: start it.
      engine: the engine; "" for the one that is found.
    Returns:
      What container.inspect returns, with changed (whether it was made or started)
      and target (see container.target).
    Errors:
      exists when there is another container under that name; not_found when the
      engine has no such image; invalid for what it refuses; unavailable, network
      and permission when the engine cannot be used.
    Example:
      db = container.create("postgres:16", name = "db", env = {"POSTGRES_PASSWORD": secret.get("ws://db")}, mounts = ["db:/var/lib/postgresql/data"], memory = "1g")
      target.run(db.target, ["psql", "--version"])
    """`, &create{}, effect.Exact)

type create struct {
	made
	Start bool `star:"start"`
	on
}

var (
	_ effect.Validator  = (*create)(nil)
	_ effect.Describer  = (*create)(nil)
	_ effect.Predictor  = (*create)(nil)
	_ effect.Toucher    = (*create)(nil)
	_ effect.Undoer     = (*create)(nil)
	_ effect.Asker      = (*create)(nil)
	_ effect.Repeatable = (*create)(nil)
	_ effect.Remote     = (*create)(nil)
)

func (c *create) Repeatable() bool { return true } // it is found again by its name

func (c *create) Describe() string {
	if c.Name == "" {
		return c.Image
	}
	return c.Name + " of " + c.Image
}

func (c *create) Validate() error {
	_, err := c.spec()
	return err
}

func (c *create) Touches(env *effect.Env) []string {
	return []string{resource(containers, c.Engine, c.named(env))}
}

func (c *create) named(env *effect.Env) string {
	if c.Name != "" {
		return c.Name
	}
	return owner(env).Name()
}

func (c *create) Perform(ctx context.Context, env *effect.Env) (any, error) {
	s, err := c.expanded(env)
	if err != nil {
		return nil, err
	}
	e, err := c.open(ctx, env)
	if err != nil {
		return nil, err
	}
	there, made, err := e.Create(ctx, s, owner(env))
	if err != nil {
		return nil, err
	}
	// One that this effect has made and started may have ended by itself.
	if c.Start && (there.State == "created" || !made && !there.Alive()) {
		if _, err := e.Start(ctx, s.Name); err != nil {
			return nil, err
		}
		made = true
		if there, err = e.Inspect(ctx, s.Name); err != nil {
			return nil, err
		}
	}
	return describe(there, made, c.Engine), nil
}

// describe is a container for scripts.
func describe(c engine.Container, changed bool, named string) starlark.Value {
	fields := fieldsOf(c)
	fields["changed"] = starlark.Bool(changed)
	fields["target"] = targetStruct(c.Name, "", named)
	return structOf(fields)
}

func (c *create) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	s, err := c.expanded(env)
	if err != nil {
		return effect.Prediction{}, err
	}
	state := planned(env, containers, c.Engine, s.Name)
	if state == "" {
		e, err := c.open(ctx, env)
		if err != nil {
			return effect.Prediction{}, err
		}
		there, found, err := e.Look(ctx, s.Name)
		if err != nil {
			return effect.Prediction{}, err
		}
		if found {
			return c.predictThere(env, s, there)
		}
	}
	if state != "" && state != absent { // what was planned before it is not compared
		return effect.Prediction{Result: c.unknown(s.Name, false), Change: effect.None}, nil
	}
	c.plan(env, s.Name)
	diff := engine.Difference(s.Name, "", s.Print())
	return effect.Prediction{Result: c.unknown(s.Name, true), Change: effect.Create, Diff: diff}, nil
}

func (c *create) plan(env *effect.Env, name string) {
	state := "created"
	if c.Start {
		state = running
	}
	plan(env, containers, c.Engine, name, state)
}

func (c *create) predictThere(env *effect.Env, s engine.Spec, there engine.Container) (effect.Prediction, error) {
	if err := s.Matches(there); err != nil {
		return effect.Prediction{}, err
	}
	if !c.Start || there.Alive() {
		return effect.Prediction{Result: describe(there, false, c.Engine), Change: effect.None}, nil
	}
	c.plan(env, s.Name)
	return effect.Prediction{Result: c.unknown(s.Name, true), Change: effect.Update, Diff: s.Name + ": " + there.State + " -> running\n"}, nil
}

// unknown is a container that is not there yet: only its names are known.
func (c *create) unknown(name string, changed bool) starlark.Value {
	fields := starlark.StringDict{}
	for field := range fieldsOf(engine.Container{}) {
		fields[field] = value.NewUnknown("%s of the container %s", field, name)
	}
	maps.Copy(fields, starlark.StringDict{
		"image": starlark.String(c.Image), "changed": starlark.Bool(changed), "target": value.NewUnknown("the container %s", name),
	})
	if c.Name != "" {
		fields["name"] = starlark.String(c.Name)
	}
	return structOf(fields)
}

// kept is what an intent keeps of what it makes.
type kept struct {
	Name  string       `json:"name"`
	Owner engine.Owner `json:"owner"`
	Was   string       `json:"was,omitempty"` // how it stood, where it was there
}

// Remember keeps whose container it will be. One that is there already is stopped
// again, if it has to be started.
func (c *create) Remember(ctx context.Context, env *effect.Env) (any, error) {
	s, err := c.expanded(env)
	if err != nil {
		return nil, err
	}
	e, err := c.open(ctx, env)
	if err != nil {
		return nil, err
	}
	there, found, err := e.Look(ctx, s.Name)
	if err != nil || found && (there.Alive() || !c.Start) {
		return nil, err
	}
	return kept{s.Name, owner(env), there.State}, nil
}

func (c *create) Undo(ctx context.Context, env *effect.Env, past effect.Past) error {
	var was kept
	if err := past.Remembered(&was); err != nil {
		return err
	}
	e, err := c.open(ctx, env)
	if err != nil {
		return err
	}
	there, found, err := e.Look(ctx, was.Name)
	switch {
	case err != nil || !found:
		return err
	case was.Was != "":
		_, err = e.Stop(ctx, was.Name, -1)
	case was.Owner.Owns(there.Labels): // else somebody has made it anew
		_, err = e.Remove(ctx, there.ID, true, true)
	}
	return err
}

func (c *create) Happened(ctx context.Context, env *effect.Env, _ effect.Past) (effect.Answer, error) {
	e, err := c.open(ctx, env)
	if err != nil {
		return effect.Answer{}, err
	}
	there, found, err := e.Look(ctx, c.named(env))
	switch {
	case err != nil:
		return effect.Answer{}, err
	case !found:
		return effect.Answer{Happened: effect.No, Why: "there is no such container"}, nil
	case c.Start && there.State == "created":
		return effect.Answer{Happened: effect.No, Why: "the container was made, but not started"}, nil
	}
	return effect.Answer{Happened: effect.Yes, Result: describe(there, true, c.Engine), Why: "the container is there"}, nil
}
