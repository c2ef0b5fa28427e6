package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/provisioning-systems/provisioning/internal/container"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/machine"
	"github.com/provisioning-systems/provisioning/internal/workspace"
)

// runtimeOptions are the flags of all commands about container runtimes.
type runtimeOptions struct {
	preferred string
	timeout   time.Duration
	noCache   bool
	check     bool
	container string
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
The exit code is that of the command.`,
		Example: `  provisioning runtime exec "docker ps -a"
  provisioning runtime exec --container db "psql -c 'select 1'"
  provisioning runtime exec --check "podman images"`,
	}
	cmd.Flags().BoolVarP(&o.check, "check", "c", false, "say what would be executed, and do nothing")
	cmd.Flags().BoolVar(&o.check, "dry-run", false, "as --check")
	cmd.Flags().StringVar(&o.container, "container", "", "container that the command runs in")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		words, err := splitWords(args[0])
		if err != nil {
			return err
		}
		r, err := a.detected(o)
		if err != nil {
			return err
		}
		argv, err := adapted(r, o.container, words)
		if err != nil {
			return err
		}
		return a.outside(o, argv)
	}
	return cmd
}

// drivers are the words that stand for the runtime.
var drivers = []string{"docker", "podman", "nerdctl"}

// adapted makes the command for a runtime.
func adapted(r container.Runtime, in string, words []string) ([]string, error) {
	switch {
	case len(words) == 0:
		return nil, fault.New(fault.Usage, "the command line is empty")
	case in != "":
		if err := container.ValidName("container", in); err != nil {
			return nil, err
		}
		return slices.Concat(r.Driver(), []string{"exec", "-i", in}, words), nil
	case slices.Contains(drivers, words[0]):
		return slices.Concat(r.Driver(), words[1:]), nil
	}
	return nil, fault.New(fault.Usage, "%q is no command of a container runtime", words[0]).
		WithHint("begin with docker, podman or nerdctl, or say in which container: --container NAME")
}

// outside runs another program in place of this one: its streams, its exit code.
func (a *app) outside(o *runtimeOptions, argv []string) error {
	shown := append([]string{filepath.Base(argv[0])}, argv[1:]...)
	if o.check {
		if a.console.Structured() {
			return a.console.Result(map[string]any{"would_execute": shown})
		}
		a.console.Print("Would execute: [%s]", strings.Join(quotedWords(shown), " "))
		return nil
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.console.In, a.console.Out, a.console.Err
	signals := make(chan os.Signal, 1) // Ctrl-C is for the program, which ends, and so do we
	signal.Notify(signals, os.Interrupt)
	defer signal.Stop(signals)
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		return exitCode(exit.ExitCode())
	case err != nil:
		return fault.Wrap(fault.Failed, err, "cannot run %s", shown[0])
	}
	return nil
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
--, it runs that. The file has to be a compose file.`,
		Example: `  provisioning runtime compose compose.yaml
  provisioning runtime compose compose.yaml -- up -d`,
		Args: func(cmd *cobra.Command, args []string) error {
			if dash := cmd.ArgsLenAtDash(); len(args) == 0 || dash == 0 || dash < 0 && len(args) > 1 || dash > 1 {
				return fault.New(fault.Usage, "%s takes a file, and arguments behind --", cmd.CommandPath()).WithHint("usage: %s", cmd.UseLine())
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&o.check, "check", "c", false, "say what would be executed, and do nothing")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := composeFile(args[0]); err != nil {
			return err
		}
		r, err := a.detected(o)
		if err != nil {
			return err
		}
		argv := slices.Concat(r.Driver(), []string{"compose", "-f", args[0]}, args[1:])
		if len(args) == 1 {
			return a.printCompose(r, argv)
		}
		if r.Compose == "" && !o.check {
			return fault.New(fault.NotFound, "%s has no compose", r.Name).
				WithHint("install it (apt-get install docker-compose-v2, or podman-compose); docker-compose 1, which is another program, is not used")
		}
		return a.outside(o, argv)
	}
	return cmd
}

func (a *app) printCompose(r container.Runtime, argv []string) error {
	argv[0] = filepath.Base(argv[0])
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
