package yaml

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/provisioning-systems/provisioning/runtime/value"
)

var (
	// What some version of YAML, or some reader, takes for a number or a date.
	numberLike = regexp.MustCompile(`^[-+]?(\.?[0-9][0-9a-fA-F_.:xXoObBpP+-]*|\.(?i:inf|nan))$|^[0-9]{4}-[0-9]`)
	version    = regexp.MustCompile(`^[0-9]+(\.[0-9]+){2,}$`) // 1.2.3, 10.0.0.1
	wordLike   = regexp.MustCompile(`^(?i:y|n|yes|no|on|off|true|false|null|none)$`)
)

// isPlain reports whether every reader takes text for a string without quotes.
// In doubt it says no: quotes harm nobody.
func isPlain(text string) bool {
	if text == "" || strings.HasPrefix(text, "...") || strings.HasSuffix(text, " ") || strings.HasSuffix(text, ":") ||
		strings.Contains(text, ": ") || len(text) > maxKey {
		return false
	}
	for i, r := range text {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune("_/.", r):
		case i > 0 && strings.ContainsRune(" -@+=,()~%$;:", r):
		case r > 0xa0 && r != utf8.RuneError && unicode.IsPrint(r): // no markers: they are not printable
		default:
			return false
		}
	}
	return !wordLike.MatchString(text) && (!numberLike.MatchString(text) || version.MatchString(text))
}

// isBlock reports whether text is written as a literal block: lines of nothing
// but printable characters, the first of them not indented.
func isBlock(text string) bool {
	if !strings.Contains(text, "\n") || strings.Trim(text, "\n") == "" || strings.ContainsRune(" \t\n", rune(text[0])) ||
		value.HasMarker(text) || !utf8.ValidString(text) {
		return false
	}
	return strings.IndexFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }) < 0
}
