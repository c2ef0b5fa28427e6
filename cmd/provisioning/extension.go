package main

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/builtins"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime"
	"github.com/provisioning-systems/provisioning/runtime/capability"
	"github.com/provisioning-systems/provisioning/runtime/console"
	"github.com/provisioning-systems/provisioning/runtime/sandbox"
)

// newGuard makes what keeps the extensions of a run to what they are granted.
func newGuard(files *sandbox.Files) runtime.Guard {
	return capability.NewGuard(catalog(), files)
}

func catalog() capability.Catalog { return capability.NewCatalog(builtins.All) }

func (a *app) extensionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "extension",
		Aliases: []string{"ext"},
		Short:   "Look at extensions, and grant what they ask for",
		Long: `Look at extensions, and grant what they ask for.

An extension is a directory below extensions, with a file extension.toml. It may
do nothing but compute, except for what its manifest asks for and the workspace
grants in config/provisioning.toml.`,
		Example: `  provisioning extension list
  provisioning extension audit extensions/git-tools
  provisioning extension grant git-tools`,
		Args: cobra.ArbitraryArgs,
	}
	cmd.AddCommand(a.extensionList(), a.extensionAudit(), a.extensionGrant(), a.extensionRevoke())
	return cmd
}

// extensionRecord is what programs see of an extension.
type extensionRecord struct {
	Name    string                  `json:"name"`
	Dir     string                  `json:"dir"`
	Type    string                  `json:"type,omitempty"`
	Version string                  `json:"version,omitempty"`
	State   capability.State        `json:"state"`
	Asks    []capability.Capability `json:"asks,omitempty"`
	Grants  []capability.Capability `json:"grants,omitempty"`
	Error   string                  `json:"error,omitempty"`
}

func extensionOf(e capability.Extension) extensionRecord {
	r := extensionRecord{Name: e.Name, Dir: e.Dir, State: e.State()}
	if e.Err != nil {
		r.Error = e.Err.Error()
		return r
	}
	r.Type, r.Version = e.Manifest.Extension.Type, e.Manifest.Extension.Version
	r.Asks = e.Manifest.Capabilities
	switch r.State {
	case capability.Granted:
		r.Grants = r.Asks
	case capability.Partly:
		r.Grants = e.Grant.Allow
	case capability.NotUnique:
		r.Error = "also called so: " + strings.Join(e.Others, ", ")
	}
	return r
}

func (a *app) extensionList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the extensions of the workspace, and what they are granted", Args: exactly(0, "no arguments"),
		Example: "  provisioning extension list",
		RunE: func(*cobra.Command, []string) error {
			_, all, err := a.extensions()
			if err != nil {
				return err
			}
			records := make([]extensionRecord, len(all))
			for i, e := range all {
				records[i] = extensionOf(e)
			}
			if a.console.Structured() {
				return a.console.Result(records)
			}
			var rows [][]string
			for _, r := range records {
				rows = append(rows, []string{r.Name, r.Type, r.Version, string(r.State), fmt.Sprint(len(r.Asks)), r.Dir, firstLine(r.Error)})
			}
			a.console.Table([]string{"extension", "type", "version", "state", "asks", "directory", ""}, rows)
			return nil
		},
	}
}

// extensions finds the extensions of the workspace.
func (a *app) extensions() (workspace.Workspace, []capability.Extension, error) {
	ws, err := a.workspace("")
	if err != nil {
		return ws, nil, err
	}
	all, err := capability.Extensions(ws.Root, catalog())
	return ws, all, err
}

func (a *app) extensionNamed(name string) (workspace.Workspace, capability.Extension, error) {
	ws, all, err := a.extensions()
	if err != nil {
		return ws, capability.Extension{}, err
	}
	e, err := capability.Find(all, name)
	return ws, e, err
}

func (a *app) extensionGrant() *cobra.Command {
	var yes bool
	var only []string
	cmd := &cobra.Command{
		Use: "grant NAME", Short: "Let an extension do what its manifest asks for", Args: exactly(1, "the name of an extension"),
		Long: `Let an extension do what its manifest asks for.

The whole manifest is granted with a hash of what it asks for: when that changes,
the extension may do nothing until it is granted again. With --only, the entries
for some effects are copied, and nothing that is asked for later is allowed.
Comments and everything else in config/provisioning.toml stay as they are.`,
		Example: `  provisioning extension grant git-tools
  provisioning extension grant git-tools --only exec.run --only 'fs.*' --yes`,
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask whether it is right")
	cmd.Flags().StringArrayVar(&only, "only", nil, "an effect of the manifest, such as fs.read or fs.*; may be repeated")
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.grant(args[0], only, yes) }
	cmd.ValidArgsFunction = a.completeExtensions
	return cmd
}

func (a *app) grant(name string, only []string, yes bool) error {
	ws, e, err := a.extensionNamed(name)
	if err != nil {
		return err
	}
	if e.Err != nil {
		return e.Err
	}
	asks := e.Manifest.Capabilities
	if len(asks) == 0 {
		a.console.Note("the extension %q asks for nothing", name)
		return nil
	}
	g := capability.Grant{Grant: "manifest", Hash: capability.Fingerprint(asks)}
	if len(only) > 0 {
		if asks, err = chosen(asks, only); err != nil {
			return err
		}
		g = capability.Grant{Allow: asks}
	}
	if state := e.Grant.StateOf(e.Manifest); state == capability.Granted && len(only) == 0 {
		a.console.Note("the extension %q has been granted all that it asks for", name)
		return nil
	}
	if err := a.confirmGrant(ws, e, asks, yes); err != nil {
		return err
	}
	if err := capability.SetGrant(ws.Root, name, &g); err != nil {
		return err
	}
	a.console.Note("granted; it is written to %s", workspace.Marker)
	return nil
}

// chosen returns the entries for some effects.
func chosen(asks []capability.Capability, only []string) ([]capability.Capability, error) {
	var kept []capability.Capability
	found := map[string]bool{}
	var names []string
	for _, c := range asks {
		names = append(names, c.Effect)
		module, _, _ := strings.Cut(c.Effect, ".")
		for _, o := range only {
			if o == c.Effect || o == module+".*" {
				found[o] = true
				kept = append(kept, c)
				break
			}
		}
	}
	for _, o := range only {
		if !found[o] {
			slices.Sort(names)
			names = slices.Compact(names)
			return nil, suggest(fault.New(fault.Usage, "the manifest does not ask for %q", o), o, names).
				WithHint("it asks for %s", strings.Join(names, ", "))
		}
	}
	return kept, nil
}

// confirmGrant shows what is to be granted and asks.
func (a *app) confirmGrant(ws workspace.Workspace, e capability.Extension, asks []capability.Capability, yes bool) error {
	report, err := a.audit(filepath.Join(ws.Root, filepath.FromSlash(e.Dir)))
	if err != nil {
		return err
	}
	a.console.Note("the extension %q (%s) is to be allowed:", e.Name, e.Dir)
	shown := map[string]bool{}
	for _, c := range asks {
		shown[c.String()] = true
	}
	for _, c := range report.Asks {
		if shown[c.String()] {
			a.console.Note("%s", askedLine(c))
		}
	}
	if yes {
		return nil
	}
	if !console.Interactive() {
		return fault.New(fault.Usage, "granting needs a yes").WithHint("look at what it asks for, and repeat it with --yes")
	}
	if !a.agreed("grant it") {
		return fault.New(fault.Usage, "nothing was granted")
	}
	return nil
}

func askedLine(c capability.Asked) string {
	line := "  " + c.Capability.String()
	if c.Why != "" {
		line += "  # " + c.Why
	}
	if len(c.Risks) > 0 {
		line += "  (! " + strings.Join(c.Risks, ", ") + ")"
	}
	if !c.Used {
		line += "  (no place in the code needs it)"
	}
	return line
}

func (a *app) extensionRevoke() *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke NAME", Short: "Take back what an extension was granted", Args: exactly(1, "the name of an extension"),
		Long:    "Take back what an extension was granted. Runs under way are refused from their next effect on.",
		Example: "  provisioning extension revoke git-tools",
		RunE: func(_ *cobra.Command, args []string) error {
			ws, err := a.workspace("")
			if err != nil {
				return err
			}
			grants, err := capability.ReadGrants(ws.Root, catalog())
			if err != nil {
				return err
			}
			if _, ok := grants[args[0]]; !ok { // the extension itself may be gone
				return suggest(fault.New(fault.NotFound, "the extension %q is granted nothing", args[0]), args[0], sortedKeys(grants)).
					WithHint("see: provisioning extension list")
			}
			if err := capability.SetGrant(ws.Root, args[0], nil); err != nil {
				return err
			}
			a.console.Note("revoked; it is taken out of %s", workspace.Marker)
			return nil
		},
	}
	cmd.ValidArgsFunction = a.completeExtensions
	return cmd
}

func (a *app) completeExtensions(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	_, all, _ := a.extensions() // an error leaves nothing to offer
	var names []string
	for _, e := range all {
		names = append(names, e.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) extensionAudit() *cobra.Command {
	var strict bool
	cmd := &cobra.Command{
		Use: "audit PATH", Short: "Show what an extension asks for and what its code does, without running it",
		Args: exactly(1, "the directory of an extension"),
		Long: `Show what an extension asks for and what its code does, without running it.

Every place in its scripts that has an effect is listed, with the arguments as far
as the text tells them, and compared with the manifest. What a person should look
at is marked with "!". A place where a value is computed may still be refused when
it runs. Links are not followed.

Exit codes: 0 the manifest asks for all that the code does; 1 it does not, or a
script cannot be read, or, with --strict, it asks for what no place needs or for
something risky; 3 the manifest is invalid.`,
		Example: `  provisioning extension audit extensions/git-tools
  provisioning extension audit --strict --out json extensions/git-tools`,
		RunE: func(_ *cobra.Command, args []string) error {
			report, err := a.audit(args[0])
			if err != nil {
				return err
			}
			if a.console.Structured() {
				err = a.console.Result(report)
			} else {
				a.printAudit(report)
			}
			if err == nil && (report.Refused() || strict && report.Suspicious()) {
				return exitCode(1)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&strict, "strict", false, "fail also for what a person should look at")
	return cmd
}

func (a *app) audit(dir string) (*capability.Report, error) {
	if err := capability.CheckDir(dir); err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	report, err := capability.Audit(abs, catalog(), lintOptions(true), library{})
	if err == nil {
		report.Dir = filepath.ToSlash(dir)
	}
	return report, err
}

func (a *app) printAudit(r *capability.Report) {
	id := r.Extension
	a.console.Print("%s", strings.TrimSpace(fmt.Sprintf("extension %s %s %s", id.Name, id.Type, id.Version)))
	if len(r.Asks) == 0 {
		a.console.Print("it asks for nothing")
	} else {
		a.console.Print("it asks for:")
	}
	for _, c := range r.Asks {
		a.console.Print("%s", askedLine(c))
	}
	if len(r.Uses) > 0 {
		a.console.Print("its code does:")
	}
	for _, u := range r.Uses {
		line := fmt.Sprintf("  %s:%d:%d %s(%s)", path.Clean(u.File), u.Line, u.Col, u.Effect, u.Args)
		if u.Via != "" {
			line += "  (loaded by " + u.Via + ")"
		}
		if u.Asked != capability.AskedYes {
			line += "  asked for: " + u.Asked
		}
		if len(u.Risks) > 0 {
			line += "  (! " + strings.Join(u.Risks, ", ") + ")"
		}
		a.console.Print("%s", line)
	}
	for _, p := range r.Problems {
		a.console.Print("problem: %s", p)
	}
}
