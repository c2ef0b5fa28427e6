package fact

import (
	"fmt"
	"strings"

	"github.com/provisioning-systems/provisioning/internal/machine"
)

// Test is whether a command of sh ends with the code 0. Its value is a bool. The
// command must not change anything; what it prints is dropped.
var Test = &Kind{Name: "tests", Script: testScript, Parse: parseTests}

// Each has a shell of its own: it may leave it, and does not see what the others set.
func testScript(args []string) string {
	var b strings.Builder
	for _, command := range args {
		fmt.Fprintf(&b, "if sh -c %s >/dev/null 2>&1; then echo yes; else echo no; fi\n", machine.Quote(command))
	}
	return b.String()
}

func parseTests(args []string, text string) ([]any, error) {
	words := strings.Fields(text)
	if len(words) != len(args) {
		return nil, fmt.Errorf("%d answers to %d tests", len(words), len(args))
	}
	values := make([]any, len(args))
	for i, word := range words {
		values[i] = word == "yes"
	}
	return values, nil
}
