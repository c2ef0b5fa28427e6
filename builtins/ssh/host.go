package ssh

import (
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/ssh"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/target"
)

var _ = Module.Pure(`
def host(address, user = None, port = 0, key = None, certificate = None, password = None, passphrase = None, agent = None, host_key = None, host_keys = None, jump = None, config = None, sudo = False, sudo_password = None, become = None, name = None, connect_timeout = None, keepalive = None):
    """Names a machine that is reached over SSH.

    What is left out comes from ~/.ssh/config and /etc/ssh/ssh_config, and then from
    what is usual: the user of this program, port 22, the SSH agent and the keys in
    ~/.ssh. A key or password that is given is the only one that is tried.

    Args:
      address: name or address of the machine, or a Host of ~/.ssh/config.
      user: who logs in.
      port: TCP port of the SSH server.
      key: private key: a file (relative to the workspace, or ~/…), or a secret
        with its text.
      certificate: certificate for key: a file, or its text. Without it
        KEY-cert.pub is used, if it is there.
      password: password for the login, best a secret. It also answers
        keyboard-interactive, if that asks once.
      passphrase: passphrase of key.
      agent: socket of the SSH agent; False for none. The agent itself is never
        forwarded to the machine.
      host_key: the host key that the machine has to show, or a list of them: its
        fingerprint "SHA256:…" or the key "ssh-ed25519 AAAA…".
      host_keys: which host keys are good. "strict": those in ~/.ssh/known_hosts,
        /etc/ssh/ssh_known_hosts and .provisioning/known_hosts; "first-use": those,
        and of a machine that is in none of them the first one, which is recorded in
        .provisioning/known_hosts; "pinned": host_key alone. The default is pinned
        with host_key, else strict. A key that has changed is always an error.
      jump: a target of ssh.host that the connection goes through, or
        "user@host:port,…" as in ProxyJump; "none" goes straight.
      config: configuration file to read instead; False for none.
      sudo: run as root what is done on it.
      sudo_password: password that sudo, su or doas asks for, best a secret.
      become: how commands become another user: "sudo", "su" or "doas".
      name: how messages and results call the machine; its address by default.
      connect_timeout: time until commands can be run, "30s" by default.
      keepalive: silence after which the machine is asked whether it is still
        there, "15s" by default; "0s" for never.
    Returns:
      A target.
    Errors:
      invalid for arguments that do not fit together.
    Example:
      web = ssh.host("web-1", user = "deploy", key = "~/.ssh/deploy", sudo = True)
      db = ssh.host("10.0.0.5", jump = ssh.host("bastion.example.org"), host_keys = "first-use")
      op.file(web, "/etc/motd", content = "Welcome.\\n")
    """`, &host{})

type host struct {
	Address        string         `star:"address"`
	User           *string        `star:"user"`
	Port           int            `star:"port"`
	Key            *string        `star:"key"`
	Certificate    *string        `star:"certificate"`
	Password       *string        `star:"password,secret"`
	Passphrase     *string        `star:"passphrase,secret"`
	Agent          starlark.Value `star:"agent"`
	HostKey        starlark.Value `star:"host_key"`
	HostKeys       *string        `star:"host_keys"`
	Jump           starlark.Value `star:"jump"`
	Config         starlark.Value `star:"config"`
	Sudo           bool           `star:"sudo"`
	SudoPassword   *string        `star:"sudo_password,secret"`
	Become         *string        `star:"become"`
	Name           *string        `star:"name"`
	ConnectTimeout *time.Duration `star:"connect_timeout"`
	KeepAlive      *time.Duration `star:"keepalive"`
}

func (h *host) Compute(*effect.Env) (any, error) {
	fields := starlark.StringDict{"address": starlark.String(h.Address)}
	if h.Port != 0 {
		fields["port"] = starlark.MakeInt(h.Port)
	}
	if h.Sudo {
		fields["sudo"] = starlark.True
	}
	for name, text := range map[string]*string{
		"user": h.User, "key": h.Key, "certificate": h.Certificate, "password": h.Password, "passphrase": h.Passphrase,
		"host_keys": h.HostKeys, "sudo_password": h.SudoPassword, "become": h.Become,
	} {
		if text != nil {
			fields[name] = starlark.String(*text)
		}
	}
	for _, check := range []func(starlark.StringDict) error{h.where, h.trust, h.files, h.way, h.times} {
		if err := check(fields); err != nil {
			return nil, err
		}
	}
	name := h.Address
	if h.Name != nil {
		name = *h.Name
	}
	return target.Make("ssh", name, fields), nil
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New(fault.Invalid, format, args...)
}

func (h *host) where(starlark.StringDict) error {
	switch {
	case h.Address == "" || strings.ContainsAny(h.Address, " \t\n/@") || strings.HasPrefix(h.Address, "-"):
		return invalid("the address %q is none", h.Address).WithHint("give the user with user = …, and the port with port = …")
	case h.Port < 0 || h.Port > 65535:
		return invalid("the port is %d, which is no TCP port", h.Port)
	case h.User != nil && *h.User == "":
		return invalid("the user is empty")
	case h.Become != nil && !slices.Contains([]string{"sudo", "su", "doas"}, *h.Become):
		return invalid("there is no way %q to become another user", *h.Become).WithHint("it can be \"sudo\", \"su\" or \"doas\"")
	case h.Become != nil && *h.Become == "doas" && h.SudoPassword != nil:
		return invalid("doas reads a password from a terminal only, and there is none").
			WithHint("allow it without one (permit nopass in doas.conf), or use sudo")
	}
	return nil
}

func (h *host) trust(fields starlark.StringDict) error {
	if h.HostKeys != nil && !slices.Contains(ssh.Policies, ssh.Policy(*h.HostKeys)) {
		return invalid("there is no policy %q for host keys", *h.HostKeys).
			WithHint("it can be \"strict\", \"first-use\" or \"pinned\"; checking cannot be switched off")
	}
	var keys []starlark.Value
	switch v := h.HostKey.(type) {
	case starlark.NoneType:
	case starlark.String:
		keys = []starlark.Value{v}
	case *starlark.List:
		for e := range v.Elements() {
			keys = append(keys, e)
		}
	default:
		return invalid("the argument \"host_key\" is a %s; a string or a list of them is needed", v.Type())
	}
	for _, v := range keys {
		text, ok := starlark.AsString(v)
		if !ok {
			return invalid("a host key is a %s; a string is needed", v.Type())
		}
		if err := ssh.CheckPin(text); err != nil {
			return err
		}
	}
	pinned := h.HostKeys == nil || ssh.Policy(*h.HostKeys) == ssh.Pinned
	switch {
	case len(keys) > 0 && !pinned:
		return invalid("a host_key is given, and host_keys is %q, which does not look at it", *h.HostKeys).WithHint("leave one of them out")
	case len(keys) == 0 && h.HostKeys != nil && pinned:
		return invalid("the host key is to be pinned, and none is given").WithHint("give it with host_key = …; ssh.scan shows it")
	case len(keys) > 0:
		fields["host_key"] = starlark.NewList(keys)
	}
	return nil
}

// files reads the arguments that are a file, or False for none.
func (h *host) files(fields starlark.StringDict) error {
	for name, v := range map[string]starlark.Value{"agent": h.Agent, "config": h.Config} {
		text, isText := starlark.AsString(v)
		switch {
		case v == starlark.None, v == starlark.True:
		case v == starlark.False:
			fields[name] = starlark.String(ssh.None)
		case isText && text != "":
			fields[name] = starlark.String(text)
		default:
			return invalid("the argument %q is %s; a file, or False for none, is needed", name, v)
		}
	}
	if h.Key == nil && h.Certificate != nil {
		return invalid("a certificate needs its key").WithHint("give it with key = …")
	}
	return nil
}

func (h *host) way(fields starlark.StringDict) error {
	switch jump := h.Jump.(type) {
	case starlark.NoneType:
		return nil
	case starlark.String:
		if jump != ssh.None {
			for _, hop := range strings.Split(string(jump), ",") {
				if _, err := ssh.ParseHop(strings.TrimSpace(hop)); err != nil {
					return err
				}
			}
		}
		fields["jump"] = jump
		return nil
	case *starlarkstruct.Struct:
		t, err := target.Parse(jump)
		if err != nil {
			return err
		}
		if t.Kind.Name() != "ssh" {
			return invalid("a connection cannot go through %s, which is no target of ssh.host", t.Name)
		}
		fields["jump"] = jump
		return nil
	}
	return invalid("the argument \"jump\" is a %s; a target of ssh.host or a string is needed", h.Jump.Type())
}

func (h *host) times(fields starlark.StringDict) error {
	if h.ConnectTimeout != nil {
		if *h.ConnectTimeout <= 0 {
			return invalid("the connect_timeout is %s; it must be positive", *h.ConnectTimeout)
		}
		fields["connect_timeout"] = starlark.String(h.ConnectTimeout.String())
	}
	if h.KeepAlive != nil {
		if *h.KeepAlive != 0 && *h.KeepAlive < time.Second {
			return invalid("the keepalive is %s; it must be 1s at least", *h.KeepAlive)
		}
		fields["keepalive"] = starlark.String(h.KeepAlive.String())
	}
	return nil
}
