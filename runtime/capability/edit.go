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
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/internal/workspace"
)

// SetGrant writes the grant of an extension into the configuration of the
// workspace at root, or takes it out when it is nil. All else in the file stays
// as it is, byte by byte; comments within the old grant go with it.
func SetGrant(root, name string, g *Grant) error {
	file := filepath.Join(root, workspace.Marker)
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
	tables, err := tablesOf(data)
	if err != nil {
		return nil, err
	}
	text := g.section(name)
	var out []byte
	copied, placed := 0, false
	for i, t := range tables {
		if len(t.keys) < 2 || t.keys[0] != "extensions" || t.keys[1] != name {
			continue
		}
		end := len(data)
		if i+1 < len(tables) {
			end = beforeComments(data, tables[i+1].begin)
		}
		out = append(out, data[copied:t.begin]...)
		if !placed && text != "" {
			out = append(out, text...)
			if end = max(end, t.begin); end < len(data) && data[end] != '\n' {
				out = append(out, '\n')
			}
			placed = true
		}
		copied = max(end, t.begin)
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

// table is the header of a table.
type table struct {
	keys  []string
	begin int // of its line
}

func tablesOf(data []byte) ([]table, error) {
	var p unstable.Parser
	p.Reset(data)
	var tables []table
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind != unstable.Table && e.Kind != unstable.ArrayTable {
			continue
		}
		t := table{begin: -1}
		for keys := e.Key(); keys.Next(); {
			node := keys.Node()
			if t.begin < 0 {
				t.begin = bytes.LastIndexByte(data[:node.Raw.Offset], '\n') + 1
			}
			t.keys = append(t.keys, string(node.Data))
		}
		tables = append(tables, t)
	}
	if err := p.Error(); err != nil {
		return nil, fault.New(fault.Config, "cannot edit %s: it is not valid TOML", workspace.Marker)
	}
	return tables, nil
}

// beforeComments goes back over the comments and blank lines above a table: they
// are about that, and not about the one before it.
func beforeComments(data []byte, begin int) int {
	for begin > 0 {
		line := bytes.LastIndexByte(data[:begin-1], '\n') + 1
		text := bytes.TrimSpace(data[line : begin-1])
		if len(text) > 0 && text[0] != '#' {
			break
		}
		begin = line
	}
	return begin
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
