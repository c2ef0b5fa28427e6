package tomledit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestSetText(t *testing.T) {
	for _, c := range []struct{ what, before, want string }{
		{"nothing", "", "[versions]\nredis = \"7.2.1\"\n"},
		{"no such table", "# ours\n[engine] # fast\ndefault = \"local\"", "# ours\n[engine] # fast\ndefault = \"local\"\n\n[versions]\nredis = \"7.2.1\"\n"},
		{"another key", "[versions]\netcd = \"3.4.1\" # as prod\n", "[versions]\netcd = \"3.4.1\" # as prod\nredis = \"7.2.1\"\n"},
		{"no line end", "[versions]\netcd = \"3.4.1\"", "[versions]\netcd = \"3.4.1\"\nredis = \"7.2.1\"\n"},
		{"another text", "[versions]\n  redis='7' # why\netcd = \"3.4.1\"\n", "[versions]\n  redis=\"7.2.1\" # why\netcd = \"3.4.1\"\n"},
		{"the same", "[versions]\nredis = \"7.2.1\"\n", "[versions]\nredis = \"7.2.1\"\n"},
		{"empty", "[versions]\n\n# about it\n[engine]\n", "[versions]\nredis = \"7.2.1\"\n\n# about it\n[engine]\n"},
		{"comments of the next table", "[versions] # pins\netcd = \"3\"\n\n# about it\n[engine]\nredis = \"no\"\n", "[versions] # pins\netcd = \"3\"\nredis = \"7.2.1\"\n\n# about it\n[engine]\nredis = \"no\"\n"},
		{"a key that looks like it", "[taskservs.redis]\nversions = \"x\"\n", "[taskservs.redis]\nversions = \"x\"\n\n[versions]\nredis = \"7.2.1\"\n"},
	} {
		got, err := SetText([]byte(c.before), "versions", "redis", "7.2.1")
		if string(got) != c.want || err != nil {
			t.Errorf("%s: %v\n%s", c.what, err, got)
		}
	}
}

// TestByHand: what could only be changed by guessing is not changed.
func TestByHand(t *testing.T) {
	for _, text := range []string{
		"versions = { redis = \"7\" }\n", "versions.redis = \"7\"\n", "versions = 7\n", "[[versions]]\nredis = \"7\"\n", "[versions]\nredis = 7\n",
		"[versions.redis]\nmajor = \"7\"\n", "[versions]\nredis.major = \"7\"\n",
	} {
		_, err := SetText([]byte(text), "versions", "redis", "7.2.1")
		if err == nil || !strings.Contains(err.Error(), "versions.redis is not in a table of its own") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := SetText([]byte("[versions"), "versions", "redis", "7.2.1"); err == nil || !strings.Contains(err.Error(), "not valid TOML") {
		t.Error(err)
	}
}

// TestLock: what several write at the same time is all there afterwards.
func TestLock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	add := func(key string) error {
		unlock, err := Lock(file)
		if err != nil {
			return err
		}
		defer unlock()
		was, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		now, err := SetText(was, "versions", key, "1")
		if err != nil {
			return err
		}
		return os.WriteFile(file, now, 0o600)
	}
	var group sync.WaitGroup
	for i := range 20 {
		group.Go(func() {
			if err := add(fmt.Sprintf("n%d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if got, _ := os.ReadFile(file); strings.Count(string(got), "= ") != 20 {
		t.Errorf("some are lost:\n%s", got)
	}
	if _, err := Lock(filepath.Join(t.TempDir(), "none", "config.toml")); err == nil {
		t.Error("a directory that is not there")
	}
}

// TestText: what a text has in it does not end it.
func TestText(t *testing.T) {
	got, err := SetText(nil, "versions", "redis", `a"b\`)
	if want := "[versions]\nredis = \"a\\\"b\\\\\"\n"; string(got) != want || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}
