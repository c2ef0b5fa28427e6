package temporal

import (
	"path"
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/codec"
)

// Route sends effects that name no queue to one by what they are about: the table
// [engine.temporal.routes] of the configuration, as in
//
//	"target:db-*" = "berlin"
//	"zone:eu-1" = "eu-1"
type route struct {
	About   string // target or zone
	Pattern string // of path.Match
	Queue   string
}

// routesOf reads the table. The order of patterns is that of their texts, longest
// first, so that the more special one wins.
func routesOf(table map[string]string) ([]route, error) {
	var routes []route
	for key, queue := range table {
		about, pattern, _ := strings.Cut(key, ":")
		if about != "target" && about != "zone" || pattern == "" || queue == "" {
			return nil, fault.New(fault.Config, "[engine.temporal.routes] has the key %q", key).
				WithHint("keys are \"target:PATTERN\" and \"zone:PATTERN\", and values are names of queues")
		}
		if _, err := path.Match(pattern, ""); err != nil {
			return nil, fault.New(fault.Config, "[engine.temporal.routes] has the key %q, whose pattern is not valid", key)
		}
		routes = append(routes, route{about, pattern, queue})
	}
	slices.SortFunc(routes, func(a, b route) int {
		if n := len(b.Pattern) - len(a.Pattern); n != 0 {
			return n
		}
		return strings.Compare(a.About+a.Pattern, b.About+b.Pattern)
	})
	return routes, nil
}

// routed returns the queue for an effect with the given arguments; "" for any.
func routed(routes []route, args []byte) string {
	if len(routes) == 0 {
		return ""
	}
	v, err := new(codec.Codec).Decode(args) // secrets stay what they are: nobody is named by them
	dict, ok := v.(*starlark.Dict)
	if err != nil || !ok {
		return ""
	}
	for _, r := range routes {
		v, _, _ := dict.Get(starlark.String(r.About))
		name := ""
		switch v := v.(type) {
		case starlark.String:
			name = string(v)
		case *starlarkstruct.Struct:
			if field, err := v.Attr("name"); err == nil {
				name, _ = starlark.AsString(field)
			}
		}
		if ok, _ := path.Match(r.Pattern, name); ok && name != "" {
			return r.Queue
		}
	}
	return ""
}
