package target

import (
	"context"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/command"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

var _ = Module.Write(`
def script(target, path = "", text = "", args = [], stdin = "", timeout = "10m", ok_codes = [0], check = True, quiet = False):
    """Runs a script of the workspace, or a text, on a machine.

    The script is put into a temporary file of the machine, run by the interpreter
    that its first line names, or by sh, and removed. In all else it is like
    target.run.

    Args:
      target: the machine, a list of machines, or a pool.
      path: the script, a file of the workspace of at most 1 MiB.
      text: the script itself, instead of path.
      args: arguments for the script.
      stdin: text that the script reads.
      timeout: time that the script may take; 0 for no limit. _timeout goes first.
      ok_codes: exit codes that mean success.
      check: whether another exit code is an error. If not, look at ok or rc.
      quiet: do not show what the script prints.
    Returns:
      The struct of operations, as that of target.run.
    Errors:
      Those of target.run; not_found when there is no such file; invalid when both
      of path and text are given, or none, or when the script is binary.
    Example:
      target.script(target.local(), text = "echo one $1", args = ["two"], quiet = True).stdout
    """`, &script{}, effect.Blind)

type script struct {
	command.On
	operation.Many
	Path string   `star:"path"`
	Text string   `star:"text"`
	Args []string `star:"args"`
	command.Behaviour
}

var (
	_ effect.Validator = (*script)(nil)
	_ effect.Describer = (*script)(nil)
	_ effect.Predictor = (*script)(nil)
	_ effect.Asker     = (*script)(nil)
	_ effect.Assumer   = (*script)(nil)
	_ effect.Commander = (*script)(nil)
	_ effect.Remote    = (*script)(nil)
	_ effect.Leaver    = (*script)(nil)
	_ effect.Looker    = (*script)(nil)
)

// maxScript bounds a script, as it is part of a line.
const maxScript = 1 << 20

func (s *script) RunsCommand() {}
func (s *script) Assume() any  { return operation.Result{Host: s.Host(), OK: true, Changed: true} }

func (s *script) Describe() string { return s.Host() + ": " + s.label() }

func (s *script) label() string {
	if s.Path != "" {
		return s.Path
	}
	first, _, _ := strings.Cut(strings.TrimSpace(s.Text), "\n")
	return "script " + first
}

// Looks names the file: a plan is another one when it changes.
func (s *script) Looks(env *effect.Env) []string {
	if s.Path == "" {
		return nil
	}
	p, err := env.Run.Files.Resolve(s.Path)
	if err != nil {
		return nil
	}
	return []string{p.Resource()}
}

func (s *script) Validate() error {
	if err := s.On.Validate(); err != nil {
		return err
	}
	switch {
	case s.Timeout < 0:
		return fault.New(fault.Invalid, "the timeout is negative")
	case (s.Path == "") == (s.Text == ""):
		return fault.New(fault.Invalid, "one of path and text is needed, and not both")
	}
	return nil
}

func (s *script) Predict(context.Context, *effect.Env) (effect.Prediction, error) {
	return effect.Prediction{Result: value.NewUnknown("target.script(%s)", s.Describe()), Change: effect.Act}, nil
}

func (s *script) job(env *effect.Env) (*command.Job, error) {
	text, err := s.text(env)
	if err != nil {
		return nil, err
	}
	return command.Prepare(env, s.On, s.Behaviour, machine.Command{Script: scriptLine(text, s.Args)}, s.label())
}

func (s *script) text(env *effect.Env) (string, error) {
	text := s.Text
	if s.Path != "" {
		p, err := env.Run.Files.Resolve(s.Path)
		if err != nil {
			return "", err
		}
		data, err := p.ReadFile(maxScript)
		if err != nil {
			return "", err
		}
		text = string(data)
	}
	switch {
	case len(text) > maxScript:
		return "", fault.New(fault.TooLarge, "the script is larger than %d bytes", maxScript)
	case strings.ContainsRune(text, 0):
		return "", fault.New(fault.Invalid, "%s is no script: it has a NUL byte in it", s.label()).
			WithHint("put a program there with target.put, and run it with target.run")
	}
	return text, nil
}

// scriptLine puts a script into a file and runs it. The interpreter is called by
// name, as /tmp may be mounted without the right to execute.
func scriptLine(text string, args []string) string {
	interpreter := "sh"
	if first, _, _ := strings.Cut(text, "\n"); strings.HasPrefix(first, "#!") {
		interpreter = ""
		for word := range strings.FieldsSeq(first[2:]) {
			interpreter += " " + machine.Quote(word)
		}
	}
	var b strings.Builder
	b.WriteString("_f=$(mktemp) || exit 73\ntrap 'rm -f \"$_f\"' EXIT\ntrap 'exit 143' TERM\n")
	b.WriteString("printf %s " + machine.Quote(text) + " >\"$_f\" || exit 73\n" + interpreter + " \"$_f\"")
	for _, a := range args {
		b.WriteString(" " + machine.Quote(a))
	}
	return b.String()
}

func (s *script) Perform(ctx context.Context, env *effect.Env) (any, error) {
	j, err := s.job(env)
	if err != nil {
		return nil, err
	}
	return j.Perform(ctx, env)
}

func (s *script) Happened(ctx context.Context, env *effect.Env, _ effect.Past) (effect.Answer, error) {
	j, err := s.job(env)
	if err != nil {
		return effect.Answer{}, err
	}
	return j.Happened(ctx, env)
}
