package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.starlark.net/starlark"
	"go.yaml.in/yaml/v3"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/console"
)

// runtimeOptions are the flags of all commands about container runtimes.
type runtimeOptions struct {
	preferred string
	timeout   time.Duration
	noCache   bool
	container string

	check, stdin, tty bool     // of the commands that are runs
	paths             []string // outside of the workspace, that the run may use
}

func (a *app) runtimeCommand() *cobra.Command {
	o := &runtimeOptions{}
	cmd := &cobra.Command{
		Use:   "runtime",
		Short: "Look at the container runtimes of this machine, and use them",
		Long: `Look at the container runtimes of this machine, and use them.

A runtime counts when its command is there and its engine answers. Docker goes
before Podman and nerdctl; --runtime chooses another. What was found is believed for
five minutes, unless a command, the Docker context or DOCKER_HOST changes.`,
		Example: `  provisioning runtime detect
  provisioning runtime list --out json
  provisioning runtime exec "docker images"`,
		Args: cobra.ArbitraryArgs,
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&o.preferred, "runtime", "", "the runtime to try first: docker, podman, nerdctl, orbstack or colima")
	flags.DurationVar(&o.timeout, "timeout", container.Patience, "time that a runtime may take to answer")
	flags.BoolVar(&o.noCache, "no-cache", false, "ask the runtimes again")
	cmd.AddCommand(a.runtimeDetect(o), a.runtimeList(o), a.runtimeInfo(o), a.runtimeExec(o), a.runtimeCompose(o))
	return cmd
}

// runtimes looks for the runtimes of this machine.
func (a *app) runtimes(o *runtimeOptions) (container.Search, []container.Runtime, error) {
	s := container.Search{Preferred: o.preferred, Patience: o.timeout, Places: container.Here()}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir := workspace.CacheDir()
	if o.noCache || dir == "" {
		all, err := s.Runtimes(ctx)
		return s, all, err
	}
	all, err := s.Recall(ctx, filepath.Join(filepath.Dir(dir), "runtimes.json"))
	return s, all, err
}

// detected is the runtime to use.
func (a *app) detected(o *runtimeOptions) (container.Runtime, error) {
	s, all, err := a.runtimes(o)
	if err != nil {
		return container.Runtime{}, err
	}
	r, err := s.Detect(all)
	if err == nil && o.preferred != "" && r.Name != o.preferred {
		// Nobody is served by another tool than they have named.
		err = fault.New(fault.Unavailable, "the runtime %s does not answer, or is not installed", o.preferred).
			WithHint("provisioning runtime list shows those that do; %s would", r.Name)
	}
	return r, err
}

func (a *app) runtimeDetect(o *runtimeOptions) *cobra.Command {
	return &cobra.Command{
		Use: "detect", Short: "Name the container runtime that is used", Args: exactly(0, "no arguments"),
		Example: "  provisioning runtime detect",
		RunE: func(*cobra.Command, []string) error {
			r, err := a.detected(o)
			if err != nil {
				return err
			}
			if a.console.Structured() {
				return a.console.Result(r)
			}
			a.console.Print("Detected runtime: %s", r.Name)
			return nil
		},
	}
}

func (a *app) runtimeList(o *runtimeOptions) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the container runtimes of this machine", Args: exactly(0, "no arguments"),
		Long: `List the container runtimes of this machine: those whose command is there, and, of
those that do not answer, why.`,
		Example: "  provisioning runtime list",
		RunE: func(*cobra.Command, []string) error {
			_, all, err := a.runtimes(o)
			if err != nil {
				return err
			}
			if a.console.Structured() {
				return a.console.Result(all)
			}
			var rows [][]string
			for _, r := range all {
				rows = append(rows, []string{r.Name, orDash(r.Version), yesNo(r.Rootless), mark(r.Default), runtimeState(r)})
			}
			a.console.Table([]string{"runtime", "version", "rootless", "default", "state"}, rows)
			return nil
		},
	}
}

func runtimeState(r container.Runtime) string {
	if r.Running {
		return "answers"
	}
	return "does not answer: " + r.Error
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func mark(yes bool) string {
	if yes {
		return "*"
	}
	return ""
}

func (a *app) runtimeInfo(o *runtimeOptions) *cobra.Command {
	return &cobra.Command{
		Use: "info", Short: "Describe the container runtime that is used", Args: exactly(0, "no arguments"),
		Example: "  provisioning runtime info --runtime podman",
		RunE: func(*cobra.Command, []string) error {
			r, err := a.detected(o)
			if err != nil {
				return err
			}
			if a.console.Structured() {
				return a.console.Result(r)
			}
			compose := r.Compose
			if compose == "" {
				compose = "no"
			}
			a.console.Table(nil, [][]string{
				{"name", r.Name}, {"command", r.Command}, {"version", r.Version}, {"socket", orDash(r.Socket)},
				{"storage", orDash(r.Storage)}, {"rootless", yesNo(r.Rootless)}, {"compose", compose},
			})
			return nil
		},
	}
}

func (a *app) runtimeExec(o *runtimeOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use: "exec COMMAND-LINE", Short: "Run a command of the container runtime, or in a container", Args: exactly(1, "one command line"),
		Long: `Run a command of the container runtime, or in a container.

The line is split into words as a shell does it, without a shell: no variables, no
patterns, no redirections. Its first word, docker, podman or nerdctl, is replaced by
the runtime that is used. Any other first word needs --container, and runs in that.
The exit code is that of the command.

` + runtimeRun,
		Example: `  provisioning runtime exec "docker ps -a"
  provisioning runtime exec --container db "psql -c 'select 1'"
  provisioning runtime exec "docker exec -it db sh"
  provisioning runtime exec --stdin --container db psql < dump.sql
  provisioning runtime exec --check "podman images"`,
	}
	cmd.Flags().StringVar(&o.container, "container", "", "container that the command runs in")
	o.defineRun(cmd.Flags())
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		words, err := splitWords(args[0])
		if err != nil {
			return err
		}
		r, err := a.detected(o)
		if err != nil {
			return err
		}
		argv, err := o.adapted(words)
		if err != nil {
			return err
		}
		return a.runRuntime(o, r, "execute", argv, map[string]starlark.Value{"argv": stringsValue(argv)})
	}
	return cmd
}

// runtimeRun is what the help says of commands that are runs.
const runtimeRun = `It is a run like any other: in "provisioning runs list", with the command, its exit
code and what it has printed. It reads nothing, unless --stdin hands on the standard
input, which is recorded, too.

With --tty, or -it in the line, it has the terminal, where there is one. Of such a
session it is recorded that there was one, when, and with which exit code it ended;
nothing of what was typed or shown.`

// defineRun defines the flags of the commands that are runs.
func (o *runtimeOptions) defineRun(fs *pflag.FlagSet) {
	fs.BoolVarP(&o.check, "check", "c", false, "plan: say what would be executed, and do nothing")
	fs.BoolVar(&o.check, "dry-run", false, "as --check")
	fs.BoolVar(&o.stdin, "stdin", false, "let the command read the standard input")
	fs.BoolVarP(&o.tty, "tty", "t", false, "give the command the terminal")
}

// drivers are the words that stand for the runtime.
var drivers = []string{"docker", "podman", "nerdctl"}

// adapted are the arguments for the command of a runtime.
func (o *runtimeOptions) adapted(words []string) ([]string, error) {
	switch {
	case len(words) == 0:
		return nil, fault.New(fault.Usage, "the command line is empty")
	case o.container != "":
		if err := container.ValidName("container", o.container); err != nil {
			return nil, err
		}
		streams := "-i"
		if o.tty {
			streams = "-it"
		}
		return slices.Concat([]string{"exec", streams, o.container}, words), nil
	case slices.Contains(drivers, words[0]):
		return words[1:], nil
	}
	return nil, fault.New(fault.Usage, "%q is no command of a container runtime", words[0]).
		WithHint("begin with docker, podman or nerdctl, or say in which container: --container NAME")
}

// wantsTerminal reports whether a command is to have the terminal: by --tty, or by the
// words that people type out of habit, where there is a terminal.
func (o *runtimeOptions) wantsTerminal(argv []string) bool {
	return o.tty || console.Interactive() && (slices.Contains(argv, "-it") || slices.Contains(argv, "-ti"))
}

// runRuntime executes a function of the script about runtimes, and exits as the
// command did that it is about.
func (a *app) runRuntime(o *runtimeOptions, r container.Runtime, entry string, argv []string, params map[string]starlark.Value) error {
	cwd, err := os.Getwd()
	if err != nil {
		return err
	}
	params["cwd"] = starlark.String(cwd)
	params["name"], params["terminal"] = starlark.String(r.Name), starlark.Bool(o.wantsTerminal(argv))
	if o.stdin && !o.check {
		text, err := readInput(a.console.In)
		if err != nil {
			return err
		}
		params["stdin"] = starlark.String(text)
	}
	start := runtime.Start{Script: "@std//commands/runtime.star", Entry: entry, Params: params, AllowPaths: o.paths, Infra: a.flags.infra}
	if o.check {
		if !a.console.Structured() {
			a.console.Print("Would execute: [%s]", strings.Join(quotedWords(shownArgv(r, argv)), " "))
		}
		return a.check(&runFlags{inputFlags: inputFlags{start: start}, check: true})
	}
	a.commands = true
	out, err := a.watched("", func(rt *runtime.Runtime, in runtime.Interrupt) (*runtime.Outcome, error) { return rt.Start(in, start) })
	code := 0
	if out != nil && out.Value != nil {
		code, _ = starlark.AsInt32(out.Value)
		if !a.console.Structured() {
			out.Value = nil // the command has said what there is to say
		}
	}
	if err := a.outcome(out, err); err != nil || code == 0 {
		return err
	}
	return exitCode(code)
}

// maxInput is how much a command is let read.
const maxInput = 64 << 20

func readInput(in io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(in, maxInput+1))
	if err != nil {
		return "", fault.Wrap(fault.Failed, err, "cannot read the standard input")
	}
	if len(data) > maxInput {
		return "", fault.New(fault.TooLarge, "the standard input is larger than %d MiB", maxInput>>20).
			WithHint("copy it into the container, and have the command read it there")
	}
	return string(data), nil
}

// shownArgv is a command as people would type it.
func shownArgv(r container.Runtime, argv []string) []string {
	driver := r.Driver()
	return slices.Concat([]string{filepath.Base(driver[0])}, driver[1:], argv)
}

func quotedWords(words []string) []string {
	q := make([]string, len(words))
	for i, word := range words {
		q[i] = machine.Quote(word)
	}
	return q
}

func (a *app) runtimeCompose(o *runtimeOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use: "compose FILE [-- ARGUMENTS]", Short: "Run compose of the container runtime, or say how",
		Long: `Run compose of the container runtime, or say how.

Without arguments it prints the command that reads the file; with arguments, behind
--, it runs that. The file has to be a compose file.

` + runtimeRun,
		Example: `  provisioning runtime compose compose.yaml
  provisioning runtime compose compose.yaml -- up -d`,
		Args: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); len(args) == 0 || dash == 0 || dash < 0 && len(args) > 1 || dash > 1 {
				return fault.New(fault.Usage, "%s takes a file, and arguments behind --", cmd.CommandPath()).WithHint("usage: %s", cmd.UseLine())
			}
			return nil
		},
	}
	o.defineRun(cmd.Flags())
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := composeFile(args[0]); err != nil {
			return err
		}
		r, err := a.detected(o)
		if err != nil {
			return err
		}
		argv := slices.Concat([]string{"compose", "-f", args[0]}, args[1:])
		if len(args) == 1 {
			return a.printCompose(r, argv)
		}
		file, err := filepath.Abs(args[0])
		if err != nil {
			return err
		}
		o.paths = []string{filepath.Dir(file)} // it may lie outside of the workspace
		return a.runRuntime(o, r, "compose", argv, map[string]starlark.Value{"file": starlark.String(file), "argv": stringsValue(args[1:])})
	}
	return cmd
}

func (a *app) printCompose(r container.Runtime, argv []string) error {
	argv = shownArgv(r, argv)
	if a.console.Structured() {
		return a.console.Result(map[string]any{"command": argv, "compose": r.Compose})
	}
	a.console.Print("%s", strings.Join(quotedWords(argv), " "))
	if r.Compose == "" {
		a.console.Note("%s has no compose: that command would fail", r.Name)
	}
	return nil
}

// composeFile refuses what is no compose file.
func composeFile(name string) error {
	data, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return fault.New(fault.NotFound, "there is no file %q", name)
	}
	if err != nil {
		return fault.Wrap(fault.Failed, err, "cannot read %q", name)
	}
	var file struct {
		Services map[string]any `yaml:"services"`
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		return fault.Wrap(fault.Invalid, err, "%q is no compose file", name)
	}
	if len(file.Services) == 0 {
		return fault.New(fault.Invalid, "%q is no compose file: it has no services", name)
	}
	return nil
}

// splitWords splits a line into words: quotes and backslashes are as in sh, and
// nothing else is special.
func splitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	in, quote := false, byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == '\'' && c != '\'', quote == '"' && c != '"' && c != '\\':
			word.WriteByte(c)
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\':
			if i++; i == len(line) {
				return nil, fault.New(fault.Usage, "the command line ends with a backslash")
			}
			if quote == '"' && line[i] != '"' && line[i] != '\\' && line[i] != '$' && line[i] != '`' {
				word.WriteByte('\\')
			}
			word.WriteByte(line[i])
			in = true
		case c == '\'' || c == '"':
			quote, in = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if in {
				words = append(words, word.String())
				word.Reset()
			}
			in = false
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if quote != 0 {
		return nil, fault.New(fault.Usage, "the command line has a quote %s that does not end", fmt.Sprintf("%c", quote))
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}
