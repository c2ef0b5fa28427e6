package machine_test

import (
	"testing"

	"github.com/provisioning-systems/provisioning/internal/machine"
)

// TestPortable says which lines any POSIX shell may read instead of sh.
func TestPortable(t *testing.T) {
	for line, want := range map[string]bool{
		"uname": true, "uname -a": true, "/usr/bin/env a 'b c' 'x=1'": true, "env 'a;b' '$x' '`y`'": true,
		"": false, "echo a": false, "true": false, "if true": false, "uname; id": false, "uname $x": false, "a=b uname": false,
		"env 'a\nb'": false, "env 'it'\\''s'": false, "'un'ame": false, "env *": false, "env ~x": false, "uname > x": false, "env 'open": false, "! uname": false,
	} {
		if portable, ok := machine.Portable(line); ok != want || portable != "exec "+line {
			t.Errorf("%q: %q, %t", line, portable, ok)
		}
	}
}
