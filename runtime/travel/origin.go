package travel

import (
	"fmt"
	"sort"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

// Where a value may come from. The interpreter does not note that, so values are
// compared: with what earlier effects gave, and with the parameters of the run.
// Values that are found anywhere, such as True or 1, are left out.

// Origin is where a value, or a part of it, was before.
type Origin struct {
	Relation string `json:"relation"` // "is", "contains" or "is part of"
	What     string `json:"what"`     // "0#1.stdout", "parameter host"
	Effect   string `json:"effect,omitempty"`
	Place    string `json:"place,omitempty"`
	Number   int    `json:"number,omitempty"`
}

// leaf is a part of a value that is no container, with the way to it.
type leaf struct {
	path string
	v    starlark.Value
}

const (
	maxLeaves = 2000
	maxDepth  = 20
)

// leavesOf are the leaves of a value.
func leavesOf(v starlark.Value) []leaf {
	var all []leaf
	var walk func(path string, v starlark.Value, depth int)
	walk = func(path string, v starlark.Value, depth int) {
		if len(all) >= maxLeaves || depth > maxDepth {
			return
		}
		switch v := v.(type) {
		case *starlark.List:
			for i := range v.Len() {
				walk(fmt.Sprintf("%s[%d]", path, i), v.Index(i), depth+1)
			}
		case starlark.Tuple:
			for i, x := range v {
				walk(fmt.Sprintf("%s[%d]", path, i), x, depth+1)
			}
		case *starlark.Dict:
			for _, kv := range v.Items() {
				walk(fmt.Sprintf("%s[%s]", path, kv[0]), kv[1], depth+1)
			}
		case *starlarkstruct.Struct:
			for _, name := range v.AttrNames() {
				if x, err := v.Attr(name); err == nil {
					walk(path+"."+name, x, depth+1)
				}
			}
		default:
			all = append(all, leaf{path, v})
		}
	}
	walk("", v, 0)
	return all
}

// candidate is a value that others may come from.
type candidate struct {
	leaf
	what   string
	effect string
	place  string
	number int
}

// The lengths from which texts are unlikely to be equal, or in one another, by
// accident.
const (
	minEqual = 2
	minPart  = 4
	minInt   = 100
)

// relation says how v may come from c; "" for not at all. The smaller rank is the
// better one.
func relation(v, c starlark.Value) (name string, rank int) {
	text, ok := textOf(v)
	other, isText := textOf(c)
	if ok && isText {
		trimmed := strings.TrimSpace(other)
		switch {
		case len(text) >= minEqual && (text == other || text == trimmed):
			return "is", 0
		case len(trimmed) >= minPart && strings.Contains(text, trimmed):
			return "contains", 1
		case len(text) >= minPart && strings.Contains(other, text):
			return "is part of", 2
		}
		return "", 0
	}
	switch v := v.(type) {
	case starlark.Int:
		if n, ok := v.Int64(); ok && -minInt < n && n < minInt {
			return "", 0
		}
	case starlark.Float:
		if v == 0 || v == 1 {
			return "", 0
		}
	default:
		return "", 0
	}
	if v.Type() != c.Type() {
		return "", 0
	}
	if equal, err := starlark.Equal(v, c); err == nil && equal {
		return "is", 0
	}
	return "", 0
}

func textOf(v starlark.Value) (string, bool) {
	switch v := v.(type) {
	case starlark.String:
		return string(v), true
	case starlark.Bytes:
		return string(v), true
	case *value.Secret:
		return v.String(), true
	}
	return "", false
}

// maxOrigins is how many are shown of one value.
const maxOrigins = 3

// originsOf finds where the parts of a value may come from: the closest relation
// first, then the nearest effect.
func originsOf(v starlark.Value, from []candidate) []Origin {
	type found struct {
		Origin
		rank int
	}
	var all []found
	seen := map[string]bool{}
	for _, part := range leavesOf(v) {
		for _, c := range from {
			name, rank := relation(part.v, c.v)
			if what := c.what + c.path; name != "" && !seen[what] {
				seen[what] = true
				all = append(all, found{Origin{name, what, c.effect, c.place, c.number}, rank})
			}
		}
	}
	sort.SliceStable(all, func(i, j int) bool {
		if all[i].rank != all[j].rank {
			return all[i].rank < all[j].rank
		}
		return all[i].Number > all[j].Number
	})
	var origins []Origin
	for _, f := range all[:min(len(all), maxOrigins)] {
		origins = append(origins, f.Origin)
	}
	return origins
}
