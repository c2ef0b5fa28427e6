// Package schedule begins runs at times: by cron expressions, or at intervals. What a
// schedule is, and which times it means, is the same on every engine; package temporal
// gives it to the server, and [Keeper] does the work on this machine. A test asks a
// server whether it means the same times.
//
// Cron expressions are read by the clock on the wall of a time zone. A time that the
// clock leaves out, when summer time begins, is left out; one that it shows twice, when
// summer time ends, counts twice. Intervals are counted from the beginning of 1970 in
// UTC, so they do not depend on when a schedule was made.
package schedule

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // a schedule means the same on machines without time zones

	"github.com/adhocore/gronx"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
)

// Overlap says what happens when a run is to begin while another one of the schedule
// goes on.
type Overlap string

const (
	Skip   Overlap = "skip"   // nothing: the time is left out
	Queue  Overlap = "queue"  // it begins when the other one has ended; one waits at most
	Cancel Overlap = "cancel" // the other one is cancelled, and it begins then
	Allow  Overlap = "allow"  // it begins
)

// Overlaps are those that there are.
var Overlaps = []string{string(Skip), string(Queue), string(Cancel), string(Allow)}

// Spec says when runs begin.
type Spec struct {
	Cron    string        `json:"cron,omitempty"` // five fields, or a name such as @daily
	Every   time.Duration `json:"every,omitempty"`
	Zone    string        `json:"zone,omitempty"` // of Cron; "": UTC
	Overlap Overlap       `json:"overlap,omitempty"`
	CatchUp time.Duration `json:"catch_up,omitempty"` // how late a run may begin that nothing was there to begin
	Jitter  time.Duration `json:"jitter,omitempty"`   // runs begin later by up to that
}

const (
	standardCatchUp = time.Hour
	// leastCatchUp is also how late a run begins on a machine that is busy.
	leastCatchUp = 10 * time.Second
	leastEvery   = time.Second
)

// names are the short forms of expressions.
var names = map[string]string{
	"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
	"@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}

// Complete finds mistakes, and fills in the defaults.
func (s Spec) Complete(now time.Time) (Spec, error) {
	if s.Overlap == "" {
		s.Overlap = Skip
	}
	if s.CatchUp == 0 {
		s.CatchUp = standardCatchUp
	}
	switch {
	case !slices.Contains(Overlaps, string(s.Overlap)):
		e := fault.New(fault.Usage, "--overlap must be one of %s, not %q", strings.Join(Overlaps, ", "), s.Overlap)
		if near := spell.Nearest(string(s.Overlap), Overlaps); near != "" {
			e.Msg += " (did you mean " + near + "?)"
		}
		return s, e
	case s.CatchUp < leastCatchUp:
		return s, fault.New(fault.Usage, "--catch-up must be %s or more: a busy machine is late as well", leastCatchUp)
	case s.Jitter < 0:
		return s, fault.New(fault.Usage, "--jitter must not be negative")
	case (s.Cron == "") == (s.Every == 0):
		return s, fault.New(fault.Usage, "a schedule needs either --cron or --every").
			WithHint("for example --cron \"0 2 * * *\" for two o'clock each night, or --every 90s")
	case s.Every != 0 && s.Every < leastEvery, s.Every%time.Second != 0:
		return s, fault.New(fault.Usage, "--every must be whole seconds, one or more")
	case s.Every != 0 && s.Zone != "":
		return s, fault.New(fault.Usage, "--timezone belongs to --cron: intervals are the same everywhere")
	}
	return s, s.readable(now)
}

// readable finds mistakes in the expression and the time zone.
func (s Spec) readable(now time.Time) error {
	if _, err := s.zone(); err != nil {
		e := fault.New(fault.Usage, "there is no time zone %q", s.Zone).WithHint("zones have names such as Europe/Vienna, America/New_York or UTC")
		if near := spell.Nearest(s.Zone, zones); near != "" {
			e.Msg += " (did you mean " + near + "?)"
		}
		return e
	}
	if s.Cron == "" {
		return nil
	}
	if err := checkCron(s.Cron); err != nil {
		return err
	}
	if s.Next(now).IsZero() {
		return badCron(s.Cron, "no such time comes")
	}
	return nil
}

// zones are some that a misspelt one is compared with.
var zones = []string{
	"UTC", "Europe/Vienna", "Europe/Berlin", "Europe/London", "Europe/Paris", "Europe/Madrid", "Europe/Rome", "Europe/Zurich", "Europe/Amsterdam",
	"Europe/Warsaw", "Europe/Prague", "Europe/Stockholm", "Europe/Helsinki", "Europe/Lisbon", "Europe/Athens", "America/New_York", "America/Chicago",
	"America/Denver", "America/Los_Angeles", "America/Sao_Paulo", "America/Toronto", "Asia/Tokyo", "Asia/Singapore", "Asia/Kolkata", "Asia/Shanghai",
	"Asia/Dubai", "Australia/Sydney", "Pacific/Auckland", "Africa/Johannesburg", "Africa/Cairo",
}

func (s Spec) zone() (*time.Location, error) {
	if s.Zone == "Local" { // that of each machine is another one
		return nil, strconv.ErrSyntax
	}
	return time.LoadLocation(s.Zone)
}

// field is one of the five of an expression.
type field struct {
	name     string
	min, max int
	words    []string // that stand for min, and those after it
}

var fields = []field{
	{"minute", 0, 59, nil}, {"hour", 0, 23, nil}, {"day of the month", 1, 31, nil},
	{"month", 1, 12, []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"}},
	{"day of the week", 0, 7, []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}},
}

// checkCron finds what is wrong with an expression. Only what all engines take in the
// same way is allowed.
func checkCron(text string) error {
	if strings.HasPrefix(text, "@") {
		if names[text] == "" {
			return badCron(text, "there is no such name: there are @hourly, @daily, @weekly, @monthly and @yearly")
		}
		return nil
	}
	parts := strings.Fields(text)
	if len(parts) != len(fields) {
		return badCron(text, "it has "+strconv.Itoa(len(parts))+" fields, not 5")
	}
	for i, f := range fields {
		for item := range strings.SplitSeq(parts[i], ",") {
			if why := f.check(item); why != "" {
				return badCron(text, "the "+f.name+" "+strconv.Quote(item)+" "+why)
			}
		}
	}
	return nil
}

// check returns what is wrong with an item of the field: *, N, N-M, each with /STEP.
func (f field) check(item string) string {
	span, step, stepped := strings.Cut(item, "/")
	if n, err := strconv.Atoi(step); stepped && (err != nil || n < 1 || n > f.max) {
		return "has a step that is not a number from 1 to " + strconv.Itoa(f.max)
	}
	if span == "*" {
		return ""
	}
	from, to, ranged := strings.Cut(span, "-")
	a, ok := f.value(from)
	if !ok {
		return f.bounds()
	}
	if stepped && !ranged {
		return "has a step, but neither * nor a range before it"
	}
	if !ranged {
		return ""
	}
	if b, ok := f.value(to); !ok {
		return f.bounds()
	} else if b < a {
		return "is a range that ends before it begins"
	}
	return ""
}

func (f field) bounds() string {
	return "is not from " + strconv.Itoa(f.min) + " to " + strconv.Itoa(f.max)
}

func (f field) value(text string) (int, bool) {
	if i := slices.Index(f.words, strings.ToUpper(text)); i >= 0 {
		return f.min + i, true
	}
	n, err := strconv.Atoi(text)
	return n, err == nil && text[0] != '+' && n >= f.min && n <= f.max
}

func badCron(text, why string) error {
	return fault.New(fault.Usage, "the cron expression %q is not valid: %s", text, why).
		WithHint("the fields are minute, hour, day of the month, month, day of the week: \"0 2 * * *\" is two o'clock each night, \"*/10 8-17 * * MON-FRI\" every ten minutes of office hours")
}

// expression is the cron expression with its five fields.
func (s Spec) expression() string {
	if full := names[s.Cron]; full != "" {
		return full
	}
	return strings.ToUpper(strings.Join(strings.Fields(s.Cron), " "))
}

// Crons are expressions for engines that want all fields to be met: together they mean
// what the one of the schedule means. As cron always had it, of a day of the month and a
// day of the week that are both given, one is enough.
func (s Spec) Crons() []string {
	if s.Cron == "" {
		return nil
	}
	parts := strings.Fields(s.expression())
	if strings.HasPrefix(parts[2], "*") || strings.HasPrefix(parts[4], "*") {
		return []string{strings.Join(parts, " ")}
	}
	byMonth, byWeek := slices.Clone(parts), slices.Clone(parts)
	byMonth[4], byWeek[2] = "*", "*"
	return []string{strings.Join(byMonth, " "), strings.Join(byWeek, " ")}
}

// Next returns the first time after another one, without jitter; zero where none comes.
func (s Spec) Next(after time.Time) time.Time {
	if s.Every != 0 {
		return time.Unix(0, 0).Add(after.Sub(time.Unix(0, 0)).Truncate(s.Every) + s.Every)
	}
	zone, err := s.zone()
	if err != nil {
		return time.Time{}
	}
	next := time.Time{}
	for _, expr := range s.Crons() {
		if t := nextIn(expr, after.In(zone)); next.IsZero() || !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	return next
}

// clockChanges is how many changes of the clock are gone through until it is given up:
// a 29th of February may be eight years away.
const clockChanges = 40

// nextIn returns the first time after another one at which the clock on the wall of its
// zone meets an expression. Between two changes of that clock it goes on evenly, so
// these stretches are looked through one after the other.
func nextIn(expr string, after time.Time) time.Time {
	wall, inclusive := onWall(after), false
	for range clockChanges {
		_, change := after.ZoneBounds()
		_, offset := after.Zone()
		tick, err := gronx.NextTickAfter(expr, wall, inclusive)
		if err != nil {
			return time.Time{}
		}
		t := tick.Add(-time.Duration(offset) * time.Second).In(after.Location())
		if change.IsZero() || t.Before(change) {
			return t
		}
		after, wall, inclusive = change, onWall(change), true
	}
	return time.Time{}
}

// onWall is what the clock shows at t, as a time in UTC.
func onWall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// Begin is when a run begins that is due at a time: later by a part of the jitter, which
// is always the same for that time, but before the next one.
func (s Spec) Begin(name string, due time.Time) time.Time {
	within := s.Jitter
	if next := s.Next(due); !next.IsZero() {
		within = min(within, next.Sub(due))
	}
	if within <= 0 {
		return due
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name + due.UTC().Format(time.RFC3339))) // never fails
	return due.Add(time.Duration(h.Sum64() % uint64(within)))
}

// Due is what has come of a schedule.
type Due struct {
	At   time.Time // the last time that has come; zero for none
	Late bool      // nothing was there to begin it, and now it is too late
}

// Due returns what has come by now since it was looked at last.
func (s Spec) Due(name string, since, now time.Time) Due {
	var d Due
	from := since
	if bound := now.Add(-s.CatchUp - s.Jitter); bound.After(from) {
		if first := s.Next(from); !first.IsZero() && !first.After(bound) {
			d = Due{At: first, Late: true}
		}
		from = bound
	}
	for t := s.Next(from); !t.IsZero() && !t.After(now); t = s.Next(t) {
		if begin := s.Begin(name, t); !begin.After(now) {
			d = Due{At: t, Late: now.Sub(begin) > s.CatchUp}
		}
	}
	return d
}

// Wake returns when the next run begins of a schedule that was looked at until a time.
func (s Spec) Wake(name string, since time.Time) time.Time {
	next := s.Next(since)
	if next.IsZero() {
		return next
	}
	return s.Begin(name, next)
}

// Step is what is done about a time that has come.
type Step string

const (
	StepBegin  Step = "begin"
	StepSkip   Step = "skip"
	StepQueue  Step = "queue"
	StepCancel Step = "cancel" // those that go on, and begin then
)

// Meet decides what is done while other runs of the schedule go on, or wait to begin.
func (o Overlap) Meet(going, queued int) Step {
	switch {
	case going == 0 && queued == 0 || o == Allow:
		return StepBegin
	case o == Cancel:
		return StepCancel
	case o == Queue && queued == 0:
		return StepQueue
	}
	return StepSkip
}

// Location is the time zone that people think of it in.
func (s Spec) Location() *time.Location {
	if zone, err := s.zone(); err == nil {
		return zone
	}
	return time.UTC
}
