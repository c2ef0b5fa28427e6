package target

import (
	"context"
	"sync"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// containers are those of an engine. Their fields are container, the name or id of
// one; engine, as [container.Find] takes it; and user.
type containers struct{}

func init() { Register(containers{}) }

func (containers) Name() string { return "container" }

func (containers) Identity(f Fields) (string, error) {
	name := f.String("container")
	if name == "" {
		return "", fault.New(fault.Invalid, "the target names no container").WithHint("container.target(name) makes one")
	}
	return f.String("user") + "@" + name + "/" + f.String("engine"), nil
}

func (containers) Dial(ctx context.Context, env *effect.Env, f Fields) (machine.Conn, error) {
	named, name := f.String("engine"), f.String("container")
	e, err := Engine(ctx, env, named)
	if err != nil {
		return nil, err
	}
	if err := notYet(ctx, env, e, named, name); err != nil {
		return nil, err
	}
	return e.Conn(name, f.String("user")), nil
}

// ContainerResource is a container as a resource of effects. Check mode keeps an
// unknown under it when a planned write touches the container.
func ContainerResource(engine, name string) string { return "container:" + engine + "/" + name }

// notYet says, in check mode, that what is to be known of a container cannot be: it is
// made by a planned write.
func notYet(ctx context.Context, env *effect.Env, e *container.Engine, named, name string) error {
	v, touched := env.Run.Planned.Get(ContainerResource(named, name))
	unknown, ok := v.(*value.Unknown)
	if !env.Run.Check || !touched || !ok {
		return nil
	}
	if _, found, err := e.Look(ctx, name); err != nil || found {
		return err
	}
	return &value.Undecided{Unknown: unknown, Op: "what is on it"}
}

// engine is the one connection of a run to a container engine.
type engine struct {
	mu   sync.Mutex
	open *container.Engine // nil: not yet
}

func (e *engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open == nil {
		return nil
	}
	return e.open.Close()
}

// Engine returns the connection of the run to a container engine, named as
// [container.Find] takes it. The first call makes it.
func Engine(ctx context.Context, env *effect.Env, named string) (*container.Engine, error) {
	e := engineOf(env.Run, "engine:"+named)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.open != nil {
		return e.open, nil
	}
	at, err := container.Find(named)
	if err != nil {
		return nil, err
	}
	e.open, err = container.Open(ctx, at)
	return e.open, err
}

func engineOf(run *effect.Run, handle string) *engine {
	return run.Live.Or(handle, &engine{}).(*engine)
}
