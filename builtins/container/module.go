// Package container is the module container: containers, their images, networks
// and volumes. What an engine promises is in internal/container; here are the
// effects, a file each, with what undoes them and what check mode says of them.
package container

import (
	"context"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	engine "github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/operation"
	"github.com/provisioning-systems/provisioning/runtime/target"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Module is what scripts see as container.
var Module = module.New("container", `Containers, images, networks and volumes of Docker or Podman.

The engine is that of DOCKER_HOST or the current Docker context, else the first
whose socket is there; engine names another: "docker", "podman", a Docker context,
or an address. Everything that is made carries labels of the run and the workspace:
container.sweep finds it again. Making something that is there already, and is made
of the same, changes nothing; something else under its name is an error.

container.target makes a machine of a container, for target.run and all operations.
Functions that change something return the struct of operations: host (the name of
what was changed), ok, changed, rc, stdout, stderr, diff, duration, error.`)

// on is the engine that an effect uses. It is the last parameter of all.
type on struct {
	Engine string `star:"engine"`
}

// Endpoint is what the circuit breaker counts by.
func (o *on) Endpoint() string { return "engine:" + o.Engine }

func (o *on) open(ctx context.Context, env *effect.Env) (*engine.Engine, error) {
	return target.Engine(ctx, env, o.Engine)
}

// owner is who has something made.
func owner(env *effect.Env) engine.Owner {
	return engine.Owner{Run: env.Run.ID, Place: env.Identity(), Workspace: env.Run.Files.Workspace()}
}

// of is the container that an effect is about.
type of struct {
	Container starlark.Value `star:"container"`
	on
}

// Validate refuses what names no container. It takes the engine from a target.
func (o *of) Validate() error {
	name, named, err := nameOf(o.Container)
	if err != nil {
		return err
	}
	if o.Engine == "" {
		o.Engine = named
	}
	return engine.ValidName("container", name)
}

// name is that of the container. Validate has seen it.
func (o *of) name() string {
	name, named, err := nameOf(o.Container)
	if err != nil {
		return "?"
	}
	if o.Engine == "" {
		o.Engine = named
	}
	return name
}

func (o *of) open(ctx context.Context, env *effect.Env) (*engine.Engine, error) {
	o.name() // a target may name the engine
	return o.on.open(ctx, env)
}

func (o *of) Describe() string { return o.name() }

// Touches is the container as a resource; none while it is not known which one.
func (o *of) Touches(*effect.Env) []string {
	if _, _, err := nameOf(o.Container); err != nil {
		return nil
	}
	name := o.name()
	return []string{resource(containers, o.Engine, name)}
}

// nameOf takes the name of a container from what a script has for one: its name, a
// target, or the struct that describes it.
func nameOf(v starlark.Value) (name, engine string, err error) {
	if v == nil { // check mode does not know it
		return "", "", fault.New(fault.Invalid, "the container is not known")
	}
	if text, ok := starlark.AsString(v); ok {
		return text, "", nil
	}
	if s, ok := v.(*starlarkstruct.Struct); ok {
		for _, field := range []string{"container", "name"} {
			f, err := s.Attr(field)
			if text, isText := starlark.AsString(orNone(f)); err == nil && isText {
				if e, err := s.Attr("engine"); err == nil {
					engine, _ = starlark.AsString(e)
				}
				return text, engine, nil
			}
		}
	}
	return "", "", fault.New(fault.Invalid, "a container is needed, not a %s", v.Type()).
		WithHint("give its name, container.target(…), or what container.create(…) has returned")
}

func orNone(v starlark.Value) starlark.Value {
	if v == nil {
		return starlark.None
	}
	return v
}

// What a resource of an engine is, in the overlay of check mode. Under the name
// itself is an Unknown, for reads; under state what planned writes make of it.
const (
	containers = "container"
	images     = "image"
	networks   = "network"
	volumes    = "volume"
)

func resource(what, engine, name string) string {
	if what == containers {
		return target.ContainerResource(engine, name)
	}
	return what + ":" + engine + "/" + name
}

// planned is the state that planned writes have given something: "" where none
// touches it.
func planned(env *effect.Env, what, engine, name string) string {
	if v, ok := env.Run.Planned.Get("state-" + resource(what, engine, name)); ok {
		state, _ := starlark.AsString(orNone(v))
		return state
	}
	return ""
}

// plan notes what a planned write makes of something.
func plan(env *effect.Env, what, engine, name, state string) {
	env.Run.Planned.Set(resource(what, engine, name), value.NewUnknown("the %s %s", what, name))
	env.Run.Planned.Set("state-"+resource(what, engine, name), starlark.String(state))
}

// States of the overlay, beside those of engines.
const (
	absent  = "absent"
	present = "present"
	running = "running"
	stopped = "exited"
)

// state is how the container stands: as planned writes leave it, else as it is.
func (o *of) state(ctx context.Context, env *effect.Env) (string, error) {
	name := o.name()
	if s := planned(env, containers, o.Engine, name); s != "" {
		return s, nil
	}
	e, err := o.open(ctx, env)
	if err != nil {
		return "", err
	}
	c, found, err := e.Look(ctx, name)
	if err != nil || !found {
		return absent, err
	}
	return c.State, nil
}

// needed is state, and an error where there is no container.
func (o *of) needed(ctx context.Context, env *effect.Env) (string, error) {
	s, err := o.state(ctx, env)
	if err == nil && s == absent {
		err = fault.New(fault.NotFound, "there is no container %q", o.name()).WithHint("container.list() shows those that there are")
	}
	return s, err
}

// changed is the result of an effect.
func changed(host string, did bool, diff string, began time.Time) operation.Result {
	r := operation.Result{Host: host, OK: true, Changed: did, Duration: time.Since(began)}
	if did {
		r.Diff = diff
	}
	return r
}

// prediction is what check mode says of an effect.
func prediction(host string, kind effect.Change, diff string) effect.Prediction {
	did := kind != effect.None
	if !did {
		diff = ""
	}
	return effect.Prediction{Result: operation.Result{Host: host, OK: true, Changed: did, Diff: diff}, Change: kind, Diff: diff}
}

// went is the answer of an effect that asks the world whether it happened.
func went(happened bool, host, diff, why string) effect.Answer {
	if !happened {
		return effect.Answer{Happened: effect.No, Why: why}
	}
	return effect.Answer{Happened: effect.Yes, Result: operation.Result{Host: host, OK: true, Changed: true, Diff: diff}, Why: why}
}
