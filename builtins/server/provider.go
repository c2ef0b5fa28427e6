package server

import (
	"context"
	"strings"
	"sync"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/providers"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var opening sync.Mutex

// provider returns the run's connection to a provider.
func provider(env *effect.Env, name string) (providers.Provider, error) {
	opening.Lock()
	defer opening.Unlock()
	handle := "provider:" + name
	if p, ok := env.Run.Live.Get(handle).(providers.Provider); ok {
		return p, nil
	}
	p, err := providers.All.Open(name, workspaceOf(env))
	if err != nil {
		return nil, fault.Before(err)
	}
	env.Run.Live.Put(handle, p)
	return p, nil
}

// workspaceOf is how the servers of the workspace are told from others.
func workspaceOf(env *effect.Env) string { return env.Run.Files.Workspace() }

// look finds a server by its name.
func look(ctx context.Context, env *effect.Env, p providers.Provider, name string) (s providers.Server, found bool, err error) {
	all, err := p.ListServers(ctx, providers.Filter{Workspace: workspaceOf(env), Name: name})
	if err != nil || len(all) == 0 {
		return s, false, err
	}
	return all[0], true, nil
}

// find is as look; that there is none is an error with the nearest name.
func find(ctx context.Context, env *effect.Env, p providers.Provider, name string) (providers.Server, error) {
	s, found, err := look(ctx, env, p, name)
	if err != nil || found {
		return s, err
	}
	e := fault.New(fault.NotFound, "there is no server %q", name)
	e.Unsent = true
	all, err := p.ListServers(ctx, providers.Filter{Workspace: workspaceOf(env)})
	if err != nil {
		return s, err
	}
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = s.Name
	}
	if near := spell.Nearest(name, names); near != "" {
		e.Msg += " (did you mean " + near + "?)"
	}
	if len(names) == 0 {
		return s, e.WithHint("the workspace has no servers yet: server.create makes one")
	}
	return s, e.WithHint("the servers are %s", strings.Join(names, ", "))
}

// complete is a server with its host keys, which lists may lack.
func complete(ctx context.Context, env *effect.Env, p providers.Provider, name string) (providers.Server, error) {
	s, err := find(ctx, env, p, name)
	if err != nil {
		return s, err
	}
	return p.GetServer(ctx, s.ID)
}

// resource is how check mode knows a server.
func resource(provider, name string) []string { return []string{"server:" + provider + "/" + name} }
