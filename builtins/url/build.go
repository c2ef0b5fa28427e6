package url

import (
	"regexp"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def build(host, path = "", scheme = "https", port = None, user = None, password = None, query = None, fragment = ""):
    """Returns a URL of its parts, each quoted as it has to be.

    Secrets stay markers, whose values are quoted where the URL is used.

    Args:
      host (string): name or address; an IPv6 address needs no brackets.
      path (string): the path, not quoted yet.
      scheme (string): what stands before the colon.
      port (int): the port; None for that of the scheme.
      user (string): the user; None for none.
      password (string): the password of the user; None for none.
      query (dict): parameters, as for url.query_encode.
      fragment (string): what stands after #, not quoted yet.

    Returns:
      The URL.

    Errors:
      invalid: the scheme, the host or the port cannot be one, or there is a
      password without a user.

    Example:
      url.build("db", "app", scheme = "postgres", user = "joe", password = "p@ss")  # "postgres://joe:p%40ss@db/app"
      url.build("::1", "/a b", port = 8443, query = {"x": 1})  # "https://[::1]:8443/a%20b?x=1"
    """`, &build{})

// build is the function url.build.
type build struct {
	Host     string         `star:"host"`
	Path     string         `star:"path"`
	Scheme   string         `star:"scheme"`
	Port     *int           `star:"port"`
	User     *string        `star:"user"`
	Password *string        `star:"password"`
	Query    *starlark.Dict `star:"query"`
	Fragment string         `star:"fragment"`
}

var validScheme = regexp.MustCompile("^[A-Za-z][A-Za-z0-9+.-]*$")

// pathSafe is what a path may hold as it is, besides unreserved characters.
const pathSafe = "/:@!$&'()*+,;="

func (b *build) Compute(*effect.Env) (any, error) {
	if !validScheme.MatchString(b.Scheme) {
		return nil, fault.New(fault.Invalid, "cannot build the URL: the scheme must be letters, digits and +-.")
	}
	authority, err := b.authority()
	if err != nil {
		return nil, err
	}
	path := b.Path
	if path != "" && !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	text := b.Scheme + "://" + authority + quoted(path, pathSafe)
	if b.Query != nil && b.Query.Len() > 0 {
		query, err := encodeQuery(b.Query)
		if err != nil {
			return nil, err
		}
		text += "?" + query
	}
	if b.Fragment != "" {
		text += "#" + quoted(b.Fragment, pathSafe+"?")
	}
	return text, nil
}

func (b *build) authority() (string, error) {
	host := b.Host
	if strings.ContainsAny(host, "/?#@\\ %\"<>") || (host == "" && b.Scheme != "file") {
		return "", fault.New(fault.Invalid, "cannot build the URL: the host is empty, or has characters that no host can have")
	}
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		if strings.Count(host, ":") == 1 {
			return "", fault.New(fault.Invalid, "cannot build the URL: the host has a colon in it").
				WithHint("the port is an argument of its own: port = 8443")
		}
		host = "[" + host + "]"
	}
	if b.Port != nil {
		if *b.Port < 0 || *b.Port > 65535 {
			return "", fault.New(fault.Invalid, "cannot build the URL: the port must be 0 to 65535")
		}
		host += ":" + strconv.Itoa(*b.Port)
	}
	switch {
	case b.User != nil && b.Password != nil:
		return quoted(*b.User, "") + ":" + quoted(*b.Password, "") + "@" + host, nil
	case b.User != nil:
		return quoted(*b.User, "") + "@" + host, nil
	case b.Password != nil:
		return "", fault.New(fault.Invalid, "cannot build the URL: there is a password without a user").
			WithHint("user = \"\" is allowed")
	}
	return host, nil
}
