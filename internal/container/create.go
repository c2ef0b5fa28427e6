package container

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/go-connections/nat"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Create makes a container without starting it. Where there is one of that name,
// made of the same, it is returned, and made is false: so a second attempt, and a
// second run, change nothing. Another one under that name is an error of the kind
// exists.
func (e *Engine) Create(ctx context.Context, s Spec, o Owner) (c Container, made bool, err error) {
	if s.Name == "" {
		s.Name = o.Name()
	}
	if err := s.Validate(); err != nil {
		return Container{}, false, err
	}
	there, found, err := e.Look(ctx, s.Name)
	if err != nil {
		return Container{}, false, err
	}
	if !found {
		if err := e.create(ctx, s, o); err != nil {
			return Container{}, false, err
		}
		if there, err = e.Inspect(ctx, s.Name); err != nil {
			return Container{}, false, err
		}
	} else if err := s.Matches(there); err != nil {
		return Container{}, false, err
	}
	// One that was made by an attempt that was cut off may lack networks.
	if err := e.join(ctx, s, there); err != nil {
		return Container{}, false, err
	}
	c, err = e.Inspect(ctx, s.Name)
	// What somebody else has made in the same moment is not ours.
	return c, o.Owns(c.Labels) || !found && o.Run == "", err
}

// Matches reports, as an error of the kind exists, that a container under the name
// is made of something else.
func (s Spec) Matches(there Container) error {
	was, ours := there.Labels[LabelSpec]
	if !ours {
		return fault.New(fault.Exists, "there is a container %q already, which was not made by provisioning", s.Name).
			WithHint("choose another name, or remove it: docker rm -f %s", s.Name)
	}
	if diff := Difference(s.Name, was, s.print()); diff != "" {
		f := fault.New(fault.Exists, "there is a container %q already, which is made of something else:\n%s", s.Name, strings.TrimRight(diff, "\n"))
		f.Details = map[string]any{"diff": diff}
		return f.WithHint("remove it first, with container.remove(%q), or choose another name", s.Name)
	}
	return nil
}

// create makes the container. Where somebody else is making it just now, theirs has
// to be made of the same.
func (e *Engine) create(ctx context.Context, s Spec, o Owner) error {
	for {
		_, err := e.api.ContainerCreate(ctx, s.config(o), s.hostConfig(), s.networking(), nil, s.Name)
		switch {
		case err == nil:
			return nil
		case errdefs.IsNotFound(err) && strings.Contains(err.Error(), "image"):
			return fault.New(fault.NotFound, "cannot create the container %q: the engine has no image %q", s.Name, s.Image).
				WithHint("container.image_pull(%q) fetches one; images are not pulled in passing", s.Image)
		case !errdefs.IsConflict(err) || !strings.Contains(err.Error(), "already in use"):
			return e.fault(ctx, err, "cannot create the container %q", s.Name)
		}
		there, found, err := e.Look(ctx, s.Name)
		if err != nil || found {
			return orElse(err, s.Matches(there))
		}
		// The name is taken before the container can be seen, and given back when it
		// comes to nothing.
		select {
		case <-time.After(takenPause):
		case <-ctx.Done():
			return looked(stopped(ctx, "cannot create the container "+strconv.Quote(s.Name)+", whose name is taken"))
		}
	}
}

const takenPause = 50 * time.Millisecond

func orElse(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

func (s Spec) config(o Owner) *container.Config {
	labels := o.Labels(s.Labels)
	labels[LabelSpec] = s.print()
	c := &container.Config{
		Hostname: s.Hostname, User: s.User, Env: environment(s.Env), Cmd: s.Command, Image: s.Image,
		WorkingDir: s.Dir, Labels: labels, Tty: s.TTY, StopSignal: s.StopSignal, ExposedPorts: nat.PortSet{},
	}
	if len(s.Entrypoint) > 0 { // an empty one would be another one than that of the image: none
		c.Entrypoint = s.Entrypoint
	}
	for _, p := range s.Ports {
		c.ExposedPorts[p.port()] = struct{}{}
	}
	if h := s.Health; h != nil {
		c.Healthcheck = &container.HealthConfig{
			Test: append([]string{"CMD"}, h.Command...), Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.Start, Retries: h.Retries,
		}
	}
	return c
}

func (p Port) port() nat.Port {
	protocol := p.Protocol
	if protocol == "" {
		protocol = "tcp"
	}
	return nat.Port(strconv.Itoa(p.Container) + "/" + protocol)
}

func (s Spec) hostConfig() *container.HostConfig {
	h := &container.HostConfig{
		CapAdd: s.CapAdd, CapDrop: s.CapDrop, Privileged: s.Privileged, ReadonlyRootfs: s.ReadOnly, SecurityOpt: s.Security,
		Sysctls: s.Sysctls, DNS: s.DNS, CgroupnsMode: container.CgroupnsMode(s.CgroupNS), Tmpfs: s.Tmpfs, PortBindings: nat.PortMap{},
	}
	h.NanoCPUs = int64(s.Limits.CPUs * 1e9)
	if h.Memory = s.Limits.Memory; h.Memory > 0 {
		h.MemorySwap = h.Memory // no swap beside it: a limit is a limit
	}
	if s.Limits.Pids > 0 {
		h.PidsLimit = &s.Limits.Pids
	}
	if s.Init {
		h.Init = &s.Init
	}
	name, times, _ := s.restart()
	h.RestartPolicy = container.RestartPolicy{Name: container.RestartPolicyMode(name), MaximumRetryCount: times}
	for _, host := range slices.Sorted(maps.Keys(s.Hosts)) {
		h.ExtraHosts = append(h.ExtraHosts, host+":"+s.Hosts[host])
	}
	for _, m := range s.Mounts {
		h.Mounts = append(h.Mounts, mount.Mount{Type: mount.Type(m.Type), Source: m.Source, Target: m.Target, ReadOnly: m.ReadOnly})
	}
	for _, p := range s.Ports {
		binding := nat.PortBinding{HostIP: p.Address}
		if p.Host > 0 {
			binding.HostPort = strconv.Itoa(p.Host)
		}
		h.PortBindings[p.port()] = append(h.PortBindings[p.port()], binding)
	}
	if len(s.Networks) > 0 {
		h.NetworkMode = container.NetworkMode(s.Networks[0].Network)
	}
	return h
}

// networking is the first network: engines before 25 take no more than one when a
// container is made. The others are joined before it starts.
func (s Spec) networking() *network.NetworkingConfig {
	if len(s.Networks) == 0 || special(s.Networks[0].Network) {
		return nil
	}
	first := s.Networks[0]
	return &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{first.Network: first.settings()}}
}

// special networks are modes, and not joined.
func special(name string) bool {
	return name == "host" || name == "none" || strings.HasPrefix(name, "container:")
}

func (n Attachment) settings() *network.EndpointSettings {
	settings := &network.EndpointSettings{Aliases: n.Aliases}
	if n.IPv4 != "" || n.IPv6 != "" {
		settings.IPAMConfig = &network.EndpointIPAMConfig{IPv4Address: n.IPv4, IPv6Address: n.IPv6}
	}
	return settings
}

// join connects a container to the networks that it is not on yet.
func (e *Engine) join(ctx context.Context, s Spec, there Container) error {
	for i, n := range s.Networks {
		if _, on := there.Networks[n.Network]; on || i == 0 {
			continue
		}
		if _, err := e.Connect(ctx, s.Name, n); err != nil {
			return err
		}
	}
	return nil
}

// Start starts a container. started is false when it runs already.
func (e *Engine) Start(ctx context.Context, name string) (started bool, err error) {
	c, err := e.Inspect(ctx, name)
	if err != nil || c.State == "running" {
		return false, err
	}
	if err := e.api.ContainerStart(ctx, name, container.StartOptions{}); err != nil && !errdefs.IsNotModified(err) {
		return false, e.startFault(ctx, err, name)
	}
	return true, nil
}

func (e *Engine) startFault(ctx context.Context, err error, name string) error {
	f := e.fault(ctx, err, "cannot start the container %q", name)
	switch text := err.Error(); {
	case strings.Contains(text, "port is already allocated"), strings.Contains(text, "address already in use"):
		return f.WithHint("another program has the port: choose another one, or leave it to the engine")
	case strings.Contains(text, "executable file not found"):
		return f.WithHint("the image has no such program: look at command and entrypoint")
	}
	return f
}

// Stop stops a container: by the signal that it asks for, and by SIGKILL after some
// seconds; -1 leaves their number to the container. stopped is false when it does
// not run.
func (e *Engine) Stop(ctx context.Context, name string, seconds int) (stopped bool, err error) {
	c, err := e.Inspect(ctx, name)
	if err != nil || !c.Alive() {
		return false, err
	}
	if err := e.api.ContainerStop(ctx, name, stopOptions(seconds)); err != nil && !errdefs.IsNotModified(err) {
		return false, e.fault(ctx, err, "cannot stop the container %q", name)
	}
	return true, nil
}

func stopOptions(seconds int) container.StopOptions {
	if seconds < 0 {
		return container.StopOptions{}
	}
	return container.StopOptions{Timeout: &seconds}
}

// Restart stops a container, as Stop does, and starts it.
func (e *Engine) Restart(ctx context.Context, name string, seconds int) error {
	if err := e.api.ContainerRestart(ctx, name, stopOptions(seconds)); err != nil {
		return e.startFault(ctx, err, name)
	}
	return nil
}

// Kill sends a signal to process 1 of a container: "KILL", "HUP".
func (e *Engine) Kill(ctx context.Context, name, signal string) error {
	if err := e.api.ContainerKill(ctx, name, signal); err != nil {
		return e.fault(ctx, err, "cannot send the signal %s to the container %q", signal, name)
	}
	return nil
}

// Remove removes a container, and with volumes the nameless ones that only it uses.
// force stops it first, by SIGKILL. removed is false when there is none.
func (e *Engine) Remove(ctx context.Context, name string, force, volumes bool) (removed bool, err error) {
	err = e.api.ContainerRemove(ctx, name, container.RemoveOptions{Force: force, RemoveVolumes: volumes})
	switch {
	case err == nil:
		return true, nil
	case errdefs.IsNotFound(err):
		return false, nil
	case errdefs.IsConflict(err) && strings.Contains(err.Error(), "already in progress"):
		return true, e.gone(ctx, name)
	}
	f := e.fault(ctx, err, "cannot remove the container %q", name)
	if errdefs.IsConflict(err) && !force {
		return false, f.WithHint("it runs: stop it first, or remove it with force = True")
	}
	return false, f
}

// gone waits until somebody else has removed a container.
func (e *Engine) gone(ctx context.Context, name string) error {
	ended, errs := e.api.ContainerWait(ctx, name, container.WaitConditionRemoved)
	select {
	case <-ended:
		return nil
	case err := <-errs:
		if errdefs.IsNotFound(err) {
			return nil
		}
		return e.fault(ctx, err, "cannot wait for the end of the container %q", name)
	}
}

func (p Port) String() string {
	host := ""
	if p.Host > 0 {
		host = fmt.Sprintf("%s:%d->", p.Address, p.Host)
	}
	return strings.TrimPrefix(host, ":") + string(p.port())
}
