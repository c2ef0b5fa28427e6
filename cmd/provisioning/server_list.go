package main

import (
	"context"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/providers"
)

// withProvider calls do with a provider, and the workspace whose servers it asks for.
func (a *app) withProvider(name string, do func(p providers.Provider, workspace string) error) error {
	ws, err := a.workspace("")
	if err != nil {
		return err
	}
	p, err := providers.All.Open(name, ws.Root)
	if err != nil {
		return err
	}
	defer p.Close() //nolint:errcheck // it was only asked
	return do(p, ws.Root)
}

// allServers lists the servers of the workspace.
func (a *app) allServers(cmd *cobra.Command, provider string) (all []providers.Server, err error) {
	err = a.withProvider(provider, func(p providers.Provider, workspace string) (err error) {
		all, err = p.ListServers(cmdContext(cmd), providers.Filter{Workspace: workspace})
		return err
	})
	return all, err
}

// servers finds those that names and patterns stand for, in the order of their
// names; all, when there are no names. A name that none has is an error.
func (a *app) servers(cmd *cobra.Command, provider string, names []string) ([]providers.Server, error) {
	all, err := a.allServers(cmd, provider)
	if err != nil || len(names) == 0 {
		return all, err
	}
	found, missing, err := named(all, names)
	if len(missing) > 0 {
		return nil, notFound(missing[0], all)
	}
	return found, err
}

// named are the servers that names and patterns stand for, and those of the names
// that none has.
func named(all []providers.Server, names []string) (found []providers.Server, missing []string, err error) {
	chosen := map[string]bool{}
	for _, name := range names {
		if _, err := path.Match(name, ""); err != nil {
			return nil, nil, fault.New(fault.Usage, "%q is no pattern of names", name).WithHint("as in 'web-*'")
		}
		fits := 0
		for _, s := range all {
			if ok, _ := path.Match(name, s.Name); ok {
				chosen[s.Name] = true
				fits++
			}
		}
		if fits == 0 {
			missing = append(missing, name)
		}
	}
	for _, s := range all {
		if chosen[s.Name] {
			found = append(found, s)
		}
	}
	return found, missing, nil
}

func cmdContext(cmd *cobra.Command) context.Context {
	if ctx := cmd.Context(); ctx != nil {
		return ctx
	}
	return context.Background()
}

func (a *app) serverList() *cobra.Command {
	var f serverFlags
	var status string
	var tags []string
	cmd := &cobra.Command{
		Use: "list [NAME…]", Aliases: []string{"ls"}, Short: "List the servers of the workspace",
		Long:    "List the servers of the workspace, as their provider describes them. Names may be patterns.",
		Example: "  provisioning server list\n  provisioning server list 'web-*' --status running --tag role=web",
		RunE: func(cmd *cobra.Command, names []string) error {
			found, err := a.servers(cmd, f.provider, names)
			if err != nil {
				return err
			}
			filter := providers.Filter{Infra: a.flags.infra, Tags: map[string]string{}}
			for _, text := range tags {
				name, v, ok := strings.Cut(text, "=")
				if !ok {
					return fault.New(fault.Usage, "--tag must be NAME=VALUE, not %q", text)
				}
				filter.Tags[name] = v
			}
			listed := []providers.Server{}
			for _, s := range found {
				if filter.Matches(s) && (status == "" || status == string(s.Status)) {
					listed = append(listed, s)
				}
			}
			return a.listServers(listed)
		},
	}
	f.define(cmd.Flags())
	cmd.Flags().StringVar(&status, "status", "", "only those in this state: running, stopped, …")
	cmd.Flags().StringArrayVar(&tags, "tag", nil, "only those with this label, NAME=VALUE")
	return cmd
}

func (a *app) listServers(servers []providers.Server) error {
	if a.console.Structured() {
		return a.console.Result(servers)
	}
	if len(servers) == 0 {
		a.console.Note("no servers")
		return nil
	}
	var rows [][]string
	for _, s := range servers {
		rows = append(rows, []string{s.Name, string(s.Status), s.Addresses.Reach(), s.Plan, s.Image, s.Network, tagsText(s.Tags)})
	}
	a.console.Table([]string{"NAME", "STATUS", "ADDRESS", "PLAN", "IMAGE", "NETWORK", "TAGS"}, rows)
	return nil
}

func (a *app) serverShow() *cobra.Command {
	var f serverFlags
	cmd := &cobra.Command{
		Use: "show NAME", Aliases: []string{"info", "status"}, Short: "Describe a server", Args: exactly(1, "the name of a server"),
		Long:    "Describe a server, as its provider does: how it is, where it is, its host keys.",
		Example: "  provisioning server show web-1\n  provisioning server show web-1 --out json",
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := a.server(cmd, f.provider, args[0])
			if err != nil {
				return err
			}
			if a.console.Structured() {
				return a.console.Result(s)
			}
			a.describeServer(s)
			return nil
		},
	}
	f.define(cmd.Flags())
	return cmd
}

// server describes one server, with its host keys.
func (a *app) server(cmd *cobra.Command, provider, name string) (s providers.Server, err error) {
	found, err := a.servers(cmd, provider, []string{name})
	if err != nil {
		return s, err
	}
	if len(found) > 1 {
		return s, fault.New(fault.Usage, "%q stands for %d servers: %s", name, len(found), strings.Join(serverNames(found), ", "))
	}
	err = a.withProvider(provider, func(p providers.Provider, _ string) (err error) {
		s, err = p.GetServer(cmdContext(cmd), found[0].ID)
		return err
	})
	return s, err
}

func (a *app) describeServer(s providers.Server) {
	status := string(s.Status)
	if s.Word != "" && s.Word != status {
		status += " (" + s.Word + ")"
	}
	for _, line := range [][2]string{
		{"name", s.Name}, {"status", status}, {"message", s.Message}, {"address", s.Addresses.Reach()}, {"private", s.Addresses.PrivateIPv4},
		{"user", s.User}, {"plan", s.Plan}, {"image", s.Image}, {"zone", s.Zone}, {"network", s.Network}, {"tags", tagsText(s.Tags)},
		{"infra", s.Infra}, {"provider", s.Provider}, {"id", s.ID}, {"created", s.CreatedAt.Format("2006-01-02 15:04:05 MST")},
		{"host keys", strings.Join(s.HostKeys, "\n           ")},
	} {
		if line[1] != "" {
			a.console.Print("%-10s %s", line[0], line[1])
		}
	}
}
