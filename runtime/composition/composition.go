// Package composition is clusters as scripts describe them: which components a cluster
// has, and in which order they are made.
//
// A composition is the struct that cluster.declare makes. It is what the script
// cluster.star of a cluster exports under the name composition.
package composition

import (
	"slices"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
)

// What the structs of clusters and of their components are made with.
const (
	Constructor          = starlark.String("cluster")
	ComponentConstructor = starlark.String("cluster.component")
)

// Script is the file of a cluster that declares its composition, and Global the name
// that it exports it under.
const (
	Script = "cluster.star"
	Global = "composition"
)

// Types of components.
const (
	Taskserv       = "taskserv"
	Application    = "application"
	Infrastructure = "infrastructure"
)

// Of reads the composition that the script of a cluster exports.
func Of(globals starlark.StringDict) (*starlarkstruct.Struct, error) {
	s, ok := globals[Global].(*starlarkstruct.Struct)
	if !ok || s.Constructor() != starlark.Value(Constructor) {
		return nil, fault.New(fault.Invalid, "the script declares no %s", Global).
			WithHint("it ends with: %s = cluster.declare(\"NAME\", components = components, …)", Global)
	}
	return s, nil
}

// Component is what has to be known of one to order it.
type Component struct {
	Name     string
	Disabled bool     // it is described, and not wanted
	Role     string   // of the servers that it is on, or that it makes; "" for none
	Servers  []string // that it is on, or makes
	Requires []string // have to be there before it
	After    []string // come before it when they are there
	Value    starlark.Value
}

// ComponentOf reads a component.
func ComponentOf(v starlark.Value) (Component, error) {
	s, ok := v.(*starlarkstruct.Struct)
	if !ok || s.Constructor() != starlark.Value(ComponentConstructor) {
		return Component{}, fault.New(fault.Invalid, "a component is what cluster.taskserv, cluster.application and cluster.infrastructure return, not a %s", v.Type())
	}
	enabled, err := s.Attr("enabled")
	return Component{
		Name: text(s, "name"), Disabled: err == nil && enabled == starlark.False, Role: text(s, "role"), Servers: texts(s, "servers"),
		Requires: texts(s, "requires"), After: texts(s, "after"), Value: v,
	}, nil
}

func text(s *starlarkstruct.Struct, field string) string {
	v, err := s.Attr(field)
	if err != nil {
		return ""
	}
	t, _ := starlark.AsString(v)
	return t
}

func texts(s *starlarkstruct.Struct, field string) []string {
	v, err := s.Attr(field)
	list, ok := v.(starlark.Iterable)
	if err != nil || !ok {
		return nil
	}
	var all []string
	for e := range starlark.Elements(list) {
		if text, ok := starlark.AsString(e); ok {
			all = append(all, text)
		}
	}
	return all
}

// Order sorts components into waves: all that one of a wave requires, or comes after, is
// in waves before it. Within a wave they are sorted by name. Those that are not wanted are
// left out.
func Order(components []Component) ([][]Component, error) {
	left, names, err := wanted(components)
	if err != nil {
		return nil, err
	}
	var waves [][]Component
	done := map[string]bool{}
	ready := func(c Component) bool {
		return !slices.ContainsFunc(slices.Concat(c.Requires, c.After), func(n string) bool { return names[n] && !done[n] })
	}
	for len(left) > 0 {
		var wave, later []Component
		for _, c := range left {
			if ready(c) {
				wave = append(wave, c)
			} else {
				later = append(later, c)
			}
		}
		if len(wave) == 0 {
			return nil, fault.New(fault.Invalid, "Circular dependency detected in cluster components: %s", strings.Join(circle(left, done), " -> "))
		}
		slices.SortFunc(wave, func(a, b Component) int { return strings.Compare(a.Name, b.Name) })
		for _, c := range wave {
			done[c.Name] = true
		}
		waves, left = append(waves, wave), later
	}
	return waves, nil
}

// wanted are the components that are, and their names. Their names have to differ, and
// what they require has to be wanted, too.
func wanted(components []Component) (all []Component, names map[string]bool, err error) {
	described := map[string]bool{}
	names = map[string]bool{}
	for _, c := range components {
		if described[c.Name] {
			return nil, nil, fault.New(fault.Invalid, "there are two components %q", c.Name)
		}
		described[c.Name] = true
		if !c.Disabled {
			names[c.Name], all = true, append(all, c)
		}
	}
	for _, c := range all {
		for _, need := range c.Requires {
			switch {
			case !described[need]:
				return nil, nil, fault.New(fault.Invalid, "%s requires %s, and there is no such component", c.Name, need)
			case !names[need]:
				return nil, nil, fault.New(fault.Invalid, "%s requires %s, which is not enabled", c.Name, need)
			}
		}
	}
	return all, names, nil
}

// circle is a way from a component back to itself, among those that wait for each other.
func circle(left []Component, done map[string]bool) []string {
	at, way := left[0], []string{}
	for {
		if i := slices.Index(way, at.Name); i >= 0 {
			return append(way[i:], at.Name)
		}
		way = append(way, at.Name)
		for _, n := range slices.Concat(at.Requires, at.After) {
			if i := slices.IndexFunc(left, func(c Component) bool { return c.Name == n }); i >= 0 && !done[n] {
				at = left[i]
				break
			}
		}
	}
}
