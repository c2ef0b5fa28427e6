package release

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// releases has the shape of GitHub's answer.
const releases = `[
 {"tag_name": "v2.0.0-rc1", "draft": false, "prerelease": true},
 {"tag_name": "v1.9.0", "draft": true, "prerelease": false},
 {"tag_name": "v1.8.1", "draft": false, "prerelease": false},
 {"tag_name": "v1.10.0", "draft": false, "prerelease": false},
 {"tag_name": "nightly", "draft": false, "prerelease": false}
]`

func TestGitHub(t *testing.T) {
	asked, broken := 0, false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if broken {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if r.URL.Path != "/repos/redis/redis/releases" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		_, _ = w.Write([]byte(releases))
	}))
	defer server.Close()
	now := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	c := &Client{Cache: t.TempDir(), Now: func() time.Time { return now }}
	source := Source{"type": "github", "owner": "redis", "repo": "redis", "api": server.URL}
	look := func(want string, times int) {
		t.Helper()
		got, err := c.Versions(context.Background(), source, false)
		if strings.Join(got, " ") != want || err != nil || asked != times {
			t.Errorf("%q, asked %d times, %v", got, asked, err)
		}
	}
	look("1.10.0 1.8.1", 1)
	now = now.Add(59 * time.Minute)
	look("1.10.0 1.8.1", 1) // kept
	now = now.Add(2 * time.Minute)
	look("1.10.0 1.8.1", 2)
	source["prerelease"] = "true"
	look("2.0.0-rc1 1.10.0 1.8.1", 3)

	broken, now = true, now.Add(3*time.Hour)
	_, err := c.Versions(context.Background(), source, false)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "the newest version known is 2.0.0-rc1, 3h0m0s ago") {
		t.Error(err)
	}
	server.Close()
	_, err = c.Versions(context.Background(), source, false)
	if !fault.Is(err, fault.Network) || !strings.Contains(err.Error(), "3h0m0s ago") {
		t.Error(err)
	}
}

func TestPageAndList(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`<a href="nginx-1.26.1.tar.gz"><a href="nginx-1.27.0.tar.gz">`))
	}))
	defer server.Close()
	for _, s := range []Source{
		{"type": "url", "url": server.URL, "pattern": `nginx-([0-9.]+)\.tar`},
		{"type": "static", "versions": "1.26.1, 1.27.0"},
	} {
		got, err := (&Client{}).Versions(context.Background(), s, false)
		if strings.Join(got, " ") != "1.27.0 1.26.1" || err != nil {
			t.Errorf("%v: %q %v", s, got, err)
		}
	}
}

func TestLevel(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"1.2.3", "1.2.4", "patch"},
		{"1.2.3", "1.3.0", "minor"},
		{"1.2.3", "2.0.0", "major"},
		{"1.2.3", "1.2.3", ""},
		{"2.0.0", "1.9.0", ""},
		{"1.2", "1.2.1", "patch"},
		{"?", "1.2.1", ""},
	} {
		if got := Level(c.from, c.to); got != c.want {
			t.Errorf("%s to %s: %q, want %q", c.from, c.to, got, c.want)
		}
	}
}

func TestMends(t *testing.T) {
	for _, c := range []struct{ version, mends, want string }{
		{"3.4.37", "3.5.16 3.4.37", "3.4.37"},
		{"3.4.2", "3.5.16 3.4.37 3.4.30", "3.4.37 3.4.30"},
		{"15.3", "16.2 15.6 14.11", "15.6"},
		{"17.0", "16.2 15.6", "16.2 15.6"},
		{"?", "16.2 15.6", "16.2 15.6"},
		{"15.3", "", ""},
	} {
		if got := strings.Join(Mends(c.version, strings.Fields(c.mends)), " "); got != c.want {
			t.Errorf("%s of %s: %q, want %q", c.version, c.mends, got, c.want)
		}
	}
}
