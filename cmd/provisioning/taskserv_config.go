package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/document"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
	"github.com/provisioning-systems/provisioning/runtime/schema"
	"github.com/provisioning-systems/provisioning/taskservs"
)

// taskservConfig is the configuration of services, by their names. What comes later goes
// over what is before it:
//
//	config.toml of the user, config/provisioning.toml, infra/INFRA/config.toml: [taskservs.NAME]
//	infra/INFRA/taskservs/NAME.toml, or another of [document.Extensions]
//	the file, which is for the only one of wanted
//
// Mistakes are found here, where the lines are known; the run completes what is given.
func (a *app) taskservConfig(recipes []*recipe.Recipe, wanted, profile, file string) (*starlark.Dict, error) {
	ws, err := a.workspace("")
	if err != nil {
		return nil, err
	}
	known, err := a.knownTaskservs()
	if err != nil {
		return nil, err
	}
	all := starlark.NewDict(len(recipes))
	for _, r := range recipes {
		own := ""
		if r.Name == wanted {
			own = file
		}
		doc, err := a.merged(ws, r.Name, known, own)
		if err != nil {
			return nil, err
		}
		if doc == nil {
			continue
		}
		if err := a.checkConfig(r, profile, doc); err != nil {
			return nil, err
		}
		_ = all.SetKey(starlark.String(r.Name), doc.Value) // a fresh dict takes strings
	}
	return all, nil
}

// merged is the configuration of a service, of all layers; nil where there is none.
func (a *app) merged(ws workspace.Workspace, name string, known []string, file string) (*document.Document, error) {
	docs, err := a.layers(ws, name, known, file)
	if err != nil || len(docs) == 0 {
		return nil, err
	}
	return schema.MergeDocuments(docs...)
}

// layers are the documents with the configuration of a service, the later ones over the
// earlier ones: the file, unless it is "", over all.
func (a *app) layers(ws workspace.Workspace, name string, known []string, file string) ([]*document.Document, error) {
	docs, err := a.settings(ws, "taskservs", name, known)
	if err != nil {
		return nil, err
	}
	own, err := a.infraConfig(ws, name)
	if err != nil {
		return nil, err
	}
	docs = append(docs, own...)
	if file == "" {
		return docs, nil
	}
	doc, err := readDocument(file)
	if err != nil {
		return nil, err
	}
	return append(docs, doc), nil
}

// knownTaskservs are the names that configuration can be for.
func (a *app) knownTaskservs() ([]string, error) {
	names, err := a.extensionNames(taskservType)
	for _, p := range recipe.BuiltIn(taskservs.FS, "") {
		names = append(names, p.Name)
	}
	return names, err
}

// infraConfig is the file of a service that the infrastructure has which was chosen.
func (a *app) infraConfig(ws workspace.Workspace, name string) ([]*document.Document, error) {
	infra, err := a.infraDir(ws)
	if err != nil || infra == "" {
		return nil, err
	}
	var docs []*document.Document
	for _, ext := range document.Extensions {
		doc, err := readDocument(filepath.Join(ws.Root, infra, "taskservs", name+ext))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		docs = append(docs, doc)
	}
	if len(docs) > 1 {
		return nil, fault.New(fault.Config, "there are two configurations of %s: %s and %s", name, docs[0].Name, docs[1].Name).WithHint("keep one of them")
	}
	return docs, nil
}

func readDocument(file string) (*document.Document, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "cannot read the configuration")
	}
	return document.Read(file, string(text), nil)
}

// checkConfig refuses what the schema of the recipe does, with all lines that are wrong.
func (a *app) checkConfig(r *recipe.Recipe, profile string, doc *document.Document) error {
	s, ok := r.Field("config").(*schema.Schema)
	if !ok {
		return fault.New(fault.Config, "%s takes no configuration, but there is %s", r.Name, doc.Name)
	}
	v, err := schema.Merge(r.Profile(profile), doc.Value)
	if err != nil {
		return err
	}
	_, report, err := s.Validate(&starlark.Thread{Name: doc.Name}, v, doc.At)
	if err != nil {
		return err
	}
	for _, w := range report.Warnings {
		a.console.Note("%s", w.Text())
	}
	return report.Fault(fault.Config, fmt.Sprintf("the configuration of %s", r.Name))
}
