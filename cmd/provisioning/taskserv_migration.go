package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/release"
	"github.com/provisioning-systems/provisioning/runtime/journal"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// migrationRecord is what programs see of a step from one version to another.
type migrationRecord struct {
	Taskserv string   `json:"taskserv"`
	From     string   `json:"from_version"`
	To       string   `json:"to_version"`
	Level    string   `json:"level"` // patch, minor, major
	Risk     string   `json:"risk"`  // low, medium, high
	Downtime string   `json:"downtime"`
	Time     *string  `json:"estimated_time"` // on one server; nil where nobody knows it
	Required bool     `json:"migration_required"`
	Flag     string   `json:"flag,omitempty"` // that update wants
	Steps    []string `json:"steps"`
	Advice   []string `json:"advice"`
}

func (a *app) taskservCheckMigration() *cobra.Command {
	var from, to string
	var refresh bool
	cmd := &cobra.Command{
		Use: "check-migration NAME", Short: "Say what a step to another version would ask for", Args: exactly(1, "the name of a taskserv"),
		Long: `Say what a step to another version would ask for: how large it is, what would be done on
each server, what is away meanwhile, how long it took before in this workspace, and whether
data have to be brought along, which update wants to be told with --migrate. Without --from
it is from the version that the recipe installs; without --to, to the newest one that is
announced. No server is asked.

Exit codes: 0 it can be made; 1 the recipe knows no such version, or it is older.`,
		Example: "  provisioning taskserv check-migration postgres --from 15 --to 16",
		RunE: func(_ *cobra.Command, args []string) error {
			_, recipes, err := a.placesOf(args, false)
			if err != nil {
				return err
			}
			m, err := a.migration(recipes[0], from, to, refresh)
			if err != nil {
				return err
			}
			if a.console.Structured() {
				return a.console.Result(m)
			}
			a.showMigration(m)
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "version that is there")
	cmd.Flags().StringVar(&to, "to", "", "version that is wanted")
	cmd.Flags().BoolVar(&refresh, "refresh", false, "ask for the newest version again, although the last answer is not an hour old")
	return cmd
}

// migrationLog is what programs see of a run that has brought data along.
type migrationLog struct {
	Run     string         `json:"run"`
	State   journal.State  `json:"state"`
	Created time.Time      `json:"created"`
	Lines   []journal.Line `json:"lines"`
}

func (a *app) taskservMigrationLogs() *cobra.Command {
	return &cobra.Command{
		Use: "migration-logs NAME", Short: "Show the logs of the runs that have brought the data of a service along", Args: exactly(1, "the name of a taskserv"),
		Long: `Show the logs of the runs of this workspace that have brought the data of a service along
to another major version, or have tried to, the oldest first.

Exit codes: 0 there are such runs; 5 there are none.`,
		Example: "  provisioning taskserv migration-logs postgres",
		RunE: func(_ *cobra.Command, args []string) error {
			_, recipes, err := a.placesOf(args, false)
			if err != nil {
				return err
			}
			logs, err := a.migrationLogs(recipes[0].Name)
			if err != nil {
				return err
			}
			if len(logs) == 0 {
				return fault.New(fault.NotFound, "no run of this workspace has brought data of %s along", recipes[0].Name).
					WithHint("a step to another major version does, with --migrate")
			}
			if a.console.Structured() {
				return a.console.Result(logs)
			}
			for _, l := range logs {
				a.console.Print("run %s of %s, %s", l.Run[:8], l.Created.Format(time.RFC3339), l.State)
				for _, line := range l.Lines {
					a.console.Print("%s %s %-6s %s", line.At.Format(time.RFC3339), line.Place, line.Level, line.Text)
				}
			}
			return nil
		},
	}
}

// migrationLogs are those of the runs whose log says that data are brought along, as
// @std//safeguards.star has it.
func (a *app) migrationLogs(name string) ([]migrationLog, error) {
	j, err := a.journal()
	if err != nil {
		return nil, err
	}
	runs, err := j.Runs(0)
	if err != nil {
		return nil, err
	}
	slices.Reverse(runs) // the newest came first
	logs := []migrationLog{}
	for _, run := range runs {
		lines, _, err := run.Lines(0)
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(lines, func(l journal.Line) bool { return strings.HasPrefix(l.Text, "migrating "+name+" on ") }) {
			continue
		}
		for i := range lines {
			lines[i].At = lines[i].At.UTC()
		}
		logs = append(logs, migrationLog{run.ID, run.State, run.Created.UTC(), lines})
	}
	return logs, nil
}

func (a *app) migration(r *recipe.Recipe, from, to string, refresh bool) (*migrationRecord, error) {
	if from == "" {
		from = r.DefaultVersion
	}
	if from == "" {
		return nil, fault.New(fault.Usage, "it is not known from which version").WithHint("--from VERSION; provisioning taskserv status %s --servers … has it", r.Name)
	}
	if to == "" {
		told, err := a.announced(r, announcement{refresh: refresh})
		if err != nil {
			return nil, err
		}
		if len(told.Releases) == 0 {
			return nil, fault.New(fault.NotFound, "no version of %s is announced", r.Name).WithHint("--to VERSION")
		}
		to = told.Releases[0].Version
	}
	if err := r.Installs(to); err != nil {
		return nil, err
	}
	m := migrationOf(r, from, to)
	if m == nil {
		return nil, fault.New(fault.Invalid, "%s is not newer than %s", to, from)
	}
	took, err := a.durations()
	if err != nil {
		return nil, err
	}
	m.Time = took.estimate(r.Name, "update")
	return m, nil
}

// migrationOf is what a step to another version asks for; nil when that is not newer.
func migrationOf(r *recipe.Recipe, from, to string) *migrationRecord {
	m := &migrationRecord{Taskserv: r.Name, From: from, To: to, Level: release.Level(recipe.Upstream(from), recipe.Upstream(to)), Downtime: r.Away()}
	if m.Level == "" {
		return nil
	}
	m.Risk = r.RiskOf(m.Level)
	m.plan(r)
	return m
}

// plan says what update does, step by step; see @std//taskserv.star.
func (m *migrationRecord) plan(r *recipe.Recipe) {
	step := func(text string, args ...any) { m.Steps = append(m.Steps, fmt.Sprintf(text, args...)) }
	advise := func(text string, args ...any) { m.Advice = append(m.Advice, fmt.Sprintf(text, args...)) }
	data := strings.Join(r.Texts("data_directories"), ", ")
	major := m.Level == "major"
	switch {
	case r.Has("backup"):
		file := fmt.Sprintf("backups/%s/SERVER-pre-update-%s", r.Name, recipe.Upstream(m.From))
		step("back up into %s", file)
		if m.Required = major; major {
			m.Flag = "--migrate"
		}
		if r.Has("restore") {
			advise("back to the data of before: provisioning taskserv restore %s --from %s", r.Name, file)
		}
	case major && data != "":
		m.Required, m.Flag = true, "--force"
		advise("the recipe has no backup: save %s yourself", data)
	}
	if r.Has("update") {
		step("update, as the recipe does it")
	} else {
		step("install the new version")
	}
	if r.Has("configure") {
		step("write the configuration")
	}
	if services := r.Texts("services"); len(services) > 0 {
		step("restart %s, when something has changed", strings.Join(services, ", "))
	}
	if checks, ok := r.Field("health").(*starlark.List); r.Has("health") || ok && checks.Len() > 0 {
		step("wait until it is well")
	}
	advise("look at it first: provisioning taskserv update %s --version %s --servers … --check", r.Name, m.To)
	advise("back to the version of before: provisioning taskserv rollback %s --servers …", r.Name)
}

func (a *app) showMigration(m *migrationRecord) {
	needed := "no"
	if m.Required {
		needed = "yes, with " + m.Flag
	}
	rows := [][]string{
		{"taskserv", m.Taskserv}, {"step", m.From + " -> " + m.To + ", " + m.Level}, {"risk", m.Risk}, {"migration of data", needed},
		{"downtime", m.Downtime}, {"time on each server", "unknown"},
	}
	if m.Time != nil {
		rows[len(rows)-1][1] = "about " + *m.Time
	}
	for i, step := range m.Steps {
		rows = append(rows, []string{fmt.Sprintf("%d", i+1), step})
	}
	a.console.Table(nil, rows)
	for _, text := range m.Advice {
		a.console.Note("%s", text)
	}
}
