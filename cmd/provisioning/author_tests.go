package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/console"
	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/event"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
	"github.com/provisioning-systems/provisioning/runtime/tester"
)

// testFlags are the flags of test.
type testFlags struct {
	run      string
	timeout  string
	junit    string
	limits   []string
	jobs     int
	list     bool
	json     bool
	failFast bool
	keep     bool
	realTime bool
	cover    bool
	coverOut string
	torment  tormentFlags
}

func (f *testFlags) define(fs *pflag.FlagSet) {
	fs.StringVarP(&f.run, "run", "r", "", "only tests whose \"FILE NAME\" this regular expression matches")
	fs.BoolVar(&f.list, "list", false, "only say which tests there are")
	fs.IntVarP(&f.jobs, "jobs", "j", 0, "tests, and points of a test, at a time (default: the number of processors; points that change the same machine come one after the other)")
	fs.BoolVar(&f.failFast, "fail-fast", false, "after a failure, begin no more tests")
	fs.StringVar(&f.timeout, "timeout", duration.Short(tester.StandardTimeout), "how long a test may take")
	fs.BoolVar(&f.keep, "keep", false, "keep the directories of the tests, and say where they are")
	fs.BoolVar(&f.realTime, "real-time", false, "waits take the time that they say")
	fs.StringArrayVar(&f.limits, "limit", nil, "limit of each test, NAME=VALUE, as of run")
	fs.StringVar(&f.junit, "junit", "", "file to write the results to, in the form of JUnit")
	fs.BoolVar(&f.cover, "cover", false, "say which lines were executed, and which effects performed")
	fs.StringVar(&f.coverOut, "cover-out", "", "file to write the coverage of lines to, in the form of LCOV")
	fs.BoolVar(&f.json, "json", false, "the same as --out json")
	f.torment.define(fs)
}

func (a *app) testCommand() *cobra.Command {
	var f testFlags
	cmd := &cobra.Command{
		Use: "test [PATHS]", Aliases: []string{"tst"}, Args: cobra.ArbitraryArgs,
		Short: "Run the tests of scripts",
		Long: `Run the tests of scripts. PATHS are files, and directories with all *_test.star
below them; without PATHS, the workspace.

A test is a function test_… without parameters:

  load("./deploy.star", "deploy")

  def test_deploy():
      deploy("web-1")
      assert.contains(fs.read("web-1.conf"), "listen 80")

Each runs in a copy of the workspace, with a journal of its own, which is removed
afterwards. Waits take no time: a test of sleep("3d") ends at once, and parallel
waits of a second take one second of the time that time.now tells. What a test
prints is shown when it fails, or with --verbose.

With --crash, the process of a test that passes is killed at every moment of every
effect, and the run is resumed; the world has to be the one that it is without the
crash. With --undo, the run is rolled back from each of its writes, and the world
has to be the one that it began with.

The exit code is 1 when a test fails, and 5 when there are none.

The words quick, env and topology are no paths, but commands that try taskservs on
machines made of containers.`,
		Example: `  provisioning test
  provisioning test lib deploy_test.star --run rollback
  provisioning test --crash --undo
  provisioning test --cover --junit results.xml`,
	}
	f.define(cmd.Flags())
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.test(args, &f) }
	cmd.ValidArgsFunction = completeScripts
	cmd.AddCommand(a.testQuick(), a.testEnvCommand(), a.testTopology()) // these words are no paths
	return cmd
}

func (a *app) test(paths []string, f *testFlags) error {
	if f.json {
		a.console.Format = console.JSON
	}
	suite, err := a.suite(paths, f)
	if err != nil {
		return err
	}
	if err := writable(map[string]string{"--junit": f.junit, "--cover-out": f.coverOut}); err != nil {
		return err
	}
	tests, err := chosenTests(suite.Workspace, paths, f.run)
	if err != nil {
		return err
	}
	if f.list {
		return a.listTests(tests)
	}
	results, err := a.runTests(suite, tests)
	if err != nil {
		return err
	}
	return a.reportTests(f, suite, results)
}

// suite makes a suite of the flags. It is for the workspace that the first path
// is in, when the working directory is in none.
func (a *app) suite(paths []string, f *testFlags) (*tester.Suite, error) {
	file := ""
	if len(paths) > 0 {
		file = paths[0]
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			file += "/." // what is looked for begins with the directory of the file
		}
	}
	ws, err := a.workspace(file)
	if err != nil {
		return nil, err
	}
	timeout, err := duration.Parse(f.timeout)
	if err == nil && timeout <= 0 {
		err = fmt.Errorf("must be more than nothing")
	}
	if err != nil {
		return nil, fault.New(fault.Usage, "--timeout %v", err)
	}
	if f.jobs < 0 {
		return nil, fault.New(fault.Usage, "--jobs must not be negative")
	}
	limits := map[string]string{}
	if err := readLimits(f.limits, limits); err != nil {
		return nil, err
	}
	for _, name := range sortedKeys(limits) {
		if err := new(sandbox.Limits).Set(name, limits[name]); err != nil {
			return nil, err
		}
	}
	var cover *tester.Cover
	if f.cover || f.coverOut != "" {
		cover = tester.NewCover()
	}
	crash, undo, err := f.torment.parse()
	if err != nil {
		return nil, err
	}
	return &tester.Suite{
		Cover: cover, Crash: crash, Undo: undo, Own: builtins.Own, Clocks: builtins.Clocks, Dice: builtins.Dice,
		Workspace: ws, Jobs: f.jobs, Timeout: timeout, FailFast: f.failFast, Keep: f.keep, RealTime: f.realTime, Limits: limits,
		Runtime: runtime.Config{Modules: builtins.All, Globals: builtins.Globals, Stdlib: library{}, CacheDir: workspace.CacheDir(), Guard: newGuard},
	}, nil
}

// chosenTests are the tests below paths that pattern matches.
func chosenTests(ws workspace.Workspace, paths []string, pattern string) ([]tester.Test, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fault.New(fault.Usage, "--run %v", err)
	}
	all, err := tester.Find(ws, paths)
	if err != nil {
		return nil, err
	}
	var chosen []tester.Test
	for _, t := range all {
		if re.MatchString(t.String()) {
			chosen = append(chosen, t)
		}
	}
	switch {
	case len(all) == 0:
		where := "the workspace " + ws.Root
		if len(paths) > 0 {
			where = strings.Join(paths, ", ")
		}
		return nil, fault.New(fault.NotFound, "there are no tests in %s", where).
			WithHint("a test is a function test_… in a file …%s", tester.Suffix)
	case len(chosen) == 0:
		return nil, fault.New(fault.NotFound, "none of the %s matches %q", count(len(all), "test"), pattern).
			WithHint("see them with: provisioning test --list")
	}
	return chosen, nil
}

func (a *app) listTests(tests []tester.Test) error {
	if a.console.Structured() {
		records := []testRecord{}
		for _, t := range tests {
			records = append(records, testRecord{File: t.File, Name: t.Name, Line: t.Line})
		}
		return a.console.Result(records)
	}
	for _, t := range tests {
		a.console.Print("%s", console.Visible(t.String()))
	}
	return nil
}

// runTests runs the tests while their progress is shown. An interruption cuts them
// off: there is nothing in them that anybody would go on with.
func (a *app) runTests(suite *tester.Suite, tests []tester.Test) ([]tester.Result, error) {
	tasks := a.console.NewTasks("tests")
	defer tasks.Close()
	suite.Begin = func(t tester.Test) { tasks.Begin(console.Visible(t.String())) }
	suite.Progress = func(t tester.Test, doing string) { tasks.Note(console.Visible(t.String()), doing) }
	suite.End = func(r tester.Result) {
		tasks.End(console.Visible(r.String()))
		a.printTest(r)
	}
	suite.Watch = func(t tester.Test, e event.Event) {
		switch e.Type {
		case event.EffectStarted:
			tasks.Note(console.Visible(t.String()), console.Visible(e.Kind+" "+e.Text))
		case event.EffectEnded:
			tasks.Note(console.Visible(t.String()), "")
		}
	}
	in, done := a.interruptWith("stopping: what is under way is cut off, and removed")
	defer done()
	ctx, cancel := context.WithCancel(in.Stop)
	defer cancel()
	results := suite.Run(ctx, tests)
	if in.Stop.Err() != nil {
		return nil, fault.New(fault.Cancelled, "the tests were interrupted")
	}
	return results, nil
}

// printTest tells of a test that has ended.
func (a *app) printTest(r tester.Result) {
	took, name := duration.Short(r.Took.Round(time.Millisecond)), console.Visible(r.String())
	switch {
	case r.Status == tester.Failed:
		a.console.Print("%s %s (%s)", a.console.Bad("FAIL"), name, took)
		a.console.Print("%s", indent(console.Visible(fault.Render(r.Err)), "    "))
		a.printOutput(r)
	case a.console.Verbose && r.Status == tester.Passed:
		a.console.Print("%s %s (%s, %s)", a.console.Good("ok  "), name, took, count(r.Effects, "effect"))
		a.printOutput(r)
	}
	a.printTorment(r)
	if a.console.Verbose && r.Status == tester.Passed {
		for _, line := range r.Unused {
			a.console.Print("    unused: %s", console.Visible(firstLine(line)))
		}
	}
	if r.Kept != "" {
		a.console.Note("kept %[1]s in %[2]s; see what it did with:\n  PROVISIONING_HOME=%[2]s/key provisioning -W %[2]s/workspace runs show last", name, r.Kept)
	}
}

const shownLines = 200 // of the output of a failed test; all are in the results for programs

func (a *app) printOutput(r tester.Result) {
	if len(r.Output) == 0 {
		return
	}
	a.console.Print("    output:")
	lines := r.Output
	if skipped := len(lines) - shownLines; skipped > 0 && !a.console.Verbose {
		a.console.Print("        … %s before", count(skipped, "line"))
		lines = lines[skipped:]
	}
	for _, l := range lines {
		if l.Level != "print" {
			l.Text = l.Level + ": " + l.Text
		}
		a.console.Print("%s", indent(console.Visible(l.Text), "        "))
	}
}

func indent(text, by string) string {
	return by + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+by)
}
