package travel

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Set supposes that a variable of the selected frame had another value before the
// statement that the frame is at, and goes to where that leads: to the same place,
// or to the first effect of the branch that differs before it.
func (j *Journey) Set(ctx context.Context, name, expr string) error {
	s := j.Sight()
	if s == nil {
		return fault.New(fault.Usage, "there is no frame here")
	}
	if j.rec.Run().Options.Session {
		return fault.New(fault.Usage, "what if works on runs of scripts, not on sessions of the interactive shell")
	}
	if _, _, err := j.scene.Eval(ctx, expr); err != nil {
		return err
	}
	e, err := newEdit(j.scene.Stage.Loader, j.scene.Frame(), name, expr)
	if err != nil {
		return err
	}
	e.path = j.scene.Frame().Branch
	j.begun()
	was, place, selected := j.edits, s.Place, j.scene.At
	j.edits = append(was[:len(was):len(was)], e)
	// Once to see how often the statement comes around before the place, and once
	// for what happens.
	if err = j.suppose(ctx, place); err == nil {
		e.mu.Lock()
		e.nth = e.count[e.path]
		e.mu.Unlock()
		err = j.suppose(ctx, place)
	}
	if err != nil {
		j.edits = was
		_ = j.suppose(ctx, place) // it went well before
		return err
	}
	if j.scene != nil && selected < len(j.scene.Frames) {
		j.scene.At = selected
	}
	return nil
}

// Answer supposes that the effect that is about to be made gives a value.
func (j *Journey) Answer(ctx context.Context, expr string) error {
	s := j.Sight()
	if s == nil {
		return fault.New(fault.Usage, "there is no effect here")
	}
	if s.Call == nil {
		return fault.New(fault.Usage, "%s gives what its branches return: change one of them", s.Kind)
	}
	v, _, err := j.scene.Eval(ctx, expr)
	if err != nil {
		return err
	}
	j.begun()
	v.Freeze() // every execution gets the same one
	place := s.Place
	j.answers[place] = v
	return j.suppose(ctx, place)
}

// Forget takes back all that was supposed, and goes to where the run was.
func (j *Journey) Forget(ctx context.Context) error {
	if !j.Changed() {
		return nil
	}
	n := j.origin
	j.edits, j.answers = nil, map[string]starlark.Value{}
	j.Leave()
	if n == 0 {
		n = len(j.effects) + 1
	}
	return j.GoTo(ctx, n)
}

// begun remembers where to go back to, before something is supposed first.
func (j *Journey) begun() {
	if !j.Changed() {
		j.origin = j.Number()
	}
}

// suppose executes the changed script up to a place, or to where its branch ends
// before that.
func (j *Journey) suppose(ctx context.Context, place string) error {
	path, ordinal := branch.PathOf(place), ordinalOf(place)
	return j.supposeUntil(ctx, func(s *door.Sight) bool {
		if s.Path() == path {
			return ordinalOf(s.Place) >= ordinal
		}
		return j.play.hold.ended[path] != "" && within(path, s.Path())
	}, true)
}

// after goes on to the next effect of the branch of s, in the same execution.
func (j *Journey) after(ctx context.Context, s *door.Sight) error {
	path, ordinal := s.Path(), ordinalOf(s.Place)
	return j.supposeUntil(ctx, func(s *door.Sight) bool {
		if s.Path() == path {
			return ordinalOf(s.Place) > ordinal
		}
		return j.play.hold.ended[path] != "" && within(path, s.Path())
	}, false)
}

func (j *Journey) supposeUntil(ctx context.Context, when func(*door.Sight) bool, again bool) error {
	if again {
		if err := j.begin(ctx, 0, func(*door.Sight) bool { return true }); err != nil {
			return err
		}
	}
	h := j.play.hold
	h.goOn(when)
	if err := h.wait(ctx); err != nil {
		return err
	}
	for _, path := range sortedPaths(h.standing(), "") {
		return j.arrive(path, "")
	}
	return j.arrive("", "")
}

func ordinalOf(place string) int {
	_, n, _ := strings.Cut(place, "#")
	i, _ := strconv.Atoi(n)
	return i
}

// Difference is what the changed script does differently.
type Difference struct {
	Lines   []string // "= kind description", "+ …" for what the run did not do, "- …" for what it did
	Same    int      // effects that are the same
	Stops   []string // branches whose way is not known to their end
	Ends    string   // the error with which it ends; "" for none
	Unknown bool     // it is that a decision depends on what only a run would know
}

// Diff executes the changed script to its end, and compares what it does with
// what the run did. The journey stays where it is.
func (j *Journey) Diff(ctx context.Context) (*Difference, error) {
	if !j.Changed() {
		return nil, fault.New(fault.Usage, "nothing is supposed to be different").
			WithHint("suppose something with :set NAME = VALUE or :answer VALUE")
	}
	whole := &Journey{rec: j.rec, effects: j.effects, number: j.number, edits: j.edits, answers: j.answers}
	defer whole.Leave()
	if err := whole.begin(ctx, 0, func(*door.Sight) bool { return false }); err != nil {
		return nil, err
	}
	h := whole.play.hold
	if err := h.wait(ctx); err != nil {
		return nil, err
	}
	d := compare(j.effects, whole.play.whatIf.Steps(), j.rec.Run().State != journal.Completed)
	stops := whole.play.whatIf.Stops()
	for _, path := range slices.Sorted(maps.Keys(stops)) {
		d.Stops = append(d.Stops, "branch "+path+" is not known further: "+stops[path])
	}
	if _, err := h.isOver(); err != nil {
		var unknown *value.Undecided
		d.Ends, d.Unknown = err.Error(), errors.As(err, &unknown)
	}
	return d, nil
}

// compare puts the steps of the changed script and the effects of the run in one
// list: branch by branch, as they have no order in time. unfinished says that the run
// did not come to its end.
func compare(effects []*journal.Effect, steps []door.Step, unfinished bool) *Difference {
	d := &Difference{}
	byBranch, paths := map[string][]door.Step{}, []string{}
	used := map[*journal.Effect]bool{}
	for _, s := range steps {
		path := branch.PathOf(s.Place)
		if byBranch[path] == nil {
			paths = append(paths, path)
		}
		byBranch[path] = append(byBranch[path], s)
		if s.Record != nil {
			used[s.Record] = true
		}
	}
	gone := map[string][]*journal.Effect{}
	for _, e := range effects {
		if path := branch.PathOf(e.Place); !used[e] && path[0] != 'r' {
			if byBranch[path] == nil && gone[path] == nil {
				paths = append(paths, path)
			}
			gone[path] = append(gone[path], e)
		}
	}
	sortPaths(paths)
	for _, path := range paths {
		d.branch(byBranch[path], gone[path], unfinished)
	}
	return d
}

// branch adds the lines of one branch.
func (d *Difference) branch(steps []door.Step, gone []*journal.Effect, unfinished bool) {
	leave := func(before int) {
		for len(gone) > 0 && (before < 0 || ordinalOf(gone[0].Place) < before) {
			e := gone[0]
			d.Lines = append(d.Lines, strings.TrimSpace("- "+e.Place+" "+e.Kind+" "+e.Description)+"   "+e.Pos)
			gone = gone[1:]
		}
	}
	for _, s := range steps {
		if s.Record != nil {
			leave(ordinalOf(s.Record.Place))
			d.Same++
			continue
		}
		line := strings.TrimSpace("+ "+s.Place+" "+s.Kind+" "+s.Description) + "   " + s.Position
		if s.Beyond && unfinished {
			line += "   (the run did not come so far)"
		}
		if s.Depends != "" {
			line += "   depends on " + s.Depends
		}
		leave(ordinalOf(s.Place) + 1)
		d.Lines = append(d.Lines, line)
	}
	leave(-1)
}
