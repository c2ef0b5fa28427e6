package url

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Pure(`
def parse(text):
    """Returns the parts of a URL.

    Args:
      text (string): the URL, absolute or relative.

    Returns:
      A struct of scheme, user, password, host (without the brackets of IPv6),
      port (an int, or None), path, query and fragment. All are unquoted but
      query, which is for url.query_decode; what is not there is "".

    Errors:
      invalid: the text is not a URL.

    Example:
      url.parse("https://joe@web:8443/a%20b?x=1#top").host  # "web"
      url.parse("https://joe@web:8443/a%20b?x=1#top").path  # "/a b"
    """`, &parse{})

// parse is the function url.parse.
type parse struct {
	Text string `star:"text"`
}

// parts is what scripts get of a URL.
type parts struct {
	Scheme   string         `star:"scheme"`
	User     starlark.Value `star:"user"`
	Password starlark.Value `star:"password"`
	Host     starlark.Value `star:"host"`
	Port     *int           `star:"port"`
	Path     starlark.Value `star:"path"`
	Query    string         `star:"query"`
	Fragment starlark.Value `star:"fragment"`
}

func (p *parse) Compute(env *effect.Env) (any, error) {
	u, err := read(p.Text)
	if err != nil {
		return nil, err
	}
	part := func(text string) starlark.Value {
		return env.Run.Secrets.Value(value.Back(text, value.LayerURL))
	}
	password, _ := u.User.Password()
	path := u.Path
	if path == "" {
		path = u.Opaque // mailto:joe@example.org
	}
	out := parts{
		Scheme: u.Scheme, User: part(u.User.Username()), Password: part(password), Host: part(u.Hostname()),
		Path: part(path), Query: reveal(u.RawQuery), Fragment: part(u.Fragment),
	}
	if text := u.Port(); text != "" {
		port, err := strconv.Atoi(text)
		if err != nil || port > 65535 {
			return nil, fault.New(fault.Invalid, "cannot parse the URL: the port must be 0 to 65535")
		}
		out.Port = &port
	}
	return out, nil
}

// The markers of secrets are not allowed in a URL as they are.
var (
	hide   = strings.NewReplacer(value.MarkOpen, "%F0%93%89%98", value.MarkClose, "%F0%93%8A%82").Replace
	reveal = strings.NewReplacer("%F0%93%89%98", value.MarkOpen, "%F0%93%8A%82", value.MarkClose).Replace
)

// read parses a URL. What net/url says of a bad one cites it, and it may hold a
// password, so that the reason is told in our words.
func read(text string) (*url.URL, error) {
	u, err := url.Parse(hide(text))
	if err == nil {
		return u, nil
	}
	var bad *url.Error
	if errors.As(err, &bad) {
		err = bad.Err
	}
	reason := "it is not a URL"
	for _, r := range []struct{ mark, reason string }{
		{"invalid port", "the port is not a number"},
		{"userinfo", "the user or password has characters that need quoting"},
		{"URL escape", "a % is not followed by two hexadecimal digits"},
		{"protocol scheme", "there is no scheme before the colon"},
		{"host", "the host has characters that no host can have"},
		{"first path segment", "the first part of the path has a colon; begin it with ./"},
		{"control character", "it has a control character or line break"},
		{"empty url", "it is empty"},
	} {
		if strings.Contains(err.Error(), r.mark) {
			reason = r.reason
			break
		}
	}
	return nil, fault.New(fault.Invalid, "cannot parse the URL: %s", reason).
		WithHint("url.build and url.quote quote what a URL cannot hold as it is")
}

var _ = Module.Pure(`
def join(base, ref):
    """Returns a reference as seen from a base, as browsers resolve links.

    Args:
      base (string): an absolute URL. What is after its last slash does not count.
      ref (string): a URL, or a path such as "../x" or "/x".

    Returns:
      The absolute URL.

    Errors:
      invalid: one of them is not a URL.

    Example:
      url.join("https://web/a/b", "../c?d=1")  # "https://web/c?d=1"
    """`, &join{})

// join is the function url.join.
type join struct {
	Base string `star:"base"`
	Ref  string `star:"ref"`
}

func (j *join) Compute(*effect.Env) (any, error) {
	base, err := read(j.Base)
	if err != nil {
		return nil, err
	}
	ref, err := read(j.Ref)
	if err != nil {
		return nil, err
	}
	return reveal(base.ResolveReference(ref).String()), nil
}
