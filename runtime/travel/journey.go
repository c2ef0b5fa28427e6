// Package travel goes through a recorded run like a debugger: it executes the run
// again from its journal, acting on nothing, and stops it before any of its
// effects, so that a person can see the frames and the values as they were.
//
//	j := travel.NewJourney(recording)
//	defer j.Leave()
//	err := j.GoTo(ctx, 12)
//	fmt.Println(j.Scene().Where())
//
// Going back is to execute it again, up to an earlier place. A what-if changes a
// variable in the script, or the result of an effect, and executes that: effects
// that the journal has are answered from it, and all others are not made but
// listed, and what they would give is unknown.
//
// The same view is there in a run that is going on, where a script has called
// breakpoint(); see [Shell].
package travel

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// Recording is a run that can be executed again from its journal.
type Recording interface {
	Run() *journal.Run
	Effects() []*journal.Effect // in the order in which they were begun
	Play(Play) error            // executes it; the error is how it ended
}

// Play is an execution of a recording.
type Play struct {
	Stop   context.Context
	Watch  door.Watcher
	Events event.Sink
	WhatIf *door.WhatIf         // not nil: the script is changed
	Edit   func(f *syntax.File) // changes it; may be nil
	Names  starlark.StringDict  // what the changes need
	Ready  func(Stage)          // called before anything is executed
}

// Journey goes through a recording. One goroutine uses it.
type Journey struct {
	rec     Recording
	effects []*journal.Effect
	number  map[string]int // of an effect, by place; the first one has 1
	order   []int          // the numbers, in an order in which the script can come to them
	rank    map[int]int    // where a number is in that order

	edits   edits
	origin  int // where it was before something was supposed
	answers map[string]starlark.Value
	halts   edits // statements to stop at

	play  *playing
	path  string // of the branch that is looked at
	scene *Scene
}

// playing is an execution that is under way.
type playing struct {
	hold   *hold
	stage  Stage
	whatIf *door.WhatIf
	cancel context.CancelFunc
	until  int // rank of the effect that it stops at
}

// NewJourney begins a journey before the first effect of nothing: call GoTo next.
func NewJourney(rec Recording) *Journey {
	j := &Journey{rec: rec, number: map[string]int{}, answers: map[string]starlark.Value{}, path: "0"}
	for i, e := range rec.Effects() {
		j.number[e.Place] = i + 1
		j.effects = append(j.effects, e)
	}
	j.rank = make(map[int]int, len(j.effects))
	for r, i := range order(j.effects) {
		j.order = append(j.order, i+1)
		j.rank[i+1] = r
	}
	return j
}

// Len is the number of effects of the run.
func (j *Journey) Len() int { return len(j.effects) }

// Effect returns the record of an effect by its number.
func (j *Journey) Effect(n int) *journal.Effect {
	if n < 1 || n > len(j.effects) {
		return nil
	}
	return j.effects[n-1]
}

// Changed reports whether something of the run was supposed to be different.
func (j *Journey) Changed() bool { return len(j.edits)+len(j.answers) > 0 }

// Scene is what there is to see where the journey is.
func (j *Journey) Scene() *Scene { return j.scene }

// Sight is the effect that is about to be made; nil where the run is over.
func (j *Journey) Sight() *door.Sight {
	if j.play == nil {
		return nil
	}
	return j.play.hold.at(j.path)
}

// Number is that of the effect that is about to be made; 0 when the journal does
// not have it.
func (j *Journey) Number() int {
	if s := j.Sight(); s != nil && s.Record != nil {
		return j.number[s.Record.Place]
	}
	return 0
}

// Find returns the number of the effect that a person means: a number, a place,
// "failure" or "end", which is behind the last one. "" is where the run stopped.
func (j *Journey) Find(text string) (int, error) {
	n, err := strconv.Atoi(text)
	switch {
	case text == "":
		return j.standard(), nil
	case text == "failure":
		return j.failure()
	case text == "end":
		return len(j.effects) + 1, nil
	case err == nil:
		if n < 1 || n > len(j.effects) {
			return 0, fault.New(fault.NotFound, "there is no effect %d", n).WithHint("%s", j.extent())
		}
	case j.number[text] == 0:
		return 0, fault.New(fault.NotFound, "there is no effect %q", text).
			WithHint("give the number or the place of one, failure, or end\n%s", j.extent())
	default:
		n = j.number[text]
	}
	if e := j.effects[n-1]; e.Place[0] == 'r' {
		return 0, fault.New(fault.Usage, "the effect %s belongs to the rollback of the run, and is not part of the script's way", e.Place)
	}
	return n, nil
}

// rankOf is where an effect is in the order of the script; those that the journal
// does not have come last.
func (j *Journey) rankOf(n int) int {
	if r, ok := j.rank[n]; ok {
		return r
	}
	return len(j.order)
}

func (j *Journey) extent() string {
	id := j.rec.Run().ID[:8]
	if len(j.effects) == 0 {
		return "the run " + id + " has no effects"
	}
	return "it has the effects 1 to " + strconv.Itoa(len(j.effects)) + "; see: provisioning runs show " + id
}

// failure is the effect with which the run failed.
func (j *Journey) failure() (int, error) {
	f := j.rec.Run().Error
	if f == nil && isRollback(j.rec.Run().State) {
		for _, n := range slices.Backward(j.order) { // the rollback has taken the place of the failure
			if e := j.effects[n-1]; e.Status == journal.Erred && e.Kind != effect.KindFork && e.Place[0] != 'r' {
				return n, nil
			}
		}
	}
	if f == nil {
		return 0, fault.New(fault.Usage, "the run %s has not failed", j.rec.Run().ID[:8]).WithHint("%s", j.extent())
	}
	n := j.number[f.Place]
	switch {
	case n == 0 || f.Place[0] == 'r':
		return len(j.effects) + 1, nil
	case j.effects[n-1].Kind != effect.KindFork:
		return n, nil
	}
	for i, e := range j.effects { // the failure of a branch
		if e.Status == journal.Erred && e.Kind != effect.KindFork && within(branch.PathOf(e.Place), branch.PathOf(f.Place)) {
			return i + 1, nil
		}
	}
	return len(j.effects) + 1, nil
}

func isRollback(s journal.State) bool { return s == journal.RolledBack || s == journal.RollingBack }

// standard is where to look first: at the failure, else where the run stopped,
// and for one that has completed at its first effect.
func (j *Journey) standard() int {
	if n, err := j.failure(); err == nil {
		return n
	}
	if j.rec.Run().State == journal.Completed && len(j.effects) > 0 {
		return 1
	}
	return len(j.effects) + 1
}

// GoTo goes to the moment before effect n of the run was made; behind the last
// one to where its journal ends. Where the script does not come there, the journey
// stays where it was.
func (j *Journey) GoTo(ctx context.Context, n int) error {
	stay := j.stay()
	err := j.goTo(ctx, n)
	if err != nil && stay != nil {
		stay(context.WithoutCancel(ctx))
	}
	return err
}

// stay remembers where the journey is, and returns what goes there again; nil where
// that is not needed.
func (j *Journey) stay() func(context.Context) {
	if j.play == nil || j.Changed() {
		return nil
	}
	until, path, selected, halted := j.play.until, j.path, 0, j.halts != nil
	if j.scene != nil {
		selected = j.scene.At
	}
	return func(ctx context.Context) {
		if halted {
			j.GoToFailure(ctx)
		} else if n := len(j.effects) + 1; until < len(j.order) {
			_ = j.goTo(ctx, j.order[until]) // it went well before
		} else {
			_ = j.goTo(ctx, n)
		}
		if j.play != nil && j.play.hold.at(path) != nil {
			_ = j.arrive(path, "") // it stands there
		}
		if j.scene != nil && selected < len(j.scene.Frames) {
			j.scene.At = selected
		}
	}
}

func (j *Journey) goTo(ctx context.Context, n int) error {
	if j.Changed() {
		e := j.Effect(n)
		if e == nil {
			return fault.New(fault.Usage, "what if goes from effect to effect").WithHint("go on with :next, or see all of it with :diff")
		}
		return j.suppose(ctx, e.Place)
	}
	if j.play == nil || j.play.until > j.rankOf(n) || j.halts != nil {
		j.halts = nil
		if err := j.begin(ctx, n, nil); err != nil {
			return err
		}
	}
	j.play.until = j.rankOf(n)
	j.play.hold.goOn(j.from(n))
	e := j.Effect(n)
	if e == nil {
		return j.toEnd(ctx)
	}
	if err := j.play.hold.wait(ctx); err != nil {
		return err
	}
	return j.arrive(branch.PathOf(e.Place), e.Place)
}

// GoToFailure goes to the statement that a run has failed with, where that is no
// effect. It reports false where there is none, or it cannot be found.
func (j *Journey) GoToFailure(ctx context.Context) bool {
	f := j.rec.Run().Error
	if j.Changed() || f == nil || len(f.Stack) == 0 || j.play == nil {
		return false
	}
	e, err := haltAt(j.play.stage.Loader, f.Stack[0].File, f.Stack[0].Line, f.Stack[0].Col)
	if err != nil {
		return false
	}
	// Once to see how often the statement comes around before the failure.
	j.halts = edits{e}
	e.path = "0"
	never := func(*door.Sight) bool { return false }
	if j.begin(ctx, 0, never) != nil || j.play.hold.wait(ctx) != nil {
		return false
	}
	for path, status := range j.play.hold.ended {
		if status == "failed" && e.count[path] > 0 && (e.path == "0" || path < e.path) {
			e.path = path
		}
	}
	if e.nth = e.count[e.path]; e.nth == 0 {
		return false
	}
	isHalt := func(s *door.Sight) bool { return s.Kind == lineKind }
	if j.begin(ctx, 0, isHalt) != nil || j.play.hold.wait(ctx) != nil {
		return false
	}
	return j.arrive(e.path, "") == nil && j.scene != nil
}

// from holds the effects that were begun with or after effect n. The view is of
// the moment before it: what had happened by then has happened.
func (j *Journey) from(n int) func(*door.Sight) bool {
	return func(s *door.Sight) bool {
		number := j.number[s.Place]
		return number == 0 || j.rankOf(number) >= j.rankOf(n) || isOpen(s.Record)
	}
}

// isOpen reports whether an effect was begun and never ended, so that nothing comes
// after it.
func isOpen(e *journal.Effect) bool {
	return e != nil && e.Status == journal.Intended && e.Kind != effect.KindFork
}

// toEnd goes to where the journal ends, in the branch that came last; where that has
// ended, in one that the script waits for.
func (j *Journey) toEnd(ctx context.Context) error {
	if err := j.play.hold.wait(ctx); err != nil {
		return err
	}
	path := "0"
	for _, e := range j.effects {
		if e.Place[0] != 'r' {
			path = branch.PathOf(e.Place)
		}
	}
	standing := j.play.hold.standing()
	for ; standing[path] == nil && path != ""; path = parentOf(path) {
		if others := sortedPaths(standing, path); len(others) > 0 {
			path = others[0]
			break
		}
	}
	return j.arrive(path, "")
}

// sortedPaths are those of the branches within the one at path, in their order.
func sortedPaths(standing map[string]*door.Sight, path string) []string {
	var paths []string
	for p := range standing {
		if path == "" || within(p, path) {
			paths = append(paths, p)
		}
	}
	sortPaths(paths)
	return paths
}

// arrive makes the scene of the branch at path. place is where it has to stand; ""
// for anywhere.
func (j *Journey) arrive(path, place string) error {
	j.path, j.scene = path, nil
	s := j.play.hold.at(path)
	if s != nil && (place == "" || s.Place == place) {
		j.scene = NewScene(j.play.stage, s.Thread, j.play.hold.waiting(path)...)
		return nil
	}
	if place == "" {
		return nil
	}
	_, err := j.play.hold.isOver()
	if err == nil {
		return fault.New(fault.Mismatch, "the replay does not come to %s", place)
	}
	return fault.Wrap(fault.KindOf(err), err, "the replay does not come to %s", place)
}

// Over reports whether the script has ended, and how.
func (j *Journey) Over() (bool, error) {
	if j.play == nil {
		return false, nil
	}
	return j.play.hold.isOver()
}

// begin starts an execution that stops at effect n, or where stops says.
func (j *Journey) begin(ctx context.Context, n int, stops func(*door.Sight) bool) error {
	j.Leave()
	if stops == nil {
		stops = j.from(n)
	}
	play, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &playing{hold: newHold(stops), cancel: cancel, until: j.rankOf(n)}
	for place, v := range j.answers {
		p.hold.answer(place, v)
	}
	setUp := Play{Stop: play, Watch: p.hold, Events: p.hold}
	if j.Changed() {
		p.whatIf = door.NewWhatIf(j.effects)
		setUp.WhatIf = p.whatIf
	}
	if all := append(j.edits[:len(j.edits):len(j.edits)], j.halts...); len(all) > 0 {
		all.reset()
		setUp.Edit, setUp.Names = all.apply, all.names(p.hold)
	}
	ready := make(chan Stage, 1)
	setUp.Ready = func(s Stage) { ready <- s }
	done := make(chan struct{})
	go func() {
		p.hold.finish(j.rec.Play(setUp))
		close(done)
	}()
	select {
	case p.stage = <-ready:
		j.play = p
		return nil
	case <-done:
		cancel()
		_, err := p.hold.isOver()
		return err
	}
}

// Leave ends the execution that is under way.
func (j *Journey) Leave() {
	if j.play != nil {
		j.play.cancel()
		j.play.hold.leave()
		j.play, j.scene = nil, nil
	}
}

// Next goes on by n effects of the branch, or of the one that it is a part of
// when it has ended.
func (j *Journey) Next(ctx context.Context, n int) error {
	for range n {
		s := j.Sight()
		if s == nil {
			return fault.New(fault.Usage, "there is nothing after this: the script has ended")
		}
		if j.Changed() {
			if err := j.after(ctx, s); err != nil {
				return err
			}
			continue
		}
		next, err := j.following(s)
		if err != nil {
			return err
		}
		if err := j.GoTo(ctx, next); err != nil {
			return err
		}
	}
	return nil
}

// Later is the number of the effect that comes n effects of the run after one.
func (j *Journey) Later(at, n int) int {
	if r := j.rankOf(at) + n; n >= 0 && r >= 0 && r < len(j.order) {
		return j.order[r]
	}
	return len(j.effects) + 1
}

// following is the number of the effect that comes next in the branch of one.
func (j *Journey) following(s *door.Sight) (int, error) {
	at := j.number[s.Place]
	if at == 0 {
		return 0, fault.New(fault.Usage, "there is nothing after this: the journal ends here").
			WithHint("what if it gave something: :answer VALUE")
	}
	for path := s.Path(); path != ""; path = parentOf(path) {
		for _, n := range j.order[j.rank[at]+1:] {
			if branch.PathOf(j.effects[n-1].Place) == path {
				return n, nil
			}
		}
	}
	return len(j.effects) + 1, nil
}

// Back goes back by n effects of the branch; before its first one to the fork
// that has made it.
func (j *Journey) Back(ctx context.Context, n int) error {
	at := j.Number()
	if at == 0 {
		at = len(j.effects) + 1
	}
	path := j.path
	for range n {
		before := 0
		for p := path; p != "" && before == 0; p = parentOf(p) {
			for _, i := range slices.Backward(j.order[:j.rankOf(at)]) {
				if branch.PathOf(j.effects[i-1].Place) == p {
					before, path = i, p
					break
				}
			}
		}
		if before == 0 && n == 1 {
			return fault.New(fault.Usage, "this is the first effect")
		}
		if before == 0 {
			break
		}
		at = before
	}
	return j.GoTo(ctx, at)
}

// Look looks at another branch, as it is at this moment.
func (j *Journey) Look(ctx context.Context, path string) error {
	h := j.play.hold
	if h.at(path) == nil {
		return fault.New(fault.NotFound, "no branch %q stands still here", path).
			WithHint("those that do are %s", strings.Join(sortedPaths(h.standing(), ""), ", "))
	}
	return j.arrive(path, "")
}

// Branches are the effects that the branches are held at, by path.
func (j *Journey) Branches() map[string]*door.Sight {
	if j.play == nil {
		return nil
	}
	return j.play.hold.standing()
}

// Printed returns what the script has printed since the last time, as far as the
// run has not printed it.
func (j *Journey) Printed() []string {
	if j.play == nil {
		return nil
	}
	return j.play.hold.lines()
}
