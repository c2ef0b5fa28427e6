package repl

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/runtime"
)

// command is a line that begins with a colon.
type command struct {
	name string
	arg  string // what follows it, in words; "" for nothing
	file bool   // it takes a file
	help string
}

var commands = []command{
	{":help", "", false, "this list"},
	{":plan", "STATEMENT|FILE", true, "what a statement or a script would do, acting on nothing"},
	{":run", "FILE", true, "run a script in the session, with its main"},
	{":undo", "[all]", false, "take back what the last statement that did something did; all: the whole session"},
	{":save", "FILE", true, "write the statements that succeeded as a script"},
	{":quit", "", false, "end the session, as Ctrl-D does"},
}

func (s *Shell) command(line string) {
	name, arg, _ := strings.Cut(line, " ")
	arg = strings.TrimSpace(arg)
	var err error
	switch name {
	case ":help", ":h", ":?":
		s.Print(commandHelp())
	case ":quit", ":q", ":exit":
		s.ended = true
	case ":plan":
		err = s.needs(arg, ":plan", s.plan)
	case ":run":
		err = s.needs(arg, ":run", func(file string) error { s.RunFile(file); return nil })
	case ":save":
		err = s.needs(arg, ":save", s.save)
	case ":undo":
		err = s.undo(arg)
	default:
		err = unknownCommand(name)
	}
	if err != nil {
		s.fail(err)
	}
}

func (s *Shell) needs(arg, name string, do func(string) error) error {
	if arg != "" {
		return do(arg)
	}
	for _, c := range commands {
		if c.name == name {
			return fault.New(fault.Usage, "%s takes %s", name, c.arg)
		}
	}
	return nil
}

func unknownCommand(name string) error {
	var names []string
	for _, c := range commands {
		names = append(names, c.name)
	}
	e := fault.New(fault.Usage, "there is no command %q", name)
	if near := spell.Nearest(name, names); near != "" {
		e.Msg += fmt.Sprintf(" (did you mean %s?)", near)
	}
	return e.WithHint("the commands are %s", strings.Join(names, ", "))
}

func commandHelp() string {
	var b strings.Builder
	for _, c := range commands {
		fmt.Fprintf(&b, "%-22s %s\n", c.name+" "+c.arg, c.help)
	}
	b.WriteString("help(x) explains a module, a function or a value; _ is the last value.")
	return b.String()
}

// plan plans a script, if the argument is the name of one, or a statement.
func (s *Shell) plan(arg string) error {
	var failed error
	s.Do(func(in runtime.Interrupt) {
		if _, err := os.Stat(arg); err == nil {
			p, err := s.Check(in, arg)
			if p != nil {
				s.printPlan(p)
			}
			failed = err
			return
		}
		out, err := s.Session.Plan(in, arg)
		if out != nil && out.Plan != nil {
			s.printPlan(out.Plan)
		}
		failed = err
	})
	return failed
}

func (s *Shell) undo(arg string) error {
	if arg != "" && arg != "all" {
		return fault.New(fault.Usage, ":undo takes nothing, or all; not %q", arg)
	}
	var failed error
	s.Do(func(in runtime.Interrupt) {
		report, input, err := s.Session.Undo(in, arg == "all")
		if failed = err; report == nil || err != nil && len(report.Undone)+len(report.Failed) == 0 {
			return
		}
		what := "the session"
		if input != nil {
			what = firstLine(input.Source)
		}
		s.Note(fmt.Sprintf("%d undone, %d failed, %d left as they are: %s", len(report.Undone), len(report.Failed), len(report.Left), what))
		for _, u := range report.Left {
			s.Note("  left    " + u.String())
		}
		for _, u := range report.Failed {
			s.Note("  failed  " + u.String())
		}
		if len(report.Failed) > 0 && err == nil {
			failed = fault.New(fault.Failed, "%d effects could not be taken back", len(report.Failed)).
				WithHint("see to what is in the way, then try again: :undo")
		}
	})
	return failed
}

func firstLine(text string) string {
	line, _, more := strings.Cut(text, "\n")
	if more {
		line += " …"
	}
	return line
}

// save writes the session as a script. A file that it did not write itself it
// leaves alone.
func (s *Shell) save(file string) error {
	if _, err := os.Lstat(file); err == nil && !s.saved[file] {
		return fault.New(fault.Exists, "the file %q exists already", file).WithHint("save under another name, or remove it first")
	}
	src, err := Script(s.Session.Inputs())
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, src, 0o666); err != nil {
		return fault.Wrap(fault.Failed, err, "cannot save")
	}
	if s.saved == nil {
		s.saved = map[string]bool{}
	}
	s.saved[file] = true
	s.Note(fmt.Sprintf("saved; run it with: provisioning run %s", file))
	return nil
}

// files completes the name of a file.
func files(prefix string) []string {
	matches, err := filepath.Glob(escapeGlob(prefix) + "*")
	if err != nil {
		return nil
	}
	for i, m := range matches {
		if info, err := os.Stat(m); err == nil && info.IsDir() {
			matches[i] = m + string(filepath.Separator)
		}
	}
	return matches
}

func escapeGlob(text string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace(text)
}
