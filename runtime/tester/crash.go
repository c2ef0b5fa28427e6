package tester

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"regexp"
	goruntime "runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Crash says how tests are killed. Its zero value kills at every point.
type Crash struct {
	Seed   uint64
	Points int    // of a test at most; 0: all. More are a sample by the seed
	Only   *Point // kill at this one alone
	Strict bool   // an effect that waits for an answer is a failure
}

// CrashReport is what became of a test that was killed at its points.
type CrashReport struct {
	Points     int            `json:"points"` // at which it was killed
	All        int            `json:"all"`    // that there are
	NotReached int            `json:"not_reached,omitempty"`
	Waits      []Wait         `json:"waits,omitempty"`
	Failures   []CrashFailure `json:"failures,omitempty"`
	Volatile   []string       `json:"volatile,omitempty"` // things whose content is another one each time
	Shared     string         `json:"shared,omitempty"`   // the write by which points would meet
	Took       time.Duration  `json:"-"`
}

// Wait is an effect about which only a person can tell whether it happened.
type Wait struct {
	Kind        string `json:"kind"`
	Description string `json:"description"`
	Position    string `json:"position"`
	Points      int    `json:"points"` // after which it waited
}

// CrashFailure is what went wrong after a crash; of several, the effect and the
// moment are those of the last.
type CrashFailure struct {
	Point       string       `json:"point"`
	After       string       `json:"after,omitempty"` // point of the crash before
	Kind        string       `json:"kind"`
	Description string       `json:"description"`
	Position    string       `json:"position"`
	Problem     string       `json:"problem"`
	Differences []Difference `json:"differences,omitempty"`
	Reproduce   string       `json:"reproduce"`
	More        int          `json:"more,omitempty"` // points with the same problem
}

// reference is how a test ends that nobody kills.
type reference struct {
	world    Fingerprint
	passed   []passing
	chance   chance
	volatile map[string]bool
	branches bool
	shared   string // the write by which its executions would meet; ""
}

// undisturbed executes the test of r in peace. The result is nil when that fails,
// and r says why.
func (s *Suite) undisturbed(ctx context.Context, r *Result) *reference {
	x, err := s.newTrial(ctx, r.Test, nil)
	if err != nil {
		r.Err = err
		return nil
	}
	defer x.discard(r)
	x.watch = s.Watch
	e := x.execute(ctx, x.start, nil)
	r.Output, r.Unused, r.Effects = e.sink.lines(), e.stage.deck.Unused(), len(e.effects)
	if s.Cover != nil {
		s.Cover.Performed(e.effects)
	}
	if r.Err = verdict(e.cut, e.stage, e.err); r.Err == nil {
		r.Err = e.stage.deck.Missing()
	}
	if r.Err != nil {
		return nil
	}
	ref := &reference{passed: e.watcher.passed, chance: chanceOf(e.watcher.passed, s.Clocks), volatile: map[string]bool{}, shared: e.shared}
	for _, p := range ref.passed {
		ref.branches = ref.branches || strings.Contains(p.Place, ".")
	}
	ref.world, r.Err = x.world.fingerprint(s.Simulations)
	if r.Err != nil {
		return nil
	}
	return ref
}

// discard removes the world, unless it is to be kept.
func (x *trial) discard(r *Result) {
	if x.s.Keep && !x.s.keepsPoint() {
		r.Kept, r.Err = x.world.Dir, errors.Join(r.Err, x.world.Keep())
		return
	}
	if err := x.world.Remove(); err != nil && r.Err == nil {
		r.Status, r.Err = Failed, fault.Wrap(fault.Failed, err, "cannot remove what the test left")
	}
}

// keepsPoint reports whether the world that is kept is that of a crash.
func (s *Suite) keepsPoint() bool { return s.Keep && s.Crash != nil && s.Crash.Only != nil }

// steady executes the test once more, and notes what is another world although
// nothing happened. When that is for the dice, they fall as they did the first time
// from then on; else not, for what they chose may be for one run at a time only,
// such as a port.
func (s *Suite) steady(ctx context.Context, t Test, ref *reference) error {
	differ, err := s.again(ctx, t, ref)
	dice := chanceOf(ref.passed, s.Dice)
	if err == nil && len(differ) > 0 && len(dice) > 0 {
		clocks, before := ref.chance, len(differ)
		ref.chance = maps.Clone(clocks)
		maps.Copy(ref.chance, dice)
		if differ, err = s.again(ctx, t, ref); err == nil && len(differ) == before {
			ref.chance = clocks
		}
	}
	if err != nil || ctx.Err() != nil {
		return err
	}
	for _, d := range differ {
		if d.What != otherContent {
			return fault.New(fault.Failed, "the test leaves another world each time, without a crash: %s", d).
				WithHint("names that are made of the time, or by chance outside of the script, cannot be compared")
		}
		ref.volatile[d.Name] = true
	}
	return nil
}

// doubt looks whether a content that was another one after a crash is another one
// without a crash as well by now: a command may have written the second at which it
// ran. Then there is no failure in it.
func (s *Suite) doubt(ctx context.Context, t Test, ref *reference, results []pointResult) error {
	suspect := func(d Difference) bool { return d.What == otherContent }
	if !slices.ContainsFunc(results, func(p pointResult) bool {
		return p.failure != nil && slices.ContainsFunc(p.failure.Differences, suspect)
	}) {
		return nil
	}
	differ, err := s.again(ctx, t, ref)
	if err != nil {
		return err
	}
	for _, d := range differ {
		if suspect(d) {
			ref.volatile[d.Name] = true
		}
	}
	for i := range results {
		f := results[i].failure
		if f == nil || len(f.Differences) == 0 {
			continue
		}
		f.Differences = slices.DeleteFunc(f.Differences, func(d Difference) bool { return suspect(d) && ref.volatile[d.Name] })
		if len(f.Differences) == 0 {
			results[i].failure = nil
		}
	}
	return nil
}

// again executes the test once more.
func (s *Suite) again(ctx context.Context, t Test, ref *reference) ([]Difference, error) {
	x, err := s.newTrial(ctx, t, ref.chance)
	if err != nil {
		return nil, err
	}
	defer x.world.Remove() //nolint:errcheck // it is in the directory for temporary files
	e := x.execute(ctx, x.start, nil)
	if e.err != nil {
		return nil, fault.Wrap(fault.KindOf(e.err), verdict(e.cut, e.stage, e.err), "the test passes, and then it does not, without a crash")
	}
	now, err := x.world.fingerprint(s.Simulations)
	return now.differences(ref.world, nil, ref.branches), err
}

// crash kills a test at its points.
func (s *Suite) crash(ctx context.Context, r *Result, ref *reference) {
	began := time.Now()
	report := &CrashReport{}
	r.Crash = report
	defer func() { report.Took = time.Since(began) }()
	if r.Err = s.steady(ctx, r.Test, ref); r.Err != nil {
		return
	}
	defer func() { report.Volatile = slices.Sorted(maps.Keys(ref.volatile)) }()
	chosen, err := s.choose(r.Test, ref, report)
	if err != nil {
		r.Err = err
		return
	}
	report.Shared = ref.shared
	jobs := s.jobsAt(ref)
	results := s.eachPoint(ctx, r.Test, "killed at", chosen, jobs, func(p passing) pointResult { return s.killAt(ctx, r.Test, ref, p) })
	if r.Err = s.doubt(ctx, r.Test, ref, results); r.Err != nil {
		return
	}
	waits := map[string]*Wait{}
	for _, p := range results {
		report.Points++
		if p.broken != nil && r.Err == nil {
			r.Err = p.broken
		}
		if s.Keep && p.world != nil {
			r.Kept, r.Err = p.world.Dir, errors.Join(r.Err, p.world.Keep())
		}
		if len(p.deaths) == 0 {
			report.NotReached++
		}
		for _, e := range p.waited {
			report.wait(waits, e)
		}
		if p.failure != nil {
			report.fail(*p.failure)
		}
	}
	if ctx.Err() == nil && r.Err == nil {
		r.Err = meeting(report.verdict(s.Crash.Strict), ref, jobs)
	}
}

// choose takes the points at which to kill.
func (s *Suite) choose(t Test, ref *reference, report *CrashReport) ([]passing, error) {
	all := ref.passed
	report.All = len(all)
	if only := s.Crash.Only; only != nil {
		for _, p := range all {
			if p.Point == *only {
				return []passing{p}, nil
			}
		}
		return nil, fault.New(fault.NotFound, "the test never comes to the point %s", only).
			WithHint("points are %s, and so on to %s", all[0].Point, all[len(all)-1].Point)
	}
	return sample(all, s.Crash.Points, diceOf(s.Crash.Seed, t, "sample")), nil
}

// sample takes at most n of the points; all for 0.
func sample(all []passing, n int, dice *rand.Rand) []passing {
	if n <= 0 || n >= len(all) {
		return all
	}
	order := dice.Perm(len(all))[:n]
	slices.Sort(order)
	chosen := make([]passing, n)
	for i, at := range order {
		chosen[i] = all[at]
	}
	return chosen
}

// diceOf are those of a test and a point: the same for the same seed, whatever else
// is tested.
func diceOf(seed uint64, t Test, point string) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s\x00%s", t, point)
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

type pointResult struct {
	survived
	world   *World
	failure *CrashFailure
	broken  error // what keeps the test from being killed at all
}

// eachPoint calls f for points of a test, several at a time, in any order.
func (s *Suite) eachPoint(ctx context.Context, t Test, doing string, points []passing, jobs int, f func(passing) pointResult) []pointResult {
	results := make([]pointResult, len(points))
	next := make(chan int)
	var workers sync.WaitGroup
	var done atomic.Int64
	for range min(jobs, len(points)) {
		workers.Go(func() {
			for i := range next {
				results[i] = f(points[i])
				if n := done.Add(1); s.Progress != nil {
					s.Progress(t, fmt.Sprintf("%s %d of %d points", doing, n, len(points)))
				}
			}
		})
	}
	for i := range points {
		if ctx.Err() != nil {
			break
		}
		next <- i
	}
	close(next)
	workers.Wait()
	return results
}

func (s *Suite) jobs() int {
	if s.Jobs > 0 {
		return s.Jobs
	}
	return goruntime.NumCPU()
}

// kills are those for a point: it, and for one point of four another one on the
// way from there.
//
// What nobody had waited for is lost before an intent, for else that would be the
// same as after the result before; and it is there after a result, for else that
// would be the same as after the effect.
func (s *Suite) kills(t Test, ref *reference, p Point) []kill {
	dice := diceOf(s.Crash.Seed, t, p.String())
	first := kill{point: p, lose: dice.IntN(2) == 0}
	switch p.Moment {
	case BeforeIntent:
		first.lose = true
	case AfterResult:
		first.lose = false
	}
	if dice.IntN(4) > 0 {
		return []kill{first}
	}
	return []kill{first, {nth: 1 + dice.IntN(len(ref.passed)/2+1), lose: dice.IntN(2) == 0}}
}

// killAt kills the test at a point, has it go on, and looks at what has come of it.
// What two crashes have brought to light is better shown with one.
func (s *Suite) killAt(ctx context.Context, t Test, ref *reference, p passing) pointResult {
	kills := s.kills(t, ref, p.Point)
	r := s.killBy(ctx, t, ref, p, kills)
	if r.failure != nil && len(kills) > 1 {
		other := s.killBy(ctx, t, ref, p, kills[:1])
		if other.failure != nil {
			r, other = other, r
		}
		other.discard()
	}
	if !s.Keep {
		r.discard()
	}
	return r
}

// discard removes the world; what stays of it is in the directory for temporary
// files.
func (r pointResult) discard() {
	if r.world != nil {
		_ = r.world.Remove()
	}
}

func (s *Suite) killBy(ctx context.Context, t Test, ref *reference, p passing, kills []kill) pointResult {
	x, err := s.newTrial(ctx, t, ref.chance)
	if err != nil {
		return pointResult{broken: err}
	}
	r := pointResult{survived: x.survive(ctx, kills), world: x.world}
	first := p.Point
	if n := len(r.deaths); n > 0 {
		p = r.deaths[n-1]
	}
	f := &CrashFailure{
		Point: p.String(), Kind: p.effect.Kind, Description: p.effect.Description, Position: p.effect.Pos,
		Reproduce: fmt.Sprintf("provisioning test --run '^%s$' --crash --seed %d --point %s", quoteRun(t), s.Crash.Seed, first),
	}
	if len(r.deaths) > 1 {
		f.After = first.String()
	}
	now, err := x.world.fingerprint(s.Simulations)
	switch {
	case ctx.Err() != nil:
		return r
	case r.err != nil:
		f.Problem = "it then failed: " + oneLine(verdict(r.cut, r.stage, r.err))
		r.failure = f
	case err != nil:
		r.broken = err
	case len(x.history.twice) > 0:
		e := x.history.twice[0]
		f.Problem = fmt.Sprintf("%s %s was performed twice: %s", e.Kind, e.Description, e.Pos)
		r.failure = f
	default:
		f.Differences = now.differences(ref.world, ref.volatile, ref.branches)
		if len(f.Differences) > 0 {
			f.Problem = "it then left another world than without the crash"
			r.failure = f
		}
	}
	if r.failure != nil && r.secret {
		for i := range f.Differences {
			f.Differences[i].Diff = "" // it may show one
		}
	}
	return r
}

// quoteRun is a test in the regular expression of --run.
func quoteRun(t Test) string { return regexp.QuoteMeta(t.String()) }

func oneLine(err error) string {
	e := fault.As(err)
	if e == nil || len(e.Stack) == 0 {
		return err.Error()
	}
	return fmt.Sprintf("%s: %s", e.Stack[0], e.Error())
}
