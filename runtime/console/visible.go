package console

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// screen is a terminal that texts are shown on. Names, messages and outputs come from
// machines, too, and shall not move the cursor, set the title or answer for the
// person; colours of this package are all that passes. What is written to a file or
// a pipe stays as it is.
type screen struct{ to *os.File }

// ours are the sequences that paint makes.
var ours = regexp.MustCompile("\x1b\\[(?:0|2|31|32|33|36)m|\r\n")

func (s *screen) Write(p []byte) (int, error) {
	if _, err := io.WriteString(s.to, shown(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// shown is a text as a terminal may have it.
func shown(text string) string {
	var b strings.Builder
	at := 0
	for _, span := range ours.FindAllStringIndex(text, -1) {
		b.WriteString(Visible(text[at:span[0]]))
		b.WriteString(text[span[0]:span[1]])
		at = span[1]
	}
	b.WriteString(Visible(text[at:]))
	return b.String()
}

// bare is what the live view is drawn on.
func bare(w io.Writer) io.Writer {
	if s, ok := w.(*screen); ok {
		return s.to
	}
	return w
}

// Visible writes the control characters of a text as escapes, so that it cannot steer
// the terminal. Ends of lines and tabs stay.
func Visible(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, "\\x%02x", text[i])
		case r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)):
			if r < utf8.RuneSelf {
				fmt.Fprintf(&b, "\\x%02x", r)
			} else {
				fmt.Fprintf(&b, "\\u%04x", r)
			}
		default:
			b.WriteString(text[i : i+n])
		}
		i += n
	}
	return b.String()
}
