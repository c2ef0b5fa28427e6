package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/textdiff"
	"github.com/provisioning-systems/provisioning/internal/tomledit"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/document"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// pinRecord is what programs see of a version that was pinned.
type pinRecord struct {
	Taskserv string `json:"taskserv"`
	Version  string `json:"version"`
	Previous string `json:"previous_version,omitempty"` // that the same file had
	File     string `json:"file"`
	Changed  bool   `json:"changed"`
	Check    bool   `json:"check_mode"`
}

func (a *app) versionApply() *cobra.Command {
	check := false
	cmd := &cobra.Command{
		Use: "apply NAME VERSION", Short: "Pin the version of a taskserv in the configuration", Args: exactly(2, "the name of a taskserv and a version"),
		Long: `Pin the version of a taskserv in the configuration: "provisioning taskserv create" and
"update" take exactly that one from then on, unless --version names another. It is written
into the table [versions] of config/provisioning.toml, or with --infra of
infra/INFRA/config.toml, which goes over it; all else in the file stays as it is. To let it
go again, take the line out.

A version that is not announced is refused, and so is one that the recipe cannot install.
Where only servers know which versions there are, they are who refuses it.

Exit codes: 0 it is pinned; 1 the recipe cannot install it, or nobody could be asked;
5 there is no such version.`,
		Example: "  provisioning version apply coredns 1.11.3 --check\n  provisioning version apply coredns 1.11.3 --infra prod",
		RunE: func(_ *cobra.Command, args []string) error {
			_, recipes, err := a.placesOf(args[:1], false)
			if err != nil {
				return err
			}
			version, err := a.knownVersion(recipes[0], args[1])
			if err != nil {
				return err
			}
			return a.pin(recipes[0].Name, version, check)
		},
	}
	cmd.Flags().BoolVarP(&check, "check", "c", false, "show how the file would change, and do nothing")
	cmd.Flags().BoolVar(&check, "dry-run", false, "the same as --check")
	_ = cmd.Flags().MarkHidden("dry-run") // the flag exists
	return cmd
}

// knownVersion is the version as its source writes it. One that there is not is refused.
func (a *app) knownVersion(r *recipe.Recipe, version string) (string, error) {
	if version = strings.TrimSpace(version); version == "" {
		return "", fault.New(fault.Usage, "a version is not empty")
	}
	if err := r.Installs(version); err != nil {
		return "", err
	}
	if asksServers(r) {
		a.console.Note("whether there is %s %s, only servers know: provisioning taskserv update %s --servers … --check", r.Name, version, r.Name)
		return version, nil
	}
	var versions []string
	for _, refresh := range []bool{false, true} { // it may be newer than what was asked last
		told, err := a.announced(r, announcement{refresh: refresh})
		if err != nil {
			return "", err
		}
		versions = told.Versions()
		for _, v := range versions {
			if strings.TrimPrefix(v, "v") == strings.TrimPrefix(version, "v") {
				return v, nil
			}
		}
	}
	e := suggest(fault.New(fault.NotFound, "there is no %s %s", r.Name, version), version, versions)
	if len(versions) == 0 {
		return "", e.WithHint("no version of it is announced")
	}
	return "", e.WithHint("the newest ones are %s; see: provisioning taskserv versions %s", strings.Join(versions[:min(5, len(versions))], ", "), r.Name)
}

// pin writes the version into the configuration.
func (a *app) pin(name, version string, check bool) error {
	if _, err := a.pins(); err != nil { // what is wrong already is not to be built on
		return err
	}
	ws, err := a.workspace("")
	if err != nil {
		return err
	}
	file, err := a.pinFile(ws)
	if err != nil {
		return err
	}
	path := filepath.Join(ws.Root, file)
	unlock, err := tomledit.Lock(path)
	if err != nil {
		return err
	}
	defer unlock()
	was, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(fault.Config, err, "cannot read the configuration")
	}
	before := map[string]pin{}
	if err := a.pinsIn(path, string(was), before); err != nil {
		return err
	}
	now, err := tomledit.SetText(was, pinTable, name, version)
	if err != nil {
		e := *fault.As(err)
		e.Msg = "cannot edit " + file + ": " + e.Msg
		return &e
	}
	done := pinRecord{name, version, before[name].version, filepath.ToSlash(file), string(now) != string(was), check}
	if done.Changed && !check {
		if err := writeConfig(path, now); err != nil {
			return err
		}
	}
	return a.showPin(done, string(was), string(now))
}

// pinFile is the file of the workspace that versions are pinned in.
func (a *app) pinFile(ws workspace.Workspace) (string, error) {
	infra, err := a.infraDir(ws)
	if err != nil || infra == "" {
		return filepath.FromSlash(workspace.Marker), err
	}
	return filepath.Join(infra, "config.toml"), nil
}

// pinsIn adds the pins of the text of a file.
func (a *app) pinsIn(path, text string, all map[string]pin) error {
	known, err := a.knownTaskservs()
	if err != nil {
		return err
	}
	doc, err := document.Read(path, text, nil)
	if err != nil {
		return err
	}
	return readPins(doc, known, all)
}

// writeConfig writes a file of the configuration, which may be new.
func writeConfig(path string, text []byte) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return replaceFile(path, text)
	}
	if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // it is for all who may read the workspace
		return fault.Wrap(fault.Failed, err, "cannot write the configuration")
	}
	return nil
}

func (a *app) showPin(done pinRecord, was, now string) error {
	if a.console.Structured() {
		return a.console.Result(done)
	}
	switch {
	case !done.Changed:
		a.console.Print("%s is pinned to %s in %s already", done.Taskserv, done.Version, done.File)
	case done.Check:
		a.console.Note("Dry-run mode - no changes will be made")
		a.console.Print("%s", textdiff.Unified(done.File, was, now, textdiff.Options{}))
	default:
		a.console.Print("%s is pinned to %s in %s", done.Taskserv, done.Version, done.File)
	}
	return nil
}
