package schema

import (
	"maps"
	"strings"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/document"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

const maxDepth = 500 // nesting of what is merged; guards the Go stack

// Merge puts layers of configuration together, the strongest last: dicts and structs
// are merged by key, everything else is replaced, and None takes back what earlier
// layers say. The result is made of dicts.
func Merge(layers ...starlark.Value) (starlark.Value, error) {
	var out starlark.Value = new(starlark.Dict)
	for _, layer := range layers {
		if layer == starlark.None {
			continue // nothing given
		}
		var err error
		if out, err = merge(out, layer, 0); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func merge(base, over starlark.Value, depth int) (starlark.Value, error) {
	if depth > maxDepth {
		return nil, invalid("cannot merge: a value is nested deeper than %d levels, or contains itself", maxDepth)
	}
	entries, ok := value.Entries(over)
	if !ok {
		return over, nil
	}
	out := new(starlark.Dict)
	if d, ok := base.(*starlark.Dict); ok {
		for _, kv := range d.Items() {
			_ = out.SetKey(kv[0], kv[1]) // a key of a dict
		}
	}
	for _, e := range entries {
		if e.Value == starlark.None {
			_, _, _ = out.Delete(e.Key) // a key of a dict
			continue
		}
		was, found, _ := out.Get(e.Key)
		if !found {
			was = nil
		}
		v, err := merge(was, e.Value, depth+1)
		if err != nil {
			return nil, err
		}
		_ = out.SetKey(e.Key, v) // a key of a dict
	}
	return out, nil
}

// MergeDocuments is [Merge] for files, with the positions of what counts in the end:
// they say where each part comes from.
func MergeDocuments(docs ...*document.Document) (*document.Document, error) {
	out := &document.Document{At: map[string]document.Position{}}
	var layers []starlark.Value
	for _, doc := range docs {
		layers = append(layers, doc.Value)
		out.Name = doc.Name
		dicts := map[string]bool{}
		dictPaths(doc.Value, "", dicts, 0)
		maps.DeleteFunc(out.At, func(path string, _ document.Position) bool { return replaced(doc, dicts, path) })
		maps.Copy(out.At, doc.At)
	}
	var err error
	out.Value, err = Merge(layers...)
	return out, err
}

// replaced says that a path stands within something that doc says anew as a whole: a
// list or a scalar.
func replaced(doc *document.Document, dicts map[string]bool, path string) bool {
	for path != "" {
		if _, ok := doc.At[path]; ok {
			return !dicts[path]
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return false
}

// dictPaths are the paths of the dicts within v.
func dictPaths(v starlark.Value, path string, paths map[string]bool, depth int) {
	entries, ok := value.Entries(v)
	if !ok || depth > maxDepth {
		return
	}
	paths[path] = true
	for _, e := range entries {
		if name, ok := starlark.AsString(e.Key); ok {
			dictPaths(e.Value, value.FieldPath(path, name), paths, depth+1)
		}
	}
}

// plainDeep makes dicts of structs, and leaves out what is None.
func plainDeep(v starlark.Value, depth int) starlark.Value {
	if depth > maxDepth {
		return v
	}
	if entries, ok := value.Entries(v); ok {
		d := new(starlark.Dict)
		for _, e := range entries {
			if e.Value != starlark.None {
				_ = d.SetKey(e.Key, plainDeep(e.Value, depth+1)) // a key of a dict
			}
		}
		return d
	}
	if list, ok := v.(*starlark.List); ok {
		elems := make([]starlark.Value, list.Len())
		for i := range elems {
			elems[i] = plainDeep(list.Index(i), depth+1)
		}
		return starlark.NewList(elems)
	}
	return v
}
