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
//	github: owner, repo; tag_prefix ("v"), prerelease ("true" counts them), api
//	url:    url, pattern: a regular expression, whose first group is a version
//	static: versions, separated by commas
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
	github    = "https://api.github.com"
)

// answer is what is kept of a source.
type answer struct {
	At       time.Time `json:"at"`
	Versions []string  `json:"versions"`
}

// Versions are those that a source announces, the newest first. refresh asks it although
// the last answer is fresh.
func (c *Client) Versions(ctx context.Context, s Source, refresh bool) ([]string, error) {
	if s["type"] == "static" {
		return sorted(strings.Split(s["versions"], ",")), nil
	}
	ask, err := s.asker()
	if err != nil {
		return nil, err
	}
	kept, known := c.read(s)
	if known && !refresh && c.now().Sub(kept.At) < fresh {
		return kept.Versions, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	found, err := ask(ctx, c)
	if err != nil {
		e := *fault.As(err)
		if known && len(kept.Versions) > 0 {
			e.Msg += fmt.Sprintf("; the newest version known is %s, %s ago", kept.Versions[0], c.now().Sub(kept.At).Round(time.Minute))
		}
		return nil, &e
	}
	found = sorted(found)
	return found, c.write(s, answer{c.now(), found})
}

func (c *Client) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}

type asker func(context.Context, *Client) ([]string, error)

func (s Source) asker() (asker, error) {
	switch s["type"] {
	case "github":
		if s["owner"] == "" || s["repo"] == "" {
			return nil, fault.New(fault.Invalid, "a source of type github needs owner and repo")
		}
		return s.github, nil
	case "url":
		if _, err := regexp.Compile(s["pattern"]); err != nil || s["url"] == "" || s["pattern"] == "" {
			return nil, fault.New(fault.Invalid, "a source of type url needs url and a pattern that is a regular expression")
		}
		return s.page, nil
	case "":
		return nil, fault.New(fault.Invalid, "it is not known where its versions are announced").WithHint(`source = {"type": "github", "owner": "…", "repo": "…"}`)
	}
	return nil, fault.New(fault.Invalid, "sources of type %q cannot be asked from here", s["type"]).WithHint("its servers tell: provisioning taskserv update NAME --servers … --check")
}

// github reads the releases of a repository.
func (s Source) github(ctx context.Context, c *Client) ([]string, error) {
	api := s["api"]
	if api == "" {
		api = github
	}
	text, err := c.get(ctx, fmt.Sprintf("%s/repos/%s/%s/releases?per_page=100", strings.TrimSuffix(api, "/"), s["owner"], s["repo"]))
	if err != nil {
		return nil, err
	}
	var releases []struct {
		Tag        string `json:"tag_name"`
		Draft      bool   `json:"draft"`
		Prerelease bool   `json:"prerelease"`
	}
	if err := json.Unmarshal(text, &releases); err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot read the releases of %s/%s", s["owner"], s["repo"])
	}
	prefix, given := s["tag_prefix"]
	if !given {
		prefix = "v"
	}
	var versions []string
	for _, r := range releases {
		if r.Draft || r.Prerelease && s["prerelease"] != "true" {
			continue
		}
		versions = append(versions, strings.TrimPrefix(r.Tag, prefix))
	}
	return versions, nil
}

// page looks for versions in a page.
func (s Source) page(ctx context.Context, c *Client) ([]string, error) {
	text, err := c.get(ctx, s["url"])
	if err != nil {
		return nil, err
	}
	var versions []string
	for _, m := range regexp.MustCompile(s["pattern"]).FindAllSubmatch(text, -1) {
		versions = append(versions, string(m[len(m)-1]))
	}
	return versions, nil
}

func (c *Client) get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "cannot ask %s", url)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fault.Wrap(fault.Network, err, "cannot ask for versions")
	}
	defer resp.Body.Close() //nolint:errcheck // it was read
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fault.Wrap(fault.Network, err, "cannot read %s", url)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fault.New(fault.Unavailable, "cannot ask for versions: %s answers %s", url, resp.Status)
	}
	return text, nil
}

// sorted are the versions that can be compared, the newest first.
func sorted(texts []string) []string {
	var versions []*semver.Version
	for _, text := range texts {
		if v, err := semver.NewVersion(strings.TrimSpace(text)); err == nil {
			versions = append(versions, v)
		}
	}
	slices.SortFunc(versions, func(a, b *semver.Version) int { return b.Compare(a) })
	out := make([]string, len(versions))
	for i, v := range versions {
		out[i] = v.Original()
	}
	return slices.Compact(out)
}

func (c *Client) file(s Source) string {
	text, _ := json.Marshal(s) // a map of strings, in the order of its keys
	sum := sha256.Sum256(text)
	return filepath.Join(c.Cache, "versions", hex.EncodeToString(sum[:8])+".json")
}

func (c *Client) read(s Source) (a answer, known bool) {
	if c.Cache == "" {
		return a, false
	}
	text, err := os.ReadFile(c.file(s))
	known = err == nil && json.Unmarshal(text, &a) == nil
	return a, known
}

func (c *Client) write(s Source, a answer) error {
	if c.Cache == "" {
		return nil
	}
	text, err := json.Marshal(a)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(c.file(s)), 0o700)
	}
	if err == nil {
		err = os.WriteFile(c.file(s), text, 0o600)
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
