package target

import (
	"context"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/command"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
	"github.com/provisioning-systems/provisioning/runtime/target"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Read(`
def facts(target):
    """Finds out what a machine is, in one round trip.

    The answer is kept for the run; a change of the machine by an operation or a
    command makes the next call look again. What the machine does not tell is "" or 0.

    Args:
      target: the machine, a list of machines, or a pool.
    Returns:
      A struct with the fields below; for several machines one with hosts, the list
      of these structs in the order of the machines.
      host: name of the target.
      ok, error: True and None; with _on_error = "continue", False and the error of
        a machine that could not be asked.
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
      [h.host for h in target.facts([target.local()]).hosts if h.family == "debian"]
    """`, &facts{})

type facts struct{ command.On }

var (
	_ effect.Validator = (*facts)(nil)
	_ effect.Describer = (*facts)(nil)
	_ effect.Commander = (*facts)(nil)
	_ effect.Remote    = (*facts)(nil)
	_ effect.Spreader  = (*facts)(nil)
	_ effect.Measurer  = (*facts)(nil)
)

func (f *facts) RunsCommand()     {}
func (f *facts) Describe() string { return f.Host() }
func (f *facts) Spreads() string  { return "target" }

func (f *facts) Several(v starlark.Value) (*effect.Several, error) { return target.Several(v) }

// Together gives a list of what the machines are: unlike results of operations,
// several of them make no single one.
func (f *facts) Together(parts []effect.Part, one bool) (starlark.Value, error) {
	hosts := make([]starlark.Value, len(parts))
	names, errs := make([]string, len(parts)), make([]error, len(parts))
	for i, p := range parts {
		names[i], errs[i], hosts[i] = operation.HostOf(p), p.Err, p.Value
		if p.Err != nil {
			hosts[i] = value.Of(system{
				Host: names[i], Error: branch.FailureOf(p.Err), Disks: []disk{}, Interfaces: []network{}, Addresses: []string{},
			})
		}
	}
	var err error
	if e := branch.Together("machines", names, errs); e != nil {
		err = e
	}
	if one {
		if err != nil {
			err = fault.As(fault.As(err).Cause)
		}
		return hosts[0], err
	}
	return starlarkstruct.FromStringDict(starlark.String("facts"), starlark.StringDict{"hosts": starlark.NewList(hosts)}), err
}

// known are the facts that a run has of a machine. Several branches that ask at the
// same time ask once.
type known struct {
	mu  sync.Mutex
	was any
}

func (f *facts) Perform(ctx context.Context, env *effect.Env) (any, error) {
	t, err := f.Machine()
	if err != nil {
		return nil, err
	}
	as := t.As(env)
	if as.Other() { // another user may be told something else
		return look(ctx, env, t)
	}
	k := env.Run.Live.Or(t.Facts(), &known{}).(*known)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.was == nil {
		k.was, err = look(ctx, env, t)
	}
	return k.was, err
}

// Steady leaves out what is free, of memory and of disks.
func (f *facts) Steady(result any) any {
	s, ok := result.(system)
	if !ok {
		return result
	}
	s.MemoryFree, s.Disks = 0, slices.Clone(s.Disks)
	for i := range s.Disks {
		s.Disks[i].Free = 0
	}
	return s
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
	OK             bool          `star:"ok"`
	Error          any           `star:"error"` // nil, or as attempt(…).error
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
		Host: host, OK: true, OS: s.OS, Version: s.Version, Codename: s.Codename, Name: s.Name, Family: s.Family(),
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
