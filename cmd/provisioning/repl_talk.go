package main

import (
	"os"
	"sync"

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

	working sync.Mutex // held while a statement runs
	ended   bool       // guarded by working

	mu       sync.Mutex
	progress *console.Progress // of the statement that is running
	running  *interrupter      // of the same; nil between two statements
	leaving  bool              // a signal ends the session: no statement begins any more
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

// do runs a statement: its progress is shown, and Ctrl-C stops it. Once a signal has
// ended the session, no other one begins: leave ends the program.
func (t *talk) do(statement func(runtime.Interrupt)) {
	t.working.Lock()
	i := t.a.newInterrupter(stopping)
	if !t.begin(i) {
		t.working.Unlock()
		select {}
	}
	defer t.working.Unlock()
	t.act(i, statement)
}

// begin has signals go to the next statement, unless one came before it.
func (t *talk) begin(i *interrupter) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.leaving {
		return false
	}
	t.running = i
	return true
}

func (t *talk) act(i *interrupter, statement func(runtime.Interrupt)) {
	defer i.done()
	p := t.a.console.NewProgress()
	t.show(p, i)
	statement(i.in)
	t.show(nil, nil)
	p.Close()
}

func (t *talk) show(p *console.Progress, i *interrupter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.progress, t.running = p, i
}

// converse executes all that there is to execute, and returns the exit code.
func (t *talk) converse(s *repl.Shell, f *replFlags, evaluate bool) int {
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

// signal stops the statement that is running and ends the session, which a signal
// between two statements does as well. Ctrl-C of a person stops the statement only: at
// a prompt it is a key for the editor, and no signal.
func (t *talk) signal(s os.Signal) {
	t.mu.Lock()
	running, first := t.running, !t.leaving && (s != os.Interrupt || t.terminal == nil)
	t.leaving = t.leaving || first
	t.mu.Unlock()
	if running != nil {
		running.signal(s)
	}
	if first {
		go t.leave() // which waits for the statement, and the next signal cuts that off
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

// leave ends the program as soon as no statement is running: nobody can interrupt the
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
	t.act(t.a.newInterrupter(stopping), func(in runtime.Interrupt) {
		if err := t.session.Close(in); err != nil {
			t.a.report(err)
		}
	})
	_ = t.a.close() // what is not on disk by now will be in doubt
	os.Exit(130)
}
