package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/testenv"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
	"github.com/provisioning-systems/provisioning/runtime/recipe/inspect"
)

// nativeTests are those that need no machine, and which problems of a taskserv each is about.
var nativeTests = []struct {
	name   string
	groups []string
}{
	{testenv.Syntax, []string{"scripts", "structure"}},
	{"config", []string{"schemas", "templates"}},
	{"health", []string{"health"}},
}

const withoutMachine = "it needs a machine, and --runtime native makes none"

// testNative makes the tests that need no machine. Nothing is made, and nothing recorded
// but the runs.
func (a *app) testNative(f *testenvFlags, c testenv.Config) error {
	wanted := namesIn(f.tests)
	e, err := a.environmentOf(c)
	if err != nil {
		return err
	}
	ws, err := a.workspace("")
	if err != nil {
		return err
	}
	m := &environments{a: a, ws: ws}
	if err := m.checkTests(wanted, e.Nodes, testenv.Syntax); err != nil {
		return err
	}
	shipped, err := m.shippedTests(e.Nodes)
	if err != nil {
		return err
	}
	began := time.Now()
	r := &testenv.Result{Tests: []testenv.Test{}}
	if err := m.nativeResults(e, f, wanted, r); err != nil {
		return err
	}
	r.Tests = append(r.Tests, slices.DeleteFunc(skippedTests(e, wanted, shipped, withoutMachine), func(t testenv.Test) bool { return t.Name == "config" || t.Name == "health" })...)
	r.Count()
	r.Duration, r.CompletedAt = time.Since(began).Seconds(), time.Now().UTC().Truncate(time.Second)
	a.showTests(r.Tests)
	return a.reportTrial(&testenv.Environment{}, r, nil)
}

// nativeResults adds what came of the tests that need no machine.
func (m *environments) nativeResults(e *testenv.Environment, f *testenvFlags, wanted []string, r *testenv.Result) error {
	places, recipes, err := m.recipesOn(e.Nodes)
	if err != nil {
		return err
	}
	refused, err := m.refusedSettings(e, f, places, recipes)
	if err != nil {
		return err
	}
	for _, s := range subjectsOf(e.Nodes) {
		report, err := m.a.inspectTaskserv(s.name, inspect.All)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(recipes, func(r *recipe.Recipe) bool { return r.Name == s.name })
		for _, n := range nativeTests {
			if len(wanted) > 0 && !slices.Contains(wanted, n.name) {
				continue
			}
			t := testenv.Test{Name: n.name, Taskserv: s.name, Node: strings.Join(s.nodes, ", "), Status: testenv.Passed}
			switch why := firstProblem(report, n.groups); {
			case why != "":
				t.Status, t.Message = testenv.TestFailed, why
			case n.name == "config" && refused[s.name] != "":
				t.Status, t.Message = testenv.TestFailed, refused[s.name]
			case n.name == "health" && at >= 0 && starlark.Len(recipes[at].Field("health")) == 0 && !recipes[at].Has("health"):
				t.Status, t.Message = testenv.Skipped, "the recipe has no health checks"
			}
			r.Tests = append(r.Tests, t)
		}
	}
	return nil
}

// refusedSettings are the taskservs whose configuration is not valid, and why.
func (m *environments) refusedSettings(e *testenv.Environment, f *testenvFlags, places []recipe.Place, recipes []*recipe.Recipe) (map[string]string, error) {
	only := ""
	if len(e.Nodes) == 1 && len(e.Nodes[0].Taskservs) == 1 {
		only = e.Nodes[0].Taskservs[0]
	}
	if f.config != "" && only == "" {
		return nil, fault.New(fault.Usage, "--config is for one taskserv")
	}
	settings, err := m.a.taskservConfig(recipes, only, e.Config.Profile, f.config)
	if err != nil {
		return nil, err
	}
	out, err := m.run("refused_settings", places, starlark.StringDict{"config": settings}, 0)
	if err != nil {
		return nil, err
	}
	refused := map[string]string{}
	return refused, returned(out, &refused)
}

// firstProblem is the first error of some groups, and how many there are; "" for none.
func firstProblem(report *inspect.Report, groups []string) string {
	first, all := "", 0
	for _, g := range report.Groups {
		if !slices.Contains(groups, g.Name) {
			continue
		}
		for _, p := range g.Errors {
			if all++; all == 1 {
				first = fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message)
			}
		}
	}
	if all > 1 {
		first += fmt.Sprintf(" (and %d more)", all-1)
	}
	return first
}
