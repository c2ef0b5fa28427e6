package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"
	"golang.org/x/term"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/console"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/repl"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// replFlags are the flags of repl.
type replFlags struct {
	at      string
	eval    string
	script  string
	load    []string
	limits  []string
	session runtime.SessionOptions
}

func (a *app) replCommand() *cobra.Command {
	var f replFlags
	cmd := &cobra.Command{
		Use:     "repl [RUN]",
		Aliases: []string{"shell"},
		Short:   "Type statements and see what they do",
		Long: `Type statements and see what they do.

The statements of a session are one run of the journal, which begins with the
first effect: ":undo" takes back what a statement did, and "provisioning rollback"
what the session did. ":help" lists the commands, and help(x) explains a module, a
function or a value. Tab completes.

Ctrl-C stops the statement that is running. Ctrl-D ends the session, and with it
what it runs in the background.

A session is executed on this machine, whatever the engine of runs is. Statements can
also come through a pipe. Then the exit code is 1 when one failed.

With a RUN, it goes through that run instead: it shows the calls and the values
before an effect, from the journal, and acts on nothing. --at says which effect: its
number or its place in "runs show", "failure" (the standard of a run that has
failed), or "end". ":next" and ":back" go on from there, and ":set x = 5" shows what
the run would do if x were 5.`,
		Example: `  provisioning repl
  provisioning repl -c 'exec.run("uptime").stdout'
  provisioning repl --script deploy.star --check
  echo 'fs.list(".")' | provisioning repl
  provisioning repl last --at 12`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 || cmd.Flags().Changed("at") {
				return a.travel(cmd, args, f.at)
			}
			return a.repl(&f, cmd.Flags().Changed("eval"))
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.at, "at", "", "effect of RUN to stop before: number, place, failure or end")
	fs.StringVarP(&f.eval, "eval", "c", "", "execute these statements, print the value of the last one, and end")
	fs.StringVar(&f.script, "script", "", "run this script first")
	fs.StringArrayVar(&f.load, "load", nil, "load the public names of this module first, such as //lib/web.star")
	fs.BoolVar(&f.session.Check, "check", false, "plan the statements, and act on nothing")
	fs.BoolVar(&f.session.Check, "dry-run", false, "the same as --check")
	fs.StringArrayVar(&f.limits, "limit", nil, "limit of each statement, NAME=VALUE: steps, wall, memory, depth, output, branches, effects")
	fs.StringArrayVar(&f.session.AllowPaths, "allow-path", nil, "directory outside of the workspace that statements may use")
	_ = fs.MarkHidden("dry-run") // the flag exists
	return cmd
}

func (a *app) repl(f *replFlags, evaluate bool) error {
	f.session.Infra, f.session.Limits = a.flags.infra, map[string]string{}
	for _, text := range f.limits {
		name, limit, ok := strings.Cut(text, "=")
		if !ok {
			return fault.New(fault.Usage, "--limit must be NAME=VALUE, not %q", text)
		}
		f.session.Limits[name] = limit
	}
	ws, scratch, err := a.sessionWorkspace()
	if err != nil {
		return err
	}
	if scratch && !evaluate {
		a.console.Note("this is no workspace: the session cannot be listed or exported later; make one with: mkdir config && touch config/provisioning.toml")
	}
	t := &talk{a: a}
	person := !evaluate && term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
	if person {
		file, err := workspace.HistoryFile()
		if err != nil {
			return err
		}
		t.terminal = repl.NewTerminal(file)
		defer t.terminal.Close()
	}
	rt, err := a.sessionRuntime(ws, t)
	if err != nil {
		return err
	}
	f.session.Globals = starlark.StringDict{"help": repl.Help(builtins.All, a.result)}
	session, err := rt.Session(f.session)
	if err != nil {
		return err
	}
	t.session = session
	defer listen(t.signal)()
	code := t.converse(a.shell(t, rt, f), f, evaluate)
	if err := t.end(); err != nil {
		a.inRun = true
		return err
	}
	if code != 0 && !person {
		return exitCode(code)
	}
	return nil
}

// sessionWorkspace is the workspace, or the scratch one outside of all.
func (a *app) sessionWorkspace() (ws workspace.Workspace, scratch bool, err error) {
	ws, err = a.workspace("")
	if err != nil && a.flags.workspace == "" && os.Getenv("PROVISIONING_WORKSPACE") == "" {
		ws, err = workspace.Scratch()
		return ws, true, err
	}
	return ws, false, err
}

func (a *app) sessionRuntime(ws workspace.Workspace, t *talk) (*runtime.Runtime, error) {
	if t.terminal == nil {
		return a.runtime(ws, t)
	}
	return a.runtimeWith(ws, t, &console.Person{C: a.console, Prompt: t.terminal.Prompt})
}

func (a *app) shell(t *talk, rt *runtime.Runtime, f *replFlags) *repl.Shell {
	s := &repl.Shell{
		Session: t.session, Person: t.terminal != nil, All: true,
		Print: a.result, Note: func(text string) { a.console.Note("%s", text) },
		Report: a.report, Do: t.do,
		Check: func(in runtime.Interrupt, file string) (*plan.Plan, error) {
			out, err := rt.Check(in, runtime.Start{Script: file, Infra: f.session.Infra, AllowPaths: f.session.AllowPaths, Limits: f.session.Limits})
			if out == nil {
				return nil, err
			}
			return out.Plan, err
		},
	}
	if a.console.Structured() {
		s.Show = func(v starlark.Value) error {
			plain, err := value.Go(v)
			if err != nil {
				return err
			}
			return a.console.Result(plain)
		}
	}
	if t.terminal != nil {
		s.Lines = t.terminal
		t.terminal.Complete(s.Complete)
	} else {
		s.Lines = repl.NewPipe(a.console.In)
	}
	return s
}

// result prints what a statement is worth, or an explanation.
func (a *app) result(text string) { a.console.Print("%s", text) }
