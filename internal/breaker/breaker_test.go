package breaker_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/breaker"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

var now = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func TestState(t *testing.T) {
	tests := []struct {
		count int
		ago   time.Duration
		want  string
		left  time.Duration
	}{
		{0, 0, breaker.Closed, 0},
		{4, 0, breaker.Closed, 0},
		{5, 0, breaker.Open, time.Minute},
		{6, 45 * time.Second, breaker.Open, 15 * time.Second},
		{5, time.Minute, breaker.HalfOpen, 0},
		{5, 24 * time.Hour, breaker.HalfOpen, 0},
	}
	for _, test := range tests {
		state, left := breaker.Failures{Count: test.count, Last: now.Add(-test.ago)}.State(now)
		if state != test.want || left != test.left {
			t.Errorf("after %d failures, %s ago: %s for %s, want %s for %s", test.count, test.ago, state, left, test.want, test.left)
		}
	}
}

func TestRegister(t *testing.T) {
	dir := t.TempDir()
	r := breaker.At(dir)
	if f := r.Read("ssh://a@b:22", now); f.Count != 0 || f.Endpoint != "ssh://a@b:22" {
		t.Errorf("nothing is known, but %+v", f)
	}
	for _, f := range []breaker.Failures{
		{Endpoint: "ssh://a@b:22", Count: 2, Last: now, Reason: "no answer"},
		{Endpoint: "ssh://a@a:22", Count: 5, Last: now.Add(-time.Hour)},
		{Endpoint: "ssh://a@old:22", Count: 4, Last: now.Add(-time.Hour)}, // no longer counts
	} {
		if err := r.Write(f); err != nil {
			t.Fatal(err)
		}
	}
	all, err := breaker.At(dir).All(now)
	if err != nil || len(all) != 2 || all[0].Endpoint != "ssh://a@a:22" || all[1].Reason != "no answer" || !all[1].Last.Equal(now) {
		t.Errorf("known are %+v, %v", all, err)
	}
	if f := r.Read("ssh://a@old:22", now); f.Count != 0 {
		t.Errorf("failures of long ago count: %+v", f)
	}
	if err := r.Reset("ssh://a@b:22"); err != nil {
		t.Fatal(err)
	}
	if err := r.Reset("ssh://a@b:22"); err != nil {
		t.Error("resetting what is not there:", err)
	}
	if f := r.Read("ssh://a@b:22", now); f.Count != 0 {
		t.Errorf("it was reset, but is %+v", f)
	}
}

func TestDamagedFile(t *testing.T) {
	dir := t.TempDir()
	r := breaker.At(dir)
	if err := r.Write(breaker.Failures{Endpoint: "x", Count: 5, Last: now}); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "breakers", "*"))
	if err := os.WriteFile(files[0], []byte("{"), 0o600); err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	all, err := r.All(now)
	if f := r.Read("x", now); f.Count != 0 || err != nil || len(all) != 0 {
		t.Errorf("a damaged file is no reason to stop: %+v, %v, %v", f, all, err)
	}
}

func TestFind(t *testing.T) {
	r := breaker.At(t.TempDir())
	for _, e := range []string{"ssh://deploy@web-1:22", "ssh://root@web-1:22", "ssh://root@[::1]:2222", "container://db", "ssh://a@far:22#0a1b via root@jump:22"} {
		if err := r.Write(breaker.Failures{Endpoint: e, Count: 1, Last: now}); err != nil {
			t.Fatal(err)
		}
	}
	tests := map[string][]string{
		"web-1":                 {"ssh://deploy@web-1:22", "ssh://root@web-1:22"},
		"root@web-1":            {"ssh://root@web-1:22"},
		"web-1:22":              {"ssh://deploy@web-1:22", "ssh://root@web-1:22"},
		"ssh://deploy@web-1:22": {"ssh://deploy@web-1:22"},
		"::1":                   {"ssh://root@[::1]:2222"},
		"db":                    {"container://db"},
		"far":                   {"ssh://a@far:22#0a1b via root@jump:22"},
	}
	for name, want := range tests {
		found, err := r.Find(name, now)
		var got []string
		for _, f := range found {
			got = append(got, f.Endpoint)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is %q, %v, want %q", name, got, err, want)
		}
	}
	if _, err := r.Find("web", now); !fault.Is(err, fault.NotFound) {
		t.Error("web is nobody:", err)
	}
}
