package main

import (
	"errors"
	"io/fs"
	"slices"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/document"
	"github.com/provisioning-systems/provisioning/runtime/recipe"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

// pinTable is the table of configuration files that pins versions:
//
//	[versions]
//	redis = "7.2.1"
const pinTable = "versions"

// pin is a version that configuration holds a taskserv at.
type pin struct {
	version string
	at      fault.Frame
}

// pins are those of the configuration, by the names of taskservs: the nearest file counts.
// Names that there are not, and what is no text, are mistakes.
func (a *app) pins() (map[string]pin, error) {
	ws, err := a.workspace("")
	if err != nil {
		return nil, err
	}
	files, err := a.configFiles(ws)
	if err != nil {
		return nil, err
	}
	known, err := a.knownTaskservs()
	if err != nil {
		return nil, err
	}
	all := map[string]pin{}
	for _, file := range files {
		doc, err := readDocument(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := readPins(doc, known, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// readPins adds the pins of a file.
func readPins(doc *document.Document, known []string, all map[string]pin) error {
	v := entryOf(doc.Value, pinTable)
	if v == nil {
		return nil
	}
	table, ok := v.(*starlark.Dict)
	if !ok {
		return at(fault.New(fault.Config, "%s is no table", pinTable), doc.At[pinTable].Frame)
	}
	for _, item := range table.Items() {
		name, _ := starlark.AsString(item[0])
		frame := doc.At[value.FieldPath(pinTable, name)].Frame
		if !slices.Contains(known, name) {
			return at(suggest(fault.New(fault.Config, "there is no taskserv %q", name), name, known), frame)
		}
		version, ok := starlark.AsString(item[1])
		if !ok || version == "" {
			return at(fault.New(fault.Config, "the version of %s is no text", name).WithHint(`it is as in %s = "1.2.3"`, name), frame)
		}
		all[name] = pin{version, frame}
	}
	return nil
}

// at says in which line a mistake is.
func at(e *fault.Error, frame fault.Frame) *fault.Error {
	e.Stack = []fault.Frame{frame}
	return e
}

// useVersions gives a script the versions of its recipes: those that are pinned, and for the
// named one another, unless that is "".
func (a *app) useVersions(s *taskservScript, recipes []*recipe.Recipe, name, version string) error {
	versions, err := a.pinned(recipes)
	if err != nil {
		return err
	}
	if version != "" {
		a.notePinned(versions, name, version)
		_ = versions.SetKey(starlark.String(name), starlark.String(version)) // nobody goes through it
	}
	if versions.Len() > 0 {
		s.arguments["versions"] = versions
	}
	return nil
}

// notePinned says that a version was asked for which is not the one that is pinned: it is
// brought back the next time.
func (a *app) notePinned(versions *starlark.Dict, name, version string) {
	v, there, _ := versions.Get(starlark.String(name)) // a string can be looked up
	if is, _ := starlark.AsString(v); there && is != version {
		a.console.Note("the configuration pins %s to %s; to pin it to this one: provisioning version apply %s %s", name, is, name, version)
	}
}

// pinned are the versions that configuration holds recipes at, by their names. One that a
// recipe cannot install is a mistake.
func (a *app) pinned(recipes []*recipe.Recipe) (*starlark.Dict, error) {
	pins, err := a.pins()
	if err != nil {
		return nil, err
	}
	versions := starlark.NewDict(len(pins))
	for _, r := range recipes {
		p, ok := pins[r.Name]
		if !ok {
			continue
		}
		if err := r.Installs(p.version); err != nil {
			return nil, at(fault.Wrap(fault.Config, err, "%s", pinTable), p.at)
		}
		_ = versions.SetKey(starlark.String(r.Name), starlark.String(p.version)) // a fresh dict takes strings
	}
	return versions, nil
}
