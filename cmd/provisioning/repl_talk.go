package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/console"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/repl"
)

// talk is a session with what shows it to people.
type talk struct {
	a        *app
	session  *runtime.Session
	terminal *repl.Terminal // nil without a person

	working  sync.Mutex // held while a statement runs
	ended    bool       // guarded by working
	mu       sync.Mutex
	progress *console.Progress // of the statement that is running
}

var _ event.Sink = (*talk)(nil)

// Emit shows an event of the statement that is running.
func (t *talk) Emit(e event.Event) {
	t.mu.Lock()
	p := t.progress
	t.mu.Unlock()
	if p != nil {
		p.Emit(e)
	}
}

// do runs a statement: its progress is shown, and Ctrl-C stops it.
func (t *talk) do(statement func(runtime.Interrupt)) {
	t.working.Lock()
	defer t.working.Unlock()
	t.act(statement)
}

func (t *talk) act(statement func(runtime.Interrupt)) {
	in, done := t.a.interrupt()
	defer done()
	p := t.a.console.NewProgress()
	t.show(p)
	statement(in)
	t.show(nil)
	p.Close()
}

func (t *talk) show(p *console.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.progress = p
}

// converse executes all that there is to execute, and returns the exit code.
func (t *talk) converse(s *repl.Shell, f *replFlags, evaluate bool) int {
	defer t.watch()()
	for _, module := range f.load {
		s.Load(module)
	}
	if f.script != "" {
		s.RunFile(f.script)
	}
	switch {
	case evaluate:
		s.Execute(f.eval)
	case t.terminal != nil:
		t.a.console.Note("Ctrl-D ends the session; :help and help() explain")
		fallthrough
	default:
		s.Loop()
	}
	return s.Code()
}

// watch ends the session on signals that come between two statements; do has
// those of a statement. Ctrl-C at a prompt is a key for the editor, and none.
func (t *talk) watch() (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for s := range signals {
			if s != os.Interrupt || t.terminal == nil {
				t.leave()
			}
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}

// end ends the session.
func (t *talk) end() (err error) {
	t.do(func(in runtime.Interrupt) {
		t.ended = true
		err = t.session.Close(in)
	})
	return err
}

// leave ends the program between two statements: nobody can interrupt the
// reading of a line.
func (t *talk) leave() {
	t.working.Lock()
	if t.ended {
		t.working.Unlock()
		return
	}
	if t.terminal != nil {
		_ = t.terminal.Close() // the terminal may be gone
	}
	t.act(func(in runtime.Interrupt) {
		if err := t.session.Close(in); err != nil {
			t.a.report(err)
		}
	})
	_ = t.a.close() // what is not on disk by now will be in doubt
	os.Exit(130)
}
