package local

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/providers"
)

// Labels of the container of a server, beside those of its owner. What can change,
// its power and its size, the engine knows.
const (
	labelServer  = "provisioning.server"  // its name
	labelKey     = "provisioning.key"     // that it was made with
	labelInfra   = "provisioning.infra"   //
	labelNetwork = "provisioning.network" // its name within the workspace
	labelAddress = "provisioning.address" // that it keeps
	labelUser    = "provisioning.user"    // that may log in
	labelTags    = "provisioning.tags"    // as JSON
	labelTag     = "provisioning.tag."    // and one for each tag, for the engine's filters
	labelInit    = "provisioning.init"    // of an image: "systemd"
)

// sshPort is where the SSH server of an image listens.
const sshPort = 22

// hostKeys are where the public keys of an SSH server are, the preferred one first.
var hostKeys = []string{"/etc/ssh/ssh_host_ed25519_key.pub", "/etc/ssh/ssh_host_ecdsa_key.pub", "/etc/ssh/ssh_host_rsa_key.pub"}

// maxKey bounds what is read of a public key.
const maxKey = 16 << 10

// GetServer describes a server, and reads its host keys out of it.
func (p *Provider) GetServer(ctx context.Context, id string) (providers.Server, error) {
	e, err := p.open(ctx)
	if err != nil {
		return providers.Server{}, err
	}
	c, err := p.find(ctx, e, id)
	if err != nil {
		return providers.Server{}, err
	}
	s := described(c)
	for _, path := range hostKeys {
		data, err := e.ReadFile(ctx, c.ID, path, maxKey)
		switch {
		case fault.KindOf(err) == fault.NotFound: // it has none of that type, or makes it when it starts
		case err != nil:
			return s, err
		case strings.HasSuffix(string(data), "\n"): // else it is being written
			s.HostKeys = append(s.HostKeys, strings.Join(firstFields(string(data)), " "))
		}
	}
	return s, nil
}

// firstFields are type and key, without the comment.
func firstFields(line string) []string {
	fields := strings.Fields(line)
	return fields[:min(2, len(fields))]
}

// find looks a server up by its id. A container that is no server is none.
func (p *Provider) find(ctx context.Context, e *container.Engine, id string) (container.Container, error) {
	c, found, err := e.Look(ctx, id)
	switch {
	case err != nil:
		return c, err
	case !found || c.Labels[labelServer] == "" || c.State == "removing":
		return c, providers.NotFound(id)
	}
	return c, nil
}

// ListServers describes the servers of a workspace.
func (p *Provider) ListServers(ctx context.Context, f providers.Filter) ([]providers.Server, error) {
	e, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	labels := map[string]string{labelServer: f.Name}
	for tag, v := range f.Tags {
		labels[labelTag+tag] = v
	}
	found, err := e.List(ctx, container.Filter{Owner: container.Owner{Workspace: f.Workspace}, Labels: labels})
	if err != nil {
		return nil, err
	}
	servers := []providers.Server{}
	for _, c := range found {
		if s := described(c); c.State != "removing" && f.Matches(s) {
			servers = append(servers, s)
		}
	}
	slices.SortFunc(servers, func(a, b providers.Server) int { return strings.Compare(a.Name, b.Name) })
	return servers, nil
}

func described(c container.Container) providers.Server {
	s := providers.Server{
		ID: c.ID, Name: c.Labels[labelServer], Provider: Name, Status: statusOf(c), Word: c.State, Plan: sizeOf(c.Limits).String(), Zone: zone,
		Image: c.Image, Network: c.Labels[labelNetwork], User: c.Labels[labelUser], Port: sshPort, HostKeys: []string{},
		Tags: map[string]string{}, Volumes: []string{}, Infra: c.Labels[labelInfra], Key: c.Labels[labelKey], CreatedAt: c.Created,
		Message: c.Error, Raw: map[string]any{"container": c.Name, "restarts": c.Restarts, "exit_code": c.ExitCode},
	}
	s.Addresses.PrivateIPv4 = c.Labels[labelAddress]
	if s.Status == providers.Failed && s.Message == "" {
		s.Message = fmt.Sprintf("process 1 has ended %d times, the last time with exit code %d", c.Restarts, c.ExitCode)
	}
	if json.Unmarshal([]byte(c.Labels[labelTags]), &s.Tags) != nil || s.Tags == nil {
		s.Tags = map[string]string{}
	}
	return s
}

// flapping is how often the engine restarts what ends by itself before that counts
// as broken: a reboot from within is one restart.
const flapping = 3

func statusOf(c container.Container) providers.Status {
	switch c.State {
	case "created":
		return providers.Creating
	case "running":
		return providers.Running
	case "paused", "exited":
		return providers.Stopped
	case "restarting":
		if c.Restarts >= flapping {
			return providers.Failed
		}
		return providers.Rebooting
	case "removing":
		return providers.Deleting
	case "dead":
		return providers.Failed
	}
	return providers.Unknown
}

// DeleteServer removes the container of a server, and the network that it was the
// last one on.
func (p *Provider) DeleteServer(ctx context.Context, id string, keepStorage bool) error {
	e, err := p.open(ctx)
	if err != nil {
		return err
	}
	c, err := p.find(ctx, e, id)
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	if err == nil {
		_, err = e.Remove(ctx, c.ID, true, !keepStorage)
	}
	if err != nil {
		return err
	}
	return p.leave(ctx, e, c.Labels[container.LabelWorkspace], c.Labels[labelNetwork])
}

// stopSeconds is how long a server may take to shut down.
const stopSeconds = 30

// StartServer starts a server.
func (p *Provider) StartServer(ctx context.Context, id string) error {
	return p.with(ctx, id, func(e *container.Engine, c container.Container) error {
		if c.State == "created" {
			return fault.New(fault.Failed, "the server %q was never finished", c.Labels[labelServer]).
				WithHint("create it again: what is there is finished")
		}
		_, err := e.Start(ctx, c.ID)
		return err
	})
}

// StopServer shuts a server down.
func (p *Provider) StopServer(ctx context.Context, id string) error {
	return p.with(ctx, id, func(e *container.Engine, c container.Container) error {
		_, err := e.Stop(ctx, c.ID, stopSeconds)
		return err
	})
}

// RebootServer shuts a server down and starts it.
func (p *Provider) RebootServer(ctx context.Context, id string) error {
	return p.with(ctx, id, func(e *container.Engine, c container.Container) error { return e.Restart(ctx, c.ID, stopSeconds) })
}

// ResizeServer changes the limits of a server while it runs.
func (p *Provider) ResizeServer(ctx context.Context, id, plan string) error {
	s, err := parsePlan(plan)
	if err != nil {
		return err
	}
	return p.with(ctx, id, func(e *container.Engine, c container.Container) error { return e.SetLimits(ctx, c.ID, s.limits()) })
}

func (p *Provider) with(ctx context.Context, id string, do func(*container.Engine, container.Container) error) error {
	e, err := p.open(ctx)
	if err != nil {
		return err
	}
	c, err := p.find(ctx, e, id)
	if err != nil {
		return fault.Before(err)
	}
	return do(e, c)
}
