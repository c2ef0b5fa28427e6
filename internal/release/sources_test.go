package release

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// shelf is a server of files, by their paths. Those that it has not are asked of more.
type shelf struct {
	files map[string]string
	more  http.HandlerFunc
	asked []string
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.asked = append(s.asked, r.URL.RequestURI())
	switch text, ok := s.files[r.URL.Path]; {
	case ok:
		_, _ = w.Write([]byte(text))
	case s.more != nil:
		s.more(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *shelf) start(t *testing.T) *httptest.Server {
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server
}

// asks compares what a client finds out with what is wanted: versions, or "error: " and a
// part of it.
func asks(t *testing.T, ask func(context.Context, Source, bool) (Answer, error), s Source, want string) {
	t.Helper()
	told, err := ask(context.Background(), s, true)
	got := strings.Join(told.Versions(), " ")
	if err != nil {
		got = "error: " + err.Error()
	}
	if got != want && !(strings.HasPrefix(want, "error: ") && strings.Contains(got, strings.TrimPrefix(want, "error: "))) {
		t.Errorf("%v: %s, want %s", s, got, want)
	}
}

func TestReleasePattern(t *testing.T) {
	server := (&shelf{files: map[string]string{
		"/repos/a/b/releases": `[{"tag_name": "release-1.2.0-final"}, {"tag_name": "release-1.3.0-final", "draft": true}, {"tag_name": "other-9"}]`,
	}}).start(t)
	c := &Client{}
	s := Source{"type": "github", "owner": "a", "repo": "b", "api": server.URL, "release_pattern": "release-{version}-final"}
	asks(t, c.Versions, s, "1.2.0")
	s["draft"] = "true"
	asks(t, c.Versions, s, "1.3.0 1.2.0")
	s["release_pattern"] = "release"
	asks(t, c.Versions, s, "error: has no {version}")
}

// TestSecurity: what the sources mark, each in its own way.
func TestSecurity(t *testing.T) {
	server := (&shelf{files: map[string]string{
		"/repos/a/b/security-advisories": `[
 {"state": "published", "vulnerabilities": [{"patched_versions": "1.2.4"}, {"patched_versions": ">= 1.3.1, 2.0.2"}, {"patched_versions": null}]},
 {"state": "draft", "vulnerabilities": [{"patched_versions": "9.9.9"}]},
 {"state": "published", "vulnerabilities": []}]`,
	}}).start(t)
	c := &Client{Cache: t.TempDir()}
	asks(t, c.Security, Source{"type": "github", "owner": "a", "repo": "b", "api": server.URL}, "2.0.2 1.3.1 1.2.4")
	asks(t, c.Security, Source{"type": "static", "versions": "1.0, 1.1, 1.2", "security": "1.1"}, "1.1")
	asks(t, c.Security, Source{"type": "static", "versions": "1.0"}, "error: does not say which versions mend a hole")
	asks(t, c.Security, Source{"type": "url", "url": server.URL, "pattern": "x"}, "error: its source, of type url, does not say which versions mend a hole")
	asks(t, c.Security, Source{"type": "url"}, "error: needs url and a pattern")
}

// TestRegistry speaks with a registry as the OCI describes it: tags in pages, and a token
// for those who ask.
func TestRegistry(t *testing.T) {
	var server *httptest.Server
	tokens := 0
	s := &shelf{more: func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			q := r.URL.Query()
			if q.Get("scope") != "repository:team/app:pull" || q.Get("service") != "registry.test" {
				t.Errorf("a token for %v", q)
			}
			tokens++
			_, _ = w.Write([]byte(`{"access_token": "sesame"}`))
		case !strings.HasPrefix(r.URL.Path, "/v2/team/app/"):
			http.NotFound(w, r)
		case r.Header.Get("Authorization") != "Bearer sesame":
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="%s/token",service="registry.test"`, server.URL))
			w.WriteHeader(http.StatusUnauthorized)
		case r.URL.Query().Get("last") == "":
			w.Header().Set("Link", `</v2/team/app/tags/list?last=1.2.0&n=1000>; rel="next"`)
			_, _ = w.Write([]byte(`{"name": "team/app", "tags": ["latest", "1", "1.2", "1.2.0", "1.3.0-alpine"]}`))
		default:
			_, _ = w.Write([]byte(`{"name": "team/app", "tags": ["v1.10.0", "1.2.1", "sha-12ab"]}`))
		}
	}}
	server = s.start(t)
	host := strings.TrimPrefix(server.URL, "http://")
	c := &Client{}
	asks(t, c.Versions, Source{"type": "oci", "image": host + "/team/app"}, "1.10.0 1.2.1 1.2.0")
	if tokens != 1 {
		t.Errorf("%d tokens", tokens)
	}
	asks(t, c.Versions, Source{"type": "oci", "image": host + "/team/app", "prerelease": "true"}, "1.10.0 1.3.0-alpine 1.2.1 1.2.0")
	asks(t, c.Versions, Source{"type": "oci", "image": host + "/team/none"}, "error: 404 Not Found")
	for _, image := range []string{"", host + "/team/app:1.2", "Team/App"} {
		asks(t, c.Versions, Source{"type": "oci", "image": image}, "error: needs the name of an image")
	}
	asks(t, c.Security, Source{"type": "oci", "image": host + "/team/app"}, "error: does not say which versions mend a hole")
}

// TestRegistryRefuses: a registry that gives strangers nothing, and those whose list of tags
// breaks off: what was read of it is not all, so the newest version may be another one.
func TestRegistryRefuses(t *testing.T) {
	challenge, link := "", ""
	s := &shelf{files: map[string]string{"/empty": `{}`}, more: func(w http.ResponseWriter, r *http.Request) {
		if challenge != "" {
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Link", link)
		_, _ = w.Write([]byte(`{"tags": ["1.0.0"]}`))
	}}
	server := s.start(t)
	source := Source{"type": "oci", "image": strings.TrimPrefix(server.URL, "http://") + "/a/b"}
	for given, want := range map[string]string{
		`Basic realm="x"`: "wants a login", `Bearer service="x"`: "wants a login",
		fmt.Sprintf(`Bearer realm="%s/empty"`, server.URL): "gives no token",
	} {
		challenge = given
		asks(t, (&Client{}).Versions, source, "error: "+want)
	}
	challenge = ""
	for given, want := range map[string]string{
		`<http://192.0.2.1/v2/a/b/tags/list>; rel="next"`: "has the rest of its tags on another host, 192.0.2.1, which is not asked",
		`<http://[/v2/a/b/tags/list>; rel="next"`:         "cannot read where",
		`</v2/a/b/tags/list?last=x>; rel="next"`:          "has more tags of a/b than 100 pages",
		`</v2/a/b/tags/list?last=x>; rel="prev"`:          "",
	} {
		link = given
		if want == "" {
			asks(t, (&Client{}).Versions, source, "1.0.0")
			continue
		}
		asks(t, (&Client{}).Versions, source, "error: "+want)
	}
	r := registry{host: "registry.example.com"}
	if got := r.url("/v2/"); got != "https://registry.example.com/v2/" {
		t.Error(got)
	}
	named, err := Source{"image": "redis"}.image()
	if err != nil || named.String() != "docker.io/library/redis" {
		t.Error(named, err)
	}
}

const packageList = `Package: other
Version: 9.0-1

Package: redis-server
Version: 5:7.0.15-1~deb12u5
Description: store
 Version: 1.0

Package: redis-server
Version: 5:7.0.11+dfsg~rc1-1

Package: redis-server
Version: 5:7.2.0~rc1-1

Package: redis-server
Version: 5:8.0~Beta2+ds-1

Package: redis
Version: 8.0-1
`

func packed(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(text)) // into memory
	_ = z.Close()
	return b.String()
}

func sumOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// TestDebianRepository reads repositories as apt does: what the file Release names, with
// its checksum.
func TestDebianRepository(t *testing.T) {
	list := packed(packageList)
	inRelease := "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Debian\nLabel: Debian\nSuite: stable\nMD5Sum:\n 0 1 main/binary-amd64/Packages.gz\nSHA256:\n" +
		fmt.Sprintf(" %s %d main/binary-amd64/Packages.gz\n %s 1 main/binary-arm64/Packages.gz\n", sumOf(list), len(list), sumOf("other"))
	s := &shelf{files: map[string]string{
		"/debian/dists/bookworm/InRelease":                           inRelease,
		"/debian/dists/bookworm/main/binary-amd64/Packages.gz":       list,
		"/debian/dists/bookworm/main/binary-arm64/Packages.gz":       list,
		"/debian/dists/bookworm-security/Release":                    "Label: Debian-Security\nSHA256:\n " + sumOf(packageList) + " 1 main/binary-amd64/Packages\n",
		"/debian/dists/bookworm-security/main/binary-amd64/Packages": packageList,
		"/flat/repo/InRelease":                                       "SHA256:\n " + sumOf(packageList) + " 1 Packages\n",
		"/flat/repo/Packages":                                        packageList,
		"/debian/dists/empty/InRelease":                              "Suite: empty\n",
		"/debian/dists/broken/InRelease":                             "SHA256:\n " + sumOf("no gzip") + " 7 main/binary-amd64/Packages.gz\n",
		"/debian/dists/broken/main/binary-amd64/Packages.gz":         "no gzip",
	}}
	server := s.start(t)
	source := func(more ...string) Source {
		s := Source{"type": "package", "name": "redis-server", "index": server.URL + "/debian", "suite": "bookworm"}
		for i := 0; i < len(more); i += 2 {
			s[more[i]] = more[i+1]
		}
		return s
	}
	c := &Client{}
	asks(t, c.Versions, source(), "7.0.15 7.0.11")
	asks(t, c.Versions, source("name", "nothing"), "")
	asks(t, c.Versions, source("arch", "arm64"), "error: is not what the repository says")
	asks(t, c.Versions, source("component", "contrib"), "error: has no list of packages at contrib/binary-amd64/")
	asks(t, c.Versions, source("suite", "empty"), "error: has no list of packages")
	asks(t, c.Versions, source("suite", "broken"), "error: cannot read")
	asks(t, c.Versions, source("suite", "trixie"), "error: 404 Not Found")
	asks(t, c.Versions, source("index", server.URL+"/flat", "suite", "repo/"), "7.0.15 7.0.11")
	asks(t, c.Versions, source("index", server.URL+"/flat/repo", "suite", "./"), "7.0.15 7.0.11")
	asks(t, c.Security, source("suite", "bookworm-security"), "7.0.15 7.0.11")
	asks(t, c.Security, source(), "error: is not one for security")
	asks(t, c.Versions, Source{"type": "package", "name": "x"}, "error: names no index of packages")
	asks(t, c.Versions, Source{"type": "package", "index": server.URL}, "error: needs name and suite")
	asks(t, c.Versions, Source{"type": "packages"}, `error: there are no sources of the type "packages"`)
	asks(t, c.Versions, Source{}, "error: it is not known where")
	if _, err := c.Versions(context.Background(), source("suite", "trixie"), true); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	gone, _ := url.Parse(server.URL)
	server.Close()
	asks(t, c.Versions, source("index", gone.String()), "error: cannot ask for versions")
}
