package export

import (
	"fmt"
	"slices"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// retry and wait_until leave no record of their own: only their calls, with
// pauses between them. tries is what is known of the calls before the last one.
type tries struct {
	n      int    // how many
	pause  string // after the last of them
	failed int    // how many of them failed
	vague  bool   // one gave what counts as true: the script looked closer
}

// takeOver makes s the last of the calls before it, where it repeats them after a
// pause.
func (e *exporter) takeOver(s *step) {
	if s.fn == nil || s.form == remarked && s.effect.Status != journal.Erred {
		return
	}
	at := e.last(len(e.steps), s.path())
	if at < 0 || e.steps[at].form != pausing {
		return
	}
	first := e.last(at, s.path())
	if first < 0 {
		return
	}
	before := e.steps[first]
	if before.effect.Kind != s.effect.Kind || !sameArgs(before, s) || before.form != handled && (before.form != plain || before.effect.Write) {
		return
	}
	s.tries = before.tries
	s.tries.n++
	text, _, _ := e.steps[at].effect.Given.Get(starlark.String("duration"))
	s.tries.pause, _ = starlark.AsString(text)
	switch {
	case before.form == handled:
		s.tries.failed++
	case before.effect.Gave == nil || bool(before.effect.Gave.Truth()):
		s.tries.vague = true
	}
	e.steps = slices.Delete(e.steps, at, at+1)
	e.steps = slices.Delete(e.steps, first, first+1)
}

// last is the position of the last step of a branch before the one at end.
func (e *exporter) last(end int, path string) int {
	for i := end - 1; i >= 0; i-- {
		if e.steps[i].path() == path {
			return i
		}
	}
	return -1
}

func sameArgs(a, b *step) bool {
	same, err := starlark.Equal(a.effect.Given, b.effect.Given)
	return err == nil && same
}

// settle makes of the calls what their end allows.
func (s *step) settle() {
	t := s.tries
	if t.n == 0 {
		return
	}
	gave := s.effect.Gave
	switch {
	case s.form == handled:
		s.remark = fmt.Sprintf("it was tried %d times", t.n+1)
	case s.form != plain:
	case t.failed == t.n:
		s.form = retried
	case t.vague || gave == nil || !bool(gave.Truth()):
		s.remark = fmt.Sprintf("it was called %d times, until it gave what the script waited for", t.n+1)
	default:
		s.form = awaited
	}
}
