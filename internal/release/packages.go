package release

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"path"
	"regexp"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// maxIndex is how many bytes a list of packages may have, as it is sent.
const maxIndex = 256 << 20

// The lists of packages that a repository may have, the smallest first.
var indexNames = []string{"Packages.gz", "Packages"}

// debianIndex is a suite of a Debian repository: what its file Release says.
type debianIndex struct {
	base   string            // URL of the suite, with a slash
	suite  string            // as it calls itself
	label  string            // "Debian-Security", say
	sums   map[string]string // SHA-256 of the files, by their names
	prefix string            // of the names of the lists
}

// index reads the file Release of the suite. One that ends with a slash is a directory
// with the list itself.
func (s Source) index(ctx context.Context, c *Client) (*debianIndex, error) {
	root := strings.TrimSuffix(s["index"], "/") + "/"
	x := &debianIndex{base: root + "dists/" + s["suite"] + "/", sums: map[string]string{}}
	x.prefix = path.Join(cmp.Or(s["component"], "main"), "binary-"+cmp.Or(s["arch"], "amd64")) + "/"
	if strings.HasSuffix(s["suite"], "/") {
		x.base, x.prefix = root+strings.TrimPrefix(s["suite"], "./"), ""
	}
	text, err := c.get(ctx, x.base+"InRelease")
	if fault.Is(err, fault.NotFound) { // an older one has its signature beside it
		text, err = c.get(ctx, x.base+"Release")
	}
	if err != nil {
		return nil, err
	}
	section := ""
	for line := range strings.Lines(string(text)) {
		key, rest, found := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		switch {
		case !strings.HasPrefix(line, " ") && found:
			section = key
			switch key {
			case "Suite":
				x.suite = strings.TrimSpace(rest)
			case "Label":
				x.label = strings.TrimSpace(rest)
			}
		case section == "SHA256":
			if f := strings.Fields(line); len(f) == 3 {
				x.sums[f[2]] = f[0]
			}
		}
	}
	return x, nil
}

// secure reports whether what the suite has mends holes, as Debian and Ubuntu mark that.
func (x *debianIndex) secure() bool {
	return strings.HasSuffix(x.suite, "-security") || strings.HasSuffix(x.label, "-Security")
}

// packages are the versions of a package that a Debian repository has.
func (s Source) packages(ctx context.Context, c *Client) ([]Release, error) {
	x, err := s.index(ctx, c)
	if err != nil {
		return nil, err
	}
	for _, name := range indexNames {
		if sum := x.sums[x.prefix+name]; sum != "" {
			return s.list(ctx, c, x.base+x.prefix+name, sum)
		}
	}
	return nil, fault.New(fault.NotFound, "the repository %s has no list of packages at %s", s["index"], x.prefix).
		WithHint("component and arch of the source say which one")
}

// securityIndex is packages, of a suite for security alone.
func (s Source) securityIndex(ctx context.Context, c *Client) ([]Release, error) {
	x, err := s.index(ctx, c)
	if err != nil {
		return nil, err
	}
	if !x.secure() {
		return nil, fault.New(fault.Invalid, "the suite %s of %s is not one for security", s["suite"], s["index"]).
			WithHint("such a one is called bookworm-security, say, and has a repository of its own")
	}
	return s.packages(ctx, c)
}

// list reads a list of packages while it comes, and compares its checksum.
func (s Source) list(ctx context.Context, c *Client, url, sum string) ([]Release, error) {
	resp, err := c.do(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	if resp.StatusCode != http.StatusOK {
		return nil, refusal(resp)
	}
	hash := sha256.New()
	body := io.TeeReader(io.LimitReader(resp.Body, maxIndex), hash)
	text := body
	if strings.HasSuffix(url, ".gz") {
		if text, err = gzip.NewReader(body); err != nil {
			return nil, fault.Wrap(fault.Failed, err, "cannot read %s", url)
		}
	}
	versions, err := versionsOf(text, s["name"])
	if err == nil {
		_, err = io.Copy(io.Discard, body) // what gzip has left
	}
	if err != nil {
		return nil, fault.Wrap(fault.Network, err, "cannot read %s", url)
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != sum {
		return nil, fault.New(fault.Unavailable, "%s is not what the repository says: its SHA-256 is %s", url, got).
			WithHint("the repository is being written, perhaps: ask again in a minute")
	}
	return bare(versions), nil
}

// candidate is the version of a package of what is not released yet: 2.0~rc1-1. What comes
// behind a plus is the distribution's own.
var candidate = regexp.MustCompile(`(?i)^[^+]*~(rc|beta|alpha|pre)`)

// versionsOf are the versions of a package in a list.
func versionsOf(text io.Reader, name string) ([]string, error) {
	var versions []string
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, maxAnswer) // of one line
	in := false
	for lines.Scan() {
		line := lines.Bytes()
		if rest, ok := bytes.CutPrefix(line, []byte("Package: ")); ok {
			in = string(bytes.TrimSpace(rest)) == name
		} else if rest, ok := bytes.CutPrefix(line, []byte("Version: ")); ok && in {
			if version := string(bytes.TrimSpace(rest)); !candidate.MatchString(version) {
				versions = append(versions, upstream(version))
			}
		}
	}
	return versions, lines.Err()
}

// upstream is the version of the software that a package has: 7.0.15 of 5:7.0.15~ds1-1.
func upstream(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	if i := strings.LastIndexByte(version, '-'); i >= 0 {
		version = version[:i]
	}
	if i := strings.IndexAny(version, "+~"); i >= 0 {
		version = version[:i]
	}
	return version
}
