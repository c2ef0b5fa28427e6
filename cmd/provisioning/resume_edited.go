package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/console"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// editFlags are the flags of resume that belong to --edited.
type editFlags struct {
	edited bool
	check  bool
	all    bool
	yes    bool
	undo   bool
	keep   bool
	params []string
}

func (f *editFlags) define(fs *pflag.FlagSet) {
	fs.BoolVar(&f.edited, "edited", false, "go on by the text that the script has now, compared with what was done")
	fs.BoolVarP(&f.check, "check", "c", false, "with --edited: only show the comparison")
	fs.BoolVar(&f.all, "all", false, "with --edited: show what is the same as well")
	fs.BoolVarP(&f.yes, "yes", "y", false, "with --edited: do the writes that were inserted before what is done already")
	fs.BoolVar(&f.undo, "undo-removed", false, "with --edited: take back the writes that the script does not have any more")
	fs.BoolVar(&f.keep, "keep-removed", false, "leave them as they are, for a rollback")
	fs.StringArrayVar(&f.params, "param", nil, "with --edited: parameter of the script, NAME=VALUE")
}

// checkFlags finds flags that do not go together.
func (f *editFlags) checkFlags(answers int) error {
	if !f.edited {
		for name, given := range map[string]bool{"check": f.check, "all": f.all, "yes": f.yes, "undo-removed": f.undo, "param": len(f.params) > 0} {
			if given {
				return fault.New(fault.Usage, "--%s belongs to --edited", name)
			}
		}
	}
	if f.undo && f.keep {
		return fault.New(fault.Usage, "--undo-removed and --keep-removed contradict each other")
	}
	if f.check && (answers > 0 || f.yes || f.undo || f.keep) {
		return fault.New(fault.Usage, "--check changes nothing, so there is nothing to answer")
	}
	return nil
}

// resumeEdited goes on with a run by the present text of its script.
func (a *app) resumeEdited(id string, with runtime.Resume, f *editFlags) error {
	edit := runtime.Edit{Params: map[string][]string{}}
	for _, text := range f.params {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return fault.New(fault.Usage, "--param must be NAME=VALUE, not %q", text)
		}
		edit.Params[name] = append(edit.Params[name], value)
	}
	var compared *runtime.Compared
	edit.Decide = func(c *runtime.Compared) (bool, error) {
		compared = c
		if f.check {
			return false, errOnlyCompared
		}
		return a.decide(c, f)
	}
	out, err := a.watched("", func(rt *runtime.Runtime, in runtime.Interrupt) (*runtime.Outcome, error) {
		if name, err := a.engineOf(rt, id); err != nil || name != "" && !f.check {
			return nil, cmp.Or(err, notElsewhere("resume --edited"))
		}
		return rt.ResumeEdited(in, id, with, edit)
	})
	switch {
	case err == errOnlyCompared:
		return a.onlyCompared(compared, f)
	case compared == nil && out != nil && err == nil && out.State == journal.Completed:
		return a.nothingToDo(out)
	case out == nil && fault.Is(err, fault.Waiting) && compared != nil && a.console.Structured():
		if rerr := a.console.Result(map[string]any{"comparison": compared, "error": journal.FaultOf(err)}); rerr != nil {
			return rerr
		}
		return exitCode(fault.ExitCode(err))
	}
	return a.outcome(out, err)
}

var errOnlyCompared = fault.New(fault.Internal, "only compared")

func (a *app) onlyCompared(c *runtime.Compared, f *editFlags) error {
	if a.console.Structured() {
		return a.console.Result(c)
	}
	a.console.Note("Dry-run mode - no changes will be made")
	a.showCompared(c, f.all)
	return nil
}

func (a *app) nothingToDo(out *runtime.Outcome) error {
	if a.console.Structured() {
		return a.structuredOutcome(out, nil)
	}
	a.console.Note("run %s has completed, and did all that the script does now", out.Run.ID[:8])
	return nil
}

// decide shows the comparison, and asks where something is to be decided and
// nobody has said how.
func (a *app) decide(c *runtime.Compared, f *editFlags) (undo bool, err error) {
	a.showCompared(c, f.all)
	yes := f.yes || c.Asks() == 0
	decided := f.undo || f.keep || c.Undoable() == 0
	undo = f.undo
	if console.Interactive() {
		person := &console.Person{C: a.console}
		if !yes {
			yes = choose(person, fmt.Sprintf("do %s that come before what is done already?", count(c.Asks(), "write")), "yes", "no") == "yes"
		}
		if yes && !decided {
			answer := choose(person, fmt.Sprintf("take back %s that the script does not have any more?", count(c.Undoable(), "write")), "undo", "keep")
			undo, decided = answer == "undo", answer != ""
		}
	}
	if yes && decided {
		return undo, nil
	}
	var how []string
	if !yes {
		how = append(how, "--yes")
	}
	if !decided {
		how = append(how, "--undo-removed|--keep-removed")
	}
	e := fault.New(fault.Waiting, "the edit changes what the run has done: %s", undecidedText(c, yes, decided))
	return false, e.WithHint("nothing was changed; agree with: provisioning resume %s --edited %s", c.Run[:8], strings.Join(how, " "))
}

func choose(person *console.Person, text string, choices ...string) string {
	answer, _, _ := person.Ask(context.Background(), journal.Question{Text: text, Choices: choices})
	return answer
}

func undecidedText(c *runtime.Compared, yes, decided bool) string {
	var parts []string
	if !yes {
		parts = append(parts, count(c.Asks(), "write")+" to do")
	}
	if !decided {
		parts = append(parts, count(c.Undoable(), "removed write")+" to take back, or to keep")
	}
	return strings.Join(parts, ", ")
}

var signs = map[string]string{
	door.Same: "=", door.Inserted: "+", door.Removed: "-", door.Changed: "~", door.Again: "~", door.Retried: "~", door.Open: "?",
}

// showCompared prints a comparison for people.
func (a *app) showCompared(c *runtime.Compared, all bool) {
	for _, note := range c.Notes {
		a.console.Note("note: %s", note)
	}
	counts := map[string]int{}
	for _, d := range c.Differences {
		counts[d.Change]++
		if all || d.Change != door.Same || d.Why != "" && !strings.HasPrefix(d.Why, "the functions") {
			a.showDifference(d)
		}
	}
	var parts []string
	for _, change := range []string{door.Same, door.Inserted, door.Removed, door.Changed, door.Again, door.Retried, door.Open} {
		if counts[change] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[change], change))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing was done so far"}
	}
	a.console.Print("compared with what was done: %s", strings.Join(parts, ", "))
}

func (a *app) showDifference(d door.Difference) {
	where := d.Position
	switch {
	case where == "":
		where = d.OldPosition
	case d.OldPosition != "" && d.OldPosition != d.Position:
		where = d.OldPosition + " -> " + d.Position
	}
	text := d.Description
	if d.OldDescription != "" && d.OldDescription != d.Description {
		text = d.OldDescription + " -> " + d.Description
	}
	place := d.Place
	if place == "" {
		place = d.OldPlace
	}
	line := fmt.Sprintf("%s %-8s %-6s %s %s", signs[d.Change], d.Change, place, d.Kind, firstLine(text))
	var notes []string
	if d.Why != "" {
		notes = append(notes, d.Why)
	}
	if d.Undo {
		notes = append(notes, "can be taken back")
	}
	if d.Ask {
		notes = append(notes, "needs a yes")
	}
	if len(notes) > 0 {
		line += "  (" + strings.Join(notes, "; ") + ")"
	}
	a.console.Print("%s   %s", line, where)
	for _, text := range []string{d.Arguments, d.Diff} {
		for _, l := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
			if l != "" {
				a.console.Print("      %s", l)
			}
		}
		if text != "" && text == d.Arguments {
			break // the arguments say it
		}
	}
}
