package op

import (
	"regexp"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def command(target, command, creates = None, removes = None, unless = None, only_if = None, changes = None, stdin = None, codes = [0], undo = None):
    """Runs a command, if it has not had its effect already.

    What says so are the arguments that follow it: where several are given, each of
    them can make it unnecessary. A command with creates, removes or unless that was cut
    off is run again; of any other one a person has to say whether it ran.

    Args:
      target: the machine.
      command: program and arguments as a list, or text for sh.
      creates: a path; when there is something, the command is not run.
      removes: a path; when there is nothing, the command is not run.
      unless: text for sh that only looks; when it ends with 0, the command is not
        run. It runs in the home directory, without _env and _cwd.
      only_if: text for sh that only looks; unless it ends with 0, the command is not
        run.
      changes: regular expression; the command has changed something if it prints a
        line that matches. None: whenever it was run.
      stdin: text or bytes that the command reads.
      codes: exit codes that mean success.
      undo: program and arguments, or text for sh, that rollback runs. It is run again
        where its end was lost.
    Returns:
      The struct of operations.
    Errors:
      invalid for a command that is empty or an expression that is none; failed for
      another exit code.
    Example:
      op.command(db, ["createdb", "app"], unless = "psql -lqt | grep -qw app", _user = "postgres")
      op.command(web, "tar -xf app.tar", creates = "/srv/app/bin", undo = "rm -rf /srv/app", _cwd = "/srv")
      op.command(web, ["certbot", "renew"], changes = "Congratulations")
    """`, &command{}, effect.Approximate)

type command struct {
	operation.Base
	Command starlark.Value `star:"command"`
	Creates string         `star:"creates"`
	Removes string         `star:"removes"`
	Unless  string         `star:"unless"`
	OnlyIf  string         `star:"only_if"`
	Changes string         `star:"changes"`
	Stdin   []byte         `star:"stdin"`
	Codes   []int          `star:"codes"`
	Undoing starlark.Value `star:"undo"`
}

func (c *command) Describe() string {
	text, _ := shellText("command", c.Command)
	return c.On() + ": " + strings.TrimSpace(text)
}

// shellText is a command for sh, given as text or as words.
func shellText(arg string, v starlark.Value) (string, error) {
	if text, ok := starlark.AsString(v); ok {
		if strings.TrimSpace(text) == "" || strings.ContainsRune(text, 0) {
			return "", fault.New(fault.Invalid, "the argument %q is no command", arg)
		}
		return text, nil
	}
	words, err := texts(arg, v)
	if err != nil {
		return "", err
	}
	if len(words) == 0 || words[0] == "" {
		return "", fault.New(fault.Invalid, "the argument %q has no program", arg)
	}
	return strings.TrimPrefix(quoted(words), " "), nil
}

func (c *command) Validate() error {
	if err := c.Base.Validate(); err != nil {
		return err
	}
	if _, err := shellText("command", c.Command); err != nil {
		return err
	}
	if c.undoes() {
		if _, err := shellText("undo", c.Undoing); err != nil {
			return err
		}
	}
	for _, p := range []string{c.Creates, c.Removes} {
		if p != "" {
			if err := validPath(p); err != nil {
				return err
			}
		}
	}
	if _, err := regexp.Compile(c.Changes); err != nil {
		return fault.New(fault.Invalid, "the argument \"changes\" is no regular expression: %v", err)
	}
	return nil
}

func (c *command) undoes() bool { return c.Undoing != nil && c.Undoing != starlark.None }

func (c *command) Facts() []fact.Fact {
	var facts []fact.Fact
	for _, p := range []string{c.Creates, c.Removes} {
		if p != "" {
			facts = append(facts, fact.File.Of(p))
		}
	}
	for _, t := range []string{c.Unless, c.OnlyIf} {
		if t != "" {
			facts = append(facts, fact.Test.Of(t))
		}
	}
	return facts
}

// kind is Act for a command that nothing shows the effect of: when its end is lost, a
// person has to say whether it ran.
func (c *command) kind() effect.Change {
	if c.Creates != "" || c.Removes != "" || c.Unless != "" {
		return effect.Update
	}
	return effect.Act
}

// unnecessary reports whether the facts say that the command need not be run.
func (c *command) unnecessary(w *fact.World) bool {
	exists := func(p string) bool { return fact.Get[fact.FileState](w, fact.File.Of(p)).Exists() }
	return c.Creates != "" && exists(c.Creates) ||
		c.Removes != "" && !exists(c.Removes) ||
		c.Unless != "" && fact.Get[bool](w, fact.Test.Of(c.Unless)) ||
		c.OnlyIf != "" && !fact.Get[bool](w, fact.Test.Of(c.OnlyIf))
}

func (c *command) Plan(w *fact.World) (*operation.Change, error) {
	if c.unnecessary(w) {
		return nil, nil
	}
	text, err := shellText("command", c.Command)
	if err != nil {
		return nil, err
	}
	change := &operation.Change{Kind: c.kind(), Diff: "run " + strings.TrimSpace(text) + "\n", After: c.after()}
	// The text may be any that sh takes: what it sets up must not reach what comes after
	// it, and set -e is not for it.
	change.Script, change.Stdin = "set +e\n"+text+"\n", c.Stdin
	if c.undoes() {
		undo, err := shellText("undo", c.Undoing)
		if err != nil {
			return nil, err
		}
		change.Undo = &operation.Step{Script: undo + "\n"}
	}
	if c.Changes != "" {
		change.Did = c.did
	}
	change.Expect = c.judge
	return change, nil
}

// after is what the guards will find.
func (c *command) after() map[fact.Fact]any {
	after := map[fact.Fact]any{}
	if c.Creates != "" {
		after[fact.File.Of(c.Creates)] = fact.FileState{Type: "other"}
	}
	if c.Removes != "" {
		after[fact.File.Of(c.Removes)] = fact.FileState{}
	}
	if c.Unless != "" {
		after[fact.Test.Of(c.Unless)] = true
	}
	return after
}

func (c *command) did(stdout string) (bool, string) {
	for line := range strings.Lines(stdout) {
		if ok, _ := regexp.MatchString(c.Changes, strings.TrimSuffix(line, "\n")); ok {
			return true, line
		}
	}
	return false, ""
}

func (c *command) judge(code int, stdout, stderr string) error {
	for _, ok := range c.Codes {
		if code == ok {
			return nil
		}
	}
	if len(c.Codes) == 0 {
		return nil
	}
	return operation.Failure(operation.Result{Host: c.On(), RC: code, Stdout: stdout, Stderr: stderr})
}
