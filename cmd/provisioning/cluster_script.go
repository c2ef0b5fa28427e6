package main

import (
	"fmt"
	"slices"
	"strings"
	"testing/fstest"

	"go.starlark.net/starlark"

	"github.com/provisioning-systems/provisioning/runtime/composition"
)

// clusterScript is the script that a command on a cluster runs:
//
//	load("@std//cluster.star", "create")
//	load("@std//clusters/samples/web/cluster.star", "composition")
//
//	def main():
//	    return create(
//	        composition,
//	        config = {"replicas": 3},
//	    )
type clusterScript struct {
	function  string // of @std//cluster.star
	place     clusterPlace
	arguments starlark.StringDict
}

var _ generatedScript = (*clusterScript)(nil)

func (s *clusterScript) name() string { return "cluster_" + s.function + ".star" }

func (s *clusterScript) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "load(\"@std//cluster.star\", %q)\nload(%q, %q)\n", s.function, s.place.module, composition.Global)
	fmt.Fprintf(&b, "\ndef main():\n    return %s(\n        %s,\n", s.function, composition.Global)
	keys := s.arguments.Keys()
	slices.Sort(keys)
	for _, name := range keys {
		fmt.Fprintf(&b, "        %s = %s,\n", name, s.arguments[name].String())
	}
	b.WriteString("    )\n")
	return b.String()
}

func (s *clusterScript) library() library {
	return library{generated: fstest.MapFS{s.name(): {Data: []byte(s.text())}}}
}
