// Package backoff is the curves by which pauses between attempts grow.
package backoff

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// curves give the pause after attempt n, from 1 on, as a multiple of the first one.
var curves = map[string]func(n int, factor float64) float64{
	"exponential": func(n int, factor float64) float64 { return math.Pow(factor, float64(n-1)) },
	"linear":      func(n int, _ float64) float64 { return float64(n) },
	"constant":    func(int, float64) float64 { return 1 },
	"fibonacci": func(n int, _ float64) float64 {
		a, b := 1.0, 1.0
		for range min(n-1, 1500) { // beyond that a float64 has no room
			a, b = b, a+b
		}
		return a
	},
}

// Names are the curves.
func Names() []string {
	return []string{"exponential", "linear", "fibonacci", "constant"}
}

// Curve is how pauses grow.
type Curve struct {
	Name    string        // one of Names
	Initial time.Duration // the first pause
	Factor  float64       // by which exponential pauses grow
	Max     time.Duration // the longest pause
}

// Check refuses a curve that there is not.
func (c Curve) Check() error {
	if !slices.Contains(Names(), c.Name) {
		return fault.New(fault.Invalid, "there is no curve %q; curves are %s", c.Name, strings.Join(Names(), ", "))
	}
	if c.Initial < 0 || c.Max < 0 || c.Factor < 1 {
		return fault.New(fault.Invalid, "pauses must not be negative, and their factor 1 or more")
	}
	return nil
}

// Pause is the time after attempt n, from 1 on. There is no chance in it.
func (c Curve) Pause(n int) time.Duration {
	d := float64(c.Initial) * curves[c.Name](n, c.Factor)
	return time.Duration(min(d, float64(c.Max)))
}
