package server

import (
	"context"
	"fmt"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/providers"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def delete(name, keep_storage = False, provider = "local"):
    """Removes a server and what is on it. That cannot be taken back.

    Args:
      name: its name. There being none of that name is no error.
      keep_storage: keep its volumes.
      provider: who has made it.
    Returns:
      The struct of servers, with the status deleted. changed says whether there was
      one.
    Errors:
      network when the provider cannot be reached.
    Example:
      server.delete("web-1")
    """`, &remove{}, effect.Exact)

type remove struct {
	Name        string `star:"name"`
	KeepStorage bool   `star:"keep_storage"`
	Provider    string `star:"provider"`
}

var (
	_ effect.Validator  = (*remove)(nil)
	_ effect.Describer  = (*remove)(nil)
	_ effect.Predictor  = (*remove)(nil)
	_ effect.Toucher    = (*remove)(nil)
	_ effect.Repeatable = (*remove)(nil)
)

func (r *remove) Validate() error              { return validName(r.Provider, r.Name) }
func (r *remove) Describe() string             { return r.Name }
func (r *remove) Touches(*effect.Env) []string { return resource(r.Provider, r.Name) }

// Repeatable: what is gone is gone. A server that somebody makes of that name in the
// moment between a crash and the resume would go, too; so would it a moment later.
func (r *remove) Repeatable() bool { return true }

func (r *remove) Perform(ctx context.Context, env *effect.Env) (any, error) {
	p, err := provider(env, r.Provider)
	if err != nil {
		return nil, err
	}
	s, found, err := look(ctx, env, p, r.Name)
	if err != nil {
		return nil, fault.Before(err)
	}
	if found {
		if err := p.DeleteServer(ctx, s.ID, r.KeepStorage); err != nil {
			return nil, err
		}
	}
	return r.gone(env, s, found), nil
}

func (r *remove) gone(env *effect.Env, s providers.Server, found bool) Server {
	s.Name, s.Provider, s.Status, s.HostKeys = r.Name, r.Provider, providers.Deleted, []string{}
	return resultOf(env, s, key{}, found)
}

func (r *remove) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	p, err := provider(env, r.Provider)
	if err != nil {
		return effect.Prediction{}, err
	}
	s, found, err := look(ctx, env, p, r.Name)
	if err != nil {
		return effect.Prediction{}, err
	}
	was, planned := env.Run.Planned.Get(resource(r.Provider, r.Name)[0])
	if planned && was == nil || !planned && !found {
		return effect.Prediction{Result: r.gone(env, s, false), Change: effect.None}, nil
	}
	env.Run.Planned.Set(resource(r.Provider, r.Name)[0], nil)
	if !found { // the plan makes it first
		return effect.Prediction{Result: r.gone(env, s, true), Change: effect.Delete, Diff: "- " + r.Name + "\n"}, nil
	}
	diff := fmt.Sprintf("- %s: %s, %s, %s, %s\n", s.Name, s.Status, s.Image, s.Plan, s.Addresses.Reach())
	return effect.Prediction{Result: r.gone(env, s, true), Change: effect.Delete, Diff: diff}, nil
}
