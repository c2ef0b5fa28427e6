package schema

import (
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/dustin/go-humanize"

	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/duration"
)

// format is what a text has to be written as.
type format struct {
	name    string
	expects string
	valid   func(text string) bool
	// size makes min and max limits of what the text says; nil where they are those
	// of its length.
	size    func(text string) (float64, bool)
	json    string // the format of JSON Schema, if it has one
	pattern string // for JSON Schema, where it has none
}

var (
	hostname = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$`)
	plainID  = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)
)

// formats are sorted by name.
var formats = []format{
	{name: "bytes", expects: `a size such as "512mb" or "10Gi"`, size: sizeOf,
		pattern: `^[0-9.]+ ?([KMGTPEkmgtpe][iI]?)?[bB]?$`},
	{name: "cidr", expects: `a network such as "10.0.0.0/16"`, valid: func(s string) bool { _, err := netip.ParsePrefix(s); return err == nil },
		pattern: `^[0-9a-fA-F.:]+/[0-9]+$`},
	{name: "duration", expects: `a duration such as "90s" or "1h30m"`, size: secondsOf,
		pattern: `^-?([0-9.]+ ?(d|h|hr|m|min|s|sec|ms|us|µs|ns) ?)+$`},
	{name: "hostname", expects: `a host name such as "db-1.example.org"`, valid: func(s string) bool { return len(s) <= 253 && hostname.MatchString(s) }, json: "hostname"},
	{name: "ip", expects: `an address such as "10.0.0.1" or "fd00::1"`, valid: func(s string) bool { _, err := netip.ParseAddr(s); return err == nil },
		pattern: `^[0-9a-fA-F.:]+$`},
	{name: "name", expects: `a name of a-z, 0-9, _ and - that begins with a letter`, valid: plainID.MatchString, pattern: plainID.String()},
	{name: "path", expects: `an absolute path such as "/var/lib/app"`, valid: func(s string) bool { return path.IsAbs(s) && !strings.ContainsRune(s, 0) }, pattern: `^/`},
	{name: "semver", expects: `a version such as "1.4.2"`, valid: func(s string) bool { _, err := semver.NewVersion(s); return err == nil },
		pattern: `^v?[0-9]+(\.[0-9]+){0,2}([-+].*)?$`},
	{name: "url", expects: `a URL such as "https://example.org/x"`, valid: isURL, json: "uri"},
}

func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme != "" && u.Host != ""
}

func sizeOf(text string) (float64, bool) {
	n, err := humanize.ParseBytes(text)
	return float64(n), err == nil
}

func secondsOf(text string) (float64, bool) {
	d, err := duration.Parse(text)
	return d.Seconds(), err == nil
}

func findFormat(name string) (*format, error) {
	var names []string
	for i := range formats {
		if formats[i].name == name {
			return &formats[i], nil
		}
		names = append(names, formats[i].name)
	}
	hint := "the formats are " + strings.Join(names, ", ")
	if near := spell.Nearest(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %q? %s", near, hint)
	}
	return nil, hinted(invalid("there is no format %q", name), hint)
}

func (f *format) accepts(text string) bool {
	if f.size != nil {
		_, ok := f.size(text)
		return ok
	}
	return f.valid(text)
}
