package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/testenv"
	"github.com/provisioning-systems/provisioning/internal/workspace"
	"github.com/provisioning-systems/provisioning/runtime/document"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

const (
	testTable   = "test"             // of the configuration
	settingMax  = "max_environments" // of [test]
	variableMax = "PROVISIONING_TEST_MAX_ENVIRONMENTS"
)

// room is an error when there are as many environments as there may be: of all workspaces
// of the user, for they share the machine.
func (m *environments) room(limit int, from string) error {
	all, err := m.store.Everywhere()
	if err != nil || len(all) < limit {
		return err
	}
	return fault.New(fault.Limit, "there may be %s at a time (%s), and there are %d: %s", count(limit, "test environment"), from, len(all), m.named(all)).
		WithHint("wait for one, or remove it with provisioning test env cleanup ID; %s of [%s] in %s allows more", settingMax, testTable, workspace.Marker)
}

// named are environments that could be removed, as errors name them.
func (m *environments) named(all []*testenv.Environment) string {
	names := make([]string, len(all))
	for i, e := range all {
		where := ""
		if e.Workspace != m.ws.Root {
			where = ", of " + e.Workspace
		}
		names[i] = fmt.Sprintf("%s (%s, %s, %d MB%s)", e.ID, e.Name, e.Status, e.MemoryMB(), where)
	}
	return strings.Join(names, ", ")
}

// maxEnvironments is how many there may be, and who says so. What is nearer counts: the
// variable, the infrastructure, the workspace, the user.
func (a *app) maxEnvironments(ws workspace.Workspace) (limit int, from string, err error) {
	limit, from = testenv.Limit, "the standard of "+settingMax
	files, err := a.configFiles(ws)
	if err != nil {
		return 0, "", err
	}
	for _, file := range files {
		doc, err := readDocument(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return 0, "", err
		}
		n, err := maxOf(doc)
		if err != nil {
			return 0, "", err
		}
		if n > 0 {
			limit, from = n, settingMax+" of "+file
		}
	}
	if text := os.Getenv(variableMax); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 {
			return 0, "", fault.New(fault.Config, "%s is %q, which is no number of environments", variableMax, text).WithHint("it is 1 or more")
		}
		from = variableMax
	}
	return limit, from, nil
}

// maxOf is what a file says; 0 when it says nothing.
func maxOf(doc *document.Document) (int, error) {
	wrong := func(path string, e *fault.Error) (int, error) {
		e.Stack = []fault.Frame{doc.At[path].Frame}
		return 0, e
	}
	v := entryOf(doc.Value, testTable)
	if v == nil || v == starlark.None {
		return 0, nil
	}
	table, ok := v.(*starlark.Dict)
	if !ok {
		return wrong(testTable, fault.New(fault.Config, "%s is no table", testTable))
	}
	for _, key := range table.Keys() {
		name, _ := starlark.AsString(key)
		if name != settingMax {
			return wrong(value.FieldPath(testTable, name),
				suggest(fault.New(fault.Config, "there is no setting %q in [%s]", name, testTable), name, []string{settingMax}).WithHint("it has %s", settingMax))
		}
	}
	n := 0
	if v := entryOf(table, settingMax); v != nil && v != starlark.None {
		if err := starlark.AsInt(v, &n); err != nil || n < 1 {
			return wrong(value.FieldPath(testTable, settingMax), fault.New(fault.Config, "%s is %s, which is no number of environments", settingMax, v).WithHint("it is 1 or more"))
		}
	}
	return n, nil
}
