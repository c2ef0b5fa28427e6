package door

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/branch"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// The answers to an effect in doubt.
const (
	AnswerDone = "done" // it happened: go on with the result that it would have had
	AnswerRedo = "redo" // it did not happen: do it
	AnswerSkip = "skip" // go on without it; its value is None
)

// settle finds out whether an effect in doubt happened: from a person's answer,
// else from the world, else by asking a person. The status Intended says that it
// did not happen.
func (d *Door) settle(s *site, do effect.Performer, env *effect.Env, rec *journal.Effect, why *fault.Error) (any, journal.Status, error) {
	unclear := ""
	if asker, ok := do.(effect.Asker); ok && !d.answered(s.place) {
		answer, err := d.askWorld(s, asker, env, rec)
		switch {
		case err != nil:
			unclear = "asking the world failed: " + err.Error() + " (a resume asks it again)"
		case answer.Happened == effect.Yes:
			return answer.Result, journal.Done, nil
		case answer.Happened == effect.No:
			return nil, journal.Intended, nil
		default:
			unclear = answer.Why
		}
	}
	answer, err := d.askDoubt(s, why, unclear)
	switch {
	case err != nil:
		return nil, journal.Intended, err
	case answer == AnswerDone:
		return d.assume(do), journal.Assumed, nil
	case answer == AnswerSkip:
		return starlark.None, journal.Skipped, nil
	}
	// The answer is good for one time: after another crash nobody knows again.
	return nil, journal.Intended, d.Record.Forget(s.place)
}

// askWorld asks again where the failure may pass: it is a read like others.
func (d *Door) askWorld(s *site, asker effect.Asker, env *effect.Env, rec *journal.Effect) (effect.Answer, error) {
	ctx := d.Cut
	ask := func() (effect.Answer, error) { return asker.Happened(ctx, env, past{d: d, rec: rec}) }
	if do := asker.(effect.Performer); d.abroad(do, rec.Kind) {
		ctx = s.branch.Context()
		ask = func() (effect.Answer, error) { return d.sendQuestion(s, do, rec) }
	}
	for attempt := 1; ; attempt++ {
		answer, err := ask()
		e := fault.As(err)
		if e == nil || !e.Transient() || attempt == standardAttempts {
			return answer, err
		}
		if perr := d.pause(ctx, attempt, e.RetryAfter); perr != nil {
			return answer, err
		}
	}
}

// answered reports whether a person has answered for the effect at place. An
// answer wins over what the world says.
func (d *Door) answered(place string) bool {
	questions, err := d.Record.Questions()
	if err != nil {
		return false // the next write to the journal says why
	}
	for _, q := range questions {
		if q.Place == place && q.Answer != "" {
			return true
		}
	}
	return false
}

func (d *Door) assume(do effect.Performer) any {
	if a, ok := do.(effect.Assumer); ok {
		return a.Assume()
	}
	return starlark.None
}

func (d *Door) askDoubt(s *site, why *fault.Error, unclear string) (string, error) {
	text := fmt.Sprintf("%s %s may or may not have happened", s.call.Decl.Kind, d.Run.Secrets.Redact(s.call.Describe()))
	for _, reason := range []string{faultText(why), unclear} {
		if reason != "" {
			text += "; " + d.Run.Secrets.Redact(reason)
		}
	}
	answer, _, err := d.ask(d.Cut, s, "in_doubt", text, []string{AnswerDone, AnswerRedo, AnswerSkip})
	return answer, err
}

func faultText(e *fault.Error) string {
	if e == nil {
		return ""
	}
	return e.Msg
}

// ask returns a person's answer: one that was given before, or one that is given
// now; else the run waits.
func (d *Door) ask(ctx context.Context, s *site, kind, text string, choices []string) (answer, reason string, err error) {
	d.answers.Lock() // one question at a time
	defer d.answers.Unlock()
	text = d.Run.Secrets.Redact(text)
	questions, err := d.Record.Questions()
	if err != nil {
		return "", "", err
	}
	for _, q := range questions {
		if q.Place == s.place && slices.Contains(choices, q.Answer) {
			return q.Answer, q.Reason, nil
		}
	}
	q := journal.Question{Place: s.place, Kind: kind, Text: text, Choices: choices, Asked: d.Now()}
	if err := d.Record.Ask(q); err != nil {
		return "", "", err
	}
	d.emit(event.Event{Type: event.Asked, Place: s.place, Kind: kind, Text: text})
	if d.Person != nil {
		if answer, reason, ok := d.Person.Ask(ctx, q); ok {
			return answer, reason, nil
		}
	}
	e := &fault.Error{Kind: fault.Waiting, Msg: strings.TrimPrefix(text, s.call.Decl.Kind+" "), InDoubt: kind == "in_doubt", Cause: branch.ErrSuspended, Effect: s.call.Decl.Kind, Place: s.place}
	id := d.Run.ID[:8]
	if kind == "in_doubt" && s.place[0] == 'r' { // of a rollback
		return "", "", e.WithHint("look at the world, then\nprovisioning runs answer %[1]s done|redo|skip --place %[2]s\nprovisioning rollback %[1]s", id, s.place)
	}
	if kind == "in_doubt" {
		return "", "", e.WithHint("look at the world, then one of\nprovisioning resume %[1]s --done %[2]s   (it happened)\nprovisioning resume %[1]s --redo %[2]s   (it did not: do it)\nprovisioning resume %[1]s --skip %[2]s   (go on without it)", id, s.place)
	}
	return "", "", e.WithHint("answer with: provisioning runs answer %s %s   (or %s)", id, choices[0], strings.Join(choices[1:], ", "))
}
