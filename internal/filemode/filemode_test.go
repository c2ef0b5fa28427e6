package filemode

import (
	"testing"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

func TestCheck(t *testing.T) {
	for _, good := range []int{0, 0o600, 0o644, 0o755, 0o1777, 0o4755, 0o7777} {
		if err := Check(good); err != nil {
			t.Errorf("%#o: %v", good, err)
		}
	}
	for mode, hint := range map[int]string{
		644: "write it in octal: 0o644", 755: "write it in octal: 0o755", 4755: "write it in octal: 0o4755",
		-1: "write permission bits in octal, as 0o640", 0o10000: "write permission bits in octal, as 0o640",
	} {
		if e := fault.As(Check(mode)); e == nil || e.Hint != hint {
			t.Errorf("%d: %v, and not the hint %q", mode, e, hint)
		}
	}
}
