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
	if list, ok := v.(*starlark.List); ok {
		err = list.Append(element)
	} else if found {
		err = b.failAt(last.pos, "the name is taken by something that is no array of tables")
	} else {
		err = table.SetKey(last.name, starlark.NewList([]starlark.Value{element}))
	}
	return element, depth + 2, err
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
	v, err := b.value(n.Value(), depth)
	if err != nil {
		return err
	}
	return table.SetKey(last.name, v)
}

func (b *builder) array(n *unstable.Node, depth int) (starlark.Value, error) {
	var elems []starlark.Value
	for it := n.Children(); it.Next(); {
		v, err := b.value(it.Node(), depth)
		if err != nil {
			return nil, err
		}
		elems = append(elems, v)
	}
	return starlark.NewList(elems), nil
}

func (b *builder) inlineTable(n *unstable.Node, depth int) (starlark.Value, error) {
	table := new(starlark.Dict)
	for it := n.Children(); it.Next(); {
		if err := b.keyValue(table, it.Node(), depth); err != nil {
			return nil, err
		}
	}
	return table, nil
}
