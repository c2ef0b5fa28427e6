package op

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/cmdline"
	commands "github.com/provisioning-systems/provisioning/runtime/command"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def command(target, command, creates = None, removes = None, unless = None, only_if = None, changes = None, stdin = None, codes = [0], undo = None):
    """Runs a command, if it has not had its effect already.

    What says so are the arguments that follow it: where several are given, each of
    them can make it unnecessary. A command with creates, removes or unless that was cut
    off is run again; of any other one a person has to say whether it ran.

    With _once = True the command leaves a marker on the machine, as target.run says: it
    goes on when the connection is cut, and is not run again because of that. The marker
    tells whether it ran, whatever creates, removes and unless say.

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

var (
	_ operation.Marked = (*command)(nil)
	_ effect.Leaver    = (*command)(nil)
)

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
	s, err := c.step()
	if err != nil {
		return nil, err
	}
	change := &operation.Change{Kind: c.kind(), Step: s, Diff: c.shows(), After: c.after()}
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

func (c *command) shows() string {
	text, _ := shellText("command", c.Command)
	return "run " + strings.TrimSpace(text) + "\n"
}

// step runs the command. Its text may be any that sh takes: what it sets up must not
// reach what comes after it, and set -e is not for it.
func (c *command) step() (operation.Step, error) {
	text, err := shellText("command", c.Command)
	return operation.Step{Script: "set +e\n" + text + "\n", Stdin: c.Stdin}, err
}

// after is what the guards will find.
func (c *command) after() map[fact.Fact]any {
	after := map[fact.Fact]any{}
	if c.Creates != "" {
		after[fact.File.Of(c.Creates)] = fact.FileState{Type: "other", Planned: true}
	}
	if c.Removes != "" {
		after[fact.File.Of(c.Removes)] = fact.FileState{}
	}
	if c.Unless != "" {
		after[fact.Test.Of(c.Unless)] = true
	}
	return after
}

// job is the command as one that leaves a marker. What its end means is not for the job
// to judge.
func (c *command) job(env *effect.Env, s operation.Step) (*commands.Job, error) {
	on, behaviour := commands.On{Target: c.Target}, commands.Behaviour{Stdin: string(s.Stdin)}
	return commands.Prepare(env, on, behaviour, machine.Command{Script: s.Script, Hidden: s.Hidden}, cmdline.Clip(c.Describe(), 60))
}

// PerformOnce runs the command so that it outlives the connection.
func (c *command) PerformOnce(ctx context.Context, env *effect.Env, s operation.Step) (operation.Result, error) {
	j, err := c.job(env, s)
	if err != nil {
		return operation.Result{}, err
	}
	r, err := j.Perform(ctx, env)
	if err != nil {
		return operation.Result{}, err
	}
	return r.(operation.Result), nil
}

// Left notes that the run has a marker on the machine.
func (c *command) Left(env *effect.Env) {
	on := commands.On{Target: c.Target}
	on.Left(env)
}

// Happened asks the marker, where there is one: while the command goes on, what it
// creates may be there already.
func (c *command) Happened(ctx context.Context, env *effect.Env, past effect.Past) (effect.Answer, error) {
	if !env.Options.Once {
		return c.Base.Happened(ctx, env, past)
	}
	s, err := c.step()
	if err != nil {
		return effect.Answer{}, err
	}
	j, err := c.job(env, s)
	if err != nil {
		return effect.Answer{}, err
	}
	answer, err := j.Happened(ctx, env)
	if err != nil || answer.Happened != effect.Yes {
		return answer, err
	}
	r := answer.Result.(operation.Result)
	if err := c.judge(r.RC, r.Stdout, r.Stderr); err != nil {
		return effect.Answer{Why: fmt.Sprintf("its marker says that it failed, with code %d", r.RC)}, nil
	}
	r.OK, r.Diff = true, c.shows()
	if c.Changes != "" {
		r.Changed, r.Diff = c.did(r.Stdout)
	}
	answer.Result = r
	return answer, nil
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
