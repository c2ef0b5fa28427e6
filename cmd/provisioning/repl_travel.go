package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/repl"
	"github.com/provisioning-systems/provisioning/runtime/travel"
)

// travel goes through a recorded run.
func (a *app) travel(cmd *cobra.Command, args []string, at string) error {
	if len(args) == 0 {
		return fault.New(fault.Usage, "--at needs a run").WithHint("usage: provisioning repl RUN --at EFFECT")
	}
	var other string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "at" && cmd.InheritedFlags().Lookup(f.Name) == nil {
			other = f.Name
		}
	})
	if other != "" {
		return fault.New(fault.Usage, "--%s is for a new session, and not for looking at a run", other)
	}
	ws, err := a.workspace("")
	if err != nil {
		return err
	}
	rt, err := a.runtime(ws, nil)
	if err != nil {
		return err
	}
	recording, err := rt.Recording(args[0])
	if err != nil {
		return err
	}
	goLive, failed, err := a.journey(recording, at)
	switch {
	case err != nil:
		return err
	case goLive:
		return a.resume(recording.Run().ID, runtime.Resume{})
	case failed:
		return exitCode(1)
	}
	return nil
}

// journey talks about a run until the person leaves. goLive says to go on with it
// for real; failed, that a command of a pipe has failed.
func (a *app) journey(recording *runtime.Recording, at string) (goLive, failed bool, err error) {
	j := travel.NewJourney(recording)
	defer j.Leave()
	n, err := j.Find(at)
	if err != nil {
		return false, false, err
	}
	a.interruptible(func(ctx context.Context) {
		if err = j.GoTo(ctx, n); err == nil && n > j.Len() && at != "end" {
			j.GoToFailure(ctx)
		}
	})
	if err != nil {
		return false, false, err
	}
	shell := &travel.Shell{
		Journey: j, Print: a.result, Note: func(text string) { a.console.Note("%s", text) },
		Report: a.report, Do: a.interruptible,
		Person: term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())),
	}
	done, err := a.travelLines(shell)
	if err != nil {
		return false, false, err
	}
	defer done()
	shell.Live = func(confirmed bool) (bool, error) {
		goLive, err = a.confirmLive(shell, recording.Run(), j, confirmed)
		return goLive, err
	}
	if shell.Person {
		shell.Note("nothing is done here: the run " + recording.Run().ID[:8] + " is executed from its journal; :help lists the commands")
	}
	err = shell.Loop()
	return goLive, shell.Failed() && !shell.Person, err
}

// travelLines gives a shell its lines: those that a person edits, or those of a pipe.
func (a *app) travelLines(s *travel.Shell) (done func(), err error) {
	if !s.Person {
		s.Lines = unprompted{repl.NewPipe(a.console.In)}
		return func() {}, nil
	}
	file, err := workspace.HistoryFile()
	if err != nil {
		return nil, err
	}
	t := repl.NewTerminal(file + "-debugger")
	t.Complete(func(before string) (int, []string) {
		start, candidates, ok := s.Complete(before)
		if !ok {
			return repl.Complete(before, repl.Scope{Names: s.Names()})
		}
		return start, candidates
	})
	s.Lines, s.Interrupted = t, repl.ErrInterrupted
	if s.Halt != nil { // a run is going on, which is told to end by itself
		return func() { _ = t.Close() }, nil
	}
	return giveBack(t), nil
}

// breakpoint talks about a run that stands still at a breakpoint, until the person
// leaves or the run has to stop.
func (a *app) breakpoint(ctx context.Context, h *travel.Halt) (err error) {
	say := func(text string) { fmt.Fprintln(a.console.Err, text) }
	a.console.Asking(func() {
		shell := &travel.Shell{
			Halt: h, Person: true, Print: say, Note: say,
			Report: func(err error) { say(strings.TrimRight(fault.Render(err), "\n")) },
			Do:     func(do func(context.Context)) { a.aside(ctx, do) },
		}
		var done func()
		if done, err = a.travelLines(shell); err != nil {
			return
		}
		defer done()
		left := make(chan error, 1)
		go func() { left <- shell.Loop() }() // stays behind when the run has to stop: nobody can interrupt the reading of a line
		select {
		case err = <-left:
		case <-ctx.Done():
			say("")
			err = context.Cause(ctx)
		}
	})
	return err
}

// aside lets Ctrl-C stop what is done aside from a run that stands still, and not
// the run.
func (a *app) aside(ctx context.Context, do func(context.Context)) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.besides.Store(&cancel)
	defer a.besides.Store(nil)
	do(ctx)
}

// unprompted are the lines of a pipe, which have no prompt.
type unprompted struct{ repl.Lines }

func (p unprompted) Prompt(string) (string, error) { return p.Line(false) }

// interruptible lets Ctrl-C stop what only computes.
func (a *app) interruptible(do func(context.Context)) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	do(ctx)
}

// giveBack gives the terminal back when the program is told to end at a prompt:
// nobody can interrupt the reading of a line.
func giveBack(t *repl.Terminal) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		if _, told := <-signals; told {
			_ = t.Close() // the terminal may be gone
			os.Exit(130)  // nothing was done that could be lost
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		_ = t.Close()
	}
}

// confirmLive asks whether to go on with a run for real, if that can be done at all.
func (a *app) confirmLive(s *travel.Shell, run *journal.Run, j *travel.Journey, confirmed bool) (bool, error) {
	id := run.ID[:8]
	switch run.State {
	case journal.Completed, journal.RolledBack:
		return false, fault.New(fault.Usage, "the run %s is %s: there is nothing left to go on with", id, strings.ReplaceAll(string(run.State), "_", " ")).
			WithHint("start it again with: provisioning run")
	case journal.RollingBack:
		return false, fault.New(fault.Usage, "the run %s is being rolled back, so it cannot go on", id).
			WithHint("go on with: provisioning rollback %s", id)
	}
	if run.Options.Session {
		return false, fault.New(fault.Usage, "the run %s is a session of the interactive shell, which cannot go on", id)
	}
	if run.UnderWay() {
		return false, fault.New(fault.Usage, "the run %s is going on already, in another process", id)
	}
	if n := j.Number(); n != 0 {
		a.console.Note("what the journal has is not done again: the run goes on behind its effect %d", j.Len())
	}
	if confirmed {
		return true, nil
	}
	if !s.Person {
		return false, fault.New(fault.Usage, "going on for real has to be confirmed").WithHint("confirm with: :continue-live yes")
	}
	answer, err := s.Lines.Prompt("go on for real with the run " + id + "? [yes/no] ")
	if err != nil || strings.TrimSpace(answer) != "yes" {
		a.console.Note("nothing is done")
		return false, nil
	}
	return true, nil
}
