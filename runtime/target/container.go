package target

import (
	"context"
	"sync"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// containers are those of an engine. Their fields are container, the name or id of
// one; engine, as [container.Find] takes it; and user.
type containers struct{}

func init() { register(containers{}) }

func (containers) Name() string { return "container" }

func (containers) Identity(f Fields) (string, error) {
	name := f.String("container")
	if name == "" {
		return "", fault.New(fault.Invalid, "the target names no container").WithHint("container.target(name) makes one")
	}
	return f.String("user") + "@" + name + "/" + f.String("engine"), nil
}

func (containers) Dial(ctx context.Context, env *effect.Env, f Fields) (machine.Conn, error) {
	e, err := Engine(ctx, env, f.String("engine"))
	if err != nil {
		return nil, err
	}
	return e.Conn(f.String("container"), f.String("user")), nil
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
	opening.Lock()
	defer opening.Unlock()
	if e, ok := run.Live.Get(handle).(*engine); ok {
		return e
	}
	e := &engine{}
	run.Live.Put(handle, e)
	return e
}
