package control

import (
	"context"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Write(`
def sleep(duration):
    """Waits.

    The time counts from when the wait was begun first: a run that is resumed
    waits only for what is left.

    Args:
      duration: such as "30s", "5m", "2d".
    Returns:
      None
    Example:
      sleep("10s")
    """`, &sleep{}, effect.Exact)

type sleep struct {
	Duration time.Duration `star:"duration"`
}

var (
	_ effect.Validator  = (*sleep)(nil)
	_ effect.Describer  = (*sleep)(nil)
	_ effect.Predictor  = (*sleep)(nil)
	_ effect.Repeatable = (*sleep)(nil)
	_ effect.Traceless  = (*sleep)(nil)
	_ effect.Patient    = (*sleep)(nil)
)

func (s *sleep) Validate() error {
	if s.Duration < 0 {
		return fault.New(fault.Invalid, "the duration must not be negative")
	}
	return nil
}

func (s *sleep) Describe() string { return duration.Short(s.Duration) }
func (s *sleep) Repeatable() bool { return true }
func (s *sleep) LeavesNoTrace()   {}
func (s *sleep) Waits()           {}

func (s *sleep) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Change: effect.None}, nil
}

func (s *sleep) Perform(ctx context.Context, env *effect.Env) (any, error) {
	clock := env.Run.Time()
	return nil, clock.Wait(ctx, env.Begun.Add(s.Duration).Sub(clock.Now()))
}

var _ = Module.Write(`
def approval(question, choices = ["yes", "no"]):
    """Asks a person, and stops unless the answer is the first choice.

    On a terminal the question is asked at once. Otherwise the run becomes waiting
    and its process ends; "provisioning runs answer RUN CHOICE" answers, and
    "provisioning resume RUN" goes on.

    Args:
      question: what the person has to decide.
      choices: possible answers; the last one refuses.
    Returns:
      A struct with answer and reason.
    Errors:
      permission, when the answer is the last choice.
    Example:
      approval("delete the old volumes?")
    """`, &approval{}, effect.Exact)

type approval struct {
	Question string   `star:"question"`
	Choices  []string `star:"choices"`
}

// toBeAnswered is approved before the question is asked.
type toBeAnswered struct {
	Answer starlark.Value `star:"answer"`
	Reason starlark.Value `star:"reason"`
}

type approved struct {
	Answer string `star:"answer"`
	Reason string `star:"reason"`
}

var (
	_ effect.Validator  = (*approval)(nil)
	_ effect.Predictor  = (*approval)(nil)
	_ effect.Repeatable = (*approval)(nil)
	_ effect.Traceless  = (*approval)(nil)
	_ effect.Patient    = (*approval)(nil)
)

func (a *approval) Validate() error {
	if len(a.Choices) < 2 {
		return fault.New(fault.Invalid, "an approval needs two choices or more")
	}
	return nil
}

func (a *approval) Repeatable() bool { return true }
func (a *approval) LeavesNoTrace()   {}
func (a *approval) Waits()           {}

func (a *approval) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	if len(a.Choices) == 2 { // any other answer stops the run
		return effect.Prediction{Result: approved{Answer: a.Choices[0]}, Change: effect.Ask}, nil
	}
	answer := value.NewUnknown("the answer to %q", a.Question)
	return effect.Prediction{Result: toBeAnswered{answer, value.NewUnknown("the reason for it")}, Change: effect.Ask}, nil
}

func (a *approval) Perform(ctx context.Context, env *effect.Env) (any, error) {
	answer, reason, err := env.Ask(ctx, "approval", a.Question, a.Choices)
	if err != nil {
		return nil, err
	}
	if answer == a.Choices[len(a.Choices)-1] {
		msg := "the answer to " + strings.TrimRight(a.Question, "?") + "? was " + answer
		if reason != "" {
			msg += ": " + reason
		}
		return nil, fault.New(fault.Permission, "%s", msg)
	}
	return approved{answer, reason}, nil
}
