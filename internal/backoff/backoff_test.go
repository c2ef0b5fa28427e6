package backoff_test

import (
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/internal/backoff"
)

func TestPause(t *testing.T) {
	const ms = time.Millisecond
	tests := map[string][]time.Duration{
		"exponential": {100, 200, 400, 800, 1600, 2000, 2000},
		"linear":      {100, 200, 300, 400, 500, 600, 700},
		"fibonacci":   {100, 100, 200, 300, 500, 800, 1300},
		"constant":    {100, 100, 100, 100, 100, 100, 100},
	}
	if len(tests) != len(backoff.Names()) {
		t.Error("a curve has no test")
	}
	for name, want := range tests {
		c := backoff.Curve{Name: name, Initial: 100 * ms, Factor: 2, Max: 2 * time.Second}
		if err := c.Check(); err != nil {
			t.Error(err)
		}
		for i, w := range want {
			if got := c.Pause(i + 1); got != w*ms {
				t.Errorf("%s: pause %d is %s, want %s", name, i+1, got, w*ms)
			}
		}
		if got := c.Pause(1 << 30); got > c.Max || got <= 0 {
			t.Errorf("%s: the pause after very many attempts is %s", name, got)
		}
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]backoff.Curve{
		"no name": {Factor: 1}, "another name": {Name: "quadratic", Factor: 1}, "negative": {Name: "linear", Initial: -1, Factor: 1},
		"shrinking": {Name: "exponential", Factor: 0.5},
	} {
		if c.Check() == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
