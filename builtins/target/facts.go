package target

import (
	"context"
	"math"
	"strings"
	"sync"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/target"
)

var _ = Module.Read(`
def facts(target):
    """Finds out what a machine is, in one round trip.

    The answer is kept for the run; a change of the machine by an operation or a
    command makes the next call look again. What the machine does not tell is "" or 0.

    Args:
      target: the machine.
    Returns:
      A struct with:
      host: name of the target.
      os, version, codename, name: "debian", "12", "bookworm", "Debian GNU/Linux 12".
      family: "debian", "redhat", "alpine", …, of distributions that work alike.
      arch: "x86_64", "aarch64".
      kernel: release of the kernel.
      hostname: what the machine calls itself.
      user: that commands run as.
      init: "systemd", "openrc", "runit" or "none".
      package_manager: "apt", "dnf", "yum", "apk" or "none".
      virtualisation: "docker", "podman", "lxc", "kvm", "vmware", …, or "none".
      memory, memory_free: bytes.
      cpus: how many.
      uptime: duration.
      disks: list of structs with device, path, type, size and free, in bytes.
      interfaces: list of structs with name, mac, up and addresses ("10.0.0.5/24").
      addresses: list of the addresses of all interfaces but lo, without prefix.
      skew: duration; how far its clock is ahead of that of this machine;
        0 where it cannot be told apart.
    Errors:
      network when it cannot be reached; failed when it answers something else.
    Example:
      f = target.facts(target.local())
      print(f.os, f.version, f.arch, f.memory >> 30)
    """`, &facts{})

type facts struct {
	Target starlark.Value `star:"target"`
	target *target.Target
}

var (
	_ effect.Validator = (*facts)(nil)
	_ effect.Describer = (*facts)(nil)
	_ effect.Commander = (*facts)(nil)
	_ effect.Remote    = (*facts)(nil)
)

func (f *facts) RunsCommand() {}

func (f *facts) Validate() (err error) {
	f.target, err = target.Parse(f.Target)
	return err
}

// machine is the target also where Validate was not called: the arguments of a copy
// have the secrets filled in.
func (f *facts) machine() (*target.Target, error) {
	if f.target == nil {
		if err := f.Validate(); err != nil {
			return nil, err
		}
	}
	return f.target, nil
}

func (f *facts) Describe() string {
	if t, err := f.machine(); err == nil {
		return t.Name
	}
	return "?"
}

// Endpoint is what the circuit breaker counts by.
func (f *facts) Endpoint() string {
	if t, err := f.machine(); err == nil {
		return t.ID
	}
	return ""
}

// known are the facts that a run has of a machine. Several branches that ask at the
// same time ask once.
type known struct {
	mu  sync.Mutex
	was any
}

var knowing sync.Mutex

func knownOf(run *effect.Run, handle string) *known {
	knowing.Lock()
	defer knowing.Unlock()
	if k, ok := run.Live.Get(handle).(*known); ok {
		return k
	}
	k := &known{}
	run.Live.Put(handle, k)
	return k
}

func (f *facts) Perform(ctx context.Context, env *effect.Env) (any, error) {
	t, err := f.machine()
	if err != nil {
		return nil, err
	}
	as := t.As(env)
	if as.Other() { // another user may be told something else
		return look(ctx, env, t)
	}
	k := knownOf(env.Run, t.Facts())
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.was == nil {
		k.was, err = look(ctx, env, t)
	}
	return k.was, err
}

func look(ctx context.Context, env *effect.Env, t *target.Target) (any, error) {
	conn, err := target.Open(ctx, env, t)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	w, err := fact.Gather(ctx, conn, t.As(env), []fact.Fact{fact.System.Of("")})
	if err != nil {
		return nil, err
	}
	return told(t.Name, fact.Get[fact.SystemState](w, fact.System.Of("")), began, time.Now()), nil
}

// system is what scripts get.
type system struct {
	Host           string        `star:"host"`
	OS             string        `star:"os"`
	Version        string        `star:"version"`
	Codename       string        `star:"codename"`
	Name           string        `star:"name"`
	Family         string        `star:"family"`
	Arch           string        `star:"arch"`
	Kernel         string        `star:"kernel"`
	Hostname       string        `star:"hostname"`
	User           string        `star:"user"`
	Init           string        `star:"init"`
	PackageManager string        `star:"package_manager"`
	Virtualisation string        `star:"virtualisation"`
	Memory         int64         `star:"memory"`
	MemoryFree     int64         `star:"memory_free"`
	CPUs           int           `star:"cpus"`
	Uptime         time.Duration `star:"uptime"`
	Disks          []disk        `star:"disks"`
	Interfaces     []network     `star:"interfaces"`
	Addresses      []string      `star:"addresses"`
	Skew           time.Duration `star:"skew"`
}

type disk struct {
	Device string `star:"device"`
	Path   string `star:"path"`
	Type   string `star:"type"`
	Size   int64  `star:"size"`
	Free   int64  `star:"free"`
}

type network struct {
	Name      string   `star:"name"`
	MAC       string   `star:"mac"`
	Up        bool     `star:"up"`
	Addresses []string `star:"addresses"`
}

// told is what a script gets of a state, which the machine was asked for between two
// times.
func told(host string, s fact.SystemState, began, ended time.Time) system {
	out := system{
		Host: host, OS: s.OS, Version: s.Version, Codename: s.Codename, Name: s.Name, Family: s.Family(),
		Arch: s.Arch, Kernel: s.Kernel, Hostname: s.Hostname, User: s.User, Init: s.Init,
		PackageManager: s.PackageManager, Virtualisation: s.Virtualisation, Memory: s.Memory, MemoryFree: s.MemoryFree,
		CPUs: s.CPUs, Uptime: seconds(s.Uptime), Skew: skew(s.Time, began, ended),
		Disks: []disk{}, Interfaces: []network{}, Addresses: []string{},
	}
	for _, d := range s.Disks {
		out.Disks = append(out.Disks, disk(d))
	}
	for _, i := range s.Interfaces {
		out.Interfaces = append(out.Interfaces, network{i.Name, i.MAC, i.Up, append([]string{}, i.Addresses...)})
		if i.Name != "lo" {
			out.Addresses = append(out.Addresses, bare(i.Addresses)...)
		}
	}
	return out
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// skew is how far a clock is ahead that was looked at between two times of this
// machine: 0 where it may be right. A clock may tell whole seconds only.
func skew(there float64, began, ended time.Time) time.Duration {
	low, high := there, there
	if there == math.Trunc(there) {
		high++
	}
	switch first, last := float64(began.UnixNano())/1e9, float64(ended.UnixNano())/1e9; {
	case high < first:
		return seconds(high - first).Round(time.Millisecond)
	case low > last:
		return seconds(low - last).Round(time.Millisecond)
	}
	return 0
}

// bare are addresses without their prefix.
func bare(addresses []string) []string {
	out := make([]string, len(addresses))
	for i, a := range addresses {
		out[i], _, _ = strings.Cut(a, "/")
	}
	return out
}
