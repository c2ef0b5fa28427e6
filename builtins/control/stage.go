package control

import (
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var _ = Module.Pure(`
def cassette(file, unused = "fail"):
    """In a test: answers effects from a recorded run.

    From here on reads and writes are answered from the file, and nothing is
    performed. An effect that is not in the file fails the test, and so does a write
    in the file that the test never comes to: something is not done any more. Write
    the file with "provisioning runs export RUN --cassette FILE".

    Args:
      file: of the workspace; "./x" is beside the file of the test.
      unused: "ok" when the test is of a part of what was recorded: then it may leave
        out writes.
    Returns:
      None
    Errors:
      usage: this is not a test.
      not_found: there is no such file.
      config: it is no cassette.
      invalid: unused is neither "fail" nor "ok".
    Example:
      cassette("./deploy.cassette")
    """`, &cassette{})

type cassette struct {
	File   string `star:"file"`
	Unused string `star:"unused"`
}

func (c *cassette) Compute(env *effect.Env) (any, error) {
	if env.Run.Stage == nil {
		return nil, onlyInTests("cassette")
	}
	if c.Unused != "fail" && c.Unused != "ok" {
		return nil, fault.New(fault.Invalid, "cassette: unused must be \"fail\" or \"ok\", not %q", c.Unused)
	}
	return nil, env.Run.Stage.Cassette(c.File, c.Unused == "ok")
}

var _ = Module.Pure(`
def answers(by_question):
    """In a test: gives the answers to what approval asks.

    Args:
      by_question: dict from a regular expression, which is looked for in the
        question, to the answer. The first that matches counts.
    Returns:
      None
    Errors:
      usage: this is not a test.
      invalid: a pattern is not valid.
    Example:
      answers({"delete .* volumes": "yes"})
    """`, &answers{})

type answers struct {
	ByQuestion *starlark.Dict `star:"by_question"`
}

func (a *answers) Compute(env *effect.Env) (any, error) {
	if env.Run.Stage == nil {
		return nil, onlyInTests("answers")
	}
	for _, kv := range a.ByQuestion.Items() {
		question, ok := starlark.AsString(kv[0])
		answer, isText := starlark.AsString(kv[1])
		if !ok || !isText {
			return nil, fault.New(fault.Invalid, "answers: both a question and its answer are strings, not %s: %s", kv[0], kv[1])
		}
		if err := env.Run.Stage.Answer(question, answer); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func onlyInTests(name string) error {
	return fault.New(fault.Usage, "%s can be used in tests only", name).
		WithHint("put it into a function test_… of a file …_test.star, and run that with: provisioning test")
}
