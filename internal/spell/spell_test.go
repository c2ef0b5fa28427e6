package spell_test

import (
	"testing"

	"github.com/provisioning-systems/provisioning/internal/spell"
)

func TestNearest(t *testing.T) {
	names := []string{"read", "write", "remove", "max_bytes", "description", "_timeout", "on_error"}
	tests := []struct{ given, want, why string }{
		{"raed", "read", "two letters swapped"},
		{"wirte", "write", "two letters swapped"},
		{"erad", "read", "the first two swapped"},
		{"reda", "read", "the last two swapped"},
		{"read", "read", "the name itself"},
		{"raad", "read", "one letter replaced"},
		{"reads", "read", "one too many"},
		{"wite", "write", "one too few"},
		{"READ", "read", "other case"},
		{"maxBytes", "max_bytes", "other case and no underscore"},
		{"max-bytes", "max_bytes", "a dash"},
		{"timeout", "_timeout", "without its underscore"},
		{"descritpoin", "description", "two swaps in a long word"},
		{"dear", "", "too many changes in a short word"},
		{"delete", "", "another word"},
		{"", "", "nothing"},
	}
	for _, test := range tests {
		if got := spell.Nearest(test.given, names); got != test.want {
			t.Errorf("Nearest(%q) = %q, want %q: %s", test.given, got, test.want, test.why)
		}
	}
	if got := spell.Nearest("x", nil); got != "" {
		t.Errorf("of no candidates %q is the nearest", got)
	}
	if got := spell.Nearest("stat", []string{"star", "start", "stat"}); got != "stat" {
		t.Errorf("%q is nearer than the name itself", got)
	}
}
