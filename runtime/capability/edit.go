package capability

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/tomledit"
	"github.com/provisioning-systems/provisioning/internal/workspace"
)

// SetGrant writes the grant of an extension into the configuration of the
// workspace at root, or takes it out when it is nil. All else in the file stays
// as it is, byte by byte; comments within the old grant go with it.
func SetGrant(root, name string, g *Grant) error {
	file := filepath.Join(root, workspace.Marker)
	unlock, err := tomledit.Lock(file)
	if err != nil {
		return err
	}
	defer unlock()
	data, err := os.ReadFile(file)
	if err != nil {
		return fault.Wrap(fault.Config, err, "cannot read the configuration of the workspace")
	}
	edited, err := edit(data, name, g)
	if err != nil {
		return err
	}
	if bytes.Equal(edited, data) {
		return nil
	}
	return replaceFile(file, edited)
}

// replaceFile replaces a file in one step, and keeps its mode. A link stays one.
func replaceFile(file string, data []byte) (err error) {
	if file, err = filepath.EvalSymlinks(file); err != nil {
		return fault.Wrap(fault.Config, err, "cannot write the configuration of the workspace")
	}
	defer func() {
		if err != nil {
			err = fault.Wrap(fault.Config, err, "cannot write the configuration of the workspace")
		}
	}()
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".provisioning-*.toml")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(info.Mode().Perm()), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		os.Remove(tmp.Name()) //nolint:errcheck // the first error is the one to report
	}
	return err
}

// edit replaces the tables of the grant of name in data.
func edit(data []byte, name string, g *Grant) ([]byte, error) {
	tables, err := tomledit.Tables(data)
	if err != nil {
		return nil, fault.Wrap(fault.Config, err, "cannot edit %s", workspace.Marker)
	}
	text := g.section(name)
	var out []byte
	copied, placed := 0, false
	for _, t := range tables {
		if len(t.Keys) < 2 || t.Keys[0] != "extensions" || t.Keys[1] != name {
			continue
		}
		end := t.End
		out = append(out, data[copied:t.Begin]...)
		if !placed && text != "" {
			out = append(out, text...)
			if end < len(data) && data[end] != '\n' {
				out = append(out, '\n')
			}
			placed = true
		}
		copied = end
	}
	rest := data[copied:]
	if copied > 0 && len(rest) == 0 {
		out = append(bytes.TrimRight(out, "\n"), '\n')
	}
	out = append(out, rest...)
	if !placed && text != "" {
		if len(out) > 0 {
			out = append(bytes.TrimRight(out, "\n"), "\n\n"...)
		}
		out = append(out, text...)
	}
	if bytes.Equal(bytes.TrimSpace(out), nil) {
		out = nil
	}
	return out, sameBut(data, out, name, g)
}

// section is the text of a grant; "" for nil.
func (g *Grant) section(name string) string {
	switch {
	case g == nil:
		return ""
	case g.Grant != "":
		return fmt.Sprintf("[extensions.%s]\ngrant = %s\nhash = %s\n", name, quote(g.Grant), quote(g.Hash))
	}
	return strings.TrimPrefix(Format("extensions."+name+".allow", g.Allow), "\n")
}

// sameBut sees that an edit did what it should and nothing else. It does not
// where the grant is written in another form than with tables of its own.
func sameBut(before, after []byte, name string, g *Grant) error {
	byHand := fault.New(fault.Config, "cannot edit %s: the grant of %q is not in a table of its own", workspace.Marker, name).
		WithHint("edit it by hand; it should have\n%s", strings.TrimRight(g.section(name), "\n"))
	if g == nil {
		byHand.Hint = "take it out by hand"
	}
	var was, is map[string]any
	if toml.Unmarshal(before, &was) != nil || toml.Unmarshal(after, &is) != nil {
		return byHand
	}
	got := takeOut(is, name)
	takeOut(was, name)
	if !reflect.DeepEqual(was, is) {
		return byHand
	}
	if g == nil {
		if got != nil {
			return byHand
		}
		return nil
	}
	var want map[string]any
	if err := toml.Unmarshal([]byte(g.section(name)), &want); err != nil || !reflect.DeepEqual(takeOut(want, name), got) {
		return byHand
	}
	return nil
}

// takeOut removes the grant of name, and what is empty without it.
func takeOut(config map[string]any, name string) any {
	all, _ := config["extensions"].(map[string]any)
	g := all[name]
	delete(all, name)
	if all != nil && len(all) == 0 {
		delete(config, "extensions")
	}
	return g
}
