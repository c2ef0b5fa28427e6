package tomledit

import (
	"strings"
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

// TestText: what a text has in it does not end it.
func TestText(t *testing.T) {
	got, err := SetText(nil, "versions", "redis", `a"b\`)
	if want := "[versions]\nredis = \"a\\\"b\\\\\"\n"; string(got) != want || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}
