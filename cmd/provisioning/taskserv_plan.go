package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/effect"
	"github.com/provisioning-systems/provisioning/runtime/plan"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
	"github.com/provisioning-systems/provisioning/runtime/recipe/inspect"
)

// told is what can be told of a plan of bringing services onto servers.
type told struct {
	recipes []*recipe.Recipe
	command string          // that would do it, with what it is for; "" for none
	report  *inspect.Report // what was found in the files before; nil when nobody has looked
}

// plannedRecord is what would happen to one service on one server.
type plannedRecord struct {
	Action       string          `json:"action"` // install, reinstall, configure, update, unchanged
	Taskserv     string          `json:"taskserv"`
	Server       string          `json:"server"`
	Version      string          `json:"version"`
	CheckMode    bool            `json:"check_mode"`
	WouldInstall bool            `json:"would_install"`
	Met          bool            `json:"requirements_met"`
	Missing      []string        `json:"missing"`
	Changes      []plannedChange `json:"changes"`
	Files        []string        `json:"files"`
	Dependencies []string        `json:"dependencies"`
	Estimated    *string         `json:"estimated_time"` // on this server; nil where nobody knows it
	*plannedUpdate
}

// plannedUpdate is what the step to another version asks for.
type plannedUpdate struct {
	From      string `json:"from_version"`
	Level     string `json:"level"` // patch, minor, major; "" where a version is not known
	Risk      string `json:"risk"`  // low, medium, high; "" where the level is not known
	Downtime  string `json:"downtime"`
	Migration bool   `json:"migration_required"`
}

// plannedChange is one effect that would change something.
type plannedChange struct {
	Kind        string        `json:"kind"`
	Change      effect.Change `json:"change"`
	Description string        `json:"description"`
	Diff        string        `json:"diff,omitempty"`
}

// tell shows a plan, and what it would do to each service on each server. What hinders an
// installation is a failure.
func (a *app) tell(f *taskservFlags, out *runtime.Outcome, err error) error {
	if err != nil || out == nil || out.Plan == nil || out.Value == nil {
		return a.checked(&f.runFlags, out, err)
	}
	took, err := a.durations()
	if err != nil {
		return err
	}
	records := f.told.records(out, took)
	if a.console.Structured() {
		if err := a.console.Result(planResult(f, out, records)); err != nil {
			return err
		}
	} else if err := a.printPlan(&f.runFlags, out); err != nil {
		return err
	}
	if !a.console.Structured() {
		if f.told.report != nil {
			a.preview(records)
		}
		a.showPlanned(records)
	}
	if err := hindered(records); err != nil {
		return err
	}
	if !a.console.Structured() && f.told.command != "" {
		a.console.Print("Taskserv can be %s", f.told.command)
	}
	if f.exitCode && out.Plan.Summary().Changes() {
		return exitCode(10)
	}
	return nil
}

func planResult(f *taskservFlags, out *runtime.Outcome, records []plannedRecord) map[string]any {
	result := map[string]any{
		"script": f.start.Script, "summary": out.Plan.Summary(), "plan": out.Plan.Root(), "taskservs": records,
	}
	if r := f.told.report; r != nil {
		return map[string]any{
			"taskserv": r.Taskserv, "level": r.Level, "valid": r.Valid, "groups": r.Groups, "errors": r.Errors, "warnings": r.Warnings, "check": result,
		}
	}
	return result
}

// preview lists the files that a plan writes, and whether servers have what is required.
func (a *app) preview(records []plannedRecord) {
	var rows [][]string
	for _, r := range records {
		for _, file := range r.Files {
			rows = append(rows, []string{r.Taskserv, r.Server, file})
		}
		rows = append(rows, []string{r.Taskserv, r.Server, "requirements: " + orElse(strings.Join(r.Missing, "; "), "met")})
	}
	a.console.Table([]string{"NAME", "SERVER", "PREVIEW"}, rows)
}

// hindered is the error for what servers do not have.
func hindered(records []plannedRecord) error {
	var why []string
	for _, r := range records {
		for _, text := range r.Missing {
			why = append(why, fmt.Sprintf("install %s on %s: %s", r.Taskserv, r.Server, text))
		}
	}
	if len(why) == 0 {
		return nil
	}
	return fault.New(fault.Invalid, "%s", strings.Join(why, "\n"))
}

// records are those of what the library has returned, with the effects of the plan.
func (t *told) records(out *runtime.Outcome, took durations) []plannedRecord {
	records := []plannedRecord{}
	for _, s := range structs(out.Value) {
		r := plannedRecord{
			Action: attr(s, "action"), Taskserv: attr(s, "taskserv"), Server: attr(s, "server"), Version: attr(s, "version"), CheckMode: true,
			Missing: textsOf(s, "missing"), Changes: []plannedChange{}, Files: []string{}, Dependencies: []string{},
		}
		r.Met = len(r.Missing) == 0
		r.WouldInstall = r.Met && (r.Action == "install" || r.Action == "reinstall")
		r.Estimated = took.estimate(r.Taskserv, r.Action)
		if i := slices.IndexFunc(t.recipes, func(o *recipe.Recipe) bool { return o.Name == r.Taskserv }); i >= 0 {
			r.Dependencies = needTexts(t.recipes[i].Requires)
			if r.Action == "update" {
				r.plannedUpdate = updateOf(t.recipes[i], attr(s, "previous_version"), r.Version)
			}
		}
		r.follow(out.Plan.Root())
		records = append(records, r)
	}
	return records
}

// updateOf is what a step of a recipe from one version to another asks for.
func updateOf(r *recipe.Recipe, from, to string) *plannedUpdate {
	u := &plannedUpdate{From: from, Downtime: r.Away()}
	if from == "" || to == "" {
		return u
	}
	if m := migrationOf(r, from, to); m != nil {
		u.Level, u.Risk, u.Migration = m.Level, m.Risk, m.Required
	} else if from != to && recipe.Upstream(from) == recipe.Upstream(to) { // only the distribution's part is another one
		u.Level, u.Risk = "patch", r.RiskOf("patch")
	}
	return u
}

// showPlanned lists what would be done to each service on each server, and how long that
// takes; of updates also what they ask for.
func (a *app) showPlanned(records []plannedRecord) {
	head := []string{"NAME", "SERVER", "PLAN", "VERSION", "TIME"}
	updates := slices.ContainsFunc(records, func(r plannedRecord) bool { return r.plannedUpdate != nil })
	if updates {
		head = append(head, "RISK", "DOWNTIME", "DATA")
	}
	var rows [][]string
	for _, r := range records {
		rows = append(rows, r.row(updates))
	}
	a.console.Table(head, rows)
}

// row is the record in a table, which has the columns of updates or not.
func (r *plannedRecord) row(updates bool) []string {
	version, took := orDash(r.Version), "unknown"
	switch {
	case r.Action == "unchanged" || !r.Met:
		took = "-"
	case r.Estimated != nil:
		took = "about " + *r.Estimated
	}
	u := r.plannedUpdate
	if u == nil {
		row := []string{r.Taskserv, r.Server, r.Action, version, took}
		if updates {
			row = append(row, "-", "-", "-")
		}
		return row
	}
	data := "stay"
	if u.Migration {
		data = "are brought along"
	}
	version = orElse(u.From, "?") + " -> " + orElse(r.Version, "?")
	return []string{r.Taskserv, r.Server, r.Action, version, took, orElse(u.Risk, "unknown"), u.Downtime, data}
}

// textsOf is a field that is a list of texts.
func textsOf(s *starlarkstruct.Struct, name string) []string {
	texts := []string{}
	list, _ := field(s, name).(*starlark.List)
	if list == nil {
		return texts
	}
	for v := range list.Elements() {
		text, _ := starlark.AsString(v)
		texts = append(texts, text)
	}
	return texts
}

// follow takes the changes of the branch that the library has marked as that of the
// service on the server.
func (r *plannedRecord) follow(n *plan.Node) {
	mark := r.Taskserv + " on " + r.Server
	marked := slices.ContainsFunc(n.Steps, func(s plan.Step) bool {
		return s.Effect != nil && s.Effect.Kind == "checkpoint" && s.Effect.Description == mark
	})
	if marked {
		r.take(n.Steps)
		return
	}
	for _, s := range n.Steps {
		for _, b := range s.Branches {
			r.follow(b)
		}
		if s.Decision != nil {
			for _, arm := range s.Decision.Arms {
				r.follow(&plan.Node{Steps: arm.Steps})
			}
		}
	}
}

func (r *plannedRecord) take(steps []plan.Step) {
	for _, s := range steps {
		if e := s.Effect; e != nil && e.Write && e.Change != effect.None && e.Kind != "checkpoint" {
			r.Changes = append(r.Changes, plannedChange{e.Kind, e.Change, e.Description, e.Diff})
			if _, file, ok := strings.Cut(e.Description, ": "); ok && strings.HasPrefix(file, "/") && !slices.Contains(r.Files, file) {
				r.Files = append(r.Files, file)
			}
		}
		for _, b := range s.Branches {
			r.take(b.Steps)
		}
		if s.Decision != nil {
			for _, arm := range s.Decision.Arms {
				r.take(arm.Steps)
			}
		}
	}
}

// repeated is the command line of a command, without what makes a plan of it.
func repeated(cmd *cobra.Command, args []string) string {
	words := append([]string{cmd.CommandPath()}, args...)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		switch v := f.Value; {
		case slices.Contains([]string{"check", "dry-run", "exit-code"}, f.Name):
		case v.Type() == "bool" && v.String() == "true":
			words = append(words, "--"+f.Name)
		default:
			text := v.String()
			if list, ok := v.(pflag.SliceValue); ok {
				text = strings.Join(list.GetSlice(), ",")
			}
			words = append(words, "--"+f.Name, shellWord(text))
		}
	})
	return strings.Join(words, " ")
}

// shellWord is a word as a shell takes it.
func shellWord(text string) string {
	if text != "" && !strings.ContainsAny(text, " \t\n'\"\\$`&|;<>()*?[]{}~#!") {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
