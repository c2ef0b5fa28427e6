package travel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// Lines is where the commands come from.
type Lines interface {
	// Prompt reads a line, without its end. The error is io.EOF at the end.
	Prompt(text string) (string, error)
	// Remember keeps a line for the history.
	Remember(line string)
}

// Shell is a conversation about a run: a recorded one, or one that stands still at
// a breakpoint. Its fields are set before the first use.
type Shell struct {
	Lines       Lines
	Person      bool                               // a person types
	Interrupted error                              // that of a line which a person gives up
	Print       func(text string)                  // a result
	Note        func(text string)                  // for people
	Report      func(err error)                    // shows an error
	Do          func(func(ctx context.Context))    // does something that can be interrupted
	Journey     *Journey                           // through a recorded run; nil at a breakpoint
	Live        func(confirmed bool) (bool, error) // goes on for real; it reports whether it has
	Halt        *Halt                              // at a breakpoint

	failed bool
	ended  bool
	err    error
}

// Halt is a run that stands still at a breakpoint.
type Halt struct {
	Scene *Scene
	Path  string // of the branch
	Next  string // place of the next effect
}

// ErrAbort says that the person at a breakpoint wants the run to stop.
var ErrAbort = errors.New("stopped at a breakpoint")

// Failed reports whether a command has failed.
func (s *Shell) Failed() bool { return s.failed }

// Loop reads commands until there are no more, and returns ErrAbort when the run
// is to stop.
func (s *Shell) Loop() error {
	s.arrived()
	for !s.ended {
		line, err := s.Lines.Prompt(s.prompt())
		switch {
		case errors.Is(err, io.EOF):
			if s.Halt != nil {
				s.stop()
			}
			return s.err
		case err != nil && s.Interrupted != nil && errors.Is(err, s.Interrupted):
			s.Note(s.given())
			continue
		case err != nil:
			return err
		}
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		s.Lines.Remember(line)
		if err := s.execute(line); err != nil {
			s.failed = true
			s.Report(err)
		}
	}
	return s.err
}

// given is said when a person gives a line up.
func (s *Shell) given() string {
	if s.Halt != nil {
		return "the run still stands here: " + ways
	}
	return "Ctrl-D or :quit ends this; :help lists the commands"
}

// ways are those out of a breakpoint. To leave is to stop: nothing is done that
// nobody has asked for.
const ways = "it goes on with :continue, and stops with :quit or Ctrl-D; :help lists the commands"

func (s *Shell) prompt() string {
	switch {
	case s.Halt != nil:
		return "(" + s.Halt.Path + ") "
	case s.Journey.Changed():
		return "(" + s.place() + ", what if) "
	}
	return "(" + s.place() + ") "
}

func (s *Shell) place() string {
	if at := s.Journey.Sight(); at != nil {
		return at.Place
	}
	return "end"
}

func (s *Shell) scene() *Scene {
	if s.Halt != nil {
		return s.Halt.Scene
	}
	return s.Journey.Scene()
}

// command is a line that begins with a colon.
type command struct {
	names []string
	arg   string
	help  string
	do    func(s *Shell, ctx context.Context, arg string) error
	at    place
}

// place says where there is a command.
type place uint8

const (
	everywhere place = iota
	inJourney
	atBreakpoint
)

// commands is a function because what they do refers to them.
func commands() []command {
	return []command{
		{[]string{":where", ":w", ":bt"}, "", "the calls that led here, innermost first", (*Shell).where, everywhere},
		{[]string{":frame", ":f"}, "N", "select a call: its names are those of expressions", (*Shell).frame, everywhere},
		{[]string{":up"}, "", "select the call around the selected one", (*Shell).up, everywhere},
		{[]string{":down"}, "", "select the call within the selected one", (*Shell).down, everywhere},
		{[]string{":locals", ":l"}, "", "the variables of the selected call", (*Shell).locals, everywhere},
		{[]string{":effect", ":e"}, "", "the effect that comes now: arguments, and what it gave", (*Shell).effect, inJourney},
		{[]string{":next", ":n"}, "[N]", "go to the next effect of this branch", (*Shell).next, inJourney},
		{[]string{":step", ":s"}, "[N]", "go to the next effect of the run, in whatever branch", (*Shell).step, inJourney},
		{[]string{":back", ":b"}, "[N]", "go back by an effect of this branch", (*Shell).back, inJourney},
		{[]string{":goto", ":g"}, "EFFECT", "go to an effect: its number, its place, failure or end", (*Shell).goTo, inJourney},
		{[]string{":branches"}, "", "where the branches stand at this moment", (*Shell).branches, inJourney},
		{[]string{":branch"}, "PATH", "look at another branch", (*Shell).branch, inJourney},
		{[]string{":set"}, "NAME = VALUE", "what if a variable had another value here", (*Shell).set, inJourney},
		{[]string{":answer"}, "VALUE", "what if the effect that comes now gave this", (*Shell).answer, inJourney},
		{[]string{":diff"}, "", "what the run would do differently then", (*Shell).diff, inJourney},
		{[]string{":forget"}, "", "take back all that was supposed", (*Shell).forget, inJourney},
		{[]string{":continue-live"}, "[yes]", "leave, and go on with the run for real: resume it", (*Shell).live, inJourney},
		{[]string{":continue", ":c"}, "", "go on with the run", (*Shell).quit, atBreakpoint},
		{[]string{":quit", ":q", ":exit", ":abort"}, "", "stop the run, as Ctrl-D does; it can be resumed", (*Shell).abort, atBreakpoint},
		{[]string{":help", ":h", ":?"}, "", "this list", (*Shell).help, everywhere},
		{[]string{":quit", ":q", ":exit"}, "", "leave, as Ctrl-D does", (*Shell).quit, inJourney},
	}
}

// spoken are what people type in other debuggers.
var spoken = map[string]string{"?": ":help", "help": ":help", "quit": ":quit", "exit": ":quit", "where": ":where", "bt": ":where"}

func (s *Shell) execute(line string) (err error) {
	if word, ok := spoken[line]; ok {
		line = word
	}
	s.Do(func(ctx context.Context) {
		if !strings.HasPrefix(line, ":") {
			err = s.evaluate(ctx, line)
			return
		}
		name, arg, _ := strings.Cut(line, " ")
		var c *command
		if c, err = s.find(name); err == nil {
			err = s.run(ctx, c, strings.TrimSpace(arg))
		}
	})
	return err
}

func (s *Shell) run(ctx context.Context, c *command, arg string) error {
	switch {
	case arg == "" && c.arg != "" && c.arg[0] != '[', arg != "" && c.arg == "":
		what := c.arg
		if what == "" {
			what = "nothing"
		}
		return fault.New(fault.Usage, "%s takes %s", c.names[0], what)
	}
	return c.do(s, ctx, arg)
}

func (s *Shell) find(name string) (*command, error) {
	var names []string
	for _, c := range s.Commands() {
		for _, n := range c.names {
			if n == name {
				return &c, nil
			}
		}
		names = append(names, c.names[0])
	}
	e := fault.New(fault.Usage, "there is no command %q", name)
	if near := spell.Nearest(name, names); near != "" {
		e.Msg += fmt.Sprintf(" (did you mean %s?)", near)
	}
	return nil, e.WithHint("the commands are %s", strings.Join(names, ", "))
}

// Commands are those that there are here.
func (s *Shell) Commands() []command {
	var all []command
	for _, c := range commands() {
		if c.at == everywhere || (c.at == inJourney) == (s.Halt == nil) {
			all = append(all, c)
		}
	}
	return all
}

// Complete completes commands; ok is false for an expression, whose names are those
// of Names.
func (s *Shell) Complete(before string) (start int, candidates []string, ok bool) {
	text := strings.TrimLeft(before, " ")
	start = len(before) - len(text)
	if !strings.HasPrefix(text, ":") {
		return start, nil, false
	}
	if name, _, hasArg := strings.Cut(text, " "); hasArg {
		return start, nil, name != ":set" && name != ":answer"
	}
	for _, c := range s.Commands() {
		if strings.HasPrefix(c.names[0], text) {
			name := c.names[0]
			if c.arg != "" {
				name += " "
			}
			candidates = append(candidates, name)
		}
	}
	return start, candidates, true
}

// Names are those that an expression can use.
func (s *Shell) Names() starlark.StringDict {
	if sc := s.scene(); sc != nil {
		return sc.Names()
	}
	return nil
}

// maxValue is how much of the value of an expression is shown.
const maxValue = 10_000

func (s *Shell) evaluate(ctx context.Context, src string) error {
	sc := s.scene()
	if sc == nil {
		return s.nothing()
	}
	if name, _, ok := assignment(src); ok {
		e := fault.New(fault.Usage, "an assignment is not an expression")
		if s.Halt == nil {
			return e.WithHint("what if %s had another value: :set %s", name, src)
		}
		return e.WithHint("a run that is going on is not changed; look at it with: provisioning repl RUN")
	}
	v, printed, err := sc.Eval(ctx, src)
	for _, line := range printed {
		s.Print(line)
	}
	if err != nil {
		return err
	}
	if v != starlark.None {
		s.Print(sc.Show(v, maxValue))
	}
	return nil
}

// assignment splits "name = value".
func assignment(src string) (name, expr string, ok bool) {
	name, expr, ok = strings.Cut(src, "=")
	name = strings.TrimSpace(name)
	if !ok || strings.HasPrefix(expr, "=") || name == "" || strings.ContainsAny(name, "()[]{}.,!<>+-*/%|&^~\"' ") || script.Hidden(name) {
		return "", "", false
	}
	return name, strings.TrimSpace(expr), true
}

func (s *Shell) nothing() error {
	return fault.New(fault.Usage, "the script has ended here: there is nothing to look at").WithHint("go back with :back or :goto EFFECT")
}

func (s *Shell) where(context.Context, string) error {
	if s.scene() == nil {
		return s.nothing()
	}
	s.Print(s.scene().Where())
	return nil
}

func (s *Shell) frame(_ context.Context, arg string) error {
	n, err := strconv.Atoi(arg)
	if err != nil {
		return fault.New(fault.Usage, ":frame takes the number of a call, not %q", arg)
	}
	return s.selectFrame(n)
}

func (s *Shell) up(context.Context, string) error   { return s.move(1) }
func (s *Shell) down(context.Context, string) error { return s.move(-1) }

func (s *Shell) move(by int) error {
	if s.scene() == nil {
		return s.nothing()
	}
	return s.selectFrame(s.scene().At + by)
}

func (s *Shell) selectFrame(n int) error {
	sc := s.scene()
	if sc == nil {
		return s.nothing()
	}
	if err := sc.Select(n); err != nil {
		return err
	}
	f := sc.Frame()
	s.Print(fmt.Sprintf("%d  %s  %s", n, f.Pos, f.Func))
	return nil
}

func (s *Shell) locals(context.Context, string) error {
	if s.scene() == nil {
		return s.nothing()
	}
	s.Print(s.scene().Locals())
	return nil
}

func (s *Shell) quit(context.Context, string) error {
	s.ended = true
	return nil
}

func (s *Shell) abort(context.Context, string) error {
	s.stop()
	return nil
}

func (s *Shell) stop() {
	s.Note("the run stops here, and can be resumed")
	s.ended, s.err = true, ErrAbort
}

func (s *Shell) help(context.Context, string) error {
	var b strings.Builder
	for _, c := range s.Commands() {
		fmt.Fprintf(&b, "%-22s %s\n", strings.TrimSpace(c.names[0]+" "+c.arg), c.help)
	}
	b.WriteString("Anything else is an expression, evaluated in the selected call. It changes nothing and acts on nothing.")
	s.Print(b.String())
	return nil
}

// arrived says where one is.
func (s *Shell) arrived() {
	if s.Halt != nil {
		s.arrivedAtBreakpoint()
		return
	}
	for _, line := range s.Journey.Printed() {
		s.Note("the script prints: " + line)
	}
	at := s.Journey.Sight()
	if at == nil {
		s.Print(s.over())
		return
	}
	s.Print(s.describe(at))
	s.line()
}

func (s *Shell) arrivedAtBreakpoint() {
	where := ""
	if f := s.Halt.Scene.Frame(); f != nil {
		where = fmt.Sprintf(" at %s in %s", f.Pos, f.Func)
	}
	s.Print(fmt.Sprintf("breakpoint%s, branch %s, before %s", where, s.Halt.Path, s.Halt.Next))
	s.line()
	if s.Person {
		s.Note("the run stands still: " + ways)
	}
}

// line shows the line of the source.
func (s *Shell) line() {
	if sc := s.scene(); sc != nil && sc.Frame() != nil {
		pos := sc.Frame().Pos
		text := strings.TrimSpace(sc.Stage.Loader.Line(pos.Filename(), int(pos.Line)))
		s.Print(fmt.Sprintf("  %4d | %s", pos.Line, sc.redact(text)))
	}
}

func (s *Shell) over() string {
	over, err := s.Journey.Over()
	switch {
	case over && s.Journey.Changed() && err != nil:
		return "what if: the script does not come to this place, and ends: " + err.Error()
	case over && s.Journey.Changed():
		return "what if: the script ends without coming to this place; :diff shows what it does"
	case over && err != nil:
		return "the script has ended: " + err.Error()
	case s.Journey.rec.Run().Error != nil && !s.Journey.Changed():
		return "the script has ended: " + s.Journey.rec.Run().Error.Message
	}
	return "the script has ended"
}

// describe says which effect comes now.
func (s *Shell) describe(at *door.Sight) string {
	j := s.Journey
	what := strings.TrimSpace(at.Kind + " " + firstLine(at.Description))
	switch n := j.Number(); {
	case at.Kind == lineKind:
		return fmt.Sprintf("before the failure in branch %s: %s", at.Path(), j.rec.Run().Error.Message)
	case j.answers[at.Place] != nil:
		return fmt.Sprintf("what if: %s %s gave %s", at.Place, what, s.scene().Show(j.answers[at.Place], maxShown))
	case j.Changed() && at.Record == nil:
		return fmt.Sprintf("what if: + %s %s   (the run did not do that)", at.Place, what)
	case j.Changed():
		return fmt.Sprintf("what if: = %s %s   (as effect %d of the run)", at.Place, what, n)
	case n == 0:
		return fmt.Sprintf("behind the last effect of the journal: %s %s was not begun", at.Place, what)
	default:
		return fmt.Sprintf("before effect %d of %d: %s %s   (%s)", n, j.Len(), at.Place, what, at.Record.Progress())
	}
}

func firstLine(text string) string {
	line, _, more := strings.Cut(text, "\n")
	if more {
		line += " …"
	}
	return line
}
