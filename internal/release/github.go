package release

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

const github = "https://api.github.com"

// ask reads something of a repository of GitHub into v.
func (s Source) ask(ctx context.Context, c *Client, what string, v any) error {
	api := s["api"]
	if api == "" {
		api = github
	}
	text, err := c.get(ctx, fmt.Sprintf("%s/repos/%s/%s/%s?per_page=100", strings.TrimSuffix(api, "/"), s["owner"], s["repo"], what))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fault.Wrap(fault.Failed, err, "cannot read the %s of %s/%s", what, s["owner"], s["repo"])
	}
	return nil
}

// github reads the releases of a repository.
func (s Source) github(ctx context.Context, c *Client) ([]Release, error) {
	var releases []struct {
		Tag        string     `json:"tag_name"`
		Draft      bool       `json:"draft"`
		Prerelease bool       `json:"prerelease"`
		Published  *time.Time `json:"published_at"` // null for a draft
		Body       string     `json:"body"`
		URL        string     `json:"html_url"`
	}
	if err := s.ask(ctx, c, "releases", &releases); err != nil {
		return nil, err
	}
	before, after := s.around()
	var found []Release
	for _, r := range releases {
		if r.Draft && s["draft"] != "true" || r.Prerelease && s["prerelease"] != "true" {
			continue
		}
		one := Release{Version: strings.TrimSuffix(strings.TrimPrefix(r.Tag, before), after), Notes: strings.TrimSpace(r.Body), URL: r.URL}
		if r.Published != nil {
			one.Released = r.Published.UTC()
		}
		found = append(found, one)
	}
	return found, nil
}

// around is what a tag has before and behind its version.
func (s Source) around() (before, after string) {
	if pattern := s["release_pattern"]; pattern != "" {
		before, after, _ = strings.Cut(pattern, "{version}")
		return before, after
	}
	if prefix, given := s["tag_prefix"]; given {
		return prefix, ""
	}
	return "v", ""
}

// versionIn finds the versions that an advisory names: "1.2.3", or ">= 1.2.3, 2.0.1".
var versionIn = regexp.MustCompile(`[0-9]+(?:\.[0-9]+)+(?:[-+][0-9A-Za-z.-]+)?`)

// advisories are the versions that the published advisories of a repository call patched.
func (s Source) advisories(ctx context.Context, c *Client) ([]Release, error) {
	var advisories []struct {
		State           string `json:"state"`
		Vulnerabilities []struct {
			Patched string `json:"patched_versions"`
		} `json:"vulnerabilities"`
	}
	if err := s.ask(ctx, c, "security-advisories", &advisories); err != nil {
		return nil, err
	}
	var versions []string
	for _, a := range advisories {
		if a.State != "published" {
			continue
		}
		for _, v := range a.Vulnerabilities {
			versions = append(versions, versionIn.FindAllString(v.Patched, -1)...)
		}
	}
	return bare(versions), nil
}
