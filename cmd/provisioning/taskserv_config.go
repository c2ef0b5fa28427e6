package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/document"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

// taskservConfig is the configuration of services, by their names: that of the
// infrastructure, infra/NAME/taskservs/TASKSERV.toml or another of [document.Extensions],
// and over it the file, which is for the only one of wanted. Mistakes are found here,
// where the lines are known; the run completes what is given.
func (a *app) taskservConfig(recipes []*recipe.Recipe, wanted, profile, file string) (*starlark.Dict, error) {
	all := starlark.NewDict(len(recipes))
	for _, r := range recipes {
		docs, err := a.infraConfig(r.Name)
		if err != nil {
			return nil, err
		}
		if file != "" && r.Name == wanted {
			doc, err := readDocument(file)
			if err != nil {
				return nil, err
			}
			docs = append(docs, doc)
		}
		if len(docs) == 0 {
			continue
		}
		doc, err := schema.MergeDocuments(docs...)
		if err != nil {
			return nil, err
		}
		if err := a.checkConfig(r, profile, doc); err != nil {
			return nil, err
		}
		_ = all.SetKey(starlark.String(r.Name), doc.Value) // a fresh dict takes strings
	}
	return all, nil
}

// infraConfig is what the infrastructure that was chosen says of a service.
func (a *app) infraConfig(name string) ([]*document.Document, error) {
	if a.flags.infra == "" {
		return nil, nil
	}
	ws, err := a.workspace("")
	if err != nil {
		return nil, err
	}
	for _, ext := range document.Extensions {
		file := filepath.Join(ws.Root, "infra", a.flags.infra, "taskservs", name+ext)
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		doc, err := readDocument(file)
		return []*document.Document{doc}, err
	}
	return nil, nil
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
