// Package duration reads and writes durations as scripts and settings have them.
package duration

import (
	"fmt"
	"strings"
	"time"
)

// Parse reads "90s", "1h30m", "1.5h", "250ms", and also "30min", "1hr", "3600sec"
// and days, "2d". A number without a unit is an error.
func Parse(s string) (time.Duration, error) {
	text, negative := strings.CutPrefix(strings.ReplaceAll(strings.TrimSpace(s), " ", ""), "-")
	d, ok := parse(strings.NewReplacer("min", "m", "hr", "h", "sec", "s").Replace(text))
	if !ok || strings.HasPrefix(text, "-") {
		return 0, bad(s)
	}
	if negative {
		d = -d
	}
	return d, nil
}

// parse reads what Go reads, and days before it.
func parse(text string) (time.Duration, bool) {
	number, rest, ok := strings.Cut(text, "d")
	if !ok {
		d, err := time.ParseDuration(text)
		return d, err == nil
	}
	days, err := time.ParseDuration(number + "h")
	if err != nil || strings.Trim(number, "0123456789.") != "" || days > 100_000*time.Hour {
		return 0, false
	}
	d := 24 * days
	if rest == "" {
		return d, true
	}
	more, err := time.ParseDuration(rest)
	return d + more, err == nil && rest[0] != '-' && d+more >= d
}

func bad(s string) error {
	return fmt.Errorf("must be a duration such as \"90s\" or \"1h30m\", not %q", s)
}

// Short writes d for people: two units at most, "1.2s", "3m05s", "2d4h".
func Short(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + Short(max(-d, -(d+1))) // the least one has no opposite
	case d < time.Millisecond:
		return fmt.Sprintf("%dµs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}
