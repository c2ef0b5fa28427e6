package main

import (
	"github.com/spf13/cobra"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// createServerTask makes servers and brings services onto them, as one run.
func (a *app) createServerTask() *cobra.Command {
	var f taskservFlags
	var names, tags []string
	machine := map[string]*string{}
	cmd := &cobra.Command{
		Use: "create-server-task SERVER… --taskservs NAME,…", Aliases: []string{"cst", "csts"},
		Short: "Make servers, and install services on them", Args: cobra.ArbitraryArgs,
		Long: `Make servers, and install services on all of them, with all that these require, as one
run: it is resumed, and taken back, as a whole. Servers and services that are there already
stay as they are. Configuration is that of "provisioning taskserv create".`,
		Example: `  provisioning create-server-task cache-1 cache-2 --taskservs redis --plan 1xCPU-512MB --check
  provisioning create-server-task web-1 --taskservs nginx,node-exporter --rollback-on-failure`,
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted := namesIn(names)
			if len(wanted) == 0 {
				return fault.New(fault.Usage, "%s needs --taskservs", cmd.CommandPath()).WithHint("usage: %s", cmd.UseLine())
			}
			if f.servers = namesIn(append(args, f.servers...)); len(f.servers) == 0 {
				return fault.New(fault.Usage, "%s takes the names of servers", cmd.CommandPath()).WithHint("usage: %s", cmd.UseLine())
			}
			places, recipes, named, err := a.placesNamed(wanted, true, given{})
			if err != nil {
				return err
			}
			labels, err := readTags(tags)
			if err != nil {
				return err
			}
			s := &taskservScript{module: "servertask", function: "create", recipes: places, arguments: f.arguments()}
			config, err := a.taskservConfig(recipes, "", "", "")
			if err != nil {
				return err
			}
			s.arguments["config"], s.arguments["tags"] = config, labels
			s.arguments["kept"] = kept(recipes[named:], config)
			if err := a.useVersions(s, recipes, "", ""); err != nil {
				return err
			}
			for name, text := range machine {
				if *text != "" {
					s.arguments[name] = starlark.String(*text)
				}
			}
			f.bound(recipes)
			return a.runTaskserv(&f, s, a.showServerTask)
		},
	}
	fs := cmd.Flags()
	f.defineChange(fs)
	fs.StringSliceVar(&names, "taskservs", nil, "names of taskservs, separated by commas")
	for _, flag := range []struct{ name, usage string }{
		{"image", "what the servers are made of"}, {"plan", "their size"}, {"zone", "where they are"},
		{"network", "private network that they are on"}, {"user", "who logs in (default root)"},
	} {
		machine[flag.name] = fs.String(flag.name, "", flag.usage)
	}
	fs.StringArrayVar(&tags, "tag", nil, "label NAME=VALUE of the servers")
	return cmd
}

// showServerTask prints what was made: the servers, and then the services.
func (a *app) showServerTask(v starlark.Value) {
	s, ok := v.(*starlarkstruct.Struct)
	if !ok {
		return
	}
	a.showMade(field(s, "servers"))
	a.showCreated(field(s, "services"))
}
