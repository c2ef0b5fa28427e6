package container

import (
	"math"
	"net"
	"path"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"

	engine "github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// attached is a network that a container is on.
type attached = engine.Attachment

// made are the parameters of what makes a container.
type made struct {
	Image      string            `star:"image"`
	Name       string            `star:"name"`
	Command    []string          `star:"command"`
	Entrypoint []string          `star:"entrypoint"`
	Env        map[string]string `star:"env"`
	Workdir    string            `star:"workdir"`
	User       string            `star:"user"`
	Hostname   string            `star:"hostname"`
	Labels     map[string]string `star:"labels"`
	CPUs       float64           `star:"cpus"`
	Memory     starlark.Value    `star:"memory"`
	Pids       int               `star:"pids"`
	Mounts     []string          `star:"mounts"`
	Tmpfs      map[string]string `star:"tmpfs"`
	Networks   []starlark.Value  `star:"networks"`
	Ports      []string          `star:"ports"`
	CapAdd     []string          `star:"cap_add"`
	CapDrop    []string          `star:"cap_drop"`
	Privileged bool              `star:"privileged"`
	ReadOnly   bool              `star:"read_only"`
	Security   []string          `star:"security"`
	Sysctls    map[string]string `star:"sysctls"`
	Hosts      map[string]string `star:"hosts"`
	DNS        []string          `star:"dns"`
	CgroupNS   string            `star:"cgroupns"`
	Init       bool              `star:"init"`
	TTY        bool              `star:"tty"`
	Restart    string            `star:"restart"`
	StopSignal string            `star:"stop_signal"`
	Health     starlark.Value    `star:"health"`
}

// Parameters are those of all functions that make a container.
func (*made) Parameters() string {
	return `
def made(*, entrypoint = [], env = {}, workdir = "", user = "", hostname = "", labels = {}, cpus = 0, memory = None, pids = 0, mounts = [], tmpfs = {}, networks = [], ports = [], cap_add = [], cap_drop = [], privileged = False, read_only = False, security = [], sysctls = {}, hosts = {}, dns = [], cgroupns = "", init = False, tty = False, restart = "", stop_signal = "", health = None):
    """
    Args:
      entrypoint: program that gets command as its arguments. []: that of the image.
      env: environment variables; their values may be secrets.
      workdir: directory that the program starts in.
      user: user, or user:group, or numbers of them, that it runs as.
      hostname: its own name for itself.
      labels: labels beside those of the run and the workspace.
      cpus: how many processors it may use, such as 0.5; 0 for no limit.
      memory: memory that it may use, such as "512m" or a number of bytes.
      pids: how many processes it may have; 0 for no limit.
      mounts: list of "volume:/path" and "/path/of/the/engine:/path", ":ro" behind
        it for what is only read.
      tmpfs: file systems in memory: options by path, {"/run": "size=64m"}.
      networks: list of names, or of dicts with network, ipv4, ipv6 and aliases,
        all but the first optional. []: the default network of the engine.
      ports: list of "8080:80", "127.0.0.1:8080:80", "53:53/udp", or "80" for any
        port of the engine's machine.
      cap_add: capabilities that it gets, such as "NET_ADMIN".
      cap_drop: capabilities that are taken from it.
      privileged: give it all rights on the engine's machine.
      read_only: let it write nothing but to mounts and tmpfs.
      security: security options, such as "seccomp=unconfined".
      sysctls: kernel parameters of its own.
      hosts: addresses by name, for its /etc/hosts.
      dns: addresses of name servers.
      cgroupns: "private" or "host"; "" for the standard of the engine.
      init: put a small init in front, which collects processes that have ended.
      tty: give it a terminal.
      restart: "no", "always", "unless-stopped", "on-failure" or "on-failure:3".
      stop_signal: signal that asks it to end; "" for that of the image.
      health: dict of command (a list, or a string for sh), interval, timeout,
        start and retries, all but the first optional.
    """`
}

// spec reads the parameters.
func (m *made) spec() (engine.Spec, error) {
	s := engine.Spec{
		Name: m.Name, Image: m.Image, Command: m.Command, Entrypoint: m.Entrypoint, Env: m.Env, Dir: m.Workdir, User: m.User,
		Hostname: m.Hostname, Labels: m.Labels, Tmpfs: m.Tmpfs, CapAdd: m.CapAdd, CapDrop: m.CapDrop, Privileged: m.Privileged,
		ReadOnly: m.ReadOnly, Security: m.Security, Sysctls: m.Sysctls, Hosts: m.Hosts, DNS: m.DNS, CgroupNS: m.CgroupNS, Init: m.Init,
		TTY: m.TTY, Restart: m.Restart, StopSignal: m.StopSignal,
	}
	s.Limits = engine.Limits{CPUs: m.CPUs, Pids: int64(m.Pids)}
	var err error
	if s.Limits.Memory, err = size(m.Memory); err != nil {
		return s, err
	}
	for _, text := range m.Mounts {
		mount, err := parseMount(text)
		if err != nil {
			return s, err
		}
		s.Mounts = append(s.Mounts, mount)
	}
	for _, text := range m.Ports {
		port, err := parsePort(text)
		if err != nil {
			return s, err
		}
		s.Ports = append(s.Ports, port)
	}
	for _, v := range m.Networks {
		n, err := attachment(v)
		if err != nil {
			return s, err
		}
		s.Networks = append(s.Networks, n)
	}
	if s.Health, err = health(m.Health); err != nil {
		return s, err
	}
	return s, s.Validate()
}

// expanded is the specification with the secrets filled in, and a name.
func (m *made) expanded(env *effect.Env) (engine.Spec, error) {
	s, err := m.spec()
	if err != nil {
		return s, err
	}
	if s.Name == "" {
		s.Name = owner(env).Name()
	}
	plain := make(map[string]string, len(s.Env))
	for name, v := range s.Env {
		if plain[name], err = env.Run.Secrets.Expand(v); err != nil {
			return s, err
		}
	}
	s.Env = plain
	return s, nil
}

// size reads a number of bytes: an int, or "512m".
func size(v starlark.Value) (int64, error) {
	switch v := v.(type) {
	case nil, starlark.NoneType:
		return 0, nil
	case starlark.Int:
		if n, ok := v.Int64(); ok && n >= 0 {
			return n, nil
		}
	case starlark.String:
		if n, ok := parseSize(string(v)); ok {
			return n, nil
		}
	}
	return 0, fault.New(fault.Invalid, "%s is no amount of memory", value.Show(v)).WithHint(`a number of bytes, or as in "512m", "2g"`)
}

// parseSize reads an amount with its unit: k, m, g or t, which are powers of 1024,
// with or without b or iB.
func parseSize(text string) (int64, bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	text = strings.TrimSuffix(strings.TrimSuffix(text, "b"), "i")
	shift := 0
	if n := len(text); n > 0 {
		if i := strings.IndexByte("kmgt", text[n-1]); i >= 0 {
			shift, text = 10*(i+1), text[:n-1]
		}
	}
	f, err := strconv.ParseFloat(text, 64)
	f *= math.Exp2(float64(shift))
	if err != nil || !(f >= 0 && f < 1<<62) {
		return 0, false
	}
	return int64(f), true
}

// parseMount reads "SOURCE:TARGET", ":ro" behind it for what is only read. A source
// that is a path is one of the engine's machine, any other a volume.
func parseMount(text string) (engine.Mount, error) {
	rest, readOnly := strings.CutSuffix(text, ":ro")
	rest = strings.TrimSuffix(rest, ":rw")
	source, to, ok := strings.Cut(rest, ":")
	if !ok || !path.IsAbs(to) || source == "" {
		return engine.Mount{}, fault.New(fault.Invalid, "%q is no mount", text).
			WithHint("as in data:/var/lib/data for a volume, /srv/www:/www:ro for a directory of the engine's machine")
	}
	m := engine.Mount{Type: "volume", Source: source, Target: to, ReadOnly: readOnly}
	if path.IsAbs(source) {
		m.Type = "bind"
	}
	return m, nil
}

// parsePort reads "[[ADDRESS:]PORT:]PORT[/PROTOCOL]".
func parsePort(text string) (engine.Port, error) {
	bad := fault.New(fault.Invalid, "%q is no port to publish", text).WithHint("as in 8080:80, 127.0.0.1:8080:80, 53:53/udp, or 80 for any port of the machine")
	rest, protocol, _ := strings.Cut(text, "/")
	p := engine.Port{Protocol: protocol}
	inner := rest
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		outer := rest[:i]
		inner = rest[i+1:]
		if address, port, err := net.SplitHostPort(outer); err == nil {
			p.Address, outer = address, port
		}
		n, err := strconv.Atoi(outer)
		if p.Host = n; err != nil && outer != "" {
			return p, bad
		}
	}
	n, err := strconv.Atoi(inner)
	if p.Container = n; err != nil {
		return p, bad
	}
	return p, nil
}

// attachment reads a network: its name, or a dict.
func attachment(v starlark.Value) (engine.Attachment, error) {
	if name, ok := starlark.AsString(v); ok {
		return engine.Attachment{Network: name}, nil
	}
	fields, err := dictOf(v, "a network", "network", "ipv4", "ipv6", "aliases")
	if err != nil {
		return engine.Attachment{}, err
	}
	n := engine.Attachment{}
	for name, to := range map[string]*string{"network": &n.Network, "ipv4": &n.IPv4, "ipv6": &n.IPv6} {
		if *to, err = textOf(fields[name], "a network", name); err != nil {
			return n, err
		}
	}
	n.Aliases, err = textsOf(fields["aliases"], "a network", "aliases")
	return n, err
}

// health reads a health check: a dict.
func health(v starlark.Value) (*engine.Health, error) {
	if v == nil || v == starlark.None {
		return nil, nil
	}
	const what = "a health check"
	fields, err := dictOf(v, what, "command", "interval", "timeout", "start", "retries")
	if err != nil {
		return nil, err
	}
	h := &engine.Health{}
	if text, ok := starlark.AsString(orNone(fields["command"])); ok {
		h.Command = []string{"/bin/sh", "-c", text}
	} else if h.Command, err = textsOf(fields["command"], what, "command"); err != nil {
		return nil, err
	}
	for name, to := range map[string]*time.Duration{"interval": &h.Interval, "timeout": &h.Timeout, "start": &h.Start} {
		text, err := textOf(fields[name], what, name)
		if err != nil {
			return nil, err
		}
		if text == "" {
			continue
		}
		if *to, err = duration.Parse(text); err != nil {
			return nil, fault.New(fault.Invalid, "%s of %s %s", name, what, err)
		}
	}
	if r, ok := fields["retries"]; ok {
		if h.Retries, err = starlark.AsInt32(r); err != nil {
			return nil, fault.New(fault.Invalid, "retries of %s must be an int, not a %s", what, r.Type())
		}
	}
	return h, nil
}

// dictOf reads a dict with some of the keys, and no others.
func dictOf(v starlark.Value, what string, keys ...string) (map[string]starlark.Value, error) {
	d, ok := v.(*starlark.Dict)
	if !ok {
		return nil, fault.New(fault.Invalid, "%s must be a dict, not a %s", what, v.Type()).WithHint("its keys are %s", strings.Join(keys, ", "))
	}
	fields := map[string]starlark.Value{}
	for _, kv := range d.Items() {
		name, _ := starlark.AsString(kv[0])
		fields[name] = kv[1]
	}
	for name := range fields {
		known := false
		for _, key := range keys {
			known = known || key == name
		}
		if !known {
			return nil, fault.New(fault.Invalid, "%s has no %q", what, name).WithHint("its keys are %s", strings.Join(keys, ", "))
		}
	}
	return fields, nil
}

func textOf(v starlark.Value, what, name string) (string, error) {
	if v == nil || v == starlark.None {
		return "", nil
	}
	text, ok := starlark.AsString(v)
	if !ok {
		return "", fault.New(fault.Invalid, "%s of %s must be a string, not a %s", name, what, v.Type())
	}
	return text, nil
}

func textsOf(v starlark.Value, what, name string) ([]string, error) {
	if v == nil || v == starlark.None {
		return nil, nil
	}
	list, ok := v.(starlark.Iterable)
	if _, isDict := v.(*starlark.Dict); !ok || isDict {
		return nil, fault.New(fault.Invalid, "%s of %s must be a list of strings, not a %s", name, what, v.Type())
	}
	var texts []string
	iter := list.Iterate()
	defer iter.Done()
	for x := starlark.Value(nil); iter.Next(&x); {
		text, err := textOf(x, what, name)
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}
