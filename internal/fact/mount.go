package fact

import (
	"fmt"
	"strings"
)

// Mount is what is mounted at a path. Its value is a MountState.
var Mount = &Kind{Name: "mounts", Script: mountScript, Parse: parseMounts}

// MountState is what is known of a path.
type MountState struct {
	Mounted bool
	Source  string
	Type    string
	Options string
	Exists  bool // there is a directory, or a file
}

func mountScript(args []string) string {
	return "for _d in" + quoted(args) + `; do if [ -e "$_d" ]; then echo yes; else echo no; fi; done
cat /proc/self/mounts
`
}

// mountWord reads a field of /proc/self/mounts and of fstab.
var mountWord = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func parseMounts(args []string, text string) ([]any, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < len(args) {
		return nil, fmt.Errorf("%d lines for %d paths", len(lines), len(args))
	}
	mounted := map[string]MountState{}
	for _, line := range lines[len(args):] {
		if f := strings.Fields(line); len(f) >= 4 { // of several at a path, the last one is seen
			mounted[mountWord.Replace(f[1])] = MountState{Mounted: true, Source: mountWord.Replace(f[0]), Type: f[2], Options: f[3]}
		}
	}
	values := make([]any, len(args))
	for i, path := range args {
		s := mounted[path]
		s.Exists = lines[i] == "yes"
		values[i] = s
	}
	return values, nil
}
