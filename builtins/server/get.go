package server

import (
	"context"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/providers"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Read(`
def get(name, provider = "local", ssh_key = None):
    """Describes a server of the workspace.

    Args:
      name: its name.
      provider: who has made it.
      ssh_key: the key to log in with, for its target, as with server.create.
    Returns:
      The struct of servers.
    Errors:
      not_found when there is none of that name.
    Example:
      op.service(server.get("web-1").target, "nginx", state = "running")
    """`, &get{})

type get struct {
	Name     string  `star:"name"`
	Provider string  `star:"provider"`
	SSHKey   *string `star:"ssh_key"`
}

var (
	_ effect.Validator = (*get)(nil)
	_ effect.Toucher   = (*get)(nil)
)

func (g *get) Validate() error { return validName(g.Provider, g.Name) }

func (g *get) Touches(*effect.Env) []string { return resource(g.Provider, g.Name) }

func (g *get) Perform(ctx context.Context, env *effect.Env) (any, error) {
	p, err := provider(env, g.Provider)
	if err != nil {
		return nil, err
	}
	s, err := complete(ctx, env, p, g.Name)
	if err != nil {
		return nil, err
	}
	return resultOf(env, s, key{g.SSHKey}, false), nil
}

var _ = Module.Read(`
def wait(name, provider = "local", ssh_key = None, timeout = "2m"):
    """Waits until a server runs and its SSH server answers.

    Args:
      name: its name.
      provider: who has made it.
      ssh_key: the key to log in with, for its target, as with server.create.
      timeout: how long it may take.
    Returns:
      The struct of servers, with a target.
    Errors:
      not_found when there is none of that name; failed when it does not answer in
      time, or is broken.
    Example:
      server.start("web-1")
      web = server.wait("web-1").target
    """`, &wait{})

type wait struct {
	Name     string        `star:"name"`
	Provider string        `star:"provider"`
	SSHKey   *string       `star:"ssh_key"`
	Timeout  time.Duration `star:"timeout,tuning"`
}

var (
	_ effect.Validator = (*wait)(nil)
	_ effect.Toucher   = (*wait)(nil)
)

func (w *wait) Validate() error {
	if w.Timeout <= 0 {
		return fault.New(fault.Invalid, "the timeout is not positive")
	}
	return validName(w.Provider, w.Name)
}

func (w *wait) Touches(*effect.Env) []string { return resource(w.Provider, w.Name) }

func (w *wait) Perform(ctx context.Context, env *effect.Env) (any, error) {
	p, err := provider(env, w.Provider)
	if err != nil {
		return nil, err
	}
	s, err := find(ctx, env, p, w.Name)
	if err != nil {
		return nil, err
	}
	if s, err = ready(ctx, p, s.ID, w.Timeout); err != nil {
		return nil, err
	}
	return resultOf(env, s, key{w.SSHKey}, false), nil
}

var _ = Module.Read(`
def list(name = "", tags = {}, status = "", provider = "local", ssh_key = None):
    """Lists the servers of the workspace.

    Args:
      name: a name, or a pattern such as "web-*"; "" for all.
      tags: labels that they must have, as a dict of strings.
      status: the state that they must be in; "" for any.
      provider: who has made them.
      ssh_key: the key to log in with, for their targets, as with server.create.
    Returns:
      A list of structs of servers, sorted by name.
    Errors:
      network when the provider cannot be reached.
    Example:
      for web in server.list(tags = {"role": "web"}):
          print(web.name, web.address)
    """`, &list{})

type list struct {
	Name     string            `star:"name"`
	Tags     map[string]string `star:"tags"`
	Status   string            `star:"status"`
	Provider string            `star:"provider"`
	SSHKey   *string           `star:"ssh_key"`
}

var _ effect.Validator = (*list)(nil)

func (l *list) Validate() error {
	if _, err := matches(l.Name, ""); err != nil {
		return err
	}
	return providers.All.Known(l.Provider)
}

func (l *list) Perform(ctx context.Context, env *effect.Env) (any, error) {
	p, err := provider(env, l.Provider)
	if err != nil {
		return nil, err
	}
	all, err := p.ListServers(ctx, providers.Filter{Workspace: workspaceOf(env), Tags: l.Tags})
	if err != nil {
		return nil, err
	}
	found := []Server{}
	for _, s := range all {
		fits, _ := matches(l.Name, s.Name) // the pattern was validated
		if !fits || l.Status != "" && l.Status != string(s.Status) {
			continue
		}
		if len(s.HostKeys) == 0 {
			if s, err = p.GetServer(ctx, s.ID); fault.KindOf(err) == fault.NotFound {
				continue // it has gone meanwhile
			} else if err != nil {
				return nil, err
			}
		}
		found = append(found, resultOf(env, s, key{l.SSHKey}, false))
	}
	return found, nil
}
