package composition

import (
	"sync"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/schema"
)

// Records are the fields of a composition that are records of a fixed form, in the order
// in which people read them.
var Records = []string{"resources", "network", "features", "services", "load_balancer", "auto_scaling"}

// Complete completes the records of a cluster, by name; what is not given is None. An
// error names the path of each field that does not fit, such as resources.min_nodes.
func Complete(name string, given starlark.StringDict) (starlark.StringDict, error) {
	v, report, err := recordSchema().Validate(nil, starlarkstruct.FromStringDict(starlarkstruct.Default, given), nil)
	if err != nil {
		return nil, err
	}
	if err := report.Fault(fault.Invalid, "the cluster "+name); err != nil {
		return nil, err
	}
	completed := starlark.StringDict{}
	v.(*starlarkstruct.Struct).ToStringDict(completed)
	if s, ok := completed["auto_scaling"].(*starlarkstruct.Struct); ok && number(s, "max_replicas") < number(s, "min_replicas") {
		return nil, fault.New(fault.Invalid, "auto_scaling.max_replicas must not be less than auto_scaling.min_replicas, %d", number(s, "min_replicas"))
	}
	return completed, nil
}

func number(s *starlarkstruct.Struct, field string) int {
	v, _ := s.Attr(field) // the schema has it
	n, _ := starlark.AsInt32(v)
	return n
}

// recordSchema is the type of all records of a cluster together.
var recordSchema = sync.OnceValue(func() *schema.Schema {
	count := func(least, usual int) *schema.Schema {
		return of(&schema.Number{Min: starlark.MakeInt(least)}, starlark.MakeInt(usual))
	}
	percent := func(usual int) *schema.Schema {
		return of(&schema.Number{Min: starlark.MakeInt(1), Max: starlark.MakeInt(100)}, starlark.MakeInt(usual))
	}
	text := func(usual string) *schema.Schema { return of(&schema.Text{}, starlark.String(usual)) }
	size := func(usual string) *schema.Schema { return of(&schema.Text{Format: "bytes"}, starlark.String(usual)) }
	pause := func(usual string) *schema.Schema {
		return of(&schema.Text{Format: "duration"}, starlark.String(usual))
	}
	network := func(usual string) *schema.Schema {
		return of(&schema.Text{Format: "cidr"}, starlark.String(usual))
	}
	yes := func(usual bool) *schema.Schema { return of(&schema.Bool{}, starlark.Bool(usual)) }
	needed := func(shape schema.Shape) *schema.Schema { return of(shape, nil) }
	return needed(record(
		"resources", optional(record(
			"min_nodes", count(1, 1), "cpu_per_node", of(&schema.Text{Pattern: `[1-9][0-9]*`, Expect: `a number of processors such as "2"`}, starlark.String("2")),
			"memory_per_node", size("4Gi"), "storage_per_node", size("20Gi"),
		)),
		"network", optional(record(
			"cluster_cidr", network("10.244.0.0/16"), "service_cidr", network("10.96.0.0/12"), "dns_domain", text("cluster.local"),
			"subnets", of(&schema.Map{Values: needed(&schema.Text{Format: "cidr"})}, new(starlark.Dict)),
		)),
		"features", optional(record(
			"monitoring", yes(true), "logging", yes(true), "ingress", yes(false), "storage", yes(true),
		)),
		"services", of(&schema.List{Of: needed(record(
			"name", needed(&schema.Text{Format: "name"}), "image", needed(&schema.Text{Min: starlark.MakeInt(1)}), "replicas", count(1, 1),
			"ports", of(&schema.List{Of: needed(&schema.Text{Pattern: `[0-9.:]+`, Expect: `a port such as "80" or "8080:80"`})}, starlark.NewList(nil)),
		))}, starlark.NewList(nil)),
		"load_balancer", optional(record(
			"type", text("application"), "health_check", text("/health"), "ssl_cert", text(""),
		)),
		"auto_scaling", optional(record(
			"min_replicas", count(1, 3), "max_replicas", count(1, 20),
			"metrics", of(record("cpu", percent(70), "memory", percent(80), "requests", count(1, 1000)), nil),
			"scale_up_cooldown", pause("5m"), "scale_down_cooldown", pause("10m"),
		)),
	))
})

// record is the shape of a record of names and types, in turn.
func record(fields ...any) *schema.Record {
	r := &schema.Record{}
	for i := 0; i < len(fields); i += 2 {
		r.Fields = append(r.Fields, schema.Field{Name: fields[i].(string), Schema: fields[i+1].(*schema.Schema)})
	}
	return r
}

// of is the type with a shape, and what it is when nothing is given; nil where something
// has to be.
func of(shape schema.Shape, usual starlark.Value) *schema.Schema {
	return ready(schema.New(shape, schema.Options{Default: usual}))
}

// optional is a record that may be missing.
func optional(shape schema.Shape) *schema.Schema {
	return ready(schema.New(shape, schema.Options{Optional: true}))
}

func ready(s *schema.Schema, err error) *schema.Schema {
	if err != nil {
		panic(err) // a mistake in the table above
	}
	return s
}
