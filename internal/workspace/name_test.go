package workspace_test

import (
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/internal/workspace"
)

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "web-1": true, "git_tools": true, "a" + strings.Repeat("0", 62): true,
		"": false, "1a": false, "-a": false, "A": false, "aB": false, "a.b": false, "a/b": false, "ä": false, "a\n": false,
		"a" + strings.Repeat("0", 63): false,
	} {
		if got := workspace.ValidName(name); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}
