package time

import (
	"strings"
	"testing"

	"github.com/provisioning-systems/provisioning/builtins/builtintest"
	"github.com/provisioning-systems/provisioning/internal/fault"
)

func TestValues(t *testing.T) {
	for script, want := range map[string]string{
		`time.parse("2026-11-21T10:00:00Z").unix`:                             "1795255200",
		`time.parse("2026-11-21T10:00:00+01:00", "rfc3339").hour`:             "10",
		`time.parse("2026-11-21", "date").month`:                              "11",
		`time.parse("2026-07-01 12:00:00", "datetime", "Europe/Madrid").unix`: "1782900000",
		`time.parse("21.11.26", format = "02.01.06").day`:                     "21",
		`time.duration("1h30m").minutes`:                                      "90.0",
		`time.duration("2d") == 48 * time.hour`:                               "True",
		`time.from_timestamp(1700000000, 5).nanosecond`:                       "5",
		`time.from_timestamp(0).year`:                                         "1970",
		`[time.zero, time.millisecond, time.second, time.minute]`:             "[0s, 1ms, 1s, 1m0s]",
		`time.now() - time.now() < time.second`:                               "True",
		`time.since(time.from_timestamp(0)) > time.hour`:                      "True",
		`str(time.now()).endswith(" +0000 UTC")`:                              "True",
	} {
		if got := builtintest.New(t, Module).Eval("got = " + script); got != want {
			t.Errorf("%s: %s, want %s", script, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for script, want := range map[string]string{
		`time.parse("x")`:                         `cannot read the time "x" as "2006-01-02T15:04:05Z07:00": "x" is not "2006"`,
		`time.parse("2026-02-30", "date")`:        "day out of range",
		`time.parse("x", location = "Nowhere/X")`: `there is no time zone "Nowhere/X"`,
		`time.parse("x", location = "Local")`:     "must be the name of a time zone",
		`time.parse(1)`:                           `the argument "text" must be a string`,
		`time.parse("x", formt = "")`:             `did you mean "format"?`,
		`time.duration("5")`:                      "must be a duration",
		`time.from_timestamp(1 << 60)`:            "out of range",
		`time.from_timestamp(0, -1)`:              "nanoseconds must be",
		`time.since("x")`:                         "must be a time",
	} {
		_, err := builtintest.New(t, Module).Exec(script)
		if err == nil || !strings.Contains(err.Error(), want) || !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", script, err)
		}
	}
}

func TestClockIsAnEffect(t *testing.T) {
	f := builtintest.New(t, Module)
	f.Run.Check = true // reads are performed in check mode too
	_, err := f.Exec("got = time.now().unix\nx = time.since(time.now())\ny = time.parse(\"2026-11-21\", \"date\")")
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Calls) != 3 { // now, now, since; parse is none
		t.Errorf("%d effects", len(f.Calls))
	}
}
