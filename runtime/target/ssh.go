package target

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/internal/ssh"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// overSSH is a machine with an SSH server.
type overSSH struct{}

func init() { Register(overSSH{}) }

func (overSSH) Name() string { return "ssh" }

// notIdentity are the fields that are about commands and people, not about the
// connection.
var notIdentity = map[string]bool{
	"kind": true, "name": true, "address": true, "user": true, "port": true, "jump": true, "sudo": true, "sudo_password": true, "become": true,
}

// Identity is user@address:port, the way to it, and a sum of all else that the
// connection depends on, so that one that is checked less does not pass for another.
func (s overSSH) Identity(f Fields) (string, error) {
	if f.String("address") == "" {
		return "", fault.New(fault.Invalid, "the target has no address").WithHint("make it with ssh.host(…)")
	}
	port := f.Int("port")
	if port == 0 {
		port = 22
	}
	id := net.JoinHostPort(f.String("address"), strconv.Itoa(port))
	if user := f.String("user"); user != "" {
		id = user + "@" + id
	}
	if rest := s.rest(f); rest != "" {
		sum := sha256.Sum256([]byte(rest))
		id += "#" + hex.EncodeToString(sum[:4])
	}
	switch jump := f.Value("jump").(type) {
	case *starlarkstruct.Struct:
		through, err := s.Identity(f.Of(jump))
		return id + " via " + through, err
	case starlark.String:
		return id + " via " + string(jump), nil
	}
	return id, nil
}

func (overSSH) rest(f Fields) string {
	var rest []string
	for name, v := range f.dict {
		if !notIdentity[name] {
			rest = append(rest, name+"="+v.String())
		}
	}
	sort.Strings(rest)
	return strings.Join(rest, "\n")
}

// sshState is what the connections of a run share.
type sshState struct {
	ssh.Pool
	place *ssh.Place
}

func sshOf(run *effect.Run) *sshState {
	if s, ok := run.Live.Get("ssh").(*sshState); ok {
		return s
	}
	return run.Live.Or("ssh", &sshState{place: SSHPlace(run)}).(*sshState)
}

// SSHPlace is where a run makes its connections from: it reads the configuration of
// OpenSSH, and records host keys in the workspace.
func SSHPlace(run *effect.Run) *ssh.Place {
	record := ""
	if run.State != "" {
		record = filepath.Join(run.State, "known_hosts")
	}
	return ssh.Here(run.Files.Workspace(), record)
}

func (overSSH) Dial(ctx context.Context, env *effect.Env, f Fields) (machine.Conn, error) {
	w, err := wanted(f)
	if err != nil {
		return nil, err
	}
	s := sshOf(env.Run)
	host, err := s.place.Resolve(w)
	if err != nil {
		return nil, err
	}
	conn, err := s.Conn(ctx, host, func(text string) {
		if env.Output != nil {
			env.Output("warn", text)
		}
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// SSHScan asks the server of a target for its host keys.
func SSHScan(ctx context.Context, env *effect.Env, t *Target) (keys []ssh.ScannedKey, err error) {
	w, err := wanted(t.secrets(env))
	if err != nil {
		return nil, err
	}
	s := sshOf(env.Run)
	host, err := s.place.Resolve(w)
	if err != nil {
		return nil, err
	}
	return s.Scan(ctx, host)
}

// SSHKnown returns what the known_hosts files say of the host of a target.
func SSHKnown(env *effect.Env, t *Target) ([]ssh.KnownKey, error) {
	w, err := wanted(t.secrets(env))
	if err != nil {
		return nil, err
	}
	w.HostKeys, w.Policy = nil, "" // what is pinned is in no file
	host, err := sshOf(env.Run).place.Resolve(w)
	if err != nil {
		return nil, err
	}
	return host.Known()
}

// wanted reads the fields of a target.
func wanted(f Fields) (ssh.Wanted, error) {
	w := ssh.Wanted{
		Name: f.String("name"), Address: f.String("address"), Port: f.Int("port"), User: f.String("user"),
		Password: f.String("password"), Policy: ssh.Policy(f.String("host_keys")), Config: f.String("config"), Agent: f.String("agent"),
	}
	w.Key = ssh.Key{Passphrase: f.String("passphrase"), Certificate: f.String("certificate")}
	if key := f.String("key"); strings.Contains(key, "-----BEGIN") {
		w.Key.PEM = strings.TrimSpace(key) + "\n"
	} else {
		w.Key.File = key
	}
	if keys, ok := f.Value("host_key").(*starlark.List); ok {
		for v := range keys.Elements() {
			text, _ := starlark.AsString(v)
			w.HostKeys = append(w.HostKeys, text)
		}
	}
	for name, to := range map[string]*time.Duration{"connect_timeout": &w.ConnectTimeout, "keepalive": &w.KeepAlive} {
		if text := f.String(name); text != "" {
			d, err := time.ParseDuration(text)
			if err != nil {
				return w, fault.New(fault.Invalid, "the %s of the target, %q, is no duration", name, text)
			}
			if *to = d; d == 0 {
				*to = -1 // never, and not what is usual
			}
		}
	}
	switch jump := f.Value("jump").(type) {
	case *starlarkstruct.Struct:
		through, err := wanted(f.Of(jump))
		if err != nil {
			return w, err
		}
		w.Jump = &through
	case starlark.String:
		w.JumpList = string(jump)
	}
	return w, nil
}
