package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/capability"
	"github.com/provisioning-systems/provisioning/runtime/document"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// infraDir is the directory of the infrastructure that was chosen, relative to the
// workspace; "" when none was.
func (a *app) infraDir(ws workspace.Workspace) (string, error) {
	if a.flags.infra == "" {
		return "", nil
	}
	dir := filepath.Join("infra", a.flags.infra)
	if info, err := os.Stat(filepath.Join(ws.Root, dir)); err == nil && info.IsDir() {
		return dir, nil
	}
	var names []string
	entries, _ := os.ReadDir(filepath.Join(ws.Root, "infra")) // without one there are no names
	for _, e := range entries {
		names = append(names, e.Name())
	}
	e := suggest(fault.New(fault.NotFound, "the workspace has no infrastructure %q", a.flags.infra), a.flags.infra, names)
	if len(names) == 0 {
		return "", e.WithHint("an infrastructure is a directory below infra: mkdir -p %s", dir)
	}
	return "", e.WithHint("there are %s", strings.Join(names, ", "))
}

// nearby are the extensions that a command can use, the nearest first: those of the
// infrastructure that was chosen, and those of the workspace. What other infrastructures
// have is theirs.
func (a *app) nearby() (workspace.Workspace, []capability.Extension, error) {
	ws, all, err := a.extensions()
	if err != nil {
		return ws, nil, err
	}
	infra, err := a.infraDir(ws)
	if err != nil {
		return ws, nil, err
	}
	var near, others []capability.Extension
	for _, e := range all {
		switch {
		case infra != "" && strings.HasPrefix(e.Dir, filepath.ToSlash(infra)+"/"):
			near = append(near, e)
		case !strings.HasPrefix(e.Dir, "infra/"):
			others = append(others, e)
		}
	}
	return ws, append(near, others...), nil
}

// extensionNames are those of all extensions of a type, also of infrastructures that were
// not chosen: files of the workspace may have configuration for them.
func (a *app) extensionNames(kind string) ([]string, error) {
	_, all, err := a.extensions()
	var names []string
	for _, e := range all {
		if e.Err != nil || e.Manifest.Extension.Type == kind {
			names = append(names, e.Name)
		}
	}
	return names, err
}

// originOf says where an extension is from.
func originOf(dir string) string {
	if strings.HasPrefix(dir, "infra/") {
		return "infrastructure"
	}
	return "workspace"
}

// configFiles are where configuration is looked for, the farthest first: with the user, in
// the workspace, and in the infrastructure that was chosen. They need not be there.
func (a *app) configFiles(ws workspace.Workspace) ([]string, error) {
	infra, err := a.infraDir(ws)
	if err != nil {
		return nil, err
	}
	key, err := workspace.KeyFile()
	if err != nil {
		return nil, err
	}
	files := []string{filepath.Join(filepath.Dir(key), "config.toml"), filepath.Join(ws.Root, filepath.FromSlash(workspace.Marker))}
	if infra != "" {
		files = append(files, filepath.Join(ws.Root, infra, "config.toml"))
	}
	return files, nil
}

// settings are what configuration files say of something, the farthest first: the table
// [KIND.NAME] of the user's config.toml, of config/provisioning.toml, and of config.toml of
// the infrastructure. Names that are not among known are mistakes.
func (a *app) settings(ws workspace.Workspace, kind, name string, known []string) ([]*document.Document, error) {
	files, err := a.configFiles(ws)
	if err != nil {
		return nil, err
	}
	var docs []*document.Document
	for _, file := range files {
		whole, err := readDocument(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		doc, err := tableOf(whole, kind, name, known)
		if err != nil {
			return nil, err
		}
		if doc != nil {
			docs = append(docs, doc)
		}
	}
	return docs, nil
}

// tableOf is the table [KIND.NAME] of a file, as a document of its own; nil when there is
// none.
func tableOf(whole *document.Document, kind, name string, known []string) (*document.Document, error) {
	tables, ok := entryOf(whole.Value, kind).(*starlark.Dict)
	if !ok {
		return nil, nil
	}
	for _, key := range tables.Keys() {
		of, _ := starlark.AsString(key)
		at := whole.At[value.FieldPath(kind, of)]
		_, isTable := entryOf(tables, of).(*starlark.Dict)
		var e *fault.Error
		switch {
		case !slices.Contains(known, of):
			e = suggest(fault.New(fault.Config, "there is no %s %q", strings.TrimSuffix(kind, "s"), of), of, known)
		case !isTable:
			e = fault.New(fault.Config, "%s.%s is no table", kind, of)
		default:
			continue
		}
		e.Stack = []fault.Frame{at.Frame}
		return nil, e
	}
	table, ok := entryOf(tables, name).(*starlark.Dict)
	if !ok {
		return nil, nil
	}
	doc := &document.Document{Name: whole.Name, Value: table, At: map[string]document.Position{}}
	prefix := value.FieldPath(kind, name)
	for path, at := range whole.At {
		if rest, within := strings.CutPrefix(path, prefix); within && (rest == "" || strings.ContainsAny(rest[:1], ".[")) {
			doc.At[strings.TrimPrefix(rest, ".")] = at
		}
	}
	return doc, nil
}

// entryOf is the value of a key; nil when there is none.
func entryOf(v starlark.Value, key string) starlark.Value {
	d, ok := v.(*starlark.Dict)
	if !ok {
		return nil
	}
	found, ok, _ := d.Get(starlark.String(key)) // a string can be looked up
	if !ok {
		return nil
	}
	return found
}
