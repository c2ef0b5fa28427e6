package value

import (
	"fmt"
	"regexp"
	"strconv"
)

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// FieldPath is the path of what has a name within path, as people read it:
// replication.mode, labels["app/name"]. The path of a document itself is "".
func FieldPath(path, name string) string {
	switch {
	case !plainName.MatchString(name):
		return path + "[" + strconv.Quote(clip(name, 60)) + "]"
	case path == "":
		return name
	}
	return path + "." + name
}

// ItemPath is the path of an element of the list at path: replicas[2].
func ItemPath(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
