package composition

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"github.com/dustin/go-humanize"
	"go.starlark.net/starlarkstruct"
)

// planName is a plan whose name says what it has; others keep it to themselves.
var planName = regexp.MustCompile(`^([1-9][0-9]{0,2})xCPU-([1-9][0-9]{0,5})(GB|MB)$`)

// Unmet compares the record resources of a cluster with its servers, a plan for each name.
// What is missing is a sentence each. unknown are the servers whose plans do not say what
// they have: of these only the number counts.
func Unmet(resources *starlarkstruct.Struct, plans map[string]string) (unmet, unknown []string) {
	if least := number(resources, "min_nodes"); len(plans) < least {
		unmet = append(unmet, fmt.Sprintf("%d servers, and there are %d", least, len(plans)))
	}
	cpus, _ := strconv.Atoi(text(resources, "cpu_per_node"))             // the schema has looked
	memory, _ := humanize.ParseBytes(text(resources, "memory_per_node")) // the schema has looked
	for _, name := range slices.Sorted(maps.Keys(plans)) {
		m := planName.FindStringSubmatch(plans[name])
		if m == nil {
			unknown = append(unknown, name)
			continue
		}
		has, _ := strconv.Atoi(m[1])  // digits, and few of them
		size, _ := strconv.Atoi(m[2]) // digits, and few of them
		bytes := uint64(size) << 20
		if m[3] == "GB" {
			bytes <<= 10
		}
		if has < cpus {
			unmet = append(unmet, fmt.Sprintf("%d processors, and %s (%s) has %d", cpus, name, plans[name], has))
		}
		if bytes < memory {
			unmet = append(unmet, fmt.Sprintf("%s of memory, and %s (%s) has less", text(resources, "memory_per_node"), name, plans[name]))
		}
	}
	return unmet, unknown
}
