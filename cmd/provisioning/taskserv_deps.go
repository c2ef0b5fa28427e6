package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

func (a *app) taskservCheckDeps() *cobra.Command {
	var f taskservFlags
	cmd := &cobra.Command{
		Use: "check-deps NAME", Short: "Look whether what a taskserv requires can be had", Args: exactly(1, "the name of a taskserv"),
		Long: `Look whether what a taskserv requires can be had. With --servers these are asked what
they have, and whether they are large enough.

Exit codes: 0 it can be installed; 1 it cannot; 5 there is no such taskserv.`,
		Example: "  provisioning taskserv check-deps redis\n  provisioning taskserv check-deps redis --servers web-1,web-2",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(f.servers) == 0 {
				return a.checkDepsHere(args[0])
			}
			places, _, err := a.placesOf(args, true)
			if err != nil {
				return err
			}
			f.judge = satisfiable
			s := &taskservScript{function: "check_deps", recipes: places, arguments: f.arguments()}
			return a.runTaskserv(&f, s, a.showDeps)
		},
	}
	f.define(cmd.Flags())
	return cmd
}

// satisfiable is a failure unless all servers will do.
func satisfiable(v starlark.Value) error {
	for _, s := range structs(v) {
		if attr(s, "satisfiable") == "False" {
			return exitCode(1)
		}
	}
	return nil
}

// depRecord is one thing that a taskserv has to do with.
type depRecord struct {
	Kind   string `json:"kind"` // required, after, suggested, conflict
	Name   string `json:"name"`
	Status string `json:"status"` // planned, missing, available
	By     string `json:"by,omitempty"`
}

// checkDepsHere looks at the catalogue alone.
func (a *app) checkDepsHere(name string) error {
	c, done, err := a.catalogue()
	if err != nil {
		return err
	}
	defer done()
	r, err := c.Recipe(name)
	if err != nil {
		return err
	}
	records := depsOf(c, r)
	all, err := recipe.Complete(c, []string{r.Name}, a.chooser(c, r.Name, given{}))
	if err == nil {
		_, err = recipe.Order(all)
	}
	missing := err != nil || slices.ContainsFunc(records, func(d depRecord) bool { return d.Kind == "required" && d.Status == "missing" })
	if a.console.Structured() {
		result := map[string]any{"taskserv": r.Name, "satisfiable": !missing, "dependencies": records}
		if err != nil {
			result["error"] = err.Error()
		}
		if err := a.console.Result(result); err != nil {
			return err
		}
	} else {
		var rows [][]string
		for _, d := range records {
			rows = append(rows, []string{d.Kind, d.Name, d.Status, d.By})
		}
		for _, what := range []string{"memory", "disk", "cpus"} {
			if text, ok := starlark.AsString(r.Field(what)); ok && text != "" {
				rows = append(rows, []string{"resource", what, text, ""})
			}
		}
		a.console.Table([]string{"KIND", "NAME", "STATUS", "BY"}, rows)
		if err != nil {
			a.console.Note("%s", fault.Render(err))
		}
	}
	if missing {
		return exitCode(1)
	}
	return nil
}

func depsOf(c *recipe.Catalogue, r *recipe.Recipe) []depRecord {
	records := []depRecord{}
	for _, l := range []struct {
		kind  string
		needs []recipe.Need
	}{{"required", r.Requires}, {"after", r.After}, {"conflict", r.Conflicts}} {
		for _, n := range l.needs {
			d := depRecord{Kind: l.kind, Name: n.String(), Status: "missing"}
			if found, err := c.Recipe(n.Name); err == nil {
				d.Status, d.By = "planned", found.Name
			} else if names := c.Providers(n.Name); len(names) > 0 {
				d.Status, d.By = "planned", strings.Join(names, " or ")
			}
			if d.Status == "planned" && l.kind != "required" {
				d.Status = "available"
			}
			records = append(records, d)
		}
	}
	for _, name := range r.Suggests {
		d := depRecord{Kind: "suggested", Name: name, Status: "missing"}
		if _, err := c.Recipe(name); err == nil {
			d.Status = "available"
		}
		records = append(records, d)
	}
	return records
}

func (a *app) showDeps(v starlark.Value) {
	var rows [][]string
	for _, s := range structs(v) {
		server := attr(s, "server")
		for _, part := range []struct{ field, kind string }{{"required", "required"}, {"suggested", "suggested"}} {
			for _, d := range structs(field(s, part.field)) {
				rows = append(rows, []string{server, part.kind, attr(d, "name"), attr(d, "status"), attr(d, "version")})
			}
		}
		for _, part := range []struct{ field, status string }{{"conflicts", "is installed"}, {"lacking", ""}} {
			list, _ := field(s, part.field).(*starlark.List)
			if list == nil {
				continue
			}
			for x := range list.Elements() {
				text, _ := starlark.AsString(x)
				rows = append(rows, []string{server, strings.TrimSuffix(part.field, "s"), text, part.status, ""})
			}
		}
		rows = append(rows, []string{server, "health", attr(s, "checks") + " checks", "", ""})
		word := "can be installed"
		if attr(s, "satisfiable") == "False" {
			word = "cannot be installed"
		}
		rows = append(rows, []string{server, "", attr(s, "taskserv"), word, ""})
	}
	a.console.Table([]string{"SERVER", "KIND", "NAME", "STATUS", "VERSION"}, rows)
}

// field is a field of a struct; None when there is none.
func field(s *starlarkstruct.Struct, name string) starlark.Value {
	v, err := s.Attr(name)
	if err != nil {
		return starlark.None
	}
	return v
}
