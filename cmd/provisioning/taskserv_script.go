package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing/fstest"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/recipe"
)

// generatedScript is a script that a command writes, and runs.
type generatedScript interface {
	name() string // of the module
	text() string
	library() library // that of the program, with the script
}

var _ generatedScript = (*taskservScript)(nil)

// taskservScript is the script that a command on taskservs runs. It is written for the
// command, and could as well have been written by the user: the run keeps it, with all
// that it loads.
//
//	load("@std//taskserv.star", "create")
//	load("@std//taskservs/databases/redis/taskserv.star", redis_recipe = "recipe")
//
//	def main():
//	    return create(
//	        recipes = [redis_recipe],
//	        servers = ["web-1"],
//	    )
type taskservScript struct {
	module    string // of the library, without .star; "" for taskserv
	function  string // of the module
	recipes   []recipe.Place
	elsewhere []recipe.Place // recipes of what other servers have to have
	arguments starlark.StringDict
}

// name is that of the module.
func (s *taskservScript) name() string { return s.from() + "_" + s.function + ".star" }

func (s *taskservScript) from() string { return cmp.Or(s.module, "taskserv") }

func (s *taskservScript) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "load(\"@std//%s.star\", %q)\n", s.from(), s.function)
	names, others := loads(&b, s.recipes), loads(&b, s.elsewhere)
	fmt.Fprintf(&b, "\ndef main():\n    return %s(\n", s.function)
	if s.recipes != nil {
		fmt.Fprintf(&b, "        recipes = [%s],\n", strings.Join(names, ", "))
	}
	if len(others) > 0 {
		fmt.Fprintf(&b, "        elsewhere = [%s],\n", strings.Join(others, ", "))
	}
	keys := s.arguments.Keys()
	slices.Sort(keys)
	for _, name := range keys {
		fmt.Fprintf(&b, "        %s = %s,\n", name, s.arguments[name].String())
	}
	b.WriteString("    )\n")
	return b.String()
}

// loads writes the statements that load recipes, and returns what these are called then.
func loads(b *strings.Builder, places []recipe.Place) []string {
	var names []string
	for _, p := range places {
		name := strings.ReplaceAll(p.Name, "-", "_") + "_recipe"
		fmt.Fprintf(b, "load(%q, %s = %q)\n", p.Module, name, recipe.Global)
		names = append(names, name)
	}
	return names
}

// library is that of the program, with the script.
func (s *taskservScript) library() library {
	return library{generated: fstest.MapFS{s.name(): {Data: []byte(s.text())}}}
}
