// Package repl is the interactive shell: it reads statements, has a session of
// the runtime execute them, and prints what they are worth.
//
//	shell := &repl.Shell{Session: session, Lines: repl.NewPipe(os.Stdin), …}
//	shell.Loop()
//	os.Exit(shell.Code())
package repl

import (
	"errors"
	"io"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/plan"
)

// Shell is a conversation with a session. Its fields are set before the first
// use.
type Shell struct {
	Session *runtime.Session
	Lines   Lines
	Person  bool                                                        // a person types the lines
	All     bool                                                        // plans show reads and what is unchanged, too
	Print   func(text string)                                           // a result
	Note    func(text string)                                           // for people
	Report  func(err error)                                             // shows an error
	Show    func(v starlark.Value) error                                // shows the value of a statement; nil: prints it
	Do      func(func(runtime.Interrupt))                               // does something that can be interrupted
	Check   func(in runtime.Interrupt, file string) (*plan.Plan, error) // plans a script

	reader *reader
	saved  map[string]bool // files that this session has written
	code   int
	ended  bool
}

// twice is how fast the second Ctrl-C has to follow to end the session: the
// editor does not tell whether there was a line to give up.
const twice = 2 * time.Second

// Loop executes statements until there are no more.
func (s *Shell) Loop() {
	var interrupted time.Time
	for !s.ended {
		text, err := s.read().next()
		switch {
		case errors.Is(err, ErrInterrupted):
			if time.Since(interrupted) < twice {
				return
			}
			interrupted = time.Now()
			s.Note("once more, or Ctrl-D, ends the session")
		case errors.Is(err, io.EOF):
			return
		case err != nil:
			s.fail(err)
			return
		case !isBlank(text):
			s.Lines.Remember(text)
			s.Execute(text)
		}
	}
}

// Code is the exit code: 1 when a statement has failed, 130 when one that nobody
// typed was interrupted.
func (s *Shell) Code() int { return s.code }

func (s *Shell) read() *reader {
	if s.reader == nil {
		s.reader = &reader{lines: s.Lines, typed: s.Person}
	}
	return s.reader
}

// Complete completes the line that is being typed.
func (s *Shell) Complete(before string) (start int, candidates []string) {
	partial := s.read().partial
	start, candidates = Complete(partial+before, Scope{Names: s.Session.Names(), Files: files})
	return max(start-len(partial), 0), candidates
}

var spoken = map[string]string{
	"exit": ":quit", "exit()": ":quit", "quit": ":quit", "quit()": ":quit", "?": ":help", "help": "help()",
}

// Execute executes a statement or a command, and shows what comes of it.
func (s *Shell) Execute(text string) {
	if word, ok := spoken[strings.TrimSpace(text)]; ok { // what people type in other shells
		text = word
	}
	if strings.HasPrefix(text, ":") {
		s.command(text)
		return
	}
	s.Do(func(in runtime.Interrupt) {
		i, err := s.Session.Run(in, text)
		s.show(i, err)
	})
}

// RunFile executes a script in the session.
func (s *Shell) RunFile(file string) {
	s.Do(func(in runtime.Interrupt) {
		i, err := s.Session.RunFile(in, file)
		s.show(i, err)
	})
}

// Load binds the public names of a module.
func (s *Shell) Load(module string) {
	s.Do(func(in runtime.Interrupt) {
		i, err := s.Session.Load(in, module)
		s.show(i, err)
	})
}

func (s *Shell) show(i *runtime.Input, err error) {
	if i != nil && i.Plan != nil && !isEmpty(i.Plan) {
		s.printPlan(i.Plan)
	}
	if err != nil {
		s.fail(err)
		return
	}
	if i == nil || i.Value == starlark.None {
		return
	}
	if s.Show == nil && s.Person {
		s.Print(s.Session.Redact(text(i.Value)))
	} else if s.Show == nil {
		s.Print(s.Session.Redact(i.Value.String()))
	} else if err := s.Show(i.Value); err != nil {
		s.fail(err)
	}
}

// fail shows an error. Only who has typed the statement goes on after an
// interruption.
func (s *Shell) fail(err error) {
	s.code = 1
	if !s.Person && fault.Is(err, fault.Cancelled) {
		s.code, s.ended = 130, true
	}
	s.Report(err)
}

func (s *Shell) printPlan(p *plan.Plan) {
	var b strings.Builder
	p.Print(&b, s.All)
	s.Print(strings.TrimRight(b.String(), "\n"))
}

func isEmpty(p *plan.Plan) bool {
	root := p.Root()
	return len(root.Steps) == 0
}
