package operation

import (
	"bytes"
	"io"
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
	return ": " + strings.Join(lines[max(0, len(lines)-3):], "\n")
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
