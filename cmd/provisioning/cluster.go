package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"filippo.io/age/armor"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/clusters"
	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/composition"
	"github.com/provisioning-systems/provisioning/runtime/console"
	"github.com/provisioning-systems/provisioning/runtime/document"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

func (a *app) clusterCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "cluster", Aliases: []string{"clusters", "cl"}, Short: "Make servers, services and applications that belong together",
		Long: `Make servers, services and applications that belong together.

A cluster is a script that says which components there are, and which need each other.
There are those of the program and those of the workspace, below extensions; commands that
name none mean the only one of the infrastructure, or of the workspace. Every command that
changes something is a run: see what it would do with --check, go on with "provisioning
resume" after a failure, take it back with "provisioning rollback".`,
		Example: `  provisioning cluster list
  provisioning cluster create web --check
  provisioning cluster status web`,
	}
	cmd.AddCommand(
		a.clusterList(), a.clusterShow(), a.clusterCreate(), a.clusterDelete(), a.clusterStatus(), a.clusterLogs(), a.clusterScale(),
		a.clusterUpdate(), a.clusterUpgrade(), a.clusterRollback(), a.clusterRestart(), a.clusterComponents(), a.clusterValidate(),
	)
	return cmd
}

// clusterFlags are those of commands that change clusters.
type clusterFlags struct {
	taskservFlags
	config, secrets string
}

func (f *clusterFlags) define(fs *pflag.FlagSet) {
	fs.BoolVarP(&f.check, "check", "c", false, "plan: say what would be done, and do nothing")
	fs.BoolVar(&f.check, "dry-run", false, "the same as --check")
	fs.BoolVar(&f.exitCode, "exit-code", false, "with --check: exit with 10 when changes are planned")
	fs.BoolVar(&f.script, "script", false, "print the script that would be run, and do nothing")
	fs.BoolVarP(&f.yes, "yes", "y", false, "do not ask whether it is right")
	_ = fs.MarkHidden("dry-run") // the flag exists
}

// defineConfig defines the flags of commands that take a configuration.
func (f *clusterFlags) defineConfig(fs *pflag.FlagSet) {
	fs.StringVar(&f.config, "config", "", "file with the configuration: TOML, YAML or JSON")
	fs.StringVar(&f.secrets, "secrets", "", "encrypted file of the workspace with more of the configuration, all texts of which are secrets")
}

// described finds a cluster, and reads its script. names are those that were given: one,
// or none for the only cluster.
func (a *app) described(function string, names []string) (*clusterScript, *starlarkstruct.Struct, error) {
	p, err := a.clusterMeant(names)
	if err != nil {
		return nil, nil, err
	}
	s, err := a.composition(p)
	return &clusterScript{function: function, place: p, arguments: starlark.StringDict{}}, s, err
}

// configure gives a script the configuration, after it has been checked: the file over
// what [app.settings] finds. Without a file a cluster keeps what it has, if it may. Where
// a part is encrypted, only the run can check it: before it does anything.
func (f *clusterFlags) configure(a *app, s *clusterScript, described *starlarkstruct.Struct, keeps bool) error {
	if err := f.hide(a, s); err != nil {
		return err
	}
	if f.config == "" && keeps {
		return nil
	}
	docs, err := a.clusterSettings(s.place.name)
	if err != nil {
		return err
	}
	if f.config != "" {
		doc, err := readDocument(f.config)
		if err != nil {
			return err
		}
		docs = append(docs, doc)
	}
	if len(docs) == 0 {
		return nil
	}
	doc, err := schema.MergeDocuments(docs...)
	if err != nil {
		return err
	}
	v, _ := described.Attr("config")
	config, ok := v.(*schema.Schema)
	if !ok {
		return fault.New(fault.Config, "cluster %s takes no configuration, but there is %s", s.place.name, doc.Name)
	}
	s.arguments["config"] = doc.Value
	if sealed, err := a.hasSecrets(s); sealed || err != nil {
		return err
	}
	_, report, err := config.Validate(&starlark.Thread{Name: doc.Name}, doc.Value, doc.At)
	if err != nil {
		return err
	}
	for _, w := range report.Warnings {
		a.console.Note("%s", w.Text())
	}
	return report.Fault(fault.Config, "the configuration of "+s.place.name)
}

// hide gives a script the file with secrets, as the run finds it in the workspace.
func (f *clusterFlags) hide(a *app, s *clusterScript) error {
	if f.secrets == "" {
		return nil
	}
	ws, err := a.workspace("")
	if err != nil {
		return err
	}
	file, err := filepath.Abs(f.secrets)
	if err != nil {
		return err
	}
	rel, err := filepath.Rel(ws.Root, file)
	if err != nil || !filepath.IsLocal(rel) {
		return fault.New(fault.Usage, "%s is not in the workspace", f.secrets).WithHint("the run reads it, also when it is resumed: put it below %s", ws.Root)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return fault.Wrap(fault.NotFound, err, "cannot read the secrets")
	}
	if !strings.HasPrefix(strings.TrimSpace(string(text)), armor.Header) { // the run would keep what is in it
		return fault.New(fault.Config, "%s is not encrypted", f.secrets).WithHint("age --encrypt --armor, or secret.seal in a script")
	}
	s.arguments["secrets"] = starlark.String(filepath.ToSlash(rel))
	return nil
}

// hasSecrets reports whether a part of the configuration is encrypted: in the file that was
// named, or in what is recorded of the cluster.
func (a *app) hasSecrets(s *clusterScript) (bool, error) {
	if s.arguments["secrets"] != nil {
		return true, nil
	}
	record, err := a.recordedCluster(s.place.name)
	return record.Sealed != "", err
}

// clusterSettings are what the tables [clusters.NAME] say, see [app.settings].
func (a *app) clusterSettings(name string) ([]*document.Document, error) {
	ws, err := a.workspace("")
	if err != nil {
		return nil, err
	}
	known, err := a.extensionNames(clusterType)
	if err != nil {
		return nil, err
	}
	for _, files := range []struct {
		in      fs.FS
		pattern string
	}{{clusters.FS, "*/*/" + composition.Script}, {os.DirFS(ws.Root), "infra/*/clusters/*.star"}} {
		found, _ := fs.Glob(files.in, files.pattern) // the patterns are well formed
		for _, file := range found {
			if path.Base(file) == composition.Script {
				file = path.Dir(file)
			}
			known = append(known, strings.TrimSuffix(path.Base(file), ".star"))
		}
	}
	return a.settings(ws, "clusters", name, known)
}

// confirmed asks a person, unless nothing will be done, or yes was said.
func (a *app) confirmed(f *taskservFlags, what string) error {
	if f.check || f.script || f.yes {
		return nil
	}
	if !console.Interactive() {
		return fault.New(fault.Usage, "to %s needs a yes", what).WithHint("look at it with --check, and repeat it with --yes")
	}
	if !a.agreed("%s", what) {
		return fault.New(fault.Usage, "nothing was done")
	}
	return nil
}
