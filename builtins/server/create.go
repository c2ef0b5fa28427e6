package server

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/providers"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Write(`
def create(name, image = "", plan = "", provider = "local", zone = "", network = "", user = "", ssh_key = None, tags = {}, wait = "2m"):
    """Makes a server, and waits until its SSH server answers.

    Where the workspace has a server of that name already, it is returned as it is
    when it is like the one that is asked for: a second run makes nothing. One that
    is different is an error. Whatever becomes of the run, there are never two: a
    server that was begun when the program was killed is finished when the run is
    resumed, and rollback removes what the run has made.

    Args:
      name: its name: lower case letters, digits, - and _. It is also its host name,
        and with the local provider the name by which the other servers of its
        network know it.
      image: what it is made of, in the words of the provider. The local provider
        takes any image of the container engine that has an SSH server.
      plan: its size, in the words of the provider: local has 1xCPU-1GB, 2xCPU-512MB.
      provider: who makes it.
      zone: where, in the words of the provider.
      network: the private network that it is on; servers that name none are on the
        one of the workspace.
      user: who logs in; the image has to have that user. root when it is left out.
      ssh_key: the key to log in with: a file with a private key, the text of one
        (a secret), or a public key. Without it the workspace has a key of its own,
        which is made when it is first needed.
      tags: labels, as a dict of strings.
      wait: how long the server may take to answer; 0 does not wait, and the server
        may then lack its target (see server.wait).
    Returns:
      The struct of servers. changed says whether it was made.
    Errors:
      exists when there is another server of that name; not_found for an unknown
      image, user or key; invalid for a name or plan that is none; failed when it
      does not answer in time; unavailable when the provider has no room.
    Example:
      web = server.create("web-1", plan = "1xCPU-1GB", tags = {"role": "web"})
      op.file(web.target, "/etc/motd", content = "Welcome.\\n")
    """`, &create{}, effect.Approximate)

type create struct {
	Name     string            `star:"name"`
	Image    string            `star:"image"`
	Plan     string            `star:"plan"`
	Provider string            `star:"provider"`
	Zone     string            `star:"zone"`
	Network  string            `star:"network"`
	User     string            `star:"user"`
	SSHKey   *string           `star:"ssh_key"`
	Tags     map[string]string `star:"tags"`
	Wait     time.Duration     `star:"wait,tuning"`
}

var (
	_ effect.Validator  = (*create)(nil)
	_ effect.Describer  = (*create)(nil)
	_ effect.Predictor  = (*create)(nil)
	_ effect.Toucher    = (*create)(nil)
	_ effect.Undoer     = (*create)(nil)
	_ effect.Asker      = (*create)(nil)
	_ effect.Repeatable = (*create)(nil)
)

// Repeatable: the provider makes one server for a key, however often it is asked.
func (c *create) Repeatable() bool { return true }

func (c *create) Touches(*effect.Env) []string { return resource(c.Provider, c.Name) }

func (c *create) Describe() string {
	parts := []string{c.Provider}
	for _, what := range []string{c.Image, c.Plan, c.Zone} {
		if what != "" {
			parts = append(parts, what)
		}
	}
	return c.Name + " (" + strings.Join(parts, ", ") + ")"
}

func (c *create) Validate() error {
	if c.Wait < 0 {
		return fault.New(fault.Invalid, "the time to wait is negative")
	}
	for tag := range c.Tags {
		if tag == "" || strings.ContainsAny(tag, "=, \n") {
			return fault.New(fault.Invalid, "%q is no name of a tag", tag).WithHint("without spaces, commas and =")
		}
	}
	return validName(c.Provider, c.Name)
}

func validName(provider, name string) error {
	if !workspace.ValidName(name) {
		return fault.New(fault.Invalid, "%q is no name of a server", name).
			WithHint("lower case letters, digits, - and _, the first a letter, 63 at most")
	}
	return providers.All.Known(provider)
}

func (c *create) key() key { return key{c.SSHKey} }

func (c *create) record(env *effect.Env) providers.Record {
	return providers.Record{
		Name: c.Name, Image: c.Image, Plan: c.Plan, Zone: c.Zone, Network: c.Network, User: c.User, Tags: c.Tags,
		Workspace: workspaceOf(env), Infra: env.Run.Infra,
	}
}

func (c *create) Perform(ctx context.Context, env *effect.Env) (any, error) {
	p, err := provider(env, c.Provider)
	if err != nil {
		return nil, err
	}
	r := c.record(env)
	public, err := c.key().public(env)
	if err != nil {
		return nil, fault.Before(err)
	}
	r.SSHKeys = []string{public}
	s, err := p.CreateServer(ctx, r, env.IdempotencyKey())
	if err != nil {
		return nil, err
	}
	if c.Wait > 0 {
		env.Output("stdout", fmt.Sprintf("%s: %s, %s", c.Name, cmp.Or(s.Addresses.Reach(), "no address yet"), s.Plan))
		if s, err = ready(ctx, p, s.ID, c.Wait); err != nil {
			return nil, err
		}
	}
	return resultOf(env, s, c.key(), s.Key == env.IdempotencyKey()), nil
}

// Predict says whether there is such a server, and what is in its way.
func (c *create) Predict(ctx context.Context, env *effect.Env) (effect.Prediction, error) {
	p, err := provider(env, c.Provider)
	if err != nil {
		return effect.Prediction{}, err
	}
	there, found, err := look(ctx, env, p, c.Name)
	if err != nil {
		return effect.Prediction{}, err
	}
	if now, planned := env.Run.Planned.Get(resource(c.Provider, c.Name)[0]); planned && now == nil {
		found = false // the plan removes it first
	}
	if found && there.Status != providers.Creating {
		if there, err = p.GetServer(ctx, there.ID); err != nil {
			return effect.Prediction{}, err
		}
		if err := c.like(there); err != nil {
			return effect.Prediction{}, err
		}
		return effect.Prediction{Result: resultOf(env, there, c.key(), false), Change: effect.None}, nil
	}
	if err := p.CheckServer(ctx, c.record(env)); err != nil && !(fault.Is(err, fault.NotFound) && c.imageIsPlanned(env)) {
		return effect.Prediction{}, err
	}
	result := planned(c.record(env), c.Provider, c.Plan, c.Zone)
	env.Run.Planned.Set(resource(c.Provider, c.Name)[0], plannedServer(result))
	return effect.Prediction{Result: result, Change: effect.Create, Diff: c.diff()}, nil
}

// imageIsPlanned reports whether the plan makes the image first.
func (c *create) imageIsPlanned(env *effect.Env) (planned bool) {
	env.Run.Planned.Range(func(resource string, v starlark.Value) {
		planned = planned || v != nil && strings.HasPrefix(resource, "image:") && strings.HasSuffix(resource, "/"+c.Image)
	})
	return planned
}

// like compares what was said of the server with the one that is there.
func (c *create) like(s providers.Server) error {
	for _, f := range []struct{ what, want, is string }{
		{"image", c.Image, s.Image}, {"plan", c.Plan, s.Plan}, {"network", c.Network, s.Network}, {"user", c.User, s.User},
	} {
		if f.want != "" && f.want != f.is {
			return fault.New(fault.Exists, "there is a server %q already, and its %s is %s, not %s", c.Name, f.what, f.is, f.want).
				WithHint("server.resize changes the plan; for the rest, delete it and make it anew, or choose another name")
		}
	}
	return nil
}

func (c *create) diff() string {
	var b strings.Builder
	for _, f := range [][2]string{{"image", c.Image}, {"plan", c.Plan}, {"zone", c.Zone}, {"network", c.Network}, {"user", c.User}} {
		if f[1] != "" {
			fmt.Fprintf(&b, "+ %s: %s\n", f[0], f[1])
		}
	}
	for _, tag := range slices.Sorted(maps.Keys(c.Tags)) {
		fmt.Fprintf(&b, "+ tag %s: %s\n", tag, c.Tags[tag])
	}
	return b.String()
}

// made is what rollback has to know.
type made struct {
	Key string `json:"key"`
}

// Remember keeps the key that the server is made with.
func (c *create) Remember(_ context.Context, env *effect.Env) (any, error) {
	return made{env.IdempotencyKey()}, nil
}

// Undo removes the server that was made with the key, and no other.
func (c *create) Undo(ctx context.Context, env *effect.Env, past effect.Past) error {
	var m made
	if err := past.Remembered(&m); err != nil {
		return err
	}
	p, err := provider(env, c.Provider)
	if err != nil {
		return err
	}
	all, err := p.ListServers(ctx, providers.Filter{Workspace: workspaceOf(env), Key: m.Key})
	if err != nil {
		return err
	}
	for _, s := range all {
		if err := p.DeleteServer(ctx, s.ID, false); err != nil {
			return err
		}
	}
	return nil
}

// Happened asks the provider for the key.
func (c *create) Happened(ctx context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	var m made
	if err := past.Remembered(&m); err != nil {
		return effect.Answer{}, err
	}
	p, err := provider(env, c.Provider)
	if err != nil {
		return effect.Answer{}, err
	}
	all, err := p.ListServers(ctx, providers.Filter{Workspace: workspaceOf(env), Key: m.Key})
	switch {
	case err != nil:
		return effect.Answer{}, err
	case len(all) == 0:
		return effect.Answer{Happened: effect.No, Why: "the provider has no server with its key"}, nil
	}
	s, err := p.GetServer(ctx, all[0].ID)
	switch {
	case err != nil:
		return effect.Answer{}, err
	case c.Wait > 0 && (s.Status != providers.Running || len(s.HostKeys) == 0):
		return effect.Answer{Happened: effect.No, Why: "the server is there, and not finished"}, nil
	}
	return effect.Answer{Happened: effect.Yes, Result: resultOf(env, s, c.key(), true), Why: "the provider has a server with its key"}, nil
}
