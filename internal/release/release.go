// Package release finds out which versions of some software there are, where its makers
// announce them. Answers are kept for an hour; when the network fails, the error has
// what was known last, and how old it is.
package release

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Source is where versions are announced, as recipes describe it: with "type", and what
// the type needs.
//
//	github:  owner, repo; release_pattern ("v{version}"), prerelease and draft ("true"
//	         counts them), api
//	oci:     image, as container engines name it; prerelease
//	package: name, index (the URL of a Debian repository), suite; component ("main"),
//	         arch ("amd64")
//	url:     url, pattern: a regular expression, whose first group is a version
//	static:  versions, separated by commas; security, those of them that mend a hole
type Source map[string]string

// Client asks sources. The zero value keeps nothing.
type Client struct {
	Cache string           // directory; "" for none
	HTTP  *http.Client     // nil: that of the system
	Now   func() time.Time // nil: time.Now
}

const (
	fresh     = time.Hour
	timeout   = 30 * time.Second
	maxAnswer = 8 << 20 // bytes
)

// Release is a version, with what its makers tell of it.
type Release struct {
	Version  string    `json:"version"`
	Released time.Time `json:"released_at,omitzero"` // zero where the source does not tell
	Notes    string    `json:"notes,omitempty"`      // what has changed, in Markdown
	URL      string    `json:"url,omitempty"`        // of a page about it
}

// Answer is what a source has told.
type Answer struct {
	At       time.Time `json:"at"`
	Releases []Release `json:"releases"` // the newest first
}

// Versions are those of the releases, the newest first.
func (a Answer) Versions() []string {
	versions := make([]string, len(a.Releases))
	for i, r := range a.Releases {
		versions[i] = r.Version
	}
	return versions
}

// bare are releases of which nothing but the version is told.
func bare(versions []string) []Release {
	releases := make([]Release, len(versions))
	for i, v := range versions {
		releases[i].Version = strings.TrimSpace(v)
	}
	return releases
}

// Types are those of sources that can be asked, sorted.
var Types = []string{"github", "oci", "package", "static", "url"}

// Versions are the releases that a source announces. refresh asks it although the last
// answer is fresh.
func (c *Client) Versions(ctx context.Context, s Source, refresh bool) (Answer, error) {
	ask, err := s.asker()
	if err != nil {
		return Answer{}, err
	}
	return c.kept(ctx, s, "", ask, refresh)
}

// Security are the releases of which the source says that they mend a hole. A source that
// never says so is an error.
func (c *Client) Security(ctx context.Context, s Source, refresh bool) (Answer, error) {
	if _, err := s.asker(); err != nil {
		return Answer{}, err
	}
	var ask asker
	switch {
	case s["type"] == "github":
		ask = s.advisories
	case s["type"] == "package":
		ask = s.securityIndex
	case s["security"] != "":
		ask = s.listed("security")
	default:
		return Answer{}, fault.New(fault.Invalid, "its source, of type %s, does not say which versions mend a hole", s["type"])
	}
	return c.kept(ctx, s, "security", ask, refresh)
}

// kept asks, unless the last answer is fresh. about tells what is asked for.
func (c *Client) kept(ctx context.Context, s Source, about string, ask asker, refresh bool) (Answer, error) {
	kept, known := c.read(s, about)
	if known && !refresh && c.now().Sub(kept.At) < fresh {
		return kept, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found, err := ask(ctx, c)
	if err != nil {
		e := *fault.As(err)
		if known && len(kept.Releases) > 0 {
			e.Msg += fmt.Sprintf("; the newest version known is %s, %s ago", kept.Releases[0].Version, c.now().Sub(kept.At).Round(time.Minute))
		}
		return Answer{}, &e
	}
	told := Answer{c.now().UTC(), sorted(found)}
	if s["type"] == "static" {
		return told, nil
	}
	return told, c.write(s, about, told)
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

type asker func(context.Context, *Client) ([]Release, error)

func (s Source) asker() (asker, error) {
	switch s["type"] {
	case "github":
		if s["owner"] == "" || s["repo"] == "" {
			return nil, fault.New(fault.Invalid, "a source of type github needs owner and repo")
		}
		if p := s["release_pattern"]; p != "" && strings.Count(p, "{version}") != 1 {
			return nil, fault.New(fault.Invalid, "release_pattern is %q, which has no {version}", p).WithHint(`it is as in "v{version}"`)
		}
		return s.github, nil
	case "oci":
		if _, err := s.image(); err != nil {
			return nil, err
		}
		return s.tags, nil
	case "package":
		if s["index"] == "" {
			return nil, fault.New(fault.Invalid, "the source names no index of packages that could be asked from here").
				WithHint("its servers tell: provisioning taskserv update NAME --servers … --check")
		}
		if s["name"] == "" || s["suite"] == "" {
			return nil, fault.New(fault.Invalid, "a source of type package that has an index needs name and suite")
		}
		return s.packages, nil
	case "url":
		if _, err := regexp.Compile(s["pattern"]); err != nil || s["url"] == "" || s["pattern"] == "" {
			return nil, fault.New(fault.Invalid, "a source of type url needs url and a pattern that is a regular expression")
		}
		return s.page, nil
	case "static":
		return s.listed("versions"), nil
	case "":
		return nil, fault.New(fault.Invalid, "it is not known where its versions are announced").WithHint(`source = {"type": "github", "owner": "…", "repo": "…"}`)
	}
	return nil, fault.New(fault.Invalid, "there are no sources of the type %q", s["type"]).WithHint("types are %s", strings.Join(Types, ", "))
}

// Valid refuses what is no source. One of packages without an index is one: servers know.
func (s Source) Valid() error {
	if len(s) == 0 || s["type"] == "package" && s["index"] == "" {
		return nil
	}
	_, err := s.asker()
	return err
}

// Announces reports whether the source can be asked from here.
func (s Source) Announces() bool {
	_, err := s.asker()
	return err == nil
}

// listed are versions that the source has itself.
func (s Source) listed(key string) asker {
	return func(context.Context, *Client) ([]Release, error) { return bare(strings.Split(s[key], ",")), nil }
}

// page looks for versions in a page.
func (s Source) page(ctx context.Context, c *Client) ([]Release, error) {
	text, err := c.get(ctx, s["url"])
	if err != nil {
		return nil, err
	}
	var versions []string
	for _, m := range regexp.MustCompile(s["pattern"]).FindAllSubmatch(text, -1) {
		versions = append(versions, string(m[len(m)-1]))
	}
	return bare(versions), nil
}

func (c *Client) get(ctx context.Context, url string) ([]byte, error) {
	resp, err := c.do(ctx, url, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	return answered(resp)
}

// do asks; header may be nil.
func (c *Client) do(ctx context.Context, url string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "cannot ask %s", url)
	}
	if header != nil {
		req.Header = header
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fault.Wrap(fault.Network, err, "cannot ask for versions")
	}
	return resp, nil
}

// answered reads an answer that is no refusal.
func answered(resp *http.Response) ([]byte, error) {
	if resp.StatusCode != http.StatusOK {
		return nil, refusal(resp)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fault.Wrap(fault.Network, err, "cannot read %s", resp.Request.URL)
	}
	return text, nil
}

func refusal(resp *http.Response) error {
	kind := fault.Unavailable
	if resp.StatusCode == http.StatusNotFound {
		kind = fault.NotFound
	}
	return fault.New(kind, "cannot ask for versions: %s answers %s", resp.Request.URL, resp.Status)
}

// sorted are the releases whose versions can be compared, the newest first.
func sorted(releases []Release) []Release {
	of := map[string]*semver.Version{}
	out := []Release{}
	for _, r := range releases {
		if v, err := semver.NewVersion(r.Version); err == nil {
			of[r.Version], out = v, append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b Release) int { return of[b.Version].Compare(of[a.Version]) })
	return slices.CompactFunc(out, func(a, b Release) bool { return a.Version == b.Version })
}

func (c *Client) file(s Source, about string) string {
	text, _ := json.Marshal(s) // a map of strings, in the order of its keys
	sum := sha256.Sum256(append(text, about...))
	return filepath.Join(c.Cache, "versions", hex.EncodeToString(sum[:8])+".json")
}

// read finds what was kept. What an older program has kept has no releases, and is asked for
// again.
func (c *Client) read(s Source, about string) (a Answer, known bool) {
	if c.Cache == "" {
		return a, false
	}
	text, err := os.ReadFile(c.file(s, about))
	known = err == nil && json.Unmarshal(text, &a) == nil && a.Releases != nil
	return a, known
}

func (c *Client) write(s Source, about string, a Answer) error {
	if c.Cache == "" {
		return nil
	}
	text, err := json.Marshal(a)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(c.file(s, about)), 0o700)
	}
	if err == nil {
		err = os.WriteFile(c.file(s, about), text, 0o600)
	}
	if err != nil {
		return fault.Wrap(fault.Failed, err, "cannot keep the versions")
	}
	return nil
}

// Level is how large the step from one version to another is: "major", "minor" or
// "patch"; "" when there is none, or they cannot be compared.
func Level(from, to string) string {
	a, err := semver.NewVersion(from)
	b, other := semver.NewVersion(to)
	switch {
	case err != nil || other != nil || !b.GreaterThan(a):
		return ""
	case a.Major() != b.Major():
		return "major"
	case a.Minor() != b.Minor():
		return "minor"
	}
	return "patch"
}

// Mends are those of the versions that mend holes which count for a version: those of its
// branch of releases, of the same major and minor version or else of the same major one.
// Where there is no such branch, all count.
func Mends(version string, mends []string) []string {
	had, err := semver.NewVersion(version)
	if err != nil {
		return mends
	}
	var minor, major []string
	for _, text := range mends {
		v, err := semver.NewVersion(text)
		if err != nil || v.Major() != had.Major() {
			continue
		}
		major = append(major, text)
		if v.Minor() == had.Minor() {
			minor = append(minor, text)
		}
	}
	switch {
	case len(minor) > 0:
		return minor
	case len(major) > 0:
		return major
	}
	return mends
}
