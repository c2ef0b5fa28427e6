package scenes

import (
	"testing"
	"time"
)

func timed(t *testing.T, what string) func() {
	b := time.Now()
	return func() { t.Logf("TIME %s %v", what, time.Since(b).Round(time.Millisecond)) }
}
