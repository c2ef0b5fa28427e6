package capability

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// addressPattern is a pattern for URLs: the scheme and the port are exact, the
// host too, unless it begins with "*.", which stands for one label or more, or is
// "*". The path is a beginning, by components. What a URL has after "?" does not
// count.
type addressPattern struct {
	scheme, host, port string
	path               []string
}

var standardPorts = map[string]string{"http": "80", "https": "443", "ssh": "22", "ftp": "21"}

func newAddress(pattern string) (addressPattern, error) {
	u, err := url.Parse(pattern)
	if err != nil || u.Scheme == "" || u.Opaque != "" || u.Hostname() == "" {
		return addressPattern{}, errors.New(`it must be a URL, such as "https://example.com/path"`)
	}
	if u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(pattern, "#") {
		return addressPattern{}, errors.New("it must have neither a user, nor a query, nor a fragment")
	}
	a := addressPattern{scheme: u.Scheme, host: strings.ToLower(u.Hostname()), port: portOf(u)}
	name := strings.TrimPrefix(a.host, "*.")
	if a.host != "*" && !plainHost(name) {
		return a, errors.New("its host must be ASCII (xn--… for other names), with * only as the whole or at its beginning: *.example.com")
	}
	parts, ok := pathOf(u)
	if !ok {
		return a, errors.New("its path must have no . or .. and no encoded slash in it")
	}
	if n := len(parts); n > 0 && parts[n-1] == "" {
		parts = parts[:n-1] // "/a/" is "/a"
	}
	if slices.ContainsFunc(parts, func(s string) bool { return strings.Contains(s, "*") }) {
		return a, errors.New("its path is a beginning, and has no *")
	}
	a.path = parts
	return a, nil
}

func (a addressPattern) match(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" || u.User != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	if u.Scheme != a.scheme || portOf(u) != a.port || !plainHost(host) || !a.matchHost(host) {
		return false
	}
	parts, ok := pathOf(u)
	return ok && len(parts) >= len(a.path) && slices.Equal(parts[:len(a.path)], a.path)
}

func (a addressPattern) matchHost(host string) bool {
	if a.host == "*" {
		return true
	}
	if domain, ok := strings.CutPrefix(a.host, "*"); ok { // ".example.com"
		return strings.HasSuffix(host, domain) && len(host) > len(domain)
	}
	return host == a.host
}

func portOf(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return standardPorts[u.Scheme]
}

// plainHost reports whether all programs read the host alike. A name in another
// script, or an escape, may be read as a different host by the next one.
func plainHost(host string) bool {
	if host == "" || strings.HasPrefix(host, ".") {
		return false
	}
	for _, c := range host {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune(".-_:", c) {
			return false
		}
	}
	return true
}

// pathOf returns the components of the path; ok is false for one that servers
// read in different ways.
func pathOf(u *url.URL) (parts []string, ok bool) {
	escaped := strings.ToLower(u.EscapedPath())
	if strings.Contains(escaped, "%2f") || strings.Contains(escaped, "%5c") || strings.Contains(u.Path, `\`) ||
		strings.Contains(u.Path, "%") || strings.Contains(u.Path, "//") {
		return nil, false
	}
	rest := strings.TrimPrefix(u.Path, "/")
	if rest == "" {
		return nil, true
	}
	parts = strings.Split(rest, "/")
	for _, p := range parts {
		if name, _, _ := strings.Cut(p, ";"); name == "." || name == ".." {
			return nil, false
		}
	}
	return parts, true
}
