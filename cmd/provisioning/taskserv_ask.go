package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// taskservRecord is what programs see of a taskserv.
type taskservRecord struct {
	Name           string   `json:"name"`
	Version        string   `json:"version,omitempty"`
	Category       string   `json:"category,omitempty"`
	Description    string   `json:"description,omitempty"`
	Source         string   `json:"source"`
	Path           string   `json:"path"`
	Aliases        []string `json:"aliases,omitempty"`
	Requires       []string `json:"requires,omitempty"`
	After          []string `json:"after,omitempty"`
	Conflicts      []string `json:"conflicts,omitempty"`
	Provides       []string `json:"provides,omitempty"`
	Suggests       []string `json:"suggests,omitempty"`
	DefaultVersion string   `json:"default_version,omitempty"`
	Versions       []string `json:"versions,omitempty"`
	Functions      []string `json:"functions,omitempty"`
	Actions        []string `json:"actions,omitempty"`
	Tests          []string `json:"tests,omitempty"` // that it ships
	Profiles       []string `json:"profiles,omitempty"`
	Services       []string `json:"services,omitempty"`
	Ports          []string `json:"ports,omitempty"`
	SupportedOS    []string `json:"supported_os,omitempty"`
	Tags           []string `json:"tags,omitempty"`
	Error          string   `json:"error,omitempty"`
}

func taskservRecordOf(p recipe.Place, r *recipe.Recipe, err error) taskservRecord {
	t := taskservRecord{Name: p.Name, Source: p.Source, Path: strings.TrimPrefix(p.Dir(), "//")}
	if err != nil {
		t.Error = err.Error()
		return t
	}
	t.Version, t.Category, t.Description, t.Aliases = r.Version, r.Category, r.Description, r.Aliases
	t.Requires, t.After, t.Conflicts, t.Provides, t.Suggests = needTexts(r.Requires), needTexts(r.After), needTexts(r.Conflicts), r.Provides, r.Suggests
	t.DefaultVersion, t.Versions, t.Functions = r.DefaultVersion, r.Versions, r.Functions()
	t.Actions, t.Tests, t.Profiles = r.Texts("actions"), r.Texts("tests"), r.Texts("profiles")
	t.Services, t.Ports, t.SupportedOS, t.Tags = r.Texts("services"), r.Texts("ports"), r.Texts("supported_os"), r.Texts("tags")
	return t
}

func needTexts(needs []recipe.Need) []string {
	texts := make([]string, len(needs))
	for i, n := range needs {
		texts[i] = n.String()
	}
	return texts
}

// matches reports whether a taskserv is what a text searches for.
func (t *taskservRecord) matches(text string) bool {
	text = strings.ToLower(text)
	for _, s := range slices.Concat([]string{t.Name, t.Category, t.Description}, t.Tags, t.Aliases, t.Provides) {
		if strings.Contains(strings.ToLower(s), text) {
			return true
		}
	}
	return false
}

func (a *app) taskservList() *cobra.Command {
	var f taskservFlags
	var category, search string
	var installed, versions bool
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the taskservs that there are, or what servers have", Args: exactly(0, "no arguments"),
		Long: `List the taskservs that there are. With --servers these are asked: what they have comes
first, then the others, which are available; with --installed there are no others.`,
		Example: "  provisioning taskserv list --category databases\n  provisioning taskserv list --installed --servers web-1,web-2",
	}
	cmd.RunE = func(*cobra.Command, []string) error {
		if installed && len(f.servers) == 0 {
			return fault.New(fault.Usage, "--installed asks servers: name them with --servers")
		}
		if len(f.servers) > 0 {
			known, err := a.taskservRecords("", "")
			if err != nil {
				return err
			}
			wanted := func(t taskservRecord) bool { return t.wanted(category, search) }
			f.view = func(v starlark.Value) starlark.Value { return withAvailable(v, known, wanted, installed) }
			return a.runTaskserv(&f, &taskservScript{function: "installed", arguments: f.arguments()}, a.showInstalled)
		}
		records, err := a.taskservRecords(category, search)
		if err != nil || a.console.Structured() {
			return a.listed(records, err)
		}
		a.showCatalogue(records, versions)
		return nil
	}
	fs := cmd.Flags()
	f.define(fs)
	fs.StringVar(&category, "category", "", "only those of a category")
	fs.StringVar(&search, "search", "", "only those with a text in what is said of them")
	fs.BoolVar(&installed, "installed", false, "only what the servers have")
	fs.BoolVar(&versions, "versions", false, "also the versions of the software")
	return cmd
}

func (a *app) listed(records []taskservRecord, err error) error {
	if err != nil {
		return err
	}
	return a.console.Result(records)
}

// wanted reports whether a list with these filters has the taskserv.
func (t *taskservRecord) wanted(category, search string) bool {
	return (category == "" || t.Category == category) && t.matches(search)
}

// taskservRecords are the taskservs that there are.
func (a *app) taskservRecords(category, search string) ([]taskservRecord, error) {
	c, done, err := a.catalogue()
	if err != nil {
		return nil, err
	}
	defer done()
	var records []taskservRecord
	for _, p := range c.Places() {
		r, err := c.Recipe(p.Name)
		t := taskservRecordOf(p, r, err)
		if t.wanted(category, search) {
			records = append(records, t)
		}
	}
	return records, nil
}

func (a *app) showCatalogue(records []taskservRecord, versions bool) {
	head := []string{"NAME", "CATEGORY", "DESCRIPTION", "SOURCE"}
	if versions {
		head = append(head, "VERSIONS")
	}
	var rows [][]string
	for _, t := range records {
		what := t.Description
		if t.Error != "" {
			what = "broken: " + firstLine(t.Error)
		}
		row := []string{t.Name, orDash(t.Category), what, t.Source}
		if versions {
			row = append(row, orDash(strings.Join(t.Versions, ", ")))
		}
		rows = append(rows, row)
	}
	a.console.Table(head, rows)
}

// withAvailable puts what the catalogue knows to what servers have, and, without only,
// those behind it that none of them has. What wanted refuses is left out.
func withAvailable(installed starlark.Value, known []taskservRecord, wanted func(taskservRecord) bool, only bool) starlark.Value {
	there := map[string]bool{}
	var rows []starlark.Value
	for _, s := range structs(installed) {
		t := taskservRecord{Name: attr(s, "taskserv")} // of a recipe that is gone, perhaps
		if i := slices.IndexFunc(known, func(k taskservRecord) bool { return k.Name == t.Name }); i >= 0 {
			t = known[i]
		}
		if there[t.Name] = true; wanted(t) {
			row := starlark.StringDict{}
			s.ToStringDict(row)
			rows = append(rows, t.row(row))
		}
	}
	for _, t := range known {
		if !only && !there[t.Name] && wanted(t) {
			rows = append(rows, t.row(starlark.StringDict{
				"taskserv": starlark.String(t.Name), "version": starlark.String(t.DefaultVersion), "recipe": starlark.String(t.Version),
				"server": starlark.None, "status": starlark.String("available"),
			}))
		}
	}
	return starlark.NewList(rows)
}

// row adds what lists of taskservs have to the fields of one.
func (t *taskservRecord) row(fields starlark.StringDict) starlark.Value {
	fields["name"], fields["category"] = starlark.String(t.Name), starlark.String(t.Category)
	return starlarkstruct.FromStringDict(starlarkstruct.Default, fields)
}

func (a *app) showInstalled(v starlark.Value) {
	var rows [][]string
	for _, s := range structs(v) {
		rows = append(rows, []string{attr(s, "name"), orDash(attr(s, "version")), orDash(attr(s, "server")), attr(s, "status")})
	}
	a.console.Table([]string{"NAME", "VERSION", "SERVER", "STATUS"}, rows)
}

func (a *app) taskservShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Aliases: []string{"info"}, Short: "Show what a taskserv is", Args: exactly(1, "the name of a taskserv"),
		Example: "  provisioning taskserv show redis",
		RunE: func(_ *cobra.Command, args []string) error {
			c, done, err := a.catalogue()
			if err != nil {
				return err
			}
			defer done()
			p, err := c.Place(args[0])
			if err != nil {
				return err
			}
			r, err := c.Recipe(args[0])
			if err != nil {
				return err
			}
			t := taskservRecordOf(p, r, nil)
			if a.console.Structured() {
				return a.console.Result(t)
			}
			a.showTaskserv(t)
			return nil
		},
	}
}

func (a *app) showTaskserv(t taskservRecord) {
	var rows [][]string
	for _, line := range []struct {
		what  string
		texts []string
	}{
		{"name", []string{t.Name}}, {"description", []string{t.Description}}, {"category", []string{t.Category}},
		{"recipe", []string{t.Version}}, {"from", []string{t.Source + ", " + t.Path}}, {"aliases", t.Aliases},
		{"requires", t.Requires}, {"after", t.After}, {"conflicts", t.Conflicts}, {"provides", t.Provides}, {"suggests", t.Suggests},
		{"versions", t.Versions}, {"default version", []string{t.DefaultVersion}}, {"services", t.Services}, {"ports", t.Ports},
		{"supported", t.SupportedOS}, {"functions", t.Functions}, {"actions", t.Actions}, {"tests", t.Tests}, {"profiles", t.Profiles},
	} {
		if text := strings.Join(line.texts, ", "); text != "" {
			rows = append(rows, []string{line.what, text})
		}
	}
	a.console.Table(nil, rows)
}

// ask is a command that looks at services and changes nothing.
func (a *app) ask(use, short, function string, show func(starlark.Value)) *cobra.Command {
	var f taskservFlags
	cmd := &cobra.Command{
		Use: use + " NAME…", Short: short, Args: atLeastOne("the names of taskservs"),
		Example: "  provisioning taskserv " + use + " redis --servers web-1,web-2",
		RunE: func(_ *cobra.Command, args []string) error {
			places, _, err := a.placesOf(namesIn(args), false)
			if err != nil {
				return err
			}
			return a.runTaskserv(&f, &taskservScript{function: function, recipes: places, arguments: f.arguments()}, show)
		},
	}
	f.define(cmd.Flags())
	return cmd
}

func (a *app) taskservStatus() *cobra.Command {
	detailed := false
	cmd := a.ask("status", "Ask servers how their services are", "status", func(v starlark.Value) {
		head := []string{"NAME", "VERSION", "SERVER", "STATUS", "HEALTH"}
		if detailed {
			head = append(head, "SERVICES", "DETAILS")
		}
		var rows [][]string
		for _, s := range structs(v) {
			version := attr(s, "version")
			if recorded := attr(s, "recorded"); recorded != "" && recorded != version {
				version += " (was " + recorded + ")"
			}
			row := []string{attr(s, "taskserv"), orDash(version), attr(s, "server"), attr(s, "status"), healthWord(s)}
			if detailed {
				row = append(row, pairs(s, "services"), pairs(s, "details"))
			}
			rows = append(rows, row)
		}
		a.console.Table(head, rows)
	})
	cmd.Flags().BoolVar(&detailed, "detailed", false, "also what each service is doing, and what its recipe says of it")
	return cmd
}

// pairs shows a field that is a dict.
func pairs(s *starlarkstruct.Struct, name string) string {
	v, _ := s.Attr(name)
	d, ok := v.(*starlark.Dict)
	if !ok || d.Len() == 0 {
		return "-"
	}
	var texts []string
	for _, item := range d.Items() {
		texts = append(texts, plain(item[0])+": "+plain(item[1]))
	}
	return strings.Join(texts, ", ")
}

func healthWord(s *starlarkstruct.Struct) string {
	switch attr(s, "healthy") {
	case "True":
		return "healthy"
	case "False":
		return "unhealthy"
	}
	return "unknown"
}

func (a *app) taskservHealth() *cobra.Command {
	unwell := false
	cmd := a.ask("health", "Look whether services are well", "health", func(v starlark.Value) {
		var rows [][]string
		for _, s := range structs(v) {
			checks, _ := s.Attr("checks")
			for _, c := range structs(checks) {
				rows = append(rows, []string{attr(s, "taskserv"), attr(s, "server"), attr(c, "name"), attr(c, "status"), attr(c, "message")})
			}
			unwell = unwell || attr(s, "healthy") == "False"
		}
		a.console.Table([]string{"NAME", "SERVER", "CHECK", "RESULT", ""}, rows)
	})
	look := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := look(cmd, args); err != nil {
			return err
		}
		if unwell {
			return exitCode(1)
		}
		return nil
	}
	return cmd
}

func (a *app) taskservCheck() *cobra.Command {
	return a.ask("check", "Look whether servers have what services require", "check", func(v starlark.Value) {
		var rows [][]string
		for _, s := range structs(v) {
			missing, _ := s.Attr("missing")
			text := "met"
			if list, ok := missing.(*starlark.List); ok && list.Len() > 0 {
				var texts []string
				for v := range list.Elements() {
					one, _ := starlark.AsString(v)
					texts = append(texts, one)
				}
				text = strings.Join(texts, "; ")
			}
			rows = append(rows, []string{attr(s, "taskserv"), attr(s, "server"), text})
		}
		a.console.Table([]string{"NAME", "SERVER", "REQUIREMENTS"}, rows)
	})
}

// logLevels are what journalctl calls how important a line is.
var logLevels = []string{"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"}

func (a *app) taskservLogs() *cobra.Command {
	f := taskservFlags{inOrder: true} // so is what is printed
	lines, level, follow := 0, "", false
	cmd := &cobra.Command{
		Use: "logs NAME…", Short: "Show what services have logged last", Args: atLeastOne("the names of taskservs"),
		Example: "  provisioning taskserv logs redis --servers web-1,web-2 --tail 20 --level warning\n  provisioning taskserv logs redis --servers web-1 --follow",
		RunE: func(_ *cobra.Command, args []string) error {
			if level != "" && !slices.Contains(logLevels, level) {
				return fault.New(fault.Usage, "there is no level %q", level).WithHint("levels are %s", strings.Join(logLevels, ", "))
			}
			if lines < 1 {
				return fault.New(fault.Usage, "--tail is a number of lines, 1 or more")
			}
			places, _, err := a.placesOf(namesIn(args), false)
			if err != nil {
				return err
			}
			s := &taskservScript{function: "logs", recipes: places, arguments: f.arguments()}
			s.arguments["lines"], s.arguments["level"] = starlark.MakeInt(lines), starlark.String(level)
			if follow {
				s.arguments["follow"] = starlark.True
				return a.showing(func() (*runtime.Outcome, error) { return a.startTaskserv(&f, s) })
			}
			return a.runTaskserv(&f, s, func(v starlark.Value) {
				for _, s := range structs(v) {
					for line := range strings.Lines(attr(s, "text")) {
						a.console.Print("%s | %s", attr(s, "server"), strings.TrimSuffix(line, "\n"))
					}
				}
			})
		},
	}
	f.define(cmd.Flags())
	cmd.Flags().IntVar(&lines, "tail", 50, "how many lines of each")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on to show what they log, until Ctrl-C")
	cmd.Flags().StringVar(&level, "level", "", "the least important ones: "+strings.Join(logLevels, ", "))
	return cmd
}
