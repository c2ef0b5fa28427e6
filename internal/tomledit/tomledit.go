// Package tomledit changes configuration in TOML, and leaves all else in it as it is, byte
// by byte: comments, order and white space are those of people.
package tomledit

import (
	"bytes"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// Table is a table of a text, as its header begins it.
type Table struct {
	Keys  []string // of the header
	Begin int      // of the line of the header
	End   int      // what comes from there on is about the next one
}

// Tables are those of a text, in their order.
func Tables(data []byte) ([]Table, error) {
	var p unstable.Parser
	p.Reset(data)
	var tables []Table
	for p.NextExpression() {
		e := p.Expression()
		if e.Kind != unstable.Table && e.Kind != unstable.ArrayTable {
			continue
		}
		t := Table{Begin: -1, End: len(data)}
		for keys := e.Key(); keys.Next(); {
			node := keys.Node()
			if t.Begin < 0 {
				t.Begin = bytes.LastIndexByte(data[:node.Raw.Offset], '\n') + 1
			}
			t.Keys = append(t.Keys, string(node.Data))
		}
		if n := len(tables); n > 0 {
			tables[n-1].End = max(beforeComments(data, t.Begin), tables[n-1].Begin)
		}
		tables = append(tables, t)
	}
	if err := p.Error(); err != nil {
		return nil, fault.New(fault.Config, "it is not valid TOML")
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

// SetText gives a key of a table of the top level a text. What is written in another form
// than with a table of its own, or is no text now, is left to people: that is an error.
func SetText(data []byte, table, key, text string) ([]byte, error) {
	byHand := fault.New(fault.Config, "%s.%s is not in a table of its own, or no text", table, key).
		WithHint("edit it by hand; it should have\n[%s]\n%s = %q", table, key, text)
	var was map[string]any
	if err := toml.Unmarshal(data, &was); err != nil {
		return nil, fault.New(fault.Config, "it is not valid TOML")
	}
	line := []byte(key + " = " + quoted(text))
	at, end, there, err := place(data, table, key)
	var out []byte
	switch {
	case err != nil:
		return nil, err
	case there:
		out = spliced(data, at, end, []byte(quoted(text)))
	case at > 0:
		out = spliced(data, at, at, append(line, '\n'))
		if data[at-1] != '\n' {
			out = spliced(data, at, at, append([]byte{'\n'}, append(line, '\n')...))
		}
	case was[table] != nil:
		return nil, byHand
	default:
		if out = bytes.TrimRight(data, "\n"); len(out) > 0 {
			out = append(bytes.Clone(out), "\n\n"...)
		}
		out = append(append(out, "["+table+"]\n"...), append(line, '\n')...)
	}
	return out, sameBut(was, out, table, key, text, byHand)
}

// spliced is data with another part between two positions.
func spliced(data []byte, at, end int, part []byte) []byte {
	return append(append(bytes.Clone(data[:at]), part...), data[end:]...)
}

// place finds the text of a key in a table, or, where there is none, the end of the table;
// 0 when there is no such table.
func place(data []byte, table, key string) (at, end int, there bool, err error) {
	tables, err := Tables(data)
	if err != nil {
		return 0, 0, false, err
	}
	var p unstable.Parser
	p.Reset(data)
	within := false
	for p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			within = e.Kind == unstable.Table && named(e.Key(), table)
		case unstable.KeyValue:
			if v := e.Value(); within && named(e.Key(), key) && v.Kind == unstable.String {
				return int(v.Raw.Offset), int(v.Raw.Offset + v.Raw.Length), true, nil
			}
		}
	}
	for _, t := range tables {
		if len(t.Keys) == 1 && t.Keys[0] == table {
			return t.End, t.End, false, nil
		}
	}
	return 0, 0, false, nil
}

// named reports whether a key is a name, and not a path.
func named(keys unstable.Iterator, name string) bool {
	return keys.Next() && string(keys.Node().Data) == name && keys.IsLast()
}

// quoted is a text as TOML writes it. Texts on one line are the same in JSON.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(text) + `"`
}

// sameBut sees that an edit did what it should, and nothing else.
func sameBut(was map[string]any, after []byte, table, key, text string, byHand error) error {
	var is map[string]any
	if toml.Unmarshal(after, &is) != nil {
		return byHand
	}
	if was == nil {
		was = map[string]any{}
	}
	if was[table] == nil {
		was[table] = map[string]any{}
	}
	of, ok := was[table].(map[string]any)
	if !ok {
		return byHand
	}
	of[key] = text
	if !reflect.DeepEqual(was, is) {
		return byHand
	}
	return nil
}
