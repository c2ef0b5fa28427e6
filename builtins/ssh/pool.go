package ssh

import (
	"net"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/target"
)

var _ = Module.Control(`
def pool(hosts, limit = 10, **options):
    """Puts machines together, to act on all of them at once.

    A pool is a target for everything that takes several: op.file(pool, …) acts on
    all of its machines, limit of them at a time, each in a branch of its own. It is
    plain data, with the list hosts and the number limit.

    Args:
      hosts: list of names, addresses, texts such as "deploy@10.0.0.7:2222", targets
        and pools.
      limit: how many machines are acted on at a time, unless a call says otherwise;
        0 for all at once.
      options: those of ssh.host, such as user, key and sudo, for the hosts that are
        texts. What a text says itself goes first.
    Returns:
      A struct with hosts, a list of targets, and limit.
    Errors:
      invalid for a text that is no host, and when a machine is in the list twice.
    Example:
      web = ssh.pool(["web-1", "web-2", "root@10.0.0.7:2222"], user = "deploy", limit = 5)
      op.package(web, "nginx")
      [h.host for h in ssh.exec(web, ["uptime"]).hosts if h.ok]
    """`, &pool{})

type pool struct {
	Hosts   starlark.Iterable `star:"hosts"`
	Limit   int               `star:"limit"`
	Options []starlark.Tuple  `star:"**options"`
}

func (p *pool) Control(thread *starlark.Thread) (any, error) {
	if p.Limit < 0 {
		return nil, fault.New(fault.Invalid, "limit must be 0 or more, not %d", p.Limit)
	}
	var targets []starlark.Value
	iter := p.Hosts.Iterate()
	defer iter.Done()
	var x starlark.Value
	for iter.Next(&x) {
		if text, ok := starlark.AsString(x); ok {
			t, err := p.host(thread, text)
			if err != nil {
				return nil, err
			}
			x = t
		}
		targets = append(targets, x)
	}
	several, err := target.Several(starlark.NewList(targets)) // looks at each, and takes apart pools
	if err != nil {
		return nil, err
	}
	return target.MakePool(several.Items, p.Limit), nil
}

// host makes a target of a text. ssh.host knows the options.
func (p *pool) host(thread *starlark.Thread, text string) (starlark.Value, error) {
	user, address, port, err := ParseHost(text)
	if err != nil {
		return nil, err
	}
	kwargs := []starlark.Tuple{}
	for _, kv := range p.Options {
		name, _ := starlark.AsString(kv[0])
		if name == "user" && user != "" || name == "port" && port != 0 {
			continue
		}
		kwargs = append(kwargs, kv)
	}
	if user != "" {
		kwargs = append(kwargs, starlark.Tuple{starlark.String("user"), starlark.String(user)})
	}
	if port != 0 {
		kwargs = append(kwargs, starlark.Tuple{starlark.String("port"), starlark.MakeInt(port)})
	}
	return starlark.Call(thread, Module.Func("ssh.host"), starlark.Tuple{starlark.String(address)}, kwargs)
}

// ParseHost takes apart a text such as "web-1", "deploy@web-1:2222", "::1" or
// "root@[::1]:22". user is "" and port 0 where the text does not say.
func ParseHost(text string) (user, address string, port int, err error) {
	rest := text
	if i := strings.LastIndexByte(rest, '@'); i >= 0 {
		if user, rest = rest[:i], rest[i+1:]; user == "" {
			return "", "", 0, noHost(text)
		}
	}
	address = strings.TrimSuffix(strings.TrimPrefix(rest, "["), "]")
	if strings.HasPrefix(rest, "[") && !strings.HasSuffix(rest, "]") || strings.Count(rest, ":") == 1 {
		var number string
		if address, number, err = net.SplitHostPort(rest); err != nil {
			return "", "", 0, noHost(text)
		}
		if port, err = strconv.Atoi(number); err != nil || port < 1 || port > 65535 {
			return "", "", 0, noHost(text)
		}
	}
	if address == "" || strings.HasPrefix(address, "-") || strings.ContainsAny(address+user, " \t\r\n\x00/[]") {
		return "", "", 0, noHost(text)
	}
	return user, address, port, nil
}

func noHost(text string) error {
	return fault.New(fault.Invalid, "%q is no host", text).WithHint("write HOST, USER@HOST or USER@HOST:PORT; an IPv6 address with a port in brackets: [::1]:22")
}
