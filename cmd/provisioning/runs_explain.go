package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/travel"
)

func (a *app) runsExplain() *cobra.Command {
	return &cobra.Command{
		Use: "explain RUN EFFECT", Short: "Say why an effect was made, and which values led to it", Args: exactly(2, "a run and an effect"),
		Long: `Say why an effect was made, and which values led to it: the calls with their
arguments, the conditions and loops around them, and where the values come from. The
run is executed again from its journal; nothing is done.

EFFECT is a number or a place, as in "runs show", or "failure".

That a value comes from an effect is found by comparing: it is what the effect gave,
or has it in it. Short values are not compared.`,
		Example: "  provisioning runs explain last failure\n  provisioning runs explain 3f2a 0.2#4 --out json",
		RunE: func(_ *cobra.Command, args []string) error {
			rt, in, done, err := a.unwatched()
			if err != nil {
				return err
			}
			defer done()
			recording, err := rt.Recording(args[0])
			if err != nil {
				return err
			}
			e, err := explained(in.Stop, travel.NewJourney(recording), args[1])
			if err != nil {
				return err
			}
			if a.console.Structured() {
				return a.console.Result(e)
			}
			a.printExplanation(e)
			return nil
		},
	}
}

func explained(ctx context.Context, j *travel.Journey, effect string) (*travel.Explanation, error) {
	defer j.Leave()
	n, err := j.Find(effect)
	if err != nil {
		return nil, err
	}
	return j.Explain(ctx, n)
}

func (a *app) printExplanation(e *travel.Explanation) {
	say := a.console.Print
	said := origins{}
	say("effect %d of run %s: %s", e.Number, e.Run[:8], strings.TrimSpace(e.Place+" "+e.Kind+" "+firstLine(e.Description)))
	status := e.Status
	for _, more := range []string{e.Undo, tookText(e.Took), attemptsText(e.Attempts, e.Retry)} {
		if more != "" {
			status += ", " + more
		}
	}
	say("  %s", status)
	if e.Error != "" {
		say("  error: %s", e.Error)
	}
	if e.Result != "" {
		say("  result: %s", e.Result)
	}
	say("why:")
	for _, c := range e.Calls {
		say("  %s  %s(%s)%s", c.Position, c.Function, shortValues(c.Arguments), branchText(c.Branch))
		say("      | %s", c.Line)
		for _, r := range c.Because {
			say("    because %s", reasonText(r))
			said.print(a, "      ", r.Values)
		}
		said.print(a, "    ", c.Arguments)
	}
	if len(e.Arguments) > 0 {
		say("with:")
	}
	for _, arg := range e.Arguments {
		line := "  " + arg.Name + " = " + arg.Value.Value
		if arg.Expression != "" && arg.Expression != arg.Value.Value {
			line += "   (" + arg.Expression + ")"
		}
		say("%s", line)
		if len(arg.Uses) > 0 {
			say("    where %s", shortValues(arg.Uses))
		}
		said.print(a, "    ", append([]travel.Value{arg.Value}, arg.Uses...))
	}
}

// origins are the lines about where values come from that were printed: each says it
// once.
type origins map[string]bool

func (said origins) print(a *app, indent string, values []travel.Value) {
	for _, v := range values {
		for _, o := range v.From {
			line := fmt.Sprintf("%s %s %s", v.Name, o.Relation, o.What)
			if o.Effect != "" {
				line += fmt.Sprintf("   (effect %d, %s)", o.Number, o.Effect)
			}
			if !said[line] {
				a.console.Print("%s%s", indent, line)
			}
			said[line] = true
		}
	}
}

func shortValues(values []travel.Value) string {
	parts := make([]string, len(values))
	for i, v := range values {
		parts[i] = v.Name + " = " + firstLine(v.Value)
	}
	return strings.Join(parts, ", ")
}

func reasonText(r travel.Reason) string {
	text := r.Text
	if !r.Held {
		text = "not: " + text
	}
	text += " (" + r.Position + ")"
	if len(r.Values) > 0 {
		text += ": " + shortValues(r.Values)
	}
	return text
}

func branchText(path string) string {
	if path == "0" {
		return ""
	}
	return "   in branch " + path
}

func tookText(seconds float64) string {
	if seconds == 0 {
		return ""
	}
	return duration.Short(time.Duration(seconds * float64(time.Second)))
}

func attemptsText(attempts, retry int) string {
	text := ""
	if attempts > 1 {
		text = fmt.Sprintf("%d attempts", attempts)
	}
	if retry > 1 {
		text = strings.TrimPrefix(fmt.Sprintf("%s, attempt %d of a retry", text, retry), ", ")
	}
	return text
}
