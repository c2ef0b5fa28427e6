package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/lint"
	"github.com/provisioning-systems/provisioning/runtime/script"
)

func (a *app) lintCommand() *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use:   "lint [PATHS]",
		Short: "Find mistakes in scripts without running them",
		Long: `Find mistakes in scripts without running them. PATHS are files, and directories
with all *.star below them; without PATHS, the working directory.

A finding that would fail at run time is an error, and the exit code is 1. One
that only looks wrong is a warning. A comment on the line silences a finding:

  fs.read(path)  # lint: ignore=top-level-effect

A script that another one loads may not act at its top level. What is given to
run may: a file that is named here, defines main, or lies in the root of the
workspace or in workflows, unless one of the others loads it.`,
		Example: `  provisioning lint
  provisioning lint deploy.star workflows
  provisioning lint --strict --out json .`,
		RunE: func(_ *cobra.Command, args []string) error { return a.lint(args, strict) },
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "warnings are errors")
	cmd.ValidArgsFunction = completeScripts
	return cmd
}

func (a *app) lint(args []string, strict bool) error {
	if len(args) == 0 {
		args = []string{"."}
	}
	files, err := scriptFiles(args)
	if err != nil {
		return err
	}
	set, err := a.readLintSet(files)
	if err != nil {
		return err
	}
	found, errors := []lint.Finding{}, 0
	for _, s := range set.scripts {
		for _, f := range lint.Source(s.path, s.src, set.options(s)) {
			f.Warning = f.Warning && !strict
			if !f.Warning {
				errors++
			}
			found = append(found, f)
		}
	}
	if err := a.showFindings(found, errors, len(files)); err != nil {
		return err
	}
	if errors > 0 {
		return exitCode(1)
	}
	return nil
}

func lintOptions(main bool) lint.Options {
	return lint.Options{Main: main, Predeclared: builtins.Globals.Keys(), Modules: builtins.All}
}

func (a *app) showFindings(found []lint.Finding, errors, files int) error {
	if a.console.Structured() {
		return a.console.Result(found)
	}
	for _, f := range found {
		mark := ""
		if f.Warning {
			mark = " (warning)"
		}
		a.console.Print("%s:%d:%d: %s: %s%s", f.File, f.Line, f.Col, f.Code, f.Message, mark)
		if text := strings.TrimSpace(f.Text); text != "" {
			a.console.Print("    %d | %s", f.Line, text)
		}
		if f.Hint != "" {
			a.console.Print("hint: %s", f.Hint)
		}
	}
	a.console.Note("%s: %s, %s", count(files, "script"), count(errors, "error"), count(len(found)-errors, "warning"))
	return nil
}

// lintScript is a script of the set that is looked at.
type lintScript struct {
	scriptFile
	name string // as load statements resolve to it
	src  []byte
}

type lintSet struct {
	scripts []*lintScript
	loaded  map[string]bool // by name
	loader  *script.Loader
	guessed bool // the workspace is only taken to be one
}

func (set *lintSet) options(s *lintScript) lint.Options {
	opts := lintOptions(set.main(s))
	opts.Module = func(spec string) ([]byte, bool, error) {
		name, err := script.ModuleName(spec, s.name)
		if err != nil || set.guessed && strings.HasPrefix(spec, "//") {
			return nil, false, err
		}
		src, err := set.loader.OnDisk(name)
		return src, err == nil, err
	}
	return opts
}

// readLintSet reads the scripts, and what they load, with the rules of a run.
func (a *app) readLintSet(files []scriptFile) (*lintSet, error) {
	ws, err := a.workspace("")
	if len(files) > 0 && err != nil {
		ws, err = a.workspace(files[0].path)
	}
	guessed := err != nil && a.flags.workspace == ""
	if guessed {
		ws, err = workspace.At(".") // names resolve as if it were one
	}
	if err != nil {
		return nil, err
	}
	loader := &script.Loader{Workspace: ws.Root, Stdlib: library{}}
	set := &lintSet{loaded: map[string]bool{}, loader: loader, guessed: guessed}
	for _, file := range files {
		s := &lintScript{scriptFile: file}
		if s.src, err = os.ReadFile(file.path); err != nil {
			return nil, fileFault(err, file.path)
		}
		if s.name, err = loader.Name(file.path); err != nil {
			return nil, fileFault(err, file.path)
		}
		set.scripts = append(set.scripts, s)
		for _, name := range lint.Loads(s.name, s.src) {
			set.loaded[name] = true
		}
	}
	return set, nil
}

// main reports whether the script is what is given to run.
func (set *lintSet) main(s *lintScript) bool {
	return !set.loaded[s.name] && (s.named || lint.IsMain(s.name, s.src))
}

// completeScripts offers scripts and directories.
func completeScripts(_ *cobra.Command, _ []string, beginning string) ([]string, cobra.ShellCompDirective) {
	matches, _ := filepath.Glob(globEscape(beginning) + "*") // the pattern is escaped
	var names []string
	for _, name := range matches {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			names = append(names, name+"/")
		} else if strings.HasSuffix(name, ".star") {
			names = append(names, name)
		}
	}
	directive := cobra.ShellCompDirectiveNoFileComp
	if len(names) == 1 && strings.HasSuffix(names[0], "/") {
		directive |= cobra.ShellCompDirectiveNoSpace
	}
	return names, directive
}

func globEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(s)
}
