// Command provisioning runs infrastructure scripts that cannot lose their place.
//
// Exit codes:
//
//	0    done
//	1    failed
//	2    usage: unknown command, bad arguments, missing confirmation
//	3    configuration missing or invalid
//	4    permission
//	5    not found
//	6    the run waits for a person's answer
//	10   --check --exit-code: changes planned
//	130  interrupted
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/providers"
	"github.com/provisioning-systems/provisioning/providers/local"
	"github.com/provisioning-systems/provisioning/runtime/console"
	"github.com/provisioning-systems/provisioning/runtime/isolate"
)

func main() {
	providers.All.Add(local.Name, local.New)
	if isolate.IsChild(os.Args) { // before anything else: it has to be quick
		os.Exit(interpret())
	}
	os.Exit(Main())
}

// interpret is what the program does as the interpreter of a run that another
// process executes.
func interpret() int {
	if err := isolate.Child(builtins.All, builtins.Globals); err != nil {
		fmt.Fprint(os.Stderr, fault.Render(err))
		return fault.ExitCode(err)
	}
	return 0
}

// Main runs the program with the arguments of the process and returns its exit
// code.
func Main() int {
	app := &app{console: console.New()}
	root := app.command()
	err := root.Execute()
	if cerr := app.close(); err == nil {
		err = cerr
	}
	if err == nil {
		return 0
	}
	var exit exitCode
	if errors.As(err, &exit) {
		return int(exit)
	}
	app.report(err)
	if code, ok := app.codeOf(err); ok {
		return code
	}
	return fault.ExitCode(err)
}

// exitCode is an error that says only how the program ends.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// command puts the commands together. A file of this package holds those of one
// domain.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "provisioning",
		Short: "Runs infrastructure scripts that cannot lose their place",
		Long: `Runs infrastructure scripts that cannot lose their place.

Workflows are Starlark scripts. Every effect that they have on the world is
journaled: a run that crashed resumes where it was, and any run can be planned,
rolled back and replayed.

` + exitCodeHelp(),
		Example: `  provisioning run deploy.star --check   # what would happen
  provisioning run deploy.star
  provisioning resume last               # after a crash, a failure, Ctrl-C
  provisioning rollback last`,
		SilenceErrors: true, SilenceUsage: true,
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.setUp() },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return flagFault(cmd, err) })
	a.globalFlags(root.PersistentFlags())
	root.AddCommand(
		a.runCommand(), a.applyCommand(), a.resumeCommand(), a.rollbackCommand(), a.replayCommand(), a.cancelCommand(), a.workerCommand(),
		a.runsCommand(), a.scheduleCommand(), a.replCommand(), a.extensionCommand(), a.runtimeCommand(), a.serverCommand(), a.createServerTask(), a.taskservCommand(), a.clusterCommand(), a.generateCommand(), a.sshCommand(),
		a.fmtCommand(), a.lintCommand(), a.testCommand(), a.docsCommand(), a.lspCommand(),
		a.versionCommand(), a.completionCommand(), a.doctorCommand(),
	)
	root.SetHelpCommand(a.helpCommand())
	root.InitDefaultHelpCmd()                    // cobra would add it later, and the reference miss it
	eachCommand(root, func(cmd *cobra.Command) { // groups within groups, too
		if cmd.HasSubCommands() && cmd.RunE == nil {
			cmd.Args = cobra.ArbitraryArgs // which are said to be no verbs
			cmd.RunE = func(cmd *cobra.Command, args []string) error { return unknownVerb(cmd, args) }
		}
	})
	showVersion := root.Flags().BoolP("version", "V", false, "show the version")
	root.RunE = func(cmd *cobra.Command, args []string) error {
		switch {
		case *showVersion:
			return a.showVersion(a.console.Verbose)
		case len(args) == 0:
			return cmd.Help()
		}
		return unknownVerb(cmd, args)
	}
	root.Args = cobra.ArbitraryArgs
	root.SetOut(a.console.Out)
	root.SetErr(a.console.Err)
	helpable(root)
	a.completeRunIDs(root)
	return root
}

// unknownVerb names the verbs that there are, and the nearest one.
func unknownVerb(cmd *cobra.Command, args []string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	if len(args) == 0 {
		return fault.New(fault.Usage, "%s needs a verb", cmd.CommandPath()).WithHint("it has %s", strings.Join(names, ", "))
	}
	return suggest(fault.New(fault.Usage, "unknown command: %s %s", cmd.CommandPath(), args[0]), args[0], names).
		WithHint("the commands are %s", strings.Join(names, ", "))
}
