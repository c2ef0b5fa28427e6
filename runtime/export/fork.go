package export

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

// fork is a call of parallel.
type fork struct {
	effect   *Effect
	branches [][]*step // in the order of the items
	nested   bool      // one of them has forks of its own
	body     []*step   // of the function, when the fork is written as one
	items    expr
	fn       string
}

// findForks finds out which branches belong together.
func (e *exporter) findForks(effects []*Effect) {
	open := map[string]*fork{} // by the path of the parent: the last one so far
	for _, x := range effects {
		path := branch.PathOf(x.Place)
		e.join(path, open)
		if x.Kind != effect.KindFork {
			continue
		}
		f := &fork{effect: x}
		open[path] = f
		e.forks = append(e.forks, f)
		if outer := e.forkOf[path]; outer != nil {
			outer.nested = true
		}
	}
}

// join notes of which fork a branch is, and those that it is within. A branch
// that comes later belongs to a later fork of its parent.
func (e *exporter) join(path string, open map[string]*fork) {
	for {
		i := strings.LastIndexByte(path, '.')
		if i < 0 || e.forkOf[path] != nil {
			return
		}
		if f := open[path[:i]]; f != nil {
			e.forkOf[path] = f
		}
		path = path[:i]
	}
}

// options are the arguments of parallel behind the items.
func (f *fork) options() string {
	text := ""
	if limit, ok := f.given("limit").(starlark.Int); ok && limit.Sign() > 0 {
		text = ", limit = " + limit.String()
	} else if f.guessed() {
		text = ", limit = 1"
	}
	if v, ok := starlark.AsString(f.given("on_error")); ok {
		text += ", on_error = " + quote(v)
	}
	return text
}

func (f *fork) given(name string) starlark.Value {
	if f.effect.Given == nil {
		return nil
	}
	v, found, err := f.effect.Given.Get(starlark.String(name))
	if err != nil || !found {
		return nil
	}
	return v
}

// guessed reports whether the journal, an old one, has no limit, and no two
// branches did something at the same time: one may depend on that.
func (f *fork) guessed() bool {
	if f.given("limit") != nil {
		return false
	}
	var before time.Time // the end of the branch before
	for _, steps := range f.branches {
		for _, s := range steps {
			if s.effect.Begun.IsZero() || s.effect.Begun.Before(before) {
				return false
			}
		}
		for _, s := range steps {
			if s.effect.Ended.After(before) {
				before = s.effect.Ended
			}
		}
	}
	return true
}

// noteForks tells people where branches were, and collects their steps.
func (e *exporter) noteForks() {
	byPath := map[*fork]map[string][]*step{}
	for _, s := range e.steps {
		f := e.forkOf[s.path()]
		if f == nil {
			continue
		}
		if byPath[f] == nil {
			byPath[f] = map[string][]*step{}
		}
		byPath[f][s.path()] = append(byPath[f][s.path()], s)
	}
	for f, paths := range byPath {
		for _, steps := range paths {
			f.branches = append(f.branches, steps)
		}
		slices.SortFunc(f.branches, func(a, b []*step) int { return number(a[0].path()) - number(b[0].path()) })
	}
}

// number is that of a branch within its parent.
func number(path string) int {
	n, _ := strconv.Atoi(path[strings.LastIndexByte(path, '.')+1:])
	return n
}

// joinForks writes those forks as parallel whose branches did the same, but for
// their items.
func (e *exporter) joinForks() {
	for _, f := range e.forks {
		if f.nested || len(f.branches) < 2 || !e.unify(f) {
			e.remarkFork(f)
			continue
		}
		joined := &step{effect: f.effect, form: forked, fork: f}
		at := slices.IndexFunc(e.steps, func(s *step) bool { return e.forkOf[s.path()] == f })
		e.steps[at] = joined
		e.steps = slices.DeleteFunc(e.steps, func(s *step) bool { return s != joined && e.forkOf[s.path()] == f })
	}
}

// remarkFork says where the effects of branches begin that are written one after
// the other.
func (e *exporter) remarkFork(f *fork) {
	for _, s := range e.steps {
		if e.forkOf[s.path()] == f {
			note := "in parallel then, here one after the other: " + firstLine(e.redact(f.effect.Description))
			if s.remark != "" {
				note += "\n" + s.remark
			}
			s.remark = note
			return
		}
	}
}

var describedFork = regexp.MustCompile(`^([a-zA-Z]\w*) for \d+ items$`)

// wish is the name of the function that the branches called; lambdas have none.
func (f *fork) wish() string {
	m := describedFork.FindStringSubmatch(f.effect.Description)
	if m == nil || m[1] == "lambda" {
		return "each"
	}
	return m[1]
}
