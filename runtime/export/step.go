package export

import (
	"fmt"
	"regexp"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/module"
	"github.com/provisioning-systems/provisioning/runtime/reference"
)

// form is what an effect becomes.
type form uint8

const (
	plain    form = iota // a call
	handled              // a call within attempt
	retried              // a call within retry
	awaited              // a call within wait_until
	pausing              // sleep
	remarked             // a comment only
	forked               // a call of parallel
)

// step is one statement of the script.
type step struct {
	effect *Effect
	fn     *module.Func
	form   form
	remark string // a comment above it, or in its place
	args   []argument
	tries  tries
	fork   *fork // for forked
	name   string
}

type argument struct {
	name  string
	first bool // given by its position
	value starlark.Value
	from  expr
}

// does reports whether the step is more than a comment.
func (s *step) does() bool { return s.form != remarked }

// gives reports whether later steps can use its result.
func (s *step) gives() bool {
	return s.effect.Gave != nil && (s.form == plain || s.form == retried || s.form == awaited)
}

func (s *step) path() string { return branch.PathOf(s.effect.Place) }

// references calls visit for all that the arguments refer to.
func (s *step) references(visit func(*origin)) {
	if s.fork != nil {
		for _, inner := range s.fork.body {
			inner.references(visit)
		}
		references(s.fork.items, visit)
		return
	}
	for _, a := range s.args {
		references(a.from, visit)
	}
}

// makeSteps decides what each effect becomes.
func (e *exporter) makeSteps() {
	var effects []*Effect
	for _, x := range e.run.Effects {
		if x.Place[0] == 'r' || x.UndoStatus == journal.Undone || x.Status == journal.Dropped {
			continue // of a rollback, or taken back
		}
		effects = append(effects, x)
	}
	e.findForks(effects)
	for _, x := range effects {
		if x.Kind == effect.KindFork {
			continue
		}
		s := e.stepOf(x)
		e.takeOver(s)
		e.steps = append(e.steps, s)
	}
	for _, s := range e.steps {
		s.settle()
	}
	e.noteForks()
}

func (e *exporter) stepOf(x *Effect) *step {
	s := &step{effect: x, fn: e.funcs[x.Kind]}
	switch {
	case x.Kind == effect.KindPause:
		s.form = pausing
		return s
	case x.Kind == effect.KindWaitUntil:
		return s.say("here the run waited in vain: %s", firstLine(e.redact(failure(x))))
	case x.Kind == effect.KindOnRollback:
		return s.say("what on_rollback(%s, ...) was given is not in the journal; write it again", e.redact(x.Description))
	case x.Kind == effect.KindHandler:
		return s.say("if the handler %q was called, what it did follows, whether something changes or not", e.redact(x.Description))
	case s.fn == nil || s.fn.Decl() == nil:
		return s.say("%s is not known to this program: %s", x.Kind, firstLine(e.redact(x.Description)))
	}
	if _, _, err := s.fn.Restore(x.Given); err != nil {
		return s.say("%s does not take these arguments any more: %s", x.Kind, firstLine(e.redact(err.Error())))
	}
	s.args = argumentsOf(s.fn, x.Given)
	switch x.Status {
	case journal.Intended:
		return s.say("it may or may not have happened: %s %s", x.Kind, firstLine(e.redact(x.Description)))
	case journal.Skipped:
		return s.say("skipped by a person: %s %s", x.Kind, firstLine(e.redact(x.Description)))
	case journal.Erred:
		return s.say("it failed: %s %s: %s", x.Kind, firstLine(e.redact(x.Description)), firstLine(e.redact(failure(x))))
	case journal.Caught:
		if e.run.Session && !e.handles(x) {
			return s.say("it failed: %s %s: %s", x.Kind, firstLine(e.redact(x.Description)), firstLine(e.redact(failure(x))))
		}
		s.form = handled
	}
	if x.UndoStatus == journal.UndoBegun || x.UndoStatus == journal.UndoFailed {
		s.remark = "its undo failed: " + firstLine(e.redact(x.UndoError))
	}
	return s
}

func (s *step) say(format string, args ...any) *step {
	s.form, s.args, s.remark = remarked, nil, fmt.Sprintf(format, args...)
	return s
}

var handling = regexp.MustCompile(`\b(attempt|retry|wait_until|on_error)\b`)

// handles reports whether it was the script that went on after a failure. A
// session goes on after every one: there it counts only when the statement says
// so; else it was a mistake of the person who typed it.
func (e *exporter) handles(x *Effect) bool {
	name, _, _ := strings.Cut(x.Pos, ":")
	src, ok := e.run.Sources[name]
	return !ok || handling.Match(src)
}

func failure(x *Effect) string {
	if x.Failed == nil {
		return ""
	}
	return x.Failed.Message
}

func (e *exporter) redact(text string) string { return e.run.Secrets.Redact(text) }

func firstLine(s string) string {
	s = strings.TrimSpace(s)
	line, _, more := strings.Cut(s, "\n")
	if runes := []rune(line); len(runes) > 120 {
		line, more = string(runes[:120]), true
	}
	if more {
		line += " ..."
	}
	return strings.ToValidUTF8(strings.Map(printable, line), "?")
}

// printable keeps a comment on its line.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f || r == 0x2028 || r == 0x2029 {
		return ' '
	}
	return r
}

// argumentsOf puts the arguments in the order of the call: the first one and the
// required ones that lead it by position, the others by name.
func argumentsOf(fn *module.Func, given *starlark.Dict) []argument {
	var args []argument
	before, _, _ := strings.Cut(fn.Signature(), "*") // what follows a star needs its name
	leading := true
	for i, p := range reference.Parameters(fn) {
		v, ok, _ := given.Get(starlark.String(p.Name)) // a string key
		leading = leading && (p.Required || i == 0) && ok && strings.Contains(before, p.Name)
		if ok {
			args = append(args, argument{name: p.Name, value: v, first: leading})
		}
	}
	for _, kv := range given.Items() {
		if name := string(kv[0].(starlark.String)); strings.HasPrefix(name, "_") {
			args = append(args, argument{name: name, value: kv[1]})
		}
	}
	return args
}
