package recipe

import (
	"strings"
	"testing"
)

func TestRisk(t *testing.T) {
	r := &Recipe{Risk: map[string]string{"minor": "high"}}
	for level, want := range map[string]string{"patch": "low", "minor": "high", "major": "high", "": ""} {
		if got := r.RiskOf(level); got != want {
			t.Errorf("%q: %q, want %q", level, got, want)
		}
	}
	for _, c := range []struct{ level, risk, want string }{
		{"minor", "high", ""},
		{"patch", "low", ""},
		{"major", "medium", "the risk of a major update is high at least, not medium"},
		{"huge", "high", `there is no level "huge"`},
		{"minor", "some", `there is no risk "some"`},
	} {
		err := ValidRisk(c.level, c.risk)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %s: %v, want %q", c.level, c.risk, err, c.want)
		}
	}
}
