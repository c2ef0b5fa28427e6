package yaml

import (
	"fmt"

	"go.starlark.net/starlark"
	"go.yaml.in/yaml/v3"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// builder makes values of nodes.
type builder struct {
	doc     value.Document
	depth   int
	aliases int                 // within how many the current node is
	copies  int                 // nodes that were reached through aliases
	open    map[*yaml.Node]bool // aliased nodes that are being built
	path    string              // of the current node, where note wants it
	note    func(path string, line, col int)
}

// inside builds a node within another one, and notes where it stands: at its key, or
// by itself.
func (b *builder) inside(at, n *yaml.Node, step func(path string) string) (starlark.Value, error) {
	if b.note == nil {
		return b.value(n)
	}
	path := b.path
	b.path = step(path)
	b.note(b.path, at.Line, at.Column)
	v, err := b.value(n)
	b.path = path
	return v, err
}

func (b *builder) fail(n *yaml.Node, format string, args ...any) error {
	return invalid("line %d, column %d: %s", n.Line, n.Column, fmt.Sprintf(format, args...))
}

func (b *builder) value(n *yaml.Node) (starlark.Value, error) {
	if b.depth++; b.depth > maxDepth+1 { // the document itself is a node
		return nil, b.fail(n, "nested deeper than %d levels", maxDepth)
	}
	defer func() { b.depth-- }()
	if b.aliases > 0 {
		if b.copies++; b.copies > maxCopies {
			return nil, b.fail(n, "aliases multiply to more than %d values", maxCopies)
		}
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return b.value(n.Content[0])
	case yaml.SequenceNode:
		return b.sequence(n)
	case yaml.MappingNode:
		return b.mapping(n)
	case yaml.AliasNode:
		return b.alias(n)
	}
	return b.scalar(n)
}

// alias builds the value anew: two places that share one list or dict would
// surprise whoever changes one of them.
func (b *builder) alias(n *yaml.Node) (starlark.Value, error) {
	if b.open[n.Alias] {
		return nil, b.fail(n, "an alias within what it stands for")
	}
	b.open[n.Alias] = true
	b.aliases++
	defer func() { delete(b.open, n.Alias); b.aliases-- }()
	return b.value(n.Alias)
}

func (b *builder) sequence(n *yaml.Node) (starlark.Value, error) {
	if tag := n.ShortTag(); tag != "!!seq" {
		return nil, b.unknownTag(n)
	}
	elems := make([]starlark.Value, len(n.Content))
	for i, c := range n.Content {
		var err error
		if elems[i], err = b.inside(c, c, func(path string) string { return value.ItemPath(path, i) }); err != nil {
			return nil, err
		}
	}
	return starlark.NewList(elems), nil
}

func (b *builder) mapping(n *yaml.Node) (starlark.Value, error) {
	if tag := n.ShortTag(); tag != "!!map" {
		return nil, b.unknownTag(n)
	}
	own, merges := new(starlark.Dict), false
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if isMerge(k) {
			merges = true
			continue
		}
		key, err := b.key(k)
		if err != nil {
			return nil, err
		}
		if _, found, _ := own.Get(key); found {
			return nil, b.fail(k, "the same key again")
		}
		v, err := b.inside(k, n.Content[i+1], func(path string) string { return value.FieldPath(path, keyText(key)) })
		if err != nil {
			return nil, err
		}
		if err := own.SetKey(key, v); err != nil {
			return nil, b.fail(k, "a key of a type that cannot be one")
		}
	}
	if merges {
		return b.merged(n, own)
	}
	return own, nil
}

func isMerge(k *yaml.Node) bool { return k.Kind == yaml.ScalarNode && k.Tag == "!!merge" }

// key builds a key, which is never a secret: scripts have to name it.
func (b *builder) key(k *yaml.Node) (starlark.Value, error) {
	n := k
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode {
		return nil, b.fail(k, "a key that is a list or a mapping")
	}
	if n.ShortTag() == "!!str" {
		return starlark.String(value.Back(n.Value, value.LayerJSON)), nil
	}
	return b.scalar(n)
}

// keyText is a key in a path.
func keyText(key starlark.Value) string {
	if text, ok := starlark.AsString(key); ok {
		return text
	}
	return key.String()
}

// merged puts the merge keys of a mapping where they stand. Keys of the mapping
// itself win, and of several merged mappings the first.
func (b *builder) merged(n *yaml.Node, own *starlark.Dict) (starlark.Value, error) {
	out := new(starlark.Dict)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, from := n.Content[i], n.Content[i+1]
		if !isMerge(k) {
			key, _ := b.key(k) // mapping has found no fault with it
			v, _, _ := own.Get(key)
			_ = out.SetKey(key, v)
			continue
		}
		v, err := b.value(from)
		if err != nil {
			return nil, err
		}
		sources := []starlark.Value{v}
		if list, ok := v.(*starlark.List); ok {
			sources = sources[:0]
			for i := range list.Len() {
				sources = append(sources, list.Index(i))
			}
		}
		for _, source := range sources {
			d, ok := source.(*starlark.Dict)
			if !ok {
				return nil, b.fail(from, "<< takes a mapping or a list of mappings")
			}
			for _, kv := range d.Items() {
				_, isOwn, _ := own.Get(kv[0])
				if _, found, _ := out.Get(kv[0]); !isOwn && !found {
					_ = out.SetKey(kv[0], kv[1])
				}
			}
		}
	}
	return out, nil
}
