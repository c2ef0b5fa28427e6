package travel

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/duration"
)

// What there is only in a recorded run.

// count reads the argument of a command that takes how often.
func count(arg string) (int, error) {
	if arg == "" {
		return 1, nil
	}
	n, err := strconv.Atoi(arg)
	if err != nil || n < 1 {
		return 0, fault.New(fault.Usage, "%q is no number of effects", arg)
	}
	return n, nil
}

// moved goes somewhere, and says where that is.
func (s *Shell) moved(err error) error {
	if err == nil {
		s.arrived()
	}
	return err
}

func (s *Shell) next(ctx context.Context, arg string) error {
	n, err := count(arg)
	if err != nil {
		return err
	}
	return s.moved(s.Journey.Next(ctx, n))
}

func (s *Shell) back(ctx context.Context, arg string) error {
	n, err := count(arg)
	if err != nil {
		return err
	}
	return s.moved(s.Journey.Back(ctx, n))
}

func (s *Shell) step(ctx context.Context, arg string) error {
	n, err := count(arg)
	if err != nil {
		return err
	}
	at := s.Journey.Number()
	if at == 0 {
		return fault.New(fault.Usage, "there is nothing after this: the journal ends here")
	}
	return s.moved(s.Journey.GoTo(ctx, s.Journey.Later(at, n)))
}

func (s *Shell) goTo(ctx context.Context, arg string) error {
	n, err := s.Journey.Find(arg)
	if err != nil {
		return err
	}
	if err := s.Journey.GoTo(ctx, n); err != nil {
		return err
	}
	if arg == "failure" && n > s.Journey.Len() {
		s.Journey.GoToFailure(ctx)
	}
	return s.moved(nil)
}

func (s *Shell) branches(context.Context, string) error {
	standing := s.Journey.Branches()
	paths := sortedPaths(standing, "")
	for _, path := range paths {
		mark := " "
		if path == s.Journey.path {
			mark = ">"
		}
		at := standing[path]
		s.Print(strings.TrimRight(fmt.Sprintf("%s %-8s %-8s %s %s", mark, path, s.numbered(at), at.Kind, firstLine(at.Description)), " "))
	}
	if len(paths) == 0 {
		s.Print("no branch stands still: the script has ended")
	}
	return nil
}

// numbered is the number of an effect; there is none for one that the run did not
// make.
func (s *Shell) numbered(at *door.Sight) string {
	if at.Record == nil {
		return "-"
	}
	return strconv.Itoa(s.Journey.number[at.Record.Place])
}

func (s *Shell) branch(ctx context.Context, path string) error {
	return s.moved(s.Journey.Look(ctx, path))
}

func (s *Shell) set(ctx context.Context, arg string) error {
	name, expr, ok := assignment(arg)
	if !ok || expr == "" {
		return fault.New(fault.Usage, ":set takes NAME = VALUE")
	}
	return s.moved(s.Journey.Set(ctx, name, expr))
}

func (s *Shell) answer(ctx context.Context, arg string) error {
	return s.moved(s.Journey.Answer(ctx, arg))
}

func (s *Shell) forget(ctx context.Context, _ string) error {
	return s.moved(s.Journey.Forget(ctx))
}

func (s *Shell) diff(ctx context.Context, _ string) error {
	d, err := s.Journey.Diff(ctx)
	if err != nil {
		return err
	}
	for _, line := range d.Lines {
		s.Print(line)
	}
	s.Print(fmt.Sprintf("what if: %d effects are the same, %d differ", d.Same, len(d.Lines)))
	for _, line := range d.Stops {
		s.Print(line)
	}
	switch {
	case d.Unknown:
		s.Print("it is not known further: " + d.Ends)
	case d.Ends != "":
		s.Print("it would fail: " + d.Ends)
	}
	return nil
}

func (s *Shell) live(_ context.Context, arg string) error {
	if arg != "" && arg != "yes" {
		return fault.New(fault.Usage, ":continue-live takes nothing, or yes; not %q", arg)
	}
	if s.Journey.Changed() {
		return fault.New(fault.Usage, "what was supposed did not happen, so the run cannot go on from here").
			WithHint("take it back with :forget; to change the script, edit it and resume the run with the new text")
	}
	gone, err := s.Live(arg == "yes")
	s.ended = s.ended || gone
	return err
}

// effect shows the effect that comes now.
func (s *Shell) effect(context.Context, string) error {
	at := s.Journey.Sight()
	if at == nil {
		return s.nothing()
	}
	s.Print(strings.TrimSpace(at.Place + " " + at.Kind + " " + at.Description))
	sc := s.scene()
	for _, arg := range Arguments(at) {
		s.Print("  " + arg.Name + " = " + sc.Show(arg.Value, maxShown))
	}
	rec := at.Record
	if rec == nil {
		s.Print("  the journal does not have it")
		return nil
	}
	took := ""
	if !rec.Ended.IsZero() {
		took = ", " + duration.Short(rec.Ended.Sub(rec.Begun))
	}
	s.Print(fmt.Sprintf("  it was: %s%s, attempts: %d", rec.Progress(), took, max(rec.Attempts, 1)))
	v, err := sc.Stage.Outcome(rec)
	switch {
	case err != nil:
		s.Print("  error: " + sc.redact(err.Error()))
	case v != nil:
		s.Print("  result: " + sc.Show(v, maxValue))
	}
	return nil
}

// Arguments are those of an effect that were given, with their names.
func Arguments(at *door.Sight) []Local {
	if at.Call == nil {
		return nil
	}
	var all []Local
	for i, v := range at.Call.Args {
		if v != nil {
			all = append(all, Local{at.Call.Decl.Params[i], v})
		}
	}
	for _, kv := range at.Call.Under {
		name, _ := starlark.AsString(kv[0])
		all = append(all, Local{name, kv[1]})
	}
	return all
}
