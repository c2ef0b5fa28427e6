package operation

import (
	"bytes"
	"io"
	"slices"
	"strings"
)

const maxTail = 4 << 10

// tail is the end of an output, for the details of an error.
func tail(text string) string {
	if len(text) > maxTail {
		return "…" + text[len(text)-maxTail:]
	}
	return text
}

// lastLines is the end of what was written to stderr, for the message of an error.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if lines[0] == "" {
		return ""
	}
	// What a program was about to do hides why it has not: "Reading package lists...".
	if said := slices.DeleteFunc(slices.Clone(lines), func(line string) bool {
		return strings.HasSuffix(line, "...") || strings.HasSuffix(line, "... Done")
	}); len(said) > 0 {
		lines = said
	}
	return ": " + strings.Join(lines[max(0, len(lines)-3):], "\n")
}

// Advice is what can be done about what a program has written to stderr, or "".
func Advice(stderr string) string {
	lower := strings.ToLower(stderr)
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(lower, w) })
	}
	switch {
	case has("permission denied", "operation not permitted", "are you root", "must be root", "requires root", "superuser"):
		return "use _sudo = True, or a user that may do it"
	case has("there is no directory /"):
		return "op.directory makes it, with those above it"
	case has("unable to locate package", "unable to find a match", "no match for argument", "no package ", "unable to select packages"):
		return "is the name right? A package of a new repository needs update_cache = \"0s\" once"
	}
	return ""
}

func newReader(data []byte) io.Reader { return bytes.NewReader(data) }

// show prints what came from a machine, line by line, with its name.
func show(print func(stream, line string), host, stream, text string) {
	if print == nil || text == "" {
		return
	}
	for line := range strings.Lines(text) {
		print(stream, host+": "+strings.TrimSuffix(line, "\n"))
	}
}
