package server

import (
	"path/filepath"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/ssh"
	"github.com/provisioning-systems/provisioning/providers"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/target"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Server is what the functions of the module return.
type Server struct {
	ID        any               `star:"id"`
	Name      string            `star:"name"`
	Provider  string            `star:"provider"`
	Status    any               `star:"status"`
	Plan      string            `star:"plan"`
	Zone      string            `star:"zone"`
	Image     string            `star:"image"`
	Network   string            `star:"network"`
	Address   any               `star:"address"`
	Addresses any               `star:"addresses"`
	User      string            `star:"user"`
	Port      int               `star:"port"`
	HostKeys  any               `star:"host_keys"`
	Tags      map[string]string `star:"tags"`
	CreatedAt any               `star:"created_at"`
	Changed   bool              `star:"changed"`
	Target    any               `star:"target"`
}

// resultOf is a server as scripts see it.
func resultOf(env *effect.Env, s providers.Server, k key, changed bool) Server {
	r := Server{
		ID: s.ID, Name: s.Name, Provider: s.Provider, Status: string(s.Status), Plan: s.Plan, Zone: s.Zone, Image: s.Image, Network: s.Network,
		Address: s.Addresses.Reach(), User: s.User, Port: s.Port, HostKeys: s.HostKeys, Tags: s.Tags, CreatedAt: s.CreatedAt.UTC().Truncate(time.Second),
		Changed: changed, Addresses: map[string]string{
			"public_ipv4": s.Addresses.PublicIPv4, "public_ipv6": s.Addresses.PublicIPv6, "private_ipv4": s.Addresses.PrivateIPv4,
		},
	}
	if len(s.HostKeys) > 0 && s.Addresses.Reach() != "" {
		r.Target = targetOf(env, s, k)
	}
	return r
}

// targetOf is the server as an SSH host whose key is known.
func targetOf(env *effect.Env, s providers.Server, k key) starlark.Value {
	keys := make([]starlark.Value, len(s.HostKeys))
	for i, text := range s.HostKeys {
		keys[i] = starlark.String(text)
	}
	fields := starlark.StringDict{
		"address": starlark.String(s.Addresses.Reach()), "port": starlark.MakeInt(s.Port), "user": starlark.String(s.User),
		"host_key": starlark.NewList(keys), "host_keys": starlark.String(ssh.Pinned), "config": starlark.String(ssh.None),
	}
	if private := k.private(env); private != "" {
		fields["key"], fields["agent"] = starlark.String(private), starlark.String(ssh.None)
	}
	return target.Make("ssh", s.Name, fields)
}

// planned is a server that is not there yet.
func planned(r providers.Record, provider string, plan, zone string) Server {
	unknown := func(what string) any { return value.NewUnknown("server.create(%q).%s", r.Name, what) }
	return Server{
		ID: unknown("id"), Name: r.Name, Provider: provider, Status: string(providers.Running), Plan: plan, Zone: zone, Image: r.Image, Network: r.Network,
		Address: unknown("address"), Addresses: unknown("addresses"), User: r.User, Port: 22, HostKeys: unknown("host_keys"), Tags: r.Tags,
		CreatedAt: unknown("created_at"), Changed: true, Target: unknown("target"),
	}
}

// workspaceKey is where the key of the workspace is, which servers get that name
// none.
func workspaceKey(env *effect.Env) string { return filepath.Join(env.Run.State, "ssh", "id_ed25519") }
