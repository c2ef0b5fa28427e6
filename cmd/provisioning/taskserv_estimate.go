package main

import (
	"slices"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/runtime/duration"
	"github.com/provisioning-systems/provisioning/runtime/journal"
)

// durations are how long it took to change services, each on one server, by the names of
// the taskservs and what was done.
type durations map[[2]string][]time.Duration

// durations are those of the runs of the workspace. Runs that were interrupted tell
// nothing, nor do those that nobody can read any more.
func (a *app) durations() (durations, error) {
	j, err := a.journal()
	if err != nil {
		return nil, err
	}
	runs, err := j.Runs(0)
	if err != nil {
		return nil, err
	}
	all := durations{}
	for _, run := range runs {
		if !changesServices(run) {
			continue
		}
		values, _, err := a.reader(run, a.codecOf(j))
		if err != nil {
			continue // its secrets cannot be opened
		}
		if v, err := values.Decode(run.Result); err == nil {
			all.add(v)
		}
	}
	return all, nil
}

// changesServices reports whether a run has brought services onto servers, in one go. One
// that follows a plan has the times of that.
func changesServices(run *journal.Run) bool {
	if run.State != journal.Completed || run.Executions > 1 || run.Options.Applied != nil || run.Result == nil {
		return false
	}
	script := strings.TrimPrefix(run.Script, "//")
	return slices.ContainsFunc([]*taskservScript{
		{function: "create"}, {function: "update"}, {function: "configure"}, {module: "servertask", function: "create"},
	}, func(s *taskservScript) bool { return script == "@std//"+generatedDir+s.name() })
}

// add takes what a run has returned.
func (d durations) add(v starlark.Value) {
	if s, ok := v.(*starlarkstruct.Struct); ok {
		v = field(s, "services")
	}
	for _, s := range structs(v) {
		if seconds, ok := starlark.AsFloat(field(s, "seconds")); ok {
			key := [2]string{attr(s, "taskserv"), attr(s, "action")}
			d[key] = append(d[key], time.Duration(seconds*float64(time.Second)))
		}
	}
}

// estimate is how long it takes on one server, as it mostly did; nil where nobody knows it.
func (d durations) estimate(name, action string) *string {
	took := slices.Sorted(slices.Values(d[[2]string{name, action}]))
	if len(took) == 0 {
		return nil
	}
	middle := len(took) / 2
	median := took[middle]
	if len(took)%2 == 0 {
		median = (median + took[middle-1]) / 2
	}
	text := duration.Short(median)
	return &text
}
