package release

import (
	"slices"
	"testing"
)

func TestBreaking(t *testing.T) {
	for _, c := range []struct {
		what, notes string
		want        []string
	}{
		{"nothing", "", nil},
		{"a list", "# 2.0\n\n## Breaking Changes\n\n- `foo` is gone\n* bar needs baz\n1. three\n\n## Fixes\n- a leak", []string{"`foo` is gone", "bar needs baz", "three"}},
		{"headings below it", "## Breaking changes ##\n### API\n- gone\nsince long\n# Others\n- here", []string{"gone", "since long"}},
		{"a bold line", "**Breaking changes:**\r\n- gone\r\n**Fixes**\r\n- a leak\r\n", []string{"gone"}},
		{"a line of its own", "- BREAKING CHANGE: gone\n- a fix\n- config is backwards incompatible", []string{"BREAKING CHANGE: gone", "config is backwards incompatible"}},
		{"it says that there are none", "There are no breaking changes.\n- non-breaking cleanup\n## No known breaking changes\n- nothing", nil},
		{"words that only look so", "- groundbreaking speed\n- breakingly fast", nil},
		{"code", "## Breaking changes\n```\n- x\n```\n- gone", []string{"gone"}},
	} {
		if got := Breaking(c.notes); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}
