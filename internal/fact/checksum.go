package fact

import (
	"fmt"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/machine"
)

// Checksum is a checksum of a file that is none of a FileState. Its argument is the
// program that computes it and the path, with a space between them: "md5sum /a". Its
// value is a string of hexadecimal digits, "" when there is none.
var Checksum = &Kind{Name: "checksums", Script: checksumScript, Parse: parseChecksums}

func checksumScript(args []string) string {
	var b strings.Builder
	for _, arg := range args {
		tool, path, _ := strings.Cut(arg, " ")
		fmt.Fprintf(&b, "_s=; [ ! -f %[2]s ] || _s=$(%[1]s <%[2]s); echo \"${_s%%%% *}\"\n", machine.Quote(tool), machine.Quote(path))
	}
	return b.String()
}

func parseChecksums(args []string, text string) ([]any, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != len(args) {
		return nil, errBroken
	}
	values := make([]any, len(lines))
	for i, line := range lines {
		values[i] = line
	}
	return values, nil
}
