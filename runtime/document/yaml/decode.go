// Package yaml reads YAML text. It is parsed by go.yaml.in/yaml/v3 into nodes, which
// keep the order and the lines; values are made of them here.
package yaml

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.starlark.net/starlark"
	"go.yaml.in/yaml/v3"

	"github.com/provisioning-systems/provisioning/internal/fault"
	"github.com/provisioning-systems/provisioning/runtime/value"
)

const (
	maxDepth  = 500      // deeper than any document; guards the Go stack
	maxSize   = 64 << 20 // bytes of one text
	maxCopies = 500_000  // values that aliases may add to a document
	maxDigits = 100_000  // of one number
)

// Decode returns the values of the documents in a text. note, which may be nil, is
// told the line and the column at which each key and each element of a sequence
// stands; what is reached through an alias stands where it is defined.
func Decode(doc value.Document, note func(path string, line, col int)) (docs []starlark.Value, err error) {
	if len(doc.Text) > maxSize {
		return nil, invalid("the text is larger than %d MiB", maxSize>>20)
	}
	defer func() {
		// The library panics on what it takes for its own defects. A text from
		// outside must not end the program.
		if recover() != nil {
			docs, err = nil, invalid("not valid YAML")
		}
	}()
	b := builder{doc: doc, note: note, open: map[*yaml.Node]bool{}}
	dec := yaml.NewDecoder(strings.NewReader(doc.Text))
	for {
		var n yaml.Node
		if err := dec.Decode(&n); errors.Is(err, io.EOF) {
			return docs, nil
		} else if err != nil {
			return nil, invalid("%s", problem(err, doc.Text))
		}
		v, err := b.value(&n)
		if err != nil {
			return nil, err
		}
		docs = append(docs, v)
	}
}

func invalid(format string, args ...any) error {
	return fault.New(fault.Invalid, "cannot decode YAML: %s", fmt.Sprintf(format, args...))
}

var (
	withLine = regexp.MustCompile("^line ([0-9]+): (.*)$")
	// Messages of the library's parser, as opposed to its scanner. It counts
	// their lines from 0.
	ofParser = regexp.MustCompile(`^(did not find expected (<|key|'-'|',' or|node content)|found (undefined tag handle|duplicate %|incompatible))`)
)

// problem is the message of a syntax error, with the right line and without
// what it cites of the text.
func problem(err error, text string) string {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if m := withLine.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1])
		if msg = m[2]; ofParser.MatchString(msg) {
			line++
		}
		line = min(line, strings.Count(strings.TrimSuffix(text, "\n"), "\n")+1) // the end counts as one more
	}
	switch {
	case strings.HasPrefix(msg, "unknown anchor"):
		return "an alias refers to an anchor that is not defined before it"
	case strings.Contains(msg, "octet") || strings.Contains(msg, "control characters") || strings.Contains(msg, "Unicode"):
		return msg // found before lines are counted
	case strings.ContainsAny(msg, "\x60\n"):
		msg = "not valid YAML"
	}
	return fmt.Sprintf("line %d: %s", line, msg)
}
