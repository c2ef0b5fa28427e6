package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/testenv"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// trial is what is tested of an environment.
type trial struct {
	function  string // of the library: test, or sandbox
	arguments starlark.StringDict
	timeout   time.Duration // 0: testenv.RunTimeout
	config    string        // file with the configuration of the only taskserv; ""
}

// checkTests refuses names of tests that there are not: neither those that are made of every
// taskserv, nor among what those on the nodes ship.
func (m *environments) checkTests(names []string, nodes []testenv.Node, more ...string) error {
	known := append(slices.Clone(testenv.Tests), more...)
	others := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(known, name) })
	if len(others) == 0 {
		return nil
	}
	shipped, err := m.shippedTests(nodes)
	if err != nil {
		return err
	}
	of := ""
	for _, s := range subjectsOf(nodes) {
		if own := shipped[s.name]; len(own) > 0 {
			known = append(known, own...)
			of += fmt.Sprintf("; %s ships %s", s.name, strings.Join(own, ", "))
		}
	}
	for _, name := range others {
		if !slices.Contains(known, name) {
			return suggest(fault.New(fault.Usage, "there is no test %q", name), name, known).
				WithHint("tests are %s%s", strings.Join(append(slices.Clone(testenv.Tests), more...), ", "), of)
		}
	}
	return nil
}

// shippedTests are the names of the tests that taskservs ship which are tested on nodes.
func (m *environments) shippedTests(nodes []testenv.Node) (map[string][]string, error) {
	_, recipes, err := m.recipesOn(nodes)
	if err != nil {
		return nil, err
	}
	shipped := map[string][]string{}
	for _, s := range subjectsOf(nodes) {
		for _, r := range recipes {
			if r.Name == s.name {
				shipped[s.name] = r.Texts("tests")
			}
		}
	}
	return shipped, nil
}

// recipesOn are the recipes of all nodes, where they are.
func (m *environments) recipesOn(nodes []testenv.Node) ([]recipe.Place, []*recipe.Recipe, error) {
	var names []string
	for _, n := range nodes {
		for _, name := range n.Recipes {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return m.a.placesOf(names, false)
}

// test makes a trial of an environment, and records its result. The error is that of
// the run, which did not come to its end; failed tests are in the result.
func (m *environments) test(e *testenv.Environment, t trial) (*testenv.Result, error) {
	arguments, places, err := m.trialArguments(e, t)
	if err != nil {
		return nil, err
	}
	e.Status, e.Message = testenv.Testing, ""
	if err := m.store.Save(e); err != nil {
		return nil, err
	}
	began := time.Now()
	timeout := cmp.Or(t.timeout, testenv.RunTimeout)
	out, rerr := m.run(t.function, places, arguments, timeout)
	result := &testenv.Result{EnvID: e.ID, Tests: []testenv.Test{}}
	if out != nil && out.Run != nil {
		result.RunID = out.Run.ID
	}
	if rerr == nil {
		var done struct {
			Tests []testenv.Test    `json:"tests"`
			Logs  map[string]string `json:"logs"`
		}
		if rerr = returned(out, &done); rerr == nil {
			result.Tests = done.Tests
			rerr = m.store.SaveLogs(e.ID, done.Logs)
		}
	} else if out != nil && out.Run != nil {
		m.saveLogs(e)
	}
	if rerr != nil {
		result.Error = firstLine(rerr.Error())
	}
	result.Count()
	result.Duration, result.CompletedAt = time.Since(began).Seconds(), time.Now().UTC().Truncate(time.Second)
	if err := m.record(e, out, result); err != nil {
		return result, errors.Join(rerr, err)
	}
	return result, rerr
}

// record keeps a result with the logs of its tests.
func (m *environments) record(e *testenv.Environment, out *runtime.Outcome, result *testenv.Result) error {
	var err error
	if out != nil && out.Run != nil {
		if err = m.keepRecords(e, out.Run, result); err == nil {
			_, err = m.store.SaveResult(e.ID, result)
		}
	}
	e.Results, e.Status = append(e.Results, *result), testenv.Ready
	if !result.OK() {
		e.Status = testenv.Failed
	}
	return errors.Join(err, m.store.Save(e))
}

// saveLogs reads the logs of machines whose tests were stopped. Nothing depends on them.
func (m *environments) saveLogs(e *testenv.Environment) {
	logs, err := m.readLogs(e, logsPatience)
	if err == nil {
		err = m.store.SaveLogs(e.ID, logs)
	}
	if err != nil {
		m.a.console.Note("the logs of the machines of %s are not kept: %v", e.ID, err)
	}
}

func (m *environments) trialArguments(e *testenv.Environment, t trial) (starlark.StringDict, []recipe.Place, error) {
	places, recipes, err := m.recipesOn(e.Nodes)
	if err != nil {
		return nil, nil, err
	}
	arguments := maps.Clone(t.arguments)
	arguments["nodes"] = m.nodesValue(e)
	subject := ""
	if len(e.Nodes) == 1 && len(e.Nodes[0].Taskservs) == 1 {
		subject = e.Nodes[0].Taskservs[0]
	}
	if t.config != "" && subject == "" {
		return nil, nil, fault.New(fault.Usage, "--config is for one taskserv")
	}
	arguments["config"], err = m.a.taskservConfig(recipes, subject, e.Config.Profile, t.config)
	return arguments, places, err
}

// report shows what came of a trial, and is the error that the command ends with.
func (a *app) reportTrial(e *testenv.Environment, r *testenv.Result, err error) error {
	if r == nil {
		return err
	}
	if err != nil {
		a.inRun = true
		if fault.KindOf(err) == fault.Limit {
			err = fault.Wrap(fault.Timeout, err, "the tests of the environment %s were stopped", e.ID).WithHint("--timeout gives them more time")
		}
		return err
	}
	if a.console.Structured() {
		if err := a.console.Result(r); err != nil {
			return err
		}
	} else {
		a.console.Print("%s: %d passed, %d failed, %d skipped (%.1fs)", count(r.Total, "test"), r.Passed, r.Failed, r.Skipped, r.Duration)
	}
	if r.OK() {
		return nil
	}
	if r.Failed == 0 {
		a.console.Note("nothing was tested: no test passed")
	}
	if e.ID != "" {
		a.console.Note("logs: provisioning test env logs %s", e.ID)
	}
	return exitCode(1)
}
