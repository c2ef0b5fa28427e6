package release

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// releases has the shape of GitHub's answer.
const releases = `[
 {"tag_name": "v2.0.0-rc1", "draft": false, "prerelease": true},
 {"tag_name": "v1.9.0", "draft": true, "prerelease": false},
 {"tag_name": "v1.8.1", "draft": false, "prerelease": false, "published_at": "2025-12-01T10:00:00Z",
  "body": "Fixes.\r\n", "html_url": "https://github.com/redis/redis/releases/tag/v1.8.1"},
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
		told, err := c.Versions(context.Background(), source, false)
		if got := strings.Join(told.Versions(), " "); got != want || err != nil || asked != times {
			t.Errorf("%q, asked %d times, %v", got, asked, err)
		}
	}
	look("1.10.0 1.8.1", 1)
	now = now.Add(59 * time.Minute)
	look("1.10.0 1.8.1", 1) // kept
	now = now.Add(2 * time.Minute)
	look("1.10.0 1.8.1", 2)
	told, err := c.Versions(context.Background(), source, false)
	old := Release{"1.8.1", time.Date(2025, 12, 1, 10, 0, 0, 0, time.UTC), "Fixes.", "https://github.com/redis/redis/releases/tag/v1.8.1"}
	if err != nil || len(told.Releases) != 2 || told.Releases[1] != old || !told.At.Equal(now) || !told.Releases[0].Released.IsZero() {
		t.Errorf("%+v, %v", told, err) // what was kept has all of it
	}
	source["prerelease"] = "true"
	look("2.0.0-rc1 1.10.0 1.8.1", 3)

	broken, now = true, now.Add(3*time.Hour)
	_, err = c.Versions(context.Background(), source, false)
	if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "the newest version known is 2.0.0-rc1, 3h0m0s ago") {
		t.Error(err)
	}
	server.Close()
	_, err = c.Versions(context.Background(), source, false)
	if !fault.Is(err, fault.Network) || !strings.Contains(err.Error(), "3h0m0s ago") {
		t.Error(err)
	}
}

// TestOlderCache: an answer that an older program has kept is asked for again.
func TestOlderCache(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("v1.2.3")) }))
	defer server.Close()
	c := &Client{Cache: t.TempDir()}
	source := Source{"type": "url", "url": server.URL, "pattern": `v([0-9.]+)`}
	file := c.file(source, "")
	text := fmt.Sprintf(`{"at": %q, "versions": ["1.0.0"]}`, time.Now().Format(time.RFC3339))
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	told, err := c.Versions(context.Background(), source, false)
	if err != nil || len(told.Releases) != 1 || told.Releases[0].Version != "1.2.3" {
		t.Errorf("%+v, %v", told, err)
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
		told, err := (&Client{}).Versions(context.Background(), s, false)
		if got := strings.Join(told.Versions(), " "); got != "1.27.0 1.26.1" || err != nil {
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
