package textdiff

import (
	"strings"
	"testing"
)

func TestUnified(t *testing.T) {
	for _, c := range []struct {
		name, before, after string
		opts                Options
		want                string
	}{
		{"equal", "a\n", "a\n", Options{}, ""},
		{"changed", "a\nb\nc\n", "a\nx\nc\n", Options{}, "--- f\n+++ f\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"},
		{"from nothing", "", "a\n", Options{}, "--- f\n+++ f\n@@ -1,0 +1,1 @@\n+a\n"},
		{"hidden", "secret\n", "", Options{HideOld: true}, "--- f\n+++ f\n@@ -1,1 +1,0 @@\n-«not shown: the file holds secrets»\n"},
		{"limited", "", "a\nb\nc\n", Options{Limit: 1}, "--- f\n+++ f\n@@ -1,0 +1,3 @@\n+a\n... 2 more lines\n"},
	} {
		if got := Unified("f", c.before, c.after, c.opts); got != c.want {
			t.Errorf("%s:\n%s", c.name, got)
		}
	}
}

// TestFarChangesAreTwoHunks: the lines between them are counted, not shown.
func TestFarChangesAreTwoHunks(t *testing.T) {
	same := strings.Repeat("=\n", 20)
	got := Unified("f", "a\n"+same+"b\n", "A\n"+same+"B\n", Options{})
	if !strings.Contains(got, "@@ -1,4 +1,4 @@") || !strings.Contains(got, "@@ -19,4 +19,4 @@") {
		t.Error(got)
	}
}
