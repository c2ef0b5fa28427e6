// Package time is the module time: points in time and durations. What reads the
// clock is an effect, so that a resumed run sees the times that it saw before.
package time

import (
	gotime "time"
	_ "time/tzdata" // time zones also where the system has none

	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/module"
)

// Module is the module time.
var Module = module.New("time", `Points in time and durations.

Times have the attributes year, month, day, hour, minute, second, nanosecond,
unix and unix_nano, and the methods format(layout) and in_location(name).
Durations have the attributes hours, minutes, seconds, milliseconds,
microseconds and nanoseconds. time - time is a duration, time + duration a time.`)

var (
	_ = constant("zero", "No time at all.", 0)
	_ = constant("millisecond", "A thousandth of a second.", gotime.Millisecond)
	_ = constant("second", "One second: 90 * time.second is a minute and a half.", gotime.Second)
	_ = constant("minute", "Sixty seconds.", gotime.Minute)
	_ = constant("hour", "Sixty minutes.", gotime.Hour)
)

func constant(name, doc string, d gotime.Duration) module.Fact {
	return Module.Fact(name, doc, func(*effect.Run) any { return d })
}
