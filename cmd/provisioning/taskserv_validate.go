package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing/fstest"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/capability"
	"github.com/provisioning-systems/provisioning/runtime/lint"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
	"github.com/provisioning-systems/provisioning/runtime/recipe/inspect"
	"github.com/provisioning-systems/provisioning/runtime/script"
	"github.com/provisioning-systems/provisioning/taskservs"
)

func (a *app) taskservValidate() *cobra.Command {
	var f taskservFlags
	var level string
	cmd := &cobra.Command{
		Use: "validate NAME|DIR", Short: "Find mistakes in a taskserv, without a server", Args: exactly(1, "the name of a taskserv, or its directory"),
		Long: `Find mistakes in a taskserv, without a server. Levels are

  static        the files: scripts, configuration and profiles, templates, shell scripts,
                names and the manifest; and what the rules of the workspace say of it
  dependencies  what it requires, bears and suggests, and how its health is found out
  health        only the last
  check         static and dependencies, and with --servers a plan of installing it there:
                the files that would be written, with differences, and what is missing
  all           all of it, and so it is without --level

Templates are rendered with the defaults of the configuration, and with every profile.

Rules of the workspace are scripts in extensions/validators that define
validate_taskserv(recipe, config). It returns a struct with errors and warnings, lists of
texts, or of dicts with message and argument, the part of taskserv.declare that is meant. It
is called for the configuration that the workspace gives, and for every profile; effects are
refused.

Exit codes: 0 it is valid, warnings or not; 1 it is not; 5 there is no such taskserv.`,
		Example: `  provisioning taskserv validate redis
  provisioning taskserv validate extensions/taskservs/hello --level static
  provisioning taskserv validate redis --out json`,
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		report, err := a.inspectTaskserv(args[0], level)
		if err != nil {
			return err
		}
		planned := report.Valid && len(f.servers) > 0 && (level == inspect.Check || level == inspect.All)
		if !planned || !a.console.Structured() { // one result is one document
			if err := a.showReport(report); err != nil {
				return err
			}
		}
		if !report.Valid {
			return exitCode(1)
		}
		if !planned {
			return nil
		}
		return a.previewTaskserv(&f, report)
	}
	fs := cmd.Flags()
	f.define(fs)
	fs.StringVar(&level, "level", inspect.All, "what to look at: "+strings.Join(inspect.Levels, ", "))
	return cmd
}

// previewTaskserv plans an installation of what was looked at.
func (a *app) previewTaskserv(f *taskservFlags, report *inspect.Report) error {
	places, recipes, err := a.placesOf([]string{report.Taskserv}, true)
	if err != nil {
		return err
	}
	f.check, f.told = true, &told{recipes: recipes, report: report}
	s := &taskservScript{function: "create", recipes: places, arguments: f.arguments()}
	if s.arguments["config"], err = a.taskservConfig(recipes, report.Taskserv, "", ""); err != nil {
		return err
	}
	if err := a.useVersions(s, recipes, "", ""); err != nil {
		return err
	}
	s.arguments["tell"] = starlark.True
	return a.runTaskserv(f, s, func(starlark.Value) {})
}

// inspectTaskserv looks at a taskserv, by its name or its directory.
func (a *app) inspectTaskserv(name, level string) (*inspect.Report, error) {
	ws, extensions, err := a.nearby()
	if err != nil {
		return nil, err
	}
	t, err := a.subject(ws.Root, name, extensions)
	if err != nil {
		return nil, err
	}
	c, done, err := a.catalogue(t.Place)
	if err != nil {
		return nil, err
	}
	defer done()
	evaluate := func(module string) (starlark.StringDict, error) {
		rt, in, done, err := a.unwatched()
		if err != nil {
			return nil, err
		}
		defer done()
		return rt.Evaluate(in, module)
	}
	rules, err := validatorsOf(ws.Root)
	if err != nil {
		return nil, err
	}
	return t.Inspect(level, inspect.Tools{
		Find: c, Evaluate: evaluate, Validators: rules, Given: a.givenTo(c, t.Place.Name),
		Ask: func(text string) (starlark.StringDict, error) {
			a.library = library{generated: fstest.MapFS{"validate.star": {Data: []byte(text)}}}
			return evaluate("@std//" + generatedDir + "validate.star")
		},
		Lint: lintOf(ws.Root), Effects: catalog(), Library: library{}, ShellCheck: shellCheck(),
	})
}

// validatorsOf are the modules with the rules that a workspace has for taskservs, sorted.
func validatorsOf(root string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(inspect.ValidatorsDir), "*.star"))
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "cannot read %s", inspect.ValidatorsDir)
	}
	modules := []string{}
	for _, file := range files {
		if !strings.HasSuffix(file, "_test.star") {
			modules = append(modules, "//"+inspect.ValidatorsDir+"/"+filepath.Base(file))
		}
	}
	return modules, nil
}

// givenTo is the configuration that the workspace gives a taskserv; nil when there is none,
// or it is wrong, which is said when the taskserv is installed.
func (a *app) givenTo(c *recipe.Catalogue, name string) starlark.Value {
	r, err := c.Recipe(name)
	if err != nil {
		return nil
	}
	config, err := a.taskservConfig([]*recipe.Recipe{r}, "", "", "")
	if err != nil {
		return nil
	}
	v, _, _ := config.Get(starlark.String(r.Name)) // a string can be looked up
	return v
}

// subject finds what is to be looked at. A directory may be of a taskserv that is too
// broken to have a name.
func (a *app) subject(root, name string, extensions []capability.Extension) (inspect.Taskserv, error) {
	if strings.ContainsAny(name, `/\`) || name == "." {
		return subjectIn(root, name)
	}
	for _, e := range extensions {
		if _, err := os.Stat(filepath.Join(root, e.Dir, recipe.Script)); e.Name == name && (err == nil || e.Err != nil || e.Manifest.Extension.Type == taskservType) {
			return subjectIn(root, filepath.Join(root, e.Dir))
		}
	}
	c, done, err := a.catalogue()
	if err != nil {
		return inspect.Taskserv{}, err
	}
	defer done()
	p, err := c.Place(name)
	if err != nil {
		return inspect.Taskserv{}, err
	}
	dir, builtIn := strings.CutPrefix(p.Dir(), "@std//"+taskservsDir)
	if !builtIn {
		return subjectIn(root, filepath.Join(root, strings.TrimPrefix(p.Dir(), "//")))
	}
	files, err := fs.Sub(taskservs.FS, dir)
	return inspect.Taskserv{Place: p, Files: files}, err
}

func subjectIn(root, dir string) (inspect.Taskserv, error) {
	var none inspect.Taskserv
	abs, err := filepath.Abs(dir)
	if err != nil {
		return none, err
	}
	if info, err := os.Stat(abs); err != nil || !info.IsDir() {
		return none, fault.New(fault.NotFound, "there is no directory %q", dir).WithHint("see: provisioning taskserv list")
	}
	rel, err := filepath.Rel(root, abs)
	if err != nil || !filepath.IsLocal(rel) || rel == "." {
		return none, fault.New(fault.Usage, "%q is not within the workspace %s", dir, root).WithHint("move it below extensions, or name its workspace with --workspace")
	}
	rel = filepath.ToSlash(rel)
	return inspect.Taskserv{
		Place: recipe.Place{Name: path.Base(rel), Module: "//" + path.Join(rel, recipe.Script), Source: originOf(rel)},
		Files: os.DirFS(abs), Disk: abs,
	}, nil
}

// lintOf gives the options of looking at a module of the workspace.
func lintOf(root string) func(main bool, module string) lint.Options {
	loader := &script.Loader{Workspace: root, Stdlib: library{}}
	return func(main bool, module string) lint.Options {
		opts := lintOptions(main)
		opts.Module = func(spec string) ([]byte, bool, error) {
			name, err := script.ModuleName(spec, module)
			if err != nil {
				return nil, false, err
			}
			src, err := loader.OnDisk(name)
			return src, err == nil && script.IsScript(name), err
		}
		return opts
	}
}

// shellCheck asks the program of that name; nil when it is not there.
func shellCheck() func([]byte) ([]inspect.Problem, error) {
	program, err := exec.LookPath("shellcheck")
	if err != nil {
		return nil
	}
	return func(text []byte) ([]inspect.Problem, error) {
		cmd := exec.Command(program, "--format", "json", "-") //nolint:gosec // it reads standard input and prints
		cmd.Stdin = bytes.NewReader(text)
		out, err := cmd.Output()
		if exit := (*exec.ExitError)(nil); err != nil && !(errors.As(err, &exit) && exit.ExitCode() == 1) { // 1: it has found something
			return nil, err
		}
		var comments []struct {
			Line    int    `json:"line"`
			Column  int    `json:"column"`
			Code    int    `json:"code"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal(out, &comments); err != nil {
			return nil, err
		}
		found := make([]inspect.Problem, len(comments))
		for i, c := range comments {
			found[i] = inspect.Problem{Line: c.Line, Col: c.Column, Message: fmt.Sprintf("%s (SC%d)", c.Message, c.Code)}
		}
		return found, nil
	}
}

func (a *app) showReport(r *inspect.Report) error {
	if a.console.Structured() {
		return a.console.Result(r)
	}
	for _, g := range r.Groups {
		if a.console.Verbose {
			a.console.Print("%s: %s, %s", g.Name, count(len(g.Errors), "error"), count(len(g.Warnings), "warning"))
		}
		for _, p := range g.Errors {
			a.showProblem(p, "")
		}
		for _, p := range g.Warnings {
			a.showProblem(p, " (warning)")
		}
	}
	word := "VALID"
	if !r.Valid {
		word = "INVALID - " + count(r.Errors, "error")
	}
	a.console.Print("%s - %s", word, count(r.Warnings, "warning"))
	return nil
}

func (a *app) showProblem(p inspect.Problem, mark string) {
	a.console.Print("%s:%d: %s%s", p.File, p.Line, p.Message, mark)
	if p.Text != "" {
		a.console.Print("    %d | %s", p.Line, p.Text)
	}
	if p.Hint != "" {
		a.console.Print("    hint: %s", p.Hint)
	}
}
