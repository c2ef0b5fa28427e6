package container

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/netip"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/textdiff"
)

// Spec is what a container is made of. The zero value of every field but Image
// leaves a matter to the image and the engine.
type Spec struct {
	Name       string            `json:"name"`
	Image      string            `json:"image"`
	Command    []string          `json:"command,omitempty"`
	Entrypoint []string          `json:"entrypoint,omitempty"`
	Env        map[string]string `json:"env,omitempty"`
	Dir        string            `json:"dir,omitempty"`
	User       string            `json:"user,omitempty"`
	Hostname   string            `json:"hostname,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	Limits     Limits            `json:"limits,omitzero"`
	Mounts     []Mount           `json:"mounts,omitempty"`
	Tmpfs      map[string]string `json:"tmpfs,omitempty"` // options by path: {"/run": "size=64m"}
	Networks   []Attachment      `json:"networks,omitempty"`
	Ports      []Port            `json:"ports,omitempty"`
	CapAdd     []string          `json:"cap_add,omitempty"`
	CapDrop    []string          `json:"cap_drop,omitempty"`
	Privileged bool              `json:"privileged,omitempty"`
	ReadOnly   bool              `json:"read_only,omitempty"` // the root file system
	Security   []string          `json:"security,omitempty"`  // "seccomp=unconfined"
	Sysctls    map[string]string `json:"sysctls,omitempty"`
	Hosts      map[string]string `json:"hosts,omitempty"`    // addresses by name, for /etc/hosts
	DNS        []string          `json:"dns,omitempty"`      // addresses of name servers
	CgroupNS   string            `json:"cgroupns,omitempty"` // "private" or "host"
	Init       bool              `json:"init,omitempty"`     // a small init as process 1
	TTY        bool              `json:"tty,omitempty"`
	Restart    string            `json:"restart,omitempty"` // "no", "always", "unless-stopped", "on-failure", "on-failure:3"
	StopSignal string            `json:"stop_signal,omitempty"`
	Health     *Health           `json:"health,omitempty"`
}

// Limits bound what a container may use; 0 is no limit.
type Limits struct {
	CPUs   float64 `star:"cpus" json:"cpus,omitempty"`     // 0.5 is half of one
	Memory int64   `star:"memory" json:"memory,omitempty"` // bytes
	Pids   int64   `star:"pids" json:"pids,omitempty"`
}

// Mount is a directory or a file of the engine's machine, or a volume, in a
// container.
type Mount struct {
	Type     string `json:"type"` // "bind" or "volume"
	Source   string `json:"source"`
	Target   string `json:"target"`
	ReadOnly bool   `json:"read_only,omitempty"`
}

// Attachment is a network that a container is on.
type Attachment struct {
	Network string   `json:"network"`
	IPv4    string   `json:"ipv4,omitempty"` // "": the engine chooses
	IPv6    string   `json:"ipv6,omitempty"`
	Aliases []string `json:"aliases,omitempty"` // names beside that of the container
}

// Port is one of the container that the engine's machine passes on.
type Port struct {
	Container int    `json:"container"`
	Host      int    `json:"host,omitempty"`     // 0: the engine chooses
	Address   string `json:"address,omitempty"`  // of the machine; "": all
	Protocol  string `json:"protocol,omitempty"` // "tcp", which "" is, "udp" or "sctp"
}

// Health is how an engine finds out whether a container is well.
type Health struct {
	Command  []string      `json:"command"` // 0 is well
	Interval time.Duration `json:"interval,omitempty"`
	Timeout  time.Duration `json:"timeout,omitempty"`
	Start    time.Duration `json:"start,omitempty"` // failures within it do not count
	Retries  int           `json:"retries,omitempty"`
}

// ValidName refuses what can be no name of a container, network or volume.
func ValidName(what, name string) error {
	if len(name) <= 128 && plain(name, "_.-") {
		return nil
	}
	return fault.New(fault.Invalid, "%q is no name of a %s", name, what).
		WithHint("letters, digits, _, . and -, the first a letter or a digit, 128 at most")
}

// plain reports whether a text begins with a letter or digit, and goes on with
// those and the others.
func plain(text, others string) bool {
	for i := range len(text) {
		c := text[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letter && (i == 0 || strings.IndexByte(others, c) < 0) {
			return false
		}
	}
	return text != ""
}

// Validate refuses what can never work. It asks no engine.
func (s *Spec) Validate() error {
	if s.Name != "" {
		if err := ValidName("container", s.Name); err != nil {
			return err
		}
	}
	if s.Image == "" {
		return fault.New(fault.Invalid, "a container needs an image")
	}
	for name := range s.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return fault.New(fault.Invalid, "%q is no name of an environment variable", name)
		}
	}
	if s.Limits.CPUs < 0 || s.Limits.Memory < 0 || s.Limits.Pids < 0 {
		return fault.New(fault.Invalid, "a limit is negative")
	}
	if s.Limits.Memory > 0 && s.Limits.Memory < 6<<20 {
		return fault.New(fault.Invalid, "a memory limit of %d bytes is too small: engines ask for 6 MiB", s.Limits.Memory)
	}
	for _, check := range []func() error{s.validateMounts, s.validateNetworks, s.validatePorts, s.validateModes} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spec) validateMounts() error {
	targets := map[string]bool{}
	for _, m := range s.Mounts {
		switch {
		case m.Type != "bind" && m.Type != "volume":
			return fault.New(fault.Invalid, "a mount is a bind or a volume, not a %q", m.Type)
		case m.Type == "bind" && !path.IsAbs(m.Source):
			return fault.New(fault.Invalid, "the path %q of a mount is not absolute", m.Source)
		case m.Type == "volume":
			if err := ValidName("volume", m.Source); err != nil {
				return err
			}
		}
		if !path.IsAbs(m.Target) || targets[m.Target] {
			return fault.New(fault.Invalid, "a mount is to be at %q: it has to be absolute, and one for each place", m.Target)
		}
		targets[m.Target] = true
	}
	for target := range s.Tmpfs {
		if !path.IsAbs(target) || targets[target] {
			return fault.New(fault.Invalid, "a tmpfs is to be at %q: it has to be absolute, and one for each place", target)
		}
	}
	return nil
}

func (s *Spec) validateNetworks() error {
	seen := map[string]bool{}
	for _, n := range s.Networks {
		if n.Network == "" || seen[n.Network] {
			return fault.New(fault.Invalid, "a container can be on the network %q once", n.Network)
		}
		seen[n.Network] = true
		if err := n.validate(); err != nil {
			return err
		}
	}
	for _, address := range s.Hosts {
		if _, err := netip.ParseAddr(address); err != nil && address != "host-gateway" {
			return fault.New(fault.Invalid, "%q is no address", address)
		}
	}
	for _, address := range s.DNS {
		if _, err := netip.ParseAddr(address); err != nil {
			return fault.New(fault.Invalid, "%q is no address of a name server", address)
		}
	}
	return nil
}

func (n Attachment) validate() error {
	if a, err := netip.ParseAddr(n.IPv4); n.IPv4 != "" && (err != nil || !a.Is4()) {
		return fault.New(fault.Invalid, "%q is no IPv4 address", n.IPv4)
	}
	if a, err := netip.ParseAddr(n.IPv6); n.IPv6 != "" && (err != nil || !a.Is6()) {
		return fault.New(fault.Invalid, "%q is no IPv6 address", n.IPv6)
	}
	return nil
}

func (s *Spec) validatePorts() error {
	for _, p := range s.Ports {
		if p.Container < 1 || p.Container > 65535 || p.Host < 0 || p.Host > 65535 {
			return fault.New(fault.Invalid, "%d is no port", max(p.Container, p.Host))
		}
		if !slices.Contains([]string{"", "tcp", "udp", "sctp"}, p.Protocol) {
			return fault.New(fault.Invalid, "%q is no protocol of a port: tcp, udp or sctp", p.Protocol)
		}
		if _, err := netip.ParseAddr(p.Address); p.Address != "" && err != nil {
			return fault.New(fault.Invalid, "%q is no address of a port", p.Address)
		}
	}
	return nil
}

func (s *Spec) validateModes() error {
	if !slices.Contains([]string{"", "private", "host"}, s.CgroupNS) {
		return fault.New(fault.Invalid, "the cgroup namespace is private or host, not %q", s.CgroupNS)
	}
	if _, _, ok := s.restart(); !ok {
		return fault.New(fault.Invalid, "%q is no restart policy", s.Restart).WithHint("no, always, unless-stopped, on-failure, or on-failure:3")
	}
	if s.Health != nil && len(s.Health.Command) == 0 {
		return fault.New(fault.Invalid, "a health check needs a command")
	}
	return nil
}

// restart takes the policy apart: its name, and how often at most.
func (s *Spec) restart() (name string, times int, ok bool) {
	name, count, counted := strings.Cut(s.Restart, ":")
	if counted {
		n, err := strconv.Atoi(count)
		return name, n, err == nil && n > 0 && name == "on-failure"
	}
	return name, 0, slices.Contains([]string{"", "no", "always", "unless-stopped", "on-failure"}, name)
}

// print is what the label says that a container was made of. The values of its
// environment are hashed: they may be secret.
func (s Spec) print() string {
	s.Env = maps.Clone(s.Env)
	for name, v := range s.Env {
		sum := sha256.Sum256([]byte(name + "=" + v))
		s.Env[name] = "sha256:" + hex.EncodeToString(sum[:8])
	}
	return print(s)
}

func print(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic("container: a description has no JSON: " + err.Error()) // plain fields always have one
	}
	return string(data)
}

// Difference compares what a label says with what is wanted: a unified diff, "" when
// they are the same.
func Difference(name, was, wanted string) string {
	return textdiff.Unified(name, indented(was), indented(wanted), textdiff.Options{})
}

func indented(text string) string {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return text
	}
	return string(data) + "\n"
}

// Print is what is shown of a specification in a plan. Values of the environment
// are hashed.
func (s Spec) Print() string { return s.print() }

func environment(env map[string]string) []string {
	list := make([]string, 0, len(env))
	for name, v := range env {
		list = append(list, name+"="+v)
	}
	sort.Strings(list)
	return list
}
