package main

import (
	"fmt"
	"path/filepath"
	"sort"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

// inputFlags are the flags of all commands that take a script with its parameters.
type inputFlags struct {
	start  runtime.Start
	params string
	param  []string
	limits []string
}

func (f *inputFlags) define(fs *pflag.FlagSet) {
	fs.StringVar(&f.start.Entry, "entry", "", "function to call (default main)")
	fs.StringVar(&f.params, "params", "", "file with parameters: TOML, JSON or YAML")
	fs.StringArrayVar(&f.param, "param", nil, "parameter of the script, NAME=VALUE")
	fs.StringArrayVar(&f.limits, "limit", nil, "limit of the run, NAME=VALUE: steps, wall, memory, depth, output, branches, effects; with --isolate also cpu")
	fs.StringArrayVar(&f.start.AllowPaths, "allow-path", nil, "directory outside of the workspace that the script may use")
	fs.BoolVar(&f.start.RollbackOnFailure, "rollback-on-failure", false, "take everything back when the run fails")
}

// runFlags are the flags of run that are not those of the script.
type runFlags struct {
	inputFlags
	check    bool
	exitCode bool
	all      bool
	resume   string
	planOut  string
	detach   bool
}

func (f *runFlags) define(fs *pflag.FlagSet) {
	f.inputFlags.define(fs)
	fs.BoolVarP(&f.check, "check", "c", false, "plan: make the reads, and none of the writes")
	fs.BoolVar(&f.check, "dry-run", false, "the same as --check")
	fs.BoolVar(&f.exitCode, "exit-code", false, "with --check: exit with 10 when changes are planned")
	fs.BoolVar(&f.all, "all", false, "with --check: show reads, and what is unchanged, as well")
	fs.StringVar(&f.planOut, "plan-out", "", "plan, and write the plan to this file, for apply")
	fs.StringVar(&f.resume, "resume", "", "resume a run: the same as the command resume")
	fs.BoolVar(&f.detach, "detach", false, "give the run to the cluster, print its id, and do not wait for it")
	_ = fs.MarkHidden("dry-run") // the flag exists
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run FILE [flags of the script]",
		Short: "Run a script, or plan it with --check",
		Long: `Run a script, or plan it with --check.

Each parameter of the script's main becomes a flag: --host for host. Its type is
that of its default, and its help is in the docstring. See them with

  provisioning run FILE --help

The run is journaled: after a crash, a failure or Ctrl-C, "provisioning resume"
goes on where it stopped.

With --engine temporal the run is executed by the workers of a cluster, see
docs/cluster.md. Ctrl-C stops it there, too; with --detach nobody waits for it, and
"provisioning runs follow" shows what it does.`,
		Example: `  provisioning run deploy.star --host web-1 --check
  provisioning run deploy.star --host web-1 --plan-out web.plan
  provisioning run deploy.star --params prod.toml --limit wall=30m`,
		// The flags depend on the script, so they are parsed when it is known.
		DisableFlagParsing: true,
	}
	f.define(cmd.Flags())
	a.engine.define(cmd.Flags())
	a.isolateFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.run(cmd, &f, args) }
	cmd.ValidArgsFunction = completeRun(0)
	return cmd
}

func (a *app) run(cmd *cobra.Command, f *runFlags, args []string) error {
	file, given, helped, err := a.scriptArguments(cmd, args, 0)
	if err != nil || helped {
		return err
	}
	if f.resume != "" {
		return a.resume(f.resume, runtime.Resume{})
	}
	if rest := cmd.Flags().Args(); len(rest) != 1 {
		return fault.New(fault.Usage, "run takes one script, not %d", len(rest)).WithHint("usage: %s", cmd.UseLine())
	}
	if err := f.complete(file, given); err != nil {
		return err
	}
	f.start.Infra = a.flags.infra
	if f.detach && (f.check || f.planOut != "") {
		return fault.New(fault.Usage, "--detach is for runs, and a plan is none")
	}
	if f.exitCode && !f.check && f.planOut == "" {
		return fault.New(fault.Usage, "--exit-code belongs to --check")
	}
	if f.planOut != "" {
		return a.checkToFile(f)
	}
	if f.check {
		return a.check(f)
	}
	if f.detach {
		return a.submit(f)
	}
	return a.start(f)
}

// scriptArguments parses arguments of which some are the script's, which is among them
// after the first few. helped says that its help was asked for, and shown.
func (a *app) scriptArguments(cmd *cobra.Command, args []string, before int) (file string, given map[string][]string, helped bool, err error) {
	file, entry := findScript(cmd, args, before)
	var sig script.Signature
	if file != "" {
		if sig, err = script.ReadSignature(file, entry); err != nil {
			return file, nil, false, err
		}
	}
	if given, err = a.parseRun(cmd, sig, args); err != nil {
		return file, nil, false, err
	}
	if helped, _ = cmd.Flags().GetBool("help"); helped {
		err = scriptHelp(cmd, file, sig)
	}
	return file, given, helped, err
}

// findScript finds the script among arguments that are not parsed yet: the first one
// that is neither a flag nor the value of one, after those that the command has before
// it.
func findScript(cmd *cobra.Command, args []string, before int) (file, entry string) {
	words, entry := positional(cmd, args)
	if len(words) <= before {
		return "", entry
	}
	return words[before], entry
}

// positional are the arguments that are neither flags nor values of flags.
func positional(cmd *cobra.Command, args []string) (words []string, entry string) {
	flags := cmd.Flags()
	for i := 0; i < len(args); i++ {
		name, value, hasValue := strings.Cut(args[i], "=")
		if args[i] == "--" || !strings.HasPrefix(name, "-") || name == "-" {
			if args[i] != "--" {
				words = append(words, args[i])
			}
			continue
		}
		var flag *pflag.Flag
		if long, ok := strings.CutPrefix(name, "--"); ok {
			if flag = flags.Lookup(long); flag == nil {
				flag = cmd.InheritedFlags().Lookup(long)
			}
		} else if flag = flags.ShorthandLookup(name[1:2]); flag == nil {
			flag = cmd.InheritedFlags().ShorthandLookup(name[1:2])
		}
		if flag == nil {
			continue
		}
		if !hasValue && flag.NoOptDefVal == "" && i+1 < len(args) && (strings.HasPrefix(name, "--") || len(name) == 2) {
			i++
			value = args[i]
		}
		if flag.Name == "entry" {
			entry = value
		}
	}
	return words, entry
}

// parseRun parses the arguments with the flags of the script added, and returns
// what was given for those.
func (a *app) parseRun(cmd *cobra.Command, sig script.Signature, args []string) (map[string][]string, error) {
	values := map[string]*[]string{}
	for _, p := range sig.Params {
		name := p.Flag()
		if cmd.Flags().Lookup(name) != nil || cmd.InheritedFlags().Lookup(name) != nil {
			continue // the program's own flag wins; --param NAME=VALUE reaches it
		}
		values[p.Name] = cmd.Flags().StringArray(name, nil, p.Help)
		if p.Type == "bool" {
			cmd.Flags().Lookup(name).NoOptDefVal = "true"
		}
		if alias := p.Name; alias != name {
			cmd.Flags().StringArrayVar(values[p.Name], alias, nil, p.Help)
			_ = cmd.Flags().MarkHidden(alias) // the flag exists
		}
	}
	cmd.DisableFlagParsing = false
	if err := cmd.ParseFlags(args); err != nil {
		return nil, flagFault(cmd, err)
	}
	if err := a.setUp(); err != nil {
		return nil, err
	}
	given := map[string][]string{}
	for name, v := range values {
		if len(*v) > 0 {
			given[name] = *v
		}
	}
	return given, nil
}

// complete makes the request to start out of the flags.
func (f *inputFlags) complete(file string, given map[string][]string) error {
	if ext := filepath.Ext(file); ext != ".star" {
		return fault.New(fault.Usage, "%q is no script: its name does not end in .star", file)
	}
	f.start.Script, f.start.Flags = file, given
	for _, text := range f.param {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return fault.New(fault.Usage, "--param must be NAME=VALUE, not %q", text)
		}
		given[name] = append(given[name], value)
	}
	f.start.Limits = map[string]string{}
	if err := readLimits(f.limits, f.start.Limits); err != nil {
		return err
	}
	for i, dir := range f.start.AllowPaths { // a resume may come from elsewhere
		abs, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		f.start.AllowPaths[i] = abs
	}
	if f.params != "" {
		params, err := script.ReadParams(f.params)
		if err != nil {
			return err
		}
		f.start.Params = params
	}
	return nil
}

// readLimits reads NAME=VALUE.
func readLimits(texts []string, into map[string]string) error {
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return fault.New(fault.Usage, "--limit must be NAME=VALUE, not %q", text)
		}
		into[name] = value
	}
	return nil
}

// scriptHelp shows the help of run, with the parameters of the script.
func scriptHelp(cmd *cobra.Command, file string, sig script.Signature) error {
	if file == "" {
		return cmd.Help()
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s\n", file)
	if sig.Doc.Summary != "" {
		fmt.Fprintf(out, "\n%s\n", sig.Doc.Summary)
	}
	if sig.Doc.Body != "" {
		fmt.Fprintf(out, "\n%s\n", sig.Doc.Body)
	}
	if len(sig.Params) > 0 {
		fmt.Fprintf(out, "\nParameters:\n")
	}
	for _, p := range sig.Params {
		standard := "required"
		if p.Default != nil {
			standard = "default " + p.Default.String()
			if p.Default == starlark.None {
				standard = "optional"
			}
		}
		fmt.Fprintf(out, "  --%s %s\n        %s (%s)\n", p.Flag(), p.Type, p.Help, standard)
	}
	fmt.Fprintf(out, "\nFlags of run:\n%s", programFlags(cmd, sig))
	return nil
}

func programFlags(cmd *cobra.Command, sig script.Signature) string {
	own := pflag.NewFlagSet("run", pflag.ContinueOnError)
	of := map[string]bool{}
	for _, p := range sig.Params {
		of[p.Flag()], of[p.Name] = true, true
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !of[f.Name] {
			own.AddFlag(f)
		}
	})
	return own.FlagUsages()
}

// start runs the script.
func (a *app) start(f *runFlags) error {
	return a.outcome(a.executed(f.start.Script, "", func(e engine, in runtime.Interrupt) (*runtime.Outcome, error) {
		return e.Start(in, f.start)
	}))
}

// check plans the script.
func (a *app) check(f *runFlags) error {
	out, err := a.watched(f.start.Script, func(rt *runtime.Runtime, in runtime.Interrupt) (*runtime.Outcome, error) {
		return rt.Check(in, f.start)
	})
	return a.checked(f, out, err)
}

// checked shows a plan.
func (a *app) checked(f *runFlags, out *runtime.Outcome, err error) error {
	if out == nil || out.Plan == nil {
		return err
	}
	if perr := a.printPlan(f, out); perr != nil {
		return perr
	}
	if err != nil {
		a.inRun = true
		return err
	}
	if f.exitCode && out.Plan.Summary().Changes() {
		return exitCode(10)
	}
	return nil
}

func (a *app) printPlan(f *runFlags, out *runtime.Outcome) error {
	if a.console.Structured() {
		return a.console.Result(map[string]any{
			"script": f.start.Script, "summary": out.Plan.Summary(), "plan": out.Plan.Root(),
		})
	}
	a.console.Note("Dry-run mode - no changes will be made")
	out.Plan.Print(a.console.Out, f.all || a.console.Verbose)
	return nil
}

// sortedKeys is for output that has to be the same every time.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
