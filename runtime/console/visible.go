package console

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Visible writes the control characters of a text as escapes, so that what a
// script prints cannot steer the terminal. Ends of lines and tabs stay.
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
