package ssh

import (
	"context"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/target"
)

var _ = Module.Read(`
def scan(host):
    """Asks a machine for its host keys, without logging in and without trusting them.

    What it shows is as good as the network on the way. Compare it with what the
    machine or its maker says by another way before you pin it.

    Args:
      host: a target of ssh.host; its address, port and jump host count.
    Returns:
      A list of structs: type, fingerprint ("SHA256:…"), key (as host_key takes it)
      and line (for a known_hosts file).
    Errors:
      network when it cannot be reached.
    Example:
      [k.fingerprint for k in ssh.scan(ssh.host("web-1"))]
    """`, &scan{})

var _ = Module.Read(`
def known_host(host):
    """Looks up which host keys of a machine are known.

    Args:
      host: a target of ssh.host; its address, port and config count.
    Returns:
      A list of structs, empty for a machine that is not known: type, fingerprint
      ("SHA256:…"), key, marker ("", "cert-authority" or "revoked"), file and line.
    Errors:
      config when a file cannot be read.
    Example:
      ssh.known_host(ssh.host("web-1"))[0].fingerprint
    """`, &knownHost{})

// server is an argument that is a target over SSH.
type server struct {
	Host starlark.Value `star:"host"`
}

func (s *server) Validate() error {
	_, err := s.target()
	return err
}

func (s *server) target() (*target.Target, error) { return overSSH("host", s.Host) }

// overSSH reads a target that has to be one over SSH.
func overSSH(argument string, v starlark.Value) (*target.Target, error) {
	t, err := target.Parse(v)
	if err != nil {
		return nil, err
	}
	if t.Kind.Name() != "ssh" {
		return nil, fault.New(fault.Invalid, "the argument %q is %s, which is not reached over SSH", argument, t.Name).WithHint("make it with ssh.host(…)")
	}
	return t, nil
}

func (s *server) Describe() string {
	t, err := s.target()
	if err != nil {
		return "?"
	}
	return t.Name
}

// Endpoint is what the circuit breaker counts by.
func (s *server) Endpoint() string {
	t, err := s.target()
	if err != nil {
		return ""
	}
	return t.ID
}

type scan struct{ server }

var (
	_ effect.Validator = (*scan)(nil)
	_ effect.Remote    = (*scan)(nil)
)

// Key is what ssh.scan returns for each host key.
type Key struct {
	Type        string `star:"type"`
	Fingerprint string `star:"fingerprint"`
	Key         string `star:"key"`
	Line        string `star:"line"`
}

func (s *scan) Perform(ctx context.Context, env *effect.Env) (any, error) {
	t, err := s.target()
	if err != nil {
		return nil, err
	}
	found, err := target.SSHScan(ctx, env, t)
	if err != nil {
		return nil, err
	}
	keys := make([]Key, len(found))
	for i, k := range found {
		keys[i] = Key{k.Type, k.Fingerprint, k.Text, k.Line}
	}
	return keys, nil
}

type knownHost struct{ server }

var _ effect.Validator = (*knownHost)(nil)

// Endpoint is none: only files are read.
func (k *knownHost) Endpoint() string { return "" }

// Known is what ssh.known_host returns for each line.
type Known struct {
	Type        string `star:"type"`
	Fingerprint string `star:"fingerprint"`
	Key         string `star:"key"`
	Marker      string `star:"marker"`
	File        string `star:"file"`
	Line        int    `star:"line"`
}

func (k *knownHost) Perform(_ context.Context, env *effect.Env) (any, error) {
	t, err := k.target()
	if err != nil {
		return nil, err
	}
	found, err := target.SSHKnown(env, t)
	if err != nil {
		return nil, err
	}
	known := make([]Known, len(found))
	for i, f := range found {
		known[i] = Known{f.Key.Type(), f.Fingerprint(), f.Text(), f.Marker, f.File, f.Line}
	}
	return known, nil
}
