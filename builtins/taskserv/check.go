package taskserv

import (
	"strings"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

var _ = Module.Pure(`
def check(name = "", http = "", tcp = 0, command = "", file = "", status = 200, contains = "", sudo = False, timeout = "5s", retries = 3, interval = "2s"):
    """Describes how to find out whether a service is well.

    Exactly one of http, tcp, command and file says what is looked at. All of it happens
    on the server itself, so that a service need not be reachable from elsewhere.

    Args:
      name: for people; by default what is looked at.
      http: URL, such as "http://127.0.0.1:9090/-/healthy".
      tcp: port of 127.0.0.1 that has to take connections.
      command: line for sh that has to succeed.
      file: absolute path of what has to be there.
      status: that the answer to http has to have.
      contains: text that has to be in what http or command print.
      sudo: command runs as root.
      timeout: for one attempt.
      retries: attempts that may fail.
      interval: between two attempts.
    Returns:
      A struct for health of taskserv.declare.
    Errors:
      invalid when none of them, or more than one, is given, or they do not fit.
    Example:
      taskserv.check(tcp = 6379)
      taskserv.check("answers", command = "redis-cli ping", contains = "PONG")
    """`, &check{})

type check struct {
	Name     string        `star:"name"`
	HTTP     string        `star:"http"`
	TCP      int           `star:"tcp"`
	Command  string        `star:"command"`
	File     string        `star:"file"`
	Status   int           `star:"status"`
	Contains string        `star:"contains"`
	Sudo     bool          `star:"sudo"`
	Timeout  time.Duration `star:"timeout"`
	Retries  int           `star:"retries"`
	Interval time.Duration `star:"interval"`
}

func (c *check) Compute(*effect.Env) (any, error) {
	kind, what, err := c.kind()
	if err != nil {
		return nil, err
	}
	if c.Timeout <= 0 || c.Retries < 0 || c.Interval < 0 {
		return nil, fault.New(fault.Invalid, "a check needs a positive timeout, and retries and an interval that are not negative")
	}
	if c.Name == "" {
		c.Name = strings.TrimSpace(kind + " " + what)
	}
	return starlarkstruct.FromStringDict(recipe.CheckConstructor, starlark.StringDict{
		"name": starlark.String(c.Name), "kind": starlark.String(kind), "what": starlark.String(what), "status": starlark.MakeInt(c.Status),
		"contains": starlark.String(c.Contains), "sudo": starlark.Bool(c.Sudo), "timeout": startime.Duration(c.Timeout),
		"retries": starlark.MakeInt(c.Retries), "interval": startime.Duration(c.Interval),
	}), nil
}

// kind is which of the four it is.
func (c *check) kind() (kind, what string, err error) {
	given := 0
	for _, k := range []struct{ kind, what string }{
		{"http", c.HTTP}, {"tcp", port(c.TCP)}, {"command", c.Command}, {"file", c.File},
	} {
		if k.what != "" {
			kind, what = k.kind, k.what
			given++
		}
	}
	switch {
	case given != 1:
		return "", "", fault.New(fault.Invalid, "a check looks at one of http, tcp, command and file, not at %d", given)
	case kind == "http" && !strings.HasPrefix(what, "http://") && !strings.HasPrefix(what, "https://"):
		return "", "", at("http", "the URL of a check begins with http:// or https://, not as %q", what)
	case kind == "tcp" && (c.TCP < 1 || c.TCP > 65535):
		return "", "", at("tcp", "there is no port %d", c.TCP)
	case kind == "file" && !strings.HasPrefix(what, "/"):
		return "", "", at("file", "the file of a check is an absolute path, not %q", what)
	case c.Contains != "" && kind != "http" && kind != "command":
		return "", "", at("contains", "contains is for http and command")
	}
	return kind, what, nil
}

// at is an error about one argument.
func at(argument, format string, args ...any) error {
	return recipe.At(fault.New(fault.Invalid, format, args...), argument)
}
