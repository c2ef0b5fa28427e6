package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/spell"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/console"
	"github.com/provisioning-systems/provisioning/runtime/door"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/seal"
)

// app is what the commands share. Nothing is opened before a command needs it.
type app struct {
	console *console.Console
	flags   struct {
		workspace string
		infra     string
		out       string
		noColor   bool
	}
	opened  []*runtime.Runtime
	library library // what scripts load of the program
	inRun   bool    // the error is that of a run, whatever its kind
	// commands says that the run is there for what commands print.
	commands bool
	engine   engineFlags
	away     bool // the server of the engine does not answer
	isolate  bool // evaluate scripts in a process of their own

	elsewhere atomic.Bool                        // the run is told to stop by way of a server
	following bool                               // the run shows something until it is interrupted; nobody goes on with it
	besides   atomic.Pointer[context.CancelFunc] // what Ctrl-C stops in place of the run, if anything
}

// isolateFlag is the flag of the commands that evaluate the script of a run.
func (a *app) isolateFlag(f *pflag.FlagSet) {
	f.BoolVar(&a.isolate, "isolate", false, "evaluate the script in a process of its own, with limits of the system")
}

func (a *app) globalFlags(f *pflag.FlagSet) {
	f.StringVarP(&a.flags.workspace, "workspace", "W", "", "workspace to work in, DIR[:infra]")
	f.StringVarP(&a.flags.infra, "infra", "i", "", "infrastructure to work on")
	f.StringVarP(&a.flags.out, "out", "o", "", "form of results: table, text, json or yaml")
	f.BoolVarP(&a.console.Quiet, "quiet", "q", false, "errors only")
	f.BoolVarP(&a.console.Verbose, "verbose", "v", false, "more detail")
	f.BoolVar(&a.flags.noColor, "no-color", false, "no colours (also: NO_COLOR)")
}

func (a *app) setUp() error {
	out := a.flags.out
	if out == "" {
		out = os.Getenv("PROVISIONING_OUTPUT_FORMAT")
	}
	format, err := console.ParseFormat(out)
	if err != nil {
		return err
	}
	a.console.Format = format
	if a.flags.noColor {
		a.console.Color = false
	}
	if dir, infra, ok := strings.Cut(a.flags.workspace, ":"); ok {
		a.flags.workspace = dir
		if a.flags.infra == "" {
			a.flags.infra = infra
		}
	}
	if a.flags.infra != "" && !workspace.ValidName(a.flags.infra) {
		return fault.New(fault.Usage, "%q is no name of an infrastructure: lower case letters, digits, - and _", a.flags.infra)
	}
	return nil
}

// workspace finds the workspace; file is the script that the command is about.
func (a *app) workspace(file string) (workspace.Workspace, error) {
	named := a.flags.workspace
	if named == "" {
		named = os.Getenv("PROVISIONING_WORKSPACE")
	}
	return workspace.Select(named, file)
}

// runtime makes the runtime for a workspace.
func (a *app) runtime(ws workspace.Workspace, sink event.Sink) (*runtime.Runtime, error) {
	if console.Interactive() {
		return a.runtimeWith(ws, sink, &console.Person{C: a.console})
	}
	return a.runtimeWith(ws, sink, nil)
}

// runtimeWith makes a runtime that asks person; nil: its runs wait.
func (a *app) runtimeWith(ws workspace.Workspace, sink event.Sink, person door.Person) (*runtime.Runtime, error) {
	keyFile, err := workspace.KeyFile()
	if err != nil {
		return nil, err
	}
	cfg := runtime.Config{
		Workspace: ws, Modules: builtins.All, Globals: builtins.Globals, Stdlib: a.library,
		Key: seal.KeyAt(keyFile), Events: sink, CacheDir: workspace.CacheDir(), Person: person,
		Guard: newGuard, Isolate: a.isolate,
	}
	if person != nil && term.IsTerminal(int(os.Stdout.Fd())) {
		cfg.Breakpoint, cfg.Terminal = a.breakpoint, a.console.Asking
	}
	rt := runtime.New(cfg)
	a.opened = append(a.opened, rt)
	return rt, nil
}

// journal opens the journal of the workspace, for commands that only look.
func (a *app) journal() (*journal.Journal, error) {
	ws, err := a.workspace("")
	if err != nil {
		return nil, err
	}
	rt, err := a.runtime(ws, nil)
	if err != nil {
		return nil, err
	}
	return rt.Journal()
}

func (a *app) close() error {
	var errs []error
	for _, rt := range a.opened {
		errs = append(errs, rt.Close())
	}
	return errors.Join(errs...)
}

const stopping = "stopping: what is under way may end, nothing new is started (once more: stop at once)"

// interrupt makes Ctrl-C and SIGTERM stop a run: the first one cleanly, the
// second one at once.
func (a *app) interrupt() (runtime.Interrupt, func()) {
	return a.interruptWith(stopping)
}

// interruptWith says note at the first one.
func (a *app) interruptWith(note string) (runtime.Interrupt, func()) {
	i := a.newInterrupter(note)
	stop := listen(i.signal)
	return i.in, func() {
		stop()
		i.done()
	}
}

// listen hands on the signals that tell a program to end, until it is stopped.
func listen(hear func(os.Signal)) (stop func()) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	go func() {
		for s := range signals {
			hear(s)
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
	}
}

// interrupter stops something at the first signal, and cuts it off at the next one.
type interrupter struct {
	a    *app
	note string
	in   runtime.Interrupt

	stop, cut context.CancelFunc
}

func (a *app) newInterrupter(note string) *interrupter {
	i := &interrupter{a: a, note: note}
	i.in.Stop, i.stop = context.WithCancel(context.Background())
	i.in.Cut, i.cut = context.WithCancel(context.Background())
	return i
}

// signal takes a signal; one goroutine calls it.
func (i *interrupter) signal(s os.Signal) {
	if cancel := i.a.besides.Load(); cancel != nil && s == os.Interrupt {
		(*cancel)()
		return
	}
	if i.in.Stop.Err() != nil {
		i.cut()
		return
	}
	if !i.a.elsewhere.Load() && !i.a.following {
		i.a.console.Note("%s", i.note)
	}
	i.stop()
}

// done ends it: what was under way is over.
func (i *interrupter) done() {
	i.stop()
	i.cut()
}

// report shows an error, in the form that was asked for.
func (a *app) report(err error) {
	if a.console.Structured() {
		if a.console.Result(map[string]any{"error": errorRecord(err)}) == nil {
			return
		}
	}
	quiet := a.console.Quiet
	a.console.Quiet = false
	a.console.Note("%s", fault.Render(err))
	a.console.Quiet = quiet
}

// errorRecord is what programs see of an error.
func errorRecord(err error) map[string]any {
	code, hint := "failed", ""
	var details map[string]any
	if e := fault.As(err); e != nil {
		code, details, hint = string(e.Kind), e.Details, e.Hint
	}
	return map[string]any{"code": code, "message": strings.TrimSpace(message(err)), "details": details, "hint": hint}
}

func message(err error) string {
	if e := fault.As(err); e != nil {
		if len(e.Stack) > 0 {
			return e.Stack[0].String() + ": " + e.Error()
		}
		return e.Error()
	}
	return err.Error()
}

// codeOf is the exit code of an error of a run: why an effect failed does not
// matter, only that the run failed, waits, or was interrupted.
func (a *app) codeOf(err error) (int, bool) {
	if !a.inRun {
		return 0, false
	}
	switch fault.KindOf(err) {
	case fault.Waiting:
		return 6, true
	case fault.Cancelled:
		return 130, true
	}
	return 1, true
}

func suggest(e *fault.Error, given string, names []string) *fault.Error {
	if near := spell.Nearest(given, names); near != "" {
		e.Msg += " (did you mean " + near + "?)"
	}
	return e
}

// flagFault turns what pflag says into a usage fault with the nearest flag.
func flagFault(cmd *cobra.Command, err error) error {
	e := fault.New(fault.Usage, "%v", err).WithHint("see: %s --help", cmd.CommandPath())
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := spell.Nearest(unknown.GetSpecifiedName(), names); near != "" {
			e.Msg += " (did you mean --" + near + "?)"
		}
	}
	return e
}

// exactly is cobra.ExactArgs with a usage fault.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return fault.New(fault.Usage, "%s takes %s", cmd.CommandPath(), what).WithHint("usage: %s", cmd.UseLine())
		}
		return nil
	}
}

// agreed asks the person at the terminal a question, and reports whether the answer is
// yes. No answer is no.
func (a *app) agreed(question string, args ...any) bool {
	fmt.Fprintf(a.console.Err, question+"? [y/N] ", args...)
	var answer string
	_, _ = fmt.Fscanln(a.console.In, &answer) // no answer is no
	return answer == "y" || answer == "yes"
}
