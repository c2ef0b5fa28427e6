package tester

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// Undo says how tests are rolled back.
type Undo struct {
	Seed   uint64
	Points int    // of a test to go back from at most, besides its end; 0: all. More are a sample by the seed
	Only   *Point // go back from this one alone
	Least  int    // percentage of the writes that have to be taken back
}

// UndoReport is what rollbacks of a test from each of its writes have shown.
type UndoReport struct {
	Prefixes int            `json:"prefixes"` // that were rolled back
	All      int            `json:"all"`      // that there are
	Writes   int            `json:"writes"`   // that change the world, or say how they are taken back
	Back     int            `json:"back"`     // of those, taken back
	Stays    []Stay         `json:"stays,omitempty"`
	Unseen   []Stay         `json:"unseen,omitempty"` // writes without an undo that left nothing where it would be seen
	Failures []CrashFailure `json:"failures,omitempty"`
	Shared   string         `json:"shared,omitempty"` // see CrashReport
	Took     time.Duration  `json:"-"`
}

// Coverage is the percentage of the writes that were taken back.
func (r *UndoReport) Coverage() int {
	if r.Writes == 0 {
		return 100
	}
	return 100 * r.Back / r.Writes
}

// Stay is an effect of which something stays.
type Stay struct {
	Kind        string       `json:"kind"`
	Description string       `json:"description"`
	Position    string       `json:"position"`
	Why         string       `json:"why"`
	Failed      bool         `json:"failed,omitempty"` // its undo did
	Differences []Difference `json:"differences,omitempty"`
	place       string
}

// backFrom is what came of the rollback from one point.
type backFrom struct {
	point  passing
	done   map[string]journal.Effect // writes that were performed, by place
	begin  Fingerprint               // before the run
	before Fingerprint               // before the rollback
	left   map[string]Difference     // by name
	report *runtime.Report
	secret bool
	err    error
}

// undo rolls a test back from each of its writes, and from its end.
func (s *Suite) undo(ctx context.Context, r *Result, ref *reference) error {
	began := time.Now()
	report := &UndoReport{}
	r.Undo = report
	defer func() { report.Took = time.Since(began) }()
	var points []passing
	for _, p := range ref.passed {
		if p.Moment == AfterResult && p.effect.Write && (s.Undo.Only == nil || p.Point == *s.Undo.Only) {
			points = append(points, p)
		}
	}
	report.All = len(points)
	points = sample(points, s.Undo.Points, diceOf(s.Undo.Seed, r.Test, "undo"))
	if s.Undo.Only == nil {
		points = append(points, passing{}) // the end
		report.All++
	}
	if len(points) == 0 {
		return fault.New(fault.NotFound, "the test has no write with the point %s", s.Undo.Only)
	}
	all := make([]backFrom, len(points))
	numbers := map[Point]int{}
	for i, p := range points {
		numbers[p.Point] = i
	}
	report.Shared = ref.shared
	jobs := s.jobsAt(ref)
	s.eachPoint(ctx, r.Test, "rolled back from", points, jobs, func(p passing) pointResult {
		all[numbers[p.Point]] = s.back(ctx, r.Test, ref, p)
		return pointResult{}
	})
	if ctx.Err() != nil {
		return nil
	}
	report.Prefixes = len(points)
	for _, b := range all {
		if b.err != nil {
			report.Failures = append(report.Failures, s.undoFailure(r.Test, b))
		}
	}
	report.judge(all)
	return meeting(report.verdict(s.Undo.Least), ref, jobs)
}

func (s *Suite) undoFailure(t Test, b backFrom) CrashFailure {
	f := CrashFailure{
		Point: b.point.String(), Kind: b.point.effect.Kind, Description: b.point.effect.Description, Position: b.point.effect.Pos,
		Problem:   oneLine(b.err),
		Reproduce: fmt.Sprintf("provisioning test --run '^%s$' --undo", quoteRun(t)),
	}
	if b.point.Place != "" {
		f.Reproduce += " --point " + b.point.String()
	}
	return f
}

// back applies the test up to a point (the zero one: to its end), and rolls it
// back.
func (s *Suite) back(ctx context.Context, t Test, ref *reference, p passing) (b backFrom) {
	b.point = p
	x, err := s.newTrial(ctx, t, ref.chance)
	if err != nil {
		b.err = err
		return b
	}
	defer x.world.Remove() //nolint:errcheck // it is in the directory for temporary files
	if b.begin, err = x.world.fingerprint(s.Simulations); err != nil {
		b.err = err
		return b
	}
	var at *kill
	if p.Place != "" {
		at = &kill{point: p.Point}
	}
	first := x.execute(ctx, x.start, at)
	if !first.died && first.err != nil {
		b.err = fault.Wrap(fault.KindOf(first.err), first.err, "the test passes, and then it does not")
		return b
	}
	if b.before, err = x.world.fingerprint(s.Simulations); err != nil {
		b.err = err
		return b
	}
	last := x.execute(ctx, rollback, nil)
	b.secret = last.secret
	if last.out != nil {
		b.report = last.out.Rollback
	}
	if last.err != nil && (b.report == nil || len(b.report.Failed) == 0) {
		b.err = fault.Wrap(fault.KindOf(last.err), last.err, "it cannot be rolled back")
	}
	b.done = map[string]journal.Effect{}
	for _, e := range last.effects {
		performed := e.Status == journal.Done || e.Status == journal.Erred || e.Status == journal.Caught || e.Status == journal.Intended
		if e.Write && performed && !strings.HasPrefix(e.Place, "r") {
			b.done[e.Place] = *e
		}
	}
	end, err := x.world.fingerprint(s.Simulations)
	if err != nil {
		b.err = err
	}
	b.left = map[string]Difference{}
	for _, d := range end.differences(b.begin, nil, false) {
		if b.secret {
			d.Diff = ""
		}
		b.left[d.Name] = d
	}
	return b
}

// judge finds out which write each thing is of that stays.
func (r *UndoReport) judge(all []backFrom) {
	stays := map[string]*Stay{}
	blame := func(e journal.Effect, why string) *Stay {
		if stays[e.Place] == nil {
			stays[e.Place] = &Stay{Kind: e.Kind, Description: e.Description, Position: e.Pos, Why: why, place: e.Place}
		}
		return stays[e.Place]
	}
	all = slices.DeleteFunc(all, func(b backFrom) bool { return b.report == nil }) // it was not rolled back
	writes, without := map[string]journal.Effect{}, map[string]bool{}
	for _, b := range all {
		for _, u := range b.report.Undone {
			writes[u.Place] = b.done[u.Place]
		}
		for _, u := range b.report.Left {
			writes[u.Place], without[u.Place] = b.done[u.Place], true
		}
		for _, u := range b.report.Failed {
			writes[u.Place] = b.done[u.Place]
			blame(b.done[u.Place], "").Failed = true
			stays[u.Place].Why = "its undo failed: " + u.Error
		}
	}
	for _, name := range leftNames(all) {
		e, d, ok := culprit(all, name, without)
		if !ok {
			continue // no write was performed: the test changes the world in another way
		}
		why := "its undo leaves something"
		if without[e.Place] {
			why = "there is no way to take it back"
		}
		s := blame(e, why)
		s.Differences = append(s.Differences, d)
		writes[e.Place] = e
	}
	changes := changing(all)
	for _, place := range slices.Sorted(maps.Keys(writes)) {
		e := writes[place]
		switch {
		case e.Kind == effect.KindOnRollback && stays[place] == nil:
		case stays[place] != nil:
			r.Writes++
			r.Stays = append(r.Stays, *stays[place])
		case without[place] && !looked(all, place): // not in the sample
		case without[place] && !changes[place]:
			r.Unseen = append(r.Unseen, Stay{Kind: e.Kind, Description: e.Description, Position: e.Pos, Why: "there is no way to take it back"})
		default:
			r.Writes++
			r.Back++
		}
	}
}

// looked reports whether a write was one to go back from.
func looked(all []backFrom, place string) bool {
	return slices.ContainsFunc(all, func(b backFrom) bool { return b.point.Place == place })
}

func leftNames(all []backFrom) []string {
	names := map[string]bool{}
	for _, b := range all {
		for name := range b.left {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// culprit finds the write that a thing is left by: it was performed whenever the
// thing was left, and, where that tells one, never when it was not. Branches make
// that several; then it is rather one that has no undo, and rather a late one.
func culprit(all []backFrom, name string, without map[string]bool) (journal.Effect, Difference, bool) {
	var first *backFrom // with the fewest writes
	for i := range all {
		b := &all[i]
		if _, left := b.left[name]; left && (first == nil || len(b.done) < len(first.done)) {
			first = b
		}
	}
	suspects := maps.Clone(first.done)
	for _, b := range all {
		if _, left := b.left[name]; left {
			maps.DeleteFunc(suspects, func(place string, _ journal.Effect) bool { _, done := b.done[place]; return !done })
		}
	}
	innocent := map[string]bool{}
	for _, b := range all {
		if _, left := b.left[name]; left {
			continue
		}
		for place, e := range b.done {
			if e.Status == journal.Done { // another one may have been stopped before it did anything
				innocent[place] = true
			}
		}
	}
	var best *journal.Effect
	rank := func(e journal.Effect) (n int) {
		if !innocent[e.Place] {
			n += 4
		}
		if without[e.Place] {
			n += 2
		}
		if e.Place == first.point.Place {
			n++
		}
		return n
	}
	for _, e := range suspects {
		if best == nil || rank(e) > rank(*best) || rank(e) == rank(*best) && e.Seq > best.Seq {
			best = &e
		}
	}
	if best == nil {
		return journal.Effect{}, Difference{}, false
	}
	return *best, first.left[name], true
}

// changing returns the writes after which the world was another one than after the
// write before.
func changing(all []backFrom) map[string]bool {
	changes := map[string]bool{}
	for i, b := range all {
		if b.point.Place == "" || b.before == nil {
			continue
		}
		before := b.begin
		if i > 0 && all[i-1].before != nil {
			before = all[i-1].before
		}
		if len(b.before.differences(before, nil, false)) > 0 {
			changes[b.point.Place] = true
		}
	}
	return changes
}

// verdict is why a test fails; nil when it does not.
func (r *UndoReport) verdict(least int) error {
	var b strings.Builder
	failed := len(r.Failures) > 0 || slices.ContainsFunc(r.Stays, func(s Stay) bool { return s.Failed })
	if !failed && r.Coverage() >= least {
		return nil
	}
	fmt.Fprintf(&b, "a rollback does not take everything back: undo coverage %d%% (%d of %d writes)\n", r.Coverage(), r.Back, r.Writes)
	for _, s := range r.Stays {
		s.write(&b)
	}
	for i, f := range r.Failures {
		if i == shownFailures {
			fmt.Fprintf(&b, "… and %d more\n", len(r.Failures)-i)
			break
		}
		where := "from the end"
		if f.Position != "" {
			where = fmt.Sprintf("%s: %s %s", f.Position, f.Kind, f.Description)
		}
		fmt.Fprintf(&b, "%s: %s\n    repeat it with: %s\n", where, f.Problem, f.Reproduce)
	}
	return fault.New(fault.Assertion, "%s", strings.TrimSuffix(b.String(), "\n"))
}

func (s Stay) write(b *strings.Builder) {
	fmt.Fprintf(b, "%s: %s %s stays: %s\n", s.Position, s.Kind, s.Description, s.Why)
	writeDifferences(b, s.Differences)
}
