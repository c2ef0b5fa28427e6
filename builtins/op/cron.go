package op

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fact"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/operation"
)

var _ = Module.Write(`
def cron(target, name, command = None, schedule = None, user = "root", env = {}, crontab = False, state = "present"):
    """Makes a command run at times that cron knows.

    It is a file of its own in /etc/cron.d, or lines in the crontab of the user.

    Args:
      target: the machine.
      name: of the job; what is there under that name is replaced.
      command: for sh, one line.
      schedule: five fields of cron (minute, hour, day of the month, month, day of the
        week), or "@daily", "@reboot" and the like.
      user: that the command runs as.
      env: variables of its environment.
      crontab: put it into the crontab of the user, which machines without
        /etc/cron.d need; not together with env.
      state: "present" or "absent".
    Returns:
      The struct of operations.
    Errors:
      invalid for a schedule or a name that is none; failed when the machine has no
      crontab.
    Example:
      op.cron(web, "backup", "/usr/local/bin/backup", "30 3 * * *", _sudo = True)
      op.cron(web, "renew", "certbot renew -q", "@daily", user = "certs", crontab = True)
    """`, &cron{}, effect.Exact)

type cron struct {
	operation.Base
	Name     string            `star:"name"`
	Command  string            `star:"command"`
	Schedule string            `star:"schedule"`
	User     string            `star:"user"`
	Env      map[string]string `star:"env"`
	Crontab  bool              `star:"crontab"`
	State    string            `star:"state"`
}

func (c *cron) Describe() string { return c.On() + ": " + c.Name }

func (c *cron) Validate() error {
	if err := c.Base.Validate(); err != nil {
		return err
	}
	// cron passes over files whose names have other characters.
	if !madeOf(c.Name, "_-") {
		return fault.New(fault.Invalid, "%q is no name of a job: letters, digits, _ and - only", c.Name)
	}
	if err := validAccount(c.User); err != nil {
		return err
	}
	if err := validState(c.State, "present", "absent"); err != nil || c.State == "absent" {
		return err
	}
	if c.Command == "" || strings.ContainsAny(c.Command, "\n\x00") {
		return fault.New(fault.Invalid, "a job needs a command, on one line")
	}
	if c.Crontab && len(c.Env) > 0 {
		return fault.New(fault.Invalid, "in a crontab, variables would be those of all its jobs").
			WithHint("put them into the command: %q", "NAME=value command")
	}
	for name, v := range c.Env {
		if !madeOf(name, "_") || strings.ContainsAny(v, "\n\x00") {
			return fault.New(fault.Invalid, "%q cannot be a variable of a job", name)
		}
	}
	return validSchedule(c.Schedule)
}

var cronWords = []string{"@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}

func validSchedule(s string) error {
	fields := strings.Fields(s)
	if len(fields) == 1 && slices.Contains(cronWords, s) {
		return nil
	}
	if len(fields) != 5 || strings.ContainsAny(s, "\n\x00") {
		return fault.New(fault.Invalid, "%q is no schedule", s).
			WithHint("five fields (minute, hour, day of the month, month, day of the week), or one of %s", strings.Join(cronWords, ", "))
	}
	for _, f := range fields {
		if !madeOf(f, "*,/-") {
			return fault.New(fault.Invalid, "%q: %q is no field of a schedule", s, f)
		}
	}
	return nil
}

func (c *cron) path() string { return "/etc/cron.d/" + c.Name }

func (c *cron) Facts() []fact.Fact {
	if c.Crontab {
		return []fact.Fact{fact.Crontab.Of(c.User)}
	}
	return []fact.Fact{fact.Content.Of(c.path())}
}

func (c *cron) Plan(w *fact.World) (*operation.Change, error) {
	if c.Crontab {
		return c.inCrontab(w)
	}
	var f files
	if c.State == "absent" {
		f.remove(w, c.path())
	} else {
		f.set(w, c.path(), []byte(c.text()))
	}
	return f.change(c.State == "absent"), nil
}

// change is what the files ask for; nil for nothing.
func (f *files) change(removed bool) *operation.Change {
	if f.script == "" {
		return nil
	}
	c := &operation.Change{Kind: effect.Update, Diff: f.diff, After: f.after, Undo: &operation.Step{Script: f.undo}}
	c.Script = f.script
	switch {
	case removed:
		c.Kind = effect.Delete
	case f.fresh:
		c.Kind = effect.Create
	}
	return c
}

func (c *cron) text() string {
	var b strings.Builder
	for _, name := range sortedKeys(c.Env) {
		fmt.Fprintf(&b, "%s=%s\n", name, c.Env[name])
	}
	fmt.Fprintf(&b, "%s %s %s\n", c.Schedule, c.User, c.Command)
	return b.String()
}

// inCrontab changes the two lines of the job in the crontab: a comment with its name,
// and the job.
func (c *cron) inCrontab(w *fact.World) (*operation.Change, error) {
	f := fact.Crontab.Of(c.User)
	now := fact.Get[fact.CrontabState](w, f)
	if !now.Known {
		if c.State == "absent" {
			return nil, nil
		}
		if w.Has(fact.PlannedPackage.Of("*")) {
			return &operation.Change{Kind: effect.Update, Unsure: "what the packages before it make of crontabs", Diff: "crontab of " + c.User + ": " + c.Schedule + " " + c.Command + "\n"}, nil
		}
		return nil, fault.New(fault.Failed, "%s has no crontab: install cron", c.On())
	}
	mark := "# provisioning: " + c.Name
	var lines []string
	skip := false
	for line := range strings.Lines(now.Text) {
		line = strings.TrimRight(line, "\n")
		if skip || line == mark {
			skip = line == mark
			continue
		}
		lines = append(lines, line)
	}
	if c.State == "present" {
		lines = append(lines, mark, c.Schedule+" "+c.Command)
	}
	then := fact.CrontabState{Known: true, Exists: len(lines) > 0}
	if then.Exists {
		then.Text = strings.Join(lines, "\n") + "\n"
	}
	if same(now.Text, mark, c.Schedule+" "+c.Command, c.State == "present") {
		return nil, nil
	}
	change := &operation.Change{Kind: effect.Update, After: map[fact.Fact]any{f: then}}
	change.Diff = textDiff("crontab of "+c.User, []byte(now.Text), []byte(then.Text), bytes.Equal)
	change.Step = c.install(then)
	back := c.install(now)
	change.Undo = &back
	return change, nil
}

// same reports whether a crontab has the job, wherever, or has it not.
func same(text, mark, job string, present bool) bool {
	if present {
		return strings.Contains("\n"+text, "\n"+mark+"\n"+job+"\n") && strings.Count("\n"+text, "\n"+mark+"\n") == 1
	}
	return !strings.Contains("\n"+text, "\n"+mark+"\n")
}

func (c *cron) install(s fact.CrontabState) operation.Step {
	q := machine.Quote(c.User)
	if !s.Exists {
		return operation.Step{Script: "! crontab -u " + q + " -l >/dev/null 2>&1 || crontab -u " + q + " -r\n"}
	}
	// Input that broke off would be taken for the whole; a script that does is not run.
	text := operation.Step{Script: "crontab -u " + q + " -\n", Stdin: []byte(s.Text)}
	return operation.Step{Script: inline(text), Hidden: true}
}
