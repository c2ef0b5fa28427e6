package duration_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/provisioning-systems/provisioning/runtime/duration"
)

func TestParse(t *testing.T) {
	tests := []struct {
		text string
		want time.Duration
	}{
		{"90s", 90 * time.Second},
		{"1h30m", 90 * time.Minute},
		{"1.5h", 90 * time.Minute},
		{"250ms", 250 * time.Millisecond},
		{"30min", 30 * time.Minute},
		{"1hr", time.Hour},
		{"3600sec", time.Hour},
		{"1hr30min10sec", time.Hour + 30*time.Minute + 10*time.Second},
		{"2d", 48 * time.Hour},
		{"2d4h", 52 * time.Hour},
		{"0.5d", 12 * time.Hour},
		{" 1h 30m ", 90 * time.Minute},
		{"0", 0},
		{"0s", 0},
		{"-5s", -5 * time.Second},
		{"-2d4h", -52 * time.Hour},
		{"100000d", 2_400_000 * time.Hour},
	}
	for _, test := range tests {
		if got, err := duration.Parse(test.text); err != nil || got != test.want {
			t.Errorf("Parse(%q) = %v, %v; want %v", test.text, got, err, test.want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{"", " ", "5", "s", "d", "5x", "1d2d", "1h2d", "1h30m2d", "2d-4h", "--5s", "1e3d", "Infd", "NaNd",
		"100001d", "-100001d", "-200000d", "100000d1000000h", "9999999999h", "2days", "five minutes"} {
		if d, err := duration.Parse(text); err == nil || !strings.Contains(err.Error(), "must be a duration such as") {
			t.Errorf("Parse(%q) = %v, %v", text, d, err)
		}
	}
}

func TestShort(t *testing.T) {
	tests := []struct {
		d    time.Duration
		want string
	}{
		{0, "0µs"},
		{1500 * time.Nanosecond, "1µs"},
		{250 * time.Millisecond, "250ms"},
		{1200 * time.Millisecond, "1.2s"},
		{3*time.Minute + 5*time.Second, "3m05s"},
		{2*time.Hour + 4*time.Minute, "2h04m"},
		{52 * time.Hour, "2d4h"},
		{-90 * time.Second, "-1m30s"},
		{math.MinInt64, "-106751d23h"},
		{math.MaxInt64, "106751d23h"},
	}
	for _, test := range tests {
		if got := duration.Short(test.d); got != test.want {
			t.Errorf("Short(%d) = %q, want %q", test.d, got, test.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"90s", "1h30m", "2d4h", "-2d", "30min", "1.5hr", "5", "d", "1e9d"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := duration.Parse(text)
		if err != nil {
			return
		}
		if back, err := duration.Parse(d.String()); err != nil || back != d {
			t.Errorf("%q is %v, which reads as %v, %v", text, d, back, err)
		}
		opposite, err := duration.Parse("-" + strings.TrimSpace(text))
		if err == nil && opposite != -d {
			t.Errorf("%q is %v, but its opposite is %v", text, d, opposite)
		}
		if duration.Short(d) == "" {
			t.Errorf("Short(%d) is empty", d)
		}
	})
}
