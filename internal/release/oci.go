package release

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/distribution/reference"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// maxPages is how many parts of a list of tags are read.
const maxPages = 100

// dockerHub is where images are whose names have no registry in them.
const dockerHub = "registry-1.docker.io"

// image is the repository of a source of type oci.
func (s Source) image() (reference.Named, error) {
	named, err := reference.ParseNormalizedNamed(s["image"])
	if err != nil || !reference.IsNameOnly(named) {
		return nil, fault.New(fault.Invalid, "a source of type oci needs the name of an image, without a tag, not %q", s["image"])
	}
	return named, nil
}

// tags reads the tags of an image from its registry, by the protocol of the OCI. Tags
// that others continue are left out: 7 and 7.2, where there is 7.2.4, move.
func (s Source) tags(ctx context.Context, c *Client) ([]Release, error) {
	named, err := s.image()
	if err != nil {
		return nil, err
	}
	r := registry{client: c, host: reference.Domain(named), scope: "repository:" + reference.Path(named) + ":pull"}
	if r.host == "docker.io" {
		r.host = dockerHub
	}
	next := "/v2/" + reference.Path(named) + "/tags/list?n=1000"
	var tags []string
	for pages := 0; next != ""; pages++ {
		if pages == maxPages { // the newest may be among the others: they have no order
			return nil, fault.New(fault.TooLarge, "%s has more tags of %s than %d pages", r.host, reference.Path(named), maxPages).
				WithHint("name another source of the versions, such as the releases of its repository")
		}
		var page struct {
			Tags []string `json:"tags"`
		}
		if next, err = r.get(ctx, next, &page); err != nil {
			return nil, err
		}
		tags = append(tags, page.Tags...)
	}
	return bare(s.versions(tags)), nil
}

// versions are those of tags that are versions, without those that move.
func (s Source) versions(tags []string) []string {
	moving := map[string]bool{} // 7 and 7.2 of 7.2.4
	for _, tag := range tags {
		for i, c := range tag {
			if c == '.' {
				moving[tag[:i]] = true
			}
		}
	}
	var versions []string
	for _, tag := range tags {
		v, err := semver.NewVersion(tag)
		if err != nil || moving[tag] || v.Prerelease() != "" && s["prerelease"] != "true" {
			continue
		}
		versions = append(versions, strings.TrimPrefix(tag, "v"))
	}
	return versions
}

// registry is one of images.
type registry struct {
	client *Client
	host   string
	scope  string // what is read of it
	token  string // that the registry has given
}

// url of a path. Registries of this machine speak plain HTTP, as for container engines.
func (r *registry) url(path string) string {
	scheme := "https"
	host, _, err := net.SplitHostPort(r.host)
	if err != nil {
		host = r.host
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		scheme = "http"
	}
	return scheme + "://" + r.host + path
}

// get reads a page of a list, and returns the path of the next one; "" after the last. A
// registry that wants a token says where there is one, also for strangers.
func (r *registry) get(ctx context.Context, path string, v any) (next string, err error) {
	for try := 0; ; try++ {
		header := http.Header{}
		if r.token != "" {
			header.Set("Authorization", "Bearer "+r.token)
		}
		resp, err := r.client.do(ctx, r.url(path), header)
		if err != nil {
			return "", err
		}
		defer resp.Body.Close() //nolint:errcheck // it was read
		if resp.StatusCode == http.StatusUnauthorized && try == 0 {
			if r.token, err = r.login(ctx, resp.Header.Get("WWW-Authenticate")); err != nil {
				return "", err
			}
			continue
		}
		text, err := answered(resp)
		if err != nil {
			return "", err
		}
		if err := json.Unmarshal(text, v); err != nil {
			return "", fault.Wrap(fault.Failed, err, "cannot read the tags that %s has", r.host)
		}
		return following(resp)
	}
}

// parameter is one of a challenge: realm="https://auth.example.com/token".
var parameter = regexp.MustCompile(`([a-z]+)="([^"]*)"`)

// login gets a token for strangers, as the challenge of the registry says.
func (r *registry) login(ctx context.Context, challenge string) (string, error) {
	given := map[string]string{}
	for _, m := range parameter.FindAllStringSubmatch(challenge, -1) {
		given[m[1]] = m[2]
	}
	realm, err := url.Parse(given["realm"])
	if !strings.HasPrefix(strings.ToLower(challenge), "bearer ") || err != nil || realm.Host == "" {
		return "", fault.New(fault.Permission, "the registry %s wants a login, and has none for strangers", r.host)
	}
	query := realm.Query()
	query.Set("scope", r.scope)
	if given["service"] != "" {
		query.Set("service", given["service"])
	}
	realm.RawQuery = query.Encode()
	text, err := r.client.get(ctx, realm.String())
	if err != nil {
		return "", err
	}
	var answer struct {
		Token  string `json:"token"`
		Access string `json:"access_token"`
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Token+answer.Access == "" {
		return "", fault.New(fault.Permission, "%s gives no token for %s", realm.Host, r.host)
	}
	if answer.Token == "" {
		answer.Token = answer.Access
	}
	return answer.Token, nil
}

// following is the path of the page after one: Link: </v2/…?last=x>; rel="next". One that
// cannot be read is an error: a list that breaks off looks like a short one.
func following(resp *http.Response) (string, error) {
	target, rest, _ := strings.Cut(strings.TrimPrefix(resp.Header.Get("Link"), "<"), ">")
	if !strings.Contains(rest, `rel="next"`) {
		return "", nil
	}
	here := resp.Request.URL
	u, err := here.Parse(target)
	if err != nil {
		return "", fault.Wrap(fault.Failed, err, "cannot read where %s has the rest of its tags", here.Host)
	}
	if u.Host != here.Host { // the token is for the registry alone
		return "", fault.New(fault.Failed, "%s has the rest of its tags on another host, %s, which is not asked", here.Host, u.Host)
	}
	return u.RequestURI(), nil
}
