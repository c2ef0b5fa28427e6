package recipe

import (
	"math"
	"strconv"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

var units = []struct {
	suffix string
	factor float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1},
}

// Bytes reads a size such as "512MiB" or "10GB"; "" is 0.
func Bytes(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	for _, u := range units {
		if number, ok := strings.CutSuffix(text, u.suffix); ok {
			n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
			if err == nil && n >= 0 && n*u.factor < math.MaxInt64 {
				return int64(n * u.factor), nil
			}
			break
		}
	}
	return 0, fault.New(fault.Invalid, "cannot read the size %q", text).WithHint(`a size is a number and a unit, such as "512MiB" or "10GB"`)
}
