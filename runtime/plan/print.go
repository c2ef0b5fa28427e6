package plan

import (
	"fmt"
	"io"
	"strings"

	"github.com/provisioning-systems/provisioning/runtime/effect"
)

var signs = map[effect.Change]string{
	effect.Create: "+", effect.Update: "~", effect.Delete: "-", effect.None: "=", effect.Act: "!", effect.Ask: "?",
}

// Print writes the plan as a tree. Effects that change nothing, and reads, are
// shown only when all is set.
func (p *Plan) Print(w io.Writer, all bool) {
	printer{w, all, map[string]bool{}}.steps(p.root.Steps, "  ")
	fmt.Fprintln(w, p.Summary())
}

type printer struct {
	w     io.Writer
	all   bool
	shown map[string]bool // the diffs that were printed: arms have the same ones again and again
}

func (p printer) steps(steps []Step, indent string) {
	for _, s := range steps {
		switch {
		case s.Effect != nil:
			p.item(s.Effect, indent)
		case s.Decision != nil:
			p.decision(s.Decision, indent)
		case s.Stops != "":
			fmt.Fprintf(p.w, "%s? the plan of this branch ends here: %s\n", indent, s.Stops)
		case s.Fails != "":
			fmt.Fprintf(p.w, "%sx it fails here: %s\n", indent, s.Fails)
		}
		for _, n := range s.Branches {
			if p.all || interesting(n.Steps) {
				fmt.Fprintf(p.w, "%sbranch %s\n", indent, n.Path)
				p.steps(n.Steps, indent+"  ")
			}
		}
	}
}

func interesting(steps []Step) bool {
	for _, s := range steps {
		if s.Stops != "" || s.Fails != "" || s.Effect != nil && s.Effect.Write && s.Effect.Change != effect.None {
			return true
		}
		for _, n := range s.Branches {
			if interesting(n.Steps) {
				return true
			}
		}
		if s.Decision != nil && s.Decision.interesting() {
			return true
		}
	}
	return false
}

func (f *Fork) interesting() bool {
	for _, arm := range f.Arms {
		if arm.Unexplored || interesting(arm.Steps) {
			return true
		}
	}
	return false
}

var verbs = map[string]string{"for": "for each of"}

func (p printer) decision(f *Fork, indent string) {
	if !p.all && !f.interesting() {
		return
	}
	verb := verbs[f.Op]
	if verb == "" {
		verb = "if"
	}
	where := ""
	if f.Branch != "" {
		where = ", in branch " + f.Branch
	}
	if only := f.only(); only != nil {
		if p.all || interesting(only.Steps) {
			fmt.Fprintf(p.w, "%s? %s %s%s: %s; not explored otherwise  %s\n", indent, verb, f.Question, where, only.Answer, f.Position)
			p.steps(only.Steps, indent)
		}
		return
	}
	fmt.Fprintf(p.w, "%s? %s %s%s  %s\n", indent, verb, f.Question, where, f.Position)
	if one := f.body(); one != nil {
		p.steps(one.Steps, indent+"    ")
		return
	}
	for _, arm := range f.Arms {
		p.arm(f, arm, indent)
	}
}

// only is the one arm that was explored; nil when there are several.
func (f *Fork) only() *Arm {
	var only *Arm
	for _, arm := range f.Arms {
		switch {
		case arm.Unexplored:
		case only != nil:
			return nil
		default:
			only = arm
		}
	}
	return only
}

// body is what a loop does for each element, where no number of them makes
// another difference; nil for anything else.
func (f *Fork) body() *Arm {
	var none, one, more *Arm
	for _, arm := range f.Arms {
		switch arm.Answer {
		case "none":
			none = arm
		case "one":
			one = arm
		case "more":
			more = arm
		}
	}
	if f.Op != "for" || none.Unexplored || one.Unexplored || more.Unexplored || interesting(none.Steps) {
		return nil
	}
	var first []Step
	for _, s := range more.Steps {
		if s.Effect == nil || !s.Effect.Repeats {
			first = append(first, s)
		}
	}
	if len(first) == len(more.Steps) && len(first) > 0 || !alikeSteps(first, one.Steps) {
		return nil
	}
	return one
}

func (p printer) arm(f *Fork, arm *Arm, indent string) {
	answer := arm.Answer
	if f.Op == "for" && answer == "more" {
		answer = "more than one (two are shown)"
	}
	if arm.Likely {
		answer += " (as in an earlier run)"
	}
	switch {
	case arm.Unexplored:
		fmt.Fprintf(p.w, "%s  %s: not explored\n", indent, answer)
	case p.all && len(arm.Steps) > 0 || interesting(arm.Steps):
		fmt.Fprintf(p.w, "%s  %s:\n", indent, answer)
		p.steps(arm.Steps, indent+"    ")
	default:
		fmt.Fprintf(p.w, "%s  %s: nothing more\n", indent, answer)
	}
}

func (p printer) item(item *Item, indent string) {
	if !p.all && (!item.Write || item.Change == effect.None) {
		return
	}
	sign := signs[item.Change]
	if !item.Write {
		sign = "?"
		if item.Depends == "" {
			sign = " "
		}
	}
	fmt.Fprintf(p.w, "%s%s %s %s", indent, sign, item.Kind, item.Description)
	if notes := item.notes(); len(notes) > 0 {
		fmt.Fprintf(p.w, "  (%s)", strings.Join(notes, ", "))
	}
	fmt.Fprintf(p.w, "  %s\n", item.Position)
	switch id := item.Kind + item.Position + item.Diff; {
	case item.Diff == "":
	case p.shown[id]: // said, or a machine without a difference would look untouched
		fmt.Fprintf(p.w, "%s    (the same difference as above)\n", indent)
	default:
		p.shown[id] = true
		fmt.Fprintf(p.w, "%s    %s\n", indent, strings.ReplaceAll(strings.TrimRight(item.Diff, "\n"), "\n", "\n"+indent+"    "))
	}
}

func (item *Item) notes() []string {
	var notes []string
	if item.Repeats {
		notes = append(notes, "and again for each further one")
	}
	if item.Write && item.Quality != effect.Exact.String() {
		notes = append(notes, item.Quality)
	}
	if item.After {
		notes = append(notes, "a command before it may change the answer")
	}
	if item.Depends != "" && item.Depends != item.Description {
		notes = append(notes, "depends on "+item.Depends)
	}
	return notes
}

func (s Summary) String() string {
	text := fmt.Sprintf("plan: %d to create, %d to update, %d to delete, %d to run, %d unchanged; %d reads made",
		s.Create, s.Update, s.Delete, s.Run, s.Unchanged, s.Reads)
	for _, n := range []struct {
		n         int
		one, many string
	}{
		{s.Ask, "1 to ask", "%d to ask"},
		{s.Early, "1 of the reads comes after a command that may change what it says", "%d of the reads come after commands that may change what they say"},
		{s.Decisions, "1 decision is open", "%d decisions are open"},
		{s.Maybe, "1 more change in the other arms", "up to %d more changes in the other arms"},
		{s.Repeats, "1 change is repeated by a loop", "%d changes are repeated by loops"},
		{s.Fails, "1 way ends in a failure", "%d ways end in a failure"},
		{s.Combinations, "1 combination of answers was not explored", "%d or more combinations of answers were not explored"},
		{s.Unexplored, "1 arm was not explored", "%d arms were not explored"},
		{s.Stops, "1 branch could not be followed to its end", "%d branches could not be followed to their end"},
	} {
		switch {
		case n.n == 1:
			text += "; " + n.one
		case n.n > 1:
			text += "; " + fmt.Sprintf(n.many, n.n)
		}
	}
	return text
}
