package toml

import (
	"github.com/pelletier/go-toml/v2/unstable"
	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// builder makes dicts of the expressions of a document.
type builder struct {
	doc    value.Document
	parser unstable.Parser
	root   *starlark.Dict
	line   int // byte where the current expression begins, for nodes without position
	note   func(path string, offset int)
	paths  map[starlark.Value]string // of the tables and arrays, where note wants them
}

// at notes where a value within a table or an array stands, and the path of what is
// in it.
func (b *builder) at(v starlark.Value, path string, offset int) {
	if b.note == nil {
		return
	}
	switch v.(type) {
	case *starlark.Dict, *starlark.List:
		b.paths[v] = path
	}
	b.note(path, offset)
}

func (b *builder) within(table *starlark.Dict, name starlark.String) string {
	if b.note == nil {
		return ""
	}
	return value.FieldPath(b.paths[table], string(name))
}

func (b *builder) build() error {
	b.parser.Reset([]byte(b.doc.Text))
	current, depth := b.root, 1
	for b.parser.NextExpression() {
		n := b.parser.Expression()
		var err error
		switch n.Kind {
		case unstable.KeyValue:
			err = b.keyValue(current, n, depth)
		case unstable.Table, unstable.ArrayTable:
			current, depth, err = b.header(n)
		}
		if err != nil {
			return err
		}
	}
	if err := b.parser.Error(); err != nil {
		return b.syntaxError(err)
	}
	return nil
}

// key is one part of a dotted key.
type key struct {
	name starlark.String
	pos  int
}

func keys(it unstable.Iterator) []key {
	var keys []key
	for it.Next() {
		n := it.Node()
		keys = append(keys, key{starlark.String(value.Back(string(n.Data), value.LayerJSON)), int(n.Raw.Offset)})
	}
	return keys
}

// header enters the table of [a.b] or [[a.b]]. depth counts the containers on
// the way.
func (b *builder) header(n *unstable.Node) (table *starlark.Dict, depth int, err error) {
	parts := keys(n.Key())
	last := parts[len(parts)-1]
	if n.Kind == unstable.Table {
		return b.walk(b.root, parts, 1)
	}
	table, depth, err = b.walk(b.root, parts[:len(parts)-1], 1)
	if err != nil {
		return nil, 0, err
	}
	element := new(starlark.Dict)
	v, found, _ := table.Get(last.name)
	list, isList := v.(*starlark.List)
	if found && !isList {
		return nil, 0, b.failAt(last.pos, "the name is taken by something that is no array of tables")
	}
	path := b.within(table, last.name)
	if !found {
		list = new(starlark.List)
		_ = table.SetKey(last.name, list) // a string key of a fresh dict cannot fail
		b.at(list, path, last.pos)
	}
	b.at(element, value.ItemPath(path, list.Len()), last.pos)
	return element, depth + 2, list.Append(element)
}

// walk goes from table along parts, and makes the tables that are not there.
func (b *builder) walk(table *starlark.Dict, parts []key, depth int) (*starlark.Dict, int, error) {
	for _, part := range parts {
		if depth++; depth > maxDepth {
			return nil, 0, b.failAt(part.pos, "nested deeper than %d levels", maxDepth)
		}
		v, found, _ := table.Get(part.name)
		if list, ok := v.(*starlark.List); ok && list.Len() > 0 {
			v = list.Index(list.Len() - 1) // [[a]] and then [a.b]
			depth++
		}
		next, ok := v.(*starlark.Dict)
		if !found {
			next = new(starlark.Dict)
			_ = table.SetKey(part.name, next) // a string key of a fresh dict cannot fail
			b.at(next, b.within(table, part.name), part.pos)
		} else if !ok {
			return nil, 0, b.failAt(part.pos, "the name is taken by something that is no table")
		}
		table = next
	}
	return table, depth, nil
}

func (b *builder) keyValue(table *starlark.Dict, n *unstable.Node, depth int) error {
	parts := keys(n.Key())
	last := parts[len(parts)-1]
	table, depth, err := b.walk(table, parts[:len(parts)-1], depth)
	if err != nil {
		return err
	}
	if _, found, _ := table.Get(last.name); found {
		return b.failAt(last.pos, "the same key again")
	}
	b.line = last.pos
	path := b.within(table, last.name)
	b.at(nil, path, last.pos)
	v, err := b.value(n.Value(), depth, path)
	if err != nil {
		return err
	}
	return table.SetKey(last.name, v)
}

func (b *builder) array(n *unstable.Node, depth int, path string) (starlark.Value, error) {
	var elems []starlark.Value
	for it := n.Children(); it.Next(); {
		inner := ""
		if b.note != nil {
			inner = value.ItemPath(path, len(elems))
			b.note(inner, b.begin(it.Node()))
		}
		v, err := b.value(it.Node(), depth, inner)
		if err != nil {
			return nil, err
		}
		elems = append(elems, v)
	}
	return starlark.NewList(elems), nil
}

func (b *builder) inlineTable(n *unstable.Node, depth int, path string) (starlark.Value, error) {
	table := new(starlark.Dict)
	if b.note != nil {
		b.paths[table] = path
	}
	for it := n.Children(); it.Next(); {
		if err := b.keyValue(table, it.Node(), depth); err != nil {
			return nil, err
		}
	}
	return table, nil
}
