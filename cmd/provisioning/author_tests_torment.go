package main

import (
	"cmp"
	"time"

	"github.com/spf13/pflag"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/console"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/tester"
)

// tormentFlags are those of test --crash and test --undo.
type tormentFlags struct {
	crash   bool
	undo    bool
	strict  bool
	seed    uint64
	points  int
	point   string
	undoMin int
}

// standardPoints bounds how long a test with very many effects takes.
const standardPoints = 1000

func (f *tormentFlags) define(fs *pflag.FlagSet) {
	fs.BoolVar(&f.crash, "crash", false, "kill each test at every moment of every effect, and resume it")
	fs.BoolVar(&f.undo, "undo", false, "roll each test back from each of its writes")
	fs.Uint64Var(&f.seed, "seed", 1, "of the dice of --crash and --undo: with the same one they do the same")
	fs.IntVar(&f.points, "points", standardPoints, "points of a test to kill at, and to roll back from, at most; --seed chooses them; 0: all")
	fs.StringVar(&f.point, "point", "", "the one point to kill at, or to roll back from, as a failure names it")
	fs.BoolVar(&f.strict, "strict", false, "with --crash: an effect that only a person can settle is a failure")
	fs.IntVar(&f.undoMin, "undo-min", 100, "percentage of the writes that --undo has to find taken back")
}

// parse makes what the suite has to know; nil for what was not asked for.
func (f *tormentFlags) parse() (*tester.Crash, *tester.Undo, error) {
	var only *tester.Point
	if f.point != "" {
		p, err := tester.ParsePoint(f.point)
		if err != nil {
			return nil, nil, err
		}
		only = &p
	}
	switch {
	case f.point != "" && f.crash == f.undo:
		return nil, nil, fault.New(fault.Usage, "--point goes with one of --crash and --undo")
	case f.strict && !f.crash:
		return nil, nil, fault.New(fault.Usage, "--strict goes with --crash")
	case f.points < 0:
		return nil, nil, fault.New(fault.Usage, "--points must not be negative")
	case f.undoMin < 0 || f.undoMin > 100:
		return nil, nil, fault.New(fault.Usage, "--undo-min is a percentage, from 0 to 100")
	}
	var crash *tester.Crash
	var undo *tester.Undo
	if f.crash {
		crash = &tester.Crash{Seed: f.seed, Points: f.points, Only: only, Strict: f.strict}
	}
	if f.undo {
		undo = &tester.Undo{Seed: f.seed, Points: f.points, Only: only, Least: f.undoMin}
	}
	return crash, undo, nil
}

// undoRecord is what programs see of an UndoReport.
type undoRecord struct {
	*tester.UndoReport
	Coverage int `json:"coverage"`
}

func recordOfUndo(r *tester.UndoReport) *undoRecord {
	if r == nil {
		return nil
	}
	return &undoRecord{r, r.Coverage()}
}

// printTorment tells what is no failure, but worth knowing, of a test that was
// killed and rolled back.
func (a *app) printTorment(r tester.Result) {
	if c := r.Crash; c != nil && r.Err == nil {
		for _, w := range c.Waits {
			a.console.Print("%s: %s %s waits for an answer after a crash (%s)", w.Position, w.Kind, console.Visible(w.Description), count(w.Points, "point"))
		}
	}
	if c := r.Crash; c != nil && c.Points > 0 && a.console.Verbose {
		for _, name := range c.Volatile {
			a.console.Print("    %s has another content each time; it was not compared", console.Visible(name))
		}
	}
	a.printShared(r)
	if u := r.Undo; u != nil && r.Err == nil {
		for _, s := range u.Stays {
			a.console.Print("%s: %s %s stays: %s", s.Position, s.Kind, console.Visible(s.Description), console.Visible(s.Why))
			for _, d := range s.Differences {
				a.console.Print("    %s", console.Visible(d.String()))
			}
		}
		if a.console.Verbose {
			for _, s := range u.Unseen {
				a.console.Print("%s: %s %s has no undo, and left nothing in the workspace", s.Position, s.Kind, console.Visible(s.Description))
			}
		}
	}
}

// printShared says why the points of a test came one after the other.
func (a *app) printShared(r tester.Result) {
	shared := ""
	if r.Crash != nil {
		shared = r.Crash.Shared
	}
	if r.Undo != nil {
		shared = cmp.Or(shared, r.Undo.Shared)
	}
	if shared != "" && a.console.Verbose {
		a.console.Print("    all points change the same thing: %s", console.Visible(shared))
	}
}

// printTormentSummary prints a line for each kind of torment.
func (a *app) printTormentSummary(f *testFlags, results []tester.Result) {
	var crash, undo struct {
		tests, points, all, failures, notReached, waits, unseen, writes, back int
		took                                                                  time.Duration
	}
	for _, r := range results {
		if c := r.Crash; c != nil {
			crash.tests++
			crash.points, crash.all, crash.failures = crash.points+c.Points, crash.all+c.All, crash.failures+c.Failed()
			crash.notReached, crash.waits, crash.took = crash.notReached+c.NotReached, crash.waits+len(c.Waits), crash.took+c.Took
		}
		if u := r.Undo; u != nil {
			undo.tests++
			undo.points, undo.all = undo.points+u.Prefixes, undo.all+u.All
			undo.writes, undo.back, undo.unseen = undo.writes+u.Writes, undo.back+u.Back, undo.unseen+len(u.Unseen)
			undo.took += u.Took
		}
	}
	if f.torment.crash && f.torment.point == "" && crash.points < crash.all {
		a.console.Print("crash: a sample of %d of %s; --seed %d chose it, and --points 0 takes all", crash.points, count(crash.all, "point"), f.torment.seed)
	}
	if f.torment.undo && f.torment.point == "" && undo.points < undo.all {
		a.console.Print("undo: a sample of %d of %s; --seed %d chose it, and --points 0 takes all", undo.points, count(undo.all, "rollback"), f.torment.seed)
	}
	if crash.notReached > 0 {
		a.console.Print("crash: %s not reached again: the tests do not always do the same", count(crash.notReached, "point"))
	}
	if f.torment.crash {
		a.console.Print("crash: %s, %s, %s, %s, %s", count(crash.tests, "test"), count(crash.points, "point"), count(crash.failures, "failure"),
			count(crash.waits, "effect")+" that can wait for an answer", roughly(crash.took))
	}
	if f.torment.undo {
		coverage := (&tester.UndoReport{Writes: undo.writes, Back: undo.back}).Coverage()
		a.console.Print("undo: %s, %s, coverage %d%% (%d of %s), %d without an undo left nothing here, %s", count(undo.tests, "test"),
			count(undo.points, "rollback"), coverage, undo.back, count(undo.writes, "write"), undo.unseen, roughly(undo.took))
	}
}

func roughly(d time.Duration) string { return duration.Short(d.Round(100 * time.Millisecond)) }
